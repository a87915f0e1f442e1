"""Try to win back accuracy that is lost without color: `python -m benchmarks.accuracy.recover`.

Each attempt learns from one half of the pictures and is tested on the other half, then the other
way round. So every answer is about a picture that the attempt hasn't seen. No attempt reads a
label.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import click
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.measure.machine import describe_machine, summarize_machine
from graytorgb.models import adapt

from ..paired import change, proportion
from ..tables import table, write
from .compare import percent, plain, points
from .networks import Network, of_name
from .photos import UNKNOWN, Photos, batches, chosen, option_photos

RESULTS = Path(__file__).parents[1] / "results"
BATCH = 20
MIXES = (1.0, 0.5, 0.3, 0.1)
EPOCHS, RATE, SEED = 3, 1e-3, 0
Array = NDArray[Any]


class Pictures(NamedTuple):
    """Pictures as bytes, color (N, S, S, 3) and gray (N, S, S), with labels and color scores."""

    color: Array
    gray: Array
    labels: Array
    seen: Tensor

    def part(self, where: Array) -> "Pictures":
        """Return the pictures that an index or a mask chooses."""
        return Pictures(*(field[where] for field in self))


# An answer makes scores from pictures; an attempt makes an answer from a network and the pictures
# to learn from.
Answer = Callable[[Pictures], Tensor]
Attempt = Callable[[Network, Pictures], Answer]


@click.command(cls=FileCommand)
@click.option("--network", "names", multiple=True, default=["mobilenet_v2"], show_default=True)
@option_photos
@click.option("--only", multiple=True, help="Only attempts whose names begin like this.")
@click.option("--name", default="recover", show_default=True, help="Name of the result files.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(
    names: tuple[str, ...],
    photos: Path | None,
    labels: str,
    exclude: tuple[str, ...],
    only: tuple[str, ...],
    name: str,
    output: Path,
) -> None:
    """Make every attempt on every network and write NAME.json and NAME.md."""
    given = chosen(photos, labels, exclude)
    if len(given.paths) < 2:
        raise click.UsageError("each half of the photos needs one at least, so give two or more")
    if onnx := [each for each in names if Path(each).suffix == ".onnx"]:
        raise click.UsageError(f"the attempts need a torch network, and {onnx[0]} is an ONNX file")
    document = {
        "photos": given.name,
        "images": len(given.paths),
        "labeled": int((given.labels != UNKNOWN).sum()),
        "machine": describe_machine(),
        "networks": [
            {"network": each, "rows": measure(of_name(each), given, only)} for each in names
        ],
    }
    write(output, name, document, markdown(document))


def measure(network: Network, photos: Photos, only: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return a row for each attempt; changes are from the unchanged network."""
    pictures = load(network, photos)
    base = held_out(untouched, network, pictures)
    rows = [_row("untouched", base, base, pictures)]
    names = [each for each in ATTEMPTS if not only or each.startswith(only)]
    for name in track(names, network.name, transient=True):
        rows.append(_row(name, base, held_out(ATTEMPTS[name], network, pictures), pictures))
    return rows


def load(network: Network, photos: Photos) -> Pictures:
    """Return all pictures, with the network's scores of them in color."""
    found = list(batches(photos, network.side, network.crop, BATCH))
    color, gray = (np.concatenate([getattr(b, k) for b in found]) for k in ("color", "gray"))
    seen = _scores(network.model, _parts(_normalized(network, color)))
    photos.check(seen.shape[1])
    return Pictures(color, gray, photos.labels, seen)


def held_out(attempt: Attempt, network: Network, pictures: Pictures) -> Tensor:
    """Return the scores of all pictures, each by the answer learned from the other half."""
    first = np.random.default_rng(SEED).permutation(len(pictures.labels)) % 2 == 0
    scores = torch.empty_like(pictures.seen)
    for half in (first, ~first):
        answer = attempt(network, pictures.part(half))
        scores[torch.from_numpy(~half)] = answer(pictures.part(~half))
    return scores


def untouched(network: Network, _: Pictures) -> Answer:
    """Return the answer of the adapted network, the same as the original's for gray three times."""
    return partial(_answer, adapt(network.model, (network.mean, network.std)))


def statistics(network: Network, known: Pictures, *, mix: float, color: bool = False) -> Answer:
    """Estimate BatchNorm's means and variances again, and mix them with the old ones.

    With `color` they are estimated on the color pictures. This is the control: it shows what the
    small number of pictures does by itself.
    """
    model = adapt(network.model, (network.mean, network.std))
    taught = deepcopy(network.model if color else model)
    images = _normalized(network, known.color) if color else _planes(known.gray)
    update_bn(_parts(images), taught)
    new = taught.state_dict()
    for name, old in model.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            old.lerp_(new[name], mix)
    return partial(_answer, model)


def tones(network: Network, _: Pictures, *, change: Callable[[Array], Array]) -> Answer:
    """Change the tones of the gray pictures."""
    answer = untouched(network, _)
    return lambda unseen: answer(unseen._replace(gray=np.stack([change(g) for g in unseen.gray])))


def mixture(network: Network, _: Pictures, *, weights: tuple[float, ...]) -> Answer:
    """Make gray from color with other weights."""
    answer = untouched(network, _)
    return lambda unseen: answer(
        unseen._replace(gray=np.rint(unseen.color @ np.float32(weights)).astype(np.uint8))
    )


def stem(network: Network, known: Pictures, *, how: Literal["collapse", "learned"]) -> Answer:
    """Train the stem alone, so that the network answers for gray as it does for color.

    Adam minimizes the divergence from the probabilities of the classes in color. Everything else
    is frozen, BatchNorm's statistics too. ``"learned"`` trains the 1 to 3 convolution in front
    instead.
    """
    torch.manual_seed(SEED)
    model = adapt(network.model, (network.mean, network.std), how=how).eval()
    model.requires_grad_(False)
    layer = next(m for m in model.modules() if isinstance(m, nn.Conv2d) and m.in_channels < 3)
    optimizer = torch.optim.Adam(layer.requires_grad_(True).parameters(), RATE)
    gray, wanted = _planes(known.gray), known.seen.softmax(1)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(gray)).split(BATCH):
            given = model(gray[part]).log_softmax(1)
            loss = functional.kl_div(given, wanted[part], reduction="batchmean")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return partial(_answer, model)


def _gamma(gray: Array, exponent: float) -> Array:
    return np.rint(255 * (gray / 255) ** exponent).astype(np.uint8)


def _of_pillow(change: Callable[..., Image.Image], gray: Array, **options: Any) -> Array:
    return np.asarray(change(Image.fromarray(gray), **options))


ATTEMPTS: dict[str, Attempt] = {
    **{f"statistics of gray, {m:.0%}": partial(statistics, mix=m) for m in MIXES},
    **{
        f"statistics of color, {m:.0%} (control)": partial(statistics, mix=m, color=True)
        for m in MIXES[:2]
    },
    **{
        f"tones: gamma {g}": partial(tones, change=partial(_gamma, exponent=g))
        for g in (0.7, 0.85, 1.2, 1.5)
    },
    "tones: contrast stretched, 1 % cut off": partial(
        tones, change=partial(_of_pillow, ImageOps.autocontrast, cutoff=1)
    ),
    "tones: histogram equalized": partial(tones, change=partial(_of_pillow, ImageOps.equalize)),
    "weights: mean of RGB": partial(mixture, weights=(1 / 3, 1 / 3, 1 / 3)),
    "weights: ITU-R 709": partial(mixture, weights=(0.2126, 0.7152, 0.0722)),
    "weights: red alone": partial(mixture, weights=(1, 0, 0)),
    "weights: green alone": partial(mixture, weights=(0, 1, 0)),
    "training: the stem alone": partial(stem, how="collapse"),
    "training: a front alone": partial(stem, how="learned"),
}


def _row(name: str, base: Tensor, scores: Tensor, pictures: Pictures) -> dict[str, Any]:
    """Return the figures of an attempt, and their changes from the unchanged network."""
    known = pictures.labels != UNKNOWN
    wanted = {"color": (pictures.seen.argmax(1).numpy(), np.full(len(known), fill_value=True))}
    if known.any():
        wanted["top1"] = (pictures.labels, known)
    row: dict[str, Any] = {"attempt": name}
    for figure, (classes, where) in wanted.items():
        before, after = ((s.argmax(1).numpy() == classes)[where] for s in (base, scores))
        row[figure] = plain(proportion(after))
        row[f"{figure}_change"] = plain(change(before, after))
    return row


def _answer(model: nn.Module, unseen: Pictures) -> Tensor:
    return _scores(model, _parts(_planes(unseen.gray)))


@torch.inference_mode()
def _scores(model: nn.Module, parts: list[Tensor]) -> Tensor:
    return torch.cat([model(part) for part in parts])


def _parts(images: Tensor) -> list[Tensor]:
    """Return batches of nearly equal sizes, so that each counts equally."""
    return list(images.tensor_split(-(-len(images) // BATCH)))


def _planes(gray: Array) -> Tensor:
    """Return gray planes (N, 1, S, S), with values from 0 to 1."""
    return torch.from_numpy(gray[:, None] / np.float32(255))


def _normalized(network: Network, color: Array) -> Tensor:
    """Return normalized color planes (N, 3, S, S)."""
    planes = (color / np.float32(255) - np.float32(network.mean)) / np.float32(network.std)
    return torch.from_numpy(planes).movedim(-1, 1).contiguous()


def markdown(document: dict[str, Any]) -> str:
    """Return the results in Markdown: a table for each network, and the changes that count."""
    lines = [
        f"{document['images']} pictures, {document['labeled']} of them labeled",
        f"({document['photos']}). Each picture is tested with what was learned from the other",
        "half. Exact 95 % intervals are in brackets. Changes are from the untouched network,",
        'and p is the p-value of McNemar\'s exact test. "As in color" means that the network',
        "finds the same class as in the color picture.",
        "",
        f"{summarize_machine(document['machine'])}.",
    ]
    for network in document["networks"]:
        heads = ["", "as in color %", "change, points", "p"]
        if document["labeled"]:
            heads += ["top-1 %", "change, points", "p"]
        rows = network["rows"]
        lines += ["", f"**{network['network']}**", "", *table(heads, map(_line, rows)), ""]
        better = [r["attempt"] for r in rows if any(r[k]["low"] > 0 for k in _changes(r))]
        worse = [r["attempt"] for r in rows if any(r[k]["high"] < 0 for k in _changes(r))]
        lines += [f"Better beyond the interval: {'; '.join(better) or 'none'}."]
        lines += [f"Worse beyond the interval: {'; '.join(worse) or 'none'}."]
    return "\n".join(lines) + "\n"


def _changes(row: dict[str, Any]) -> list[str]:
    return [key for key in row if key.endswith("_change")]


def _line(row: dict[str, Any]) -> list[str]:
    cells = [row["attempt"]]
    for key in _changes(row):
        cells += [percent(row[key.removesuffix("_change")]), points(row[key])]
        cells += [f"{row[key]['p']:.2g}"]
    return cells


if __name__ == "__main__":
    main()
