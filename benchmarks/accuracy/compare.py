"""Compare the ways to feed gray photos to networks: `python -m benchmarks.accuracy.compare`.

It takes any network of `networks.py` and any photos of `photos.py`. The default is four networks
and 20 photos that Python packages contain, so it runs offline.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.errors import ModelError
from graytorgb.measure.machine import describe_machine, summarize_machine

from ..paired import Change, Proportion, change, proportion
from ..tables import table, write
from .networks import PACKAGED, Network, of_name
from .photos import UNKNOWN, Batch, Photos, batches, chosen, option_photos

RESULTS = Path(__file__).parents[1] / "results"
GRAY, OURS = "gray three times", "collapse (ours)"
Array = NDArray[Any]


class Answers(NamedTuple):
    """The class scores that a network gives by one way, and the labels of the photos."""

    scores: NDArray[np.float32]
    labels: NDArray[np.int64]

    def top(self, best: int) -> NDArray[np.bool_]:
        """Return, for each labeled photo, whether its class is among the `best` highest scores."""
        known = self.labels != UNKNOWN
        order = np.argsort(-self.scores[known], 1, kind="stable")[:, :best]
        return np.asarray((order == self.labels[known, None]).any(1))


@click.command(cls=FileCommand)
@click.option(
    "--network",
    "names",
    multiple=True,
    help="torchvision:NAME, timm:NAME or FILE.onnx.",
    show_default="those in packages",
)
@click.option(
    "--stats",
    "statistics",
    help="The normalization that an ONNX file needs: imagenet, -1..1, 0..1.",
)
@option_photos
@click.option(
    "--batch", type=click.IntRange(1), default=20, show_default=True, help="Photos at a time."
)
@click.option("--name", default="accuracy", show_default=True, help="Name of the result files.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(
    names: tuple[str, ...],
    statistics: str | None,
    photos: Path | None,
    labels: str,
    exclude: tuple[str, ...],
    batch: int,
    name: str,
    output: Path,
) -> None:
    """Run every network on the photos in every way and write NAME.json and NAME.md."""
    given = chosen(photos, labels, exclude)
    networks = []
    for network_name in track(names or tuple(PACKAGED), "networks", transient=True):
        network = of_name(network_name, statistics)
        answers, failed = run(network, given, batch)
        networks.append({"network": network.name, "rows": rows(answers), "failed": failed})
    document = {
        "photos": given.name,
        "images": len(given.paths),
        "labeled": int((given.labels != UNKNOWN).sum()),
        "machine": describe_machine(),
        "networks": networks,
    }
    write(output, name, document, markdown(document))


def ways(network: Network) -> dict[str, Callable[[Array, Array], Array]]:
    """Return, for each way, what makes the network's input from color and gray images.

    Color is (N, 3, H, W) and gray (N, 1, H, W). A network with one channel and changed weights
    gives the same scores as the unchanged network for suitable planes. So every way but ours is a
    choice of planes for the same network, in any framework.
    """
    mean, std = (np.reshape(np.float32(v), (-1, 1, 1)) for v in (network.mean, network.std))
    m, s = mean.mean(), std.mean()
    three = np.ones((3, 1, 1), np.float32)
    first = np.float32([1, 0, 0])[:, None, None]
    return {
        "color": lambda color, gray: (color - mean) / std,
        GRAY: lambda color, gray: (gray - mean) / std,
        "weights summed, mean and std averaged": lambda color, gray: (gray - m) / s * three,
        "weights averaged": lambda color, gray: (gray - m) / s * three / 3,
        "first channel's weights": lambda color, gray: (gray - m) / s * first,
    }


def run(network: Network, photos: Photos, size: int) -> tuple[dict[str, Answers], dict[str, str]]:
    """Return the answers by each way, and the reason for each way that fails."""
    original, planes = network.original(), ways(network)
    calls: dict[str, Callable[[Array, Array], Array]] = {
        way: lambda color, gray, make=make: original(make(color, gray))
        for way, make in planes.items()
    }
    failed = {}
    try:
        adapted = network.adapted()
        calls[OURS] = lambda color, gray: adapted(gray)
    except ModelError as error:
        failed[OURS] = str(error)
    scores: dict[str, list[Array]] = {way: [] for way in calls}
    for batch in batches(photos, network.side, network.crop, size):
        color, gray = _from_0_to_1(batch)
        for way, call in calls.items():
            scores[way].append(call(color, gray))
        photos.check(scores[GRAY][0].shape[1])
    order = [way for way in ("color", GRAY, OURS, *planes) if way in calls]
    return {
        way: Answers(np.concatenate(scores[way]), photos.labels) for way in dict.fromkeys(order)
    }, failed


def _from_0_to_1(batch: Batch) -> tuple[Array, Array]:
    """Return color (N, 3, S, S) and gray (N, 1, S, S), with values from 0 to 1."""
    color = np.ascontiguousarray(batch.color.transpose(0, 3, 1, 2))
    return color / np.float32(255), batch.gray[:, None] / np.float32(255)


def rows(answers: dict[str, Answers]) -> list[dict[str, Any]]:
    """Return the figures of each way; differences and changes are from gray three times."""
    base, found = answers[GRAY], []
    for way, given in answers.items():
        differences = np.abs(given.scores - base.scores).max(1)
        agreement = given.scores.argmax(1) == base.scores.argmax(1)
        row: dict[str, Any] = {
            "way": way,
            "same_top1": plain(proportion(agreement)),
            "max_difference": float(differences.max()),
            "median_difference": float(np.median(differences)),
        }
        for best in (1, 5):
            right, before = given.top(best), base.top(best)
            if len(right):
                row[f"top{best}"] = plain(proportion(right))
                row[f"top{best}_change"] = plain(change(before, right))
        found.append(row)
    return found


def plain(figure: Proportion | Change) -> dict[str, Any]:
    """Return a figure as a dict for JSON."""
    return {"value": figure.value, **figure._asdict()}


def percent(figure: dict[str, Any]) -> str:
    """Return the text of a fraction and its interval, in percent."""
    return f"{100 * figure['value']:.1f} ({100 * figure['low']:.0f}-{100 * figure['high']:.0f})"


def points(figure: dict[str, Any]) -> str:
    """Return the text of a change and its interval, in points."""
    low, high = 100 * figure["low"], 100 * figure["high"]
    return f"{100 * figure['value']:+.1f} ({low:+.0f} to {high:+.0f})"


def markdown(document: dict[str, Any]) -> str:
    """Return the results in Markdown: a table for each network."""
    labeled = document["labeled"]
    lines = [
        f"{document['images']} pictures, {labeled} of them labeled ({document['photos']}).",
        "Exact 95 % intervals are in brackets. Changes are from gray three times, paired, and p",
        "is the p-value of McNemar's exact test. The difference of a picture is its largest",
        "difference of a class score (logit); the table has the largest and the median",
        f"difference of all pictures.{_warning(labeled)}",
        "",
        f"{summarize_machine(document['machine'])}.",
    ]
    for network in document["networks"]:
        heads = ["", "same top-1 %", "max difference", "median"]
        if labeled:
            heads[1:1] = ["top-1 %", "top-5 %", "change of top-1, points", "p"]
        lines += ["", f"**{network['network']}**", "", *table(heads, _lines(network["rows"]))]
        lines += [f"\n{way}: {why.splitlines()[0]}" for way, why in network["failed"].items()]
    return "\n".join(lines) + "\n"


def _lines(found: Iterable[dict[str, Any]]) -> list[list[str]]:
    lines = []
    for row in found:
        cells = [row["way"]]
        if "top1" in row:
            moved = row["top1_change"]
            cells += [
                percent(row["top1"]),
                percent(row["top5"]),
                points(moved),
                f"{moved['p']:.2g}",
            ]
        cells += [percent(row["same_top1"])]
        cells += [f"{row[f'{name}_difference']:.2g}" for name in ("max", "median")]
        lines.append(cells)
    return lines


def _warning(labeled: int) -> str:
    """Return a sentence on what so few labeled photos can't show."""
    if not 0 < labeled < 1000:
        return ""
    same = np.zeros(labeled, bool)
    return (
        f"\n\nSo few pictures can't show small changes: even if none of {labeled} answers changes,"
        f"\nthe interval is {points(plain(change(same, same)))} points."
    )


if __name__ == "__main__":
    main()
