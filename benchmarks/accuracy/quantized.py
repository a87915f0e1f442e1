"""What int8 costs the original and the adapted network: `python -m benchmarks.accuracy.quantized`.

Each network is quantized twice by the tool of each runtime: the original, calibrated on gray photos
that are repeated and normalized, and the adapted network, calibrated on the gray photos. The error
of each is how far its class scores are from those of its own float network. The photos that
calibrate are mirrored; those that are measured aren't.

Adaptation changes the stem alone, the first convolution and its normalization. So the stem is
measured alone too: in the scores, its error is lost among those of all other layers, which differ
from one calibration to the next.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import nn

from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.measure.machine import describe_machine, summarize_machine
from graytorgb.models import adapt
from graytorgb.models.runtimes import RUNTIMES
from graytorgb.models.runtimes.proof import describe_runtime

from ..tables import table, write
from .networks import Network, of_name
from .photos import batches, packaged
from .quantizers import QUANTIZERS, quantize, run

RESULTS = Path(__file__).parents[1] / "results"
RANGES = ((0.0, 1.0), (0.0, 255.0))
STEMS = {
    "mobilenet_v2": lambda model: nn.Sequential(model.features[0]),
    "tf_efficientnet_lite0": lambda model: nn.Sequential(model.conv_stem, model.bn1),
}
Array = NDArray[Any]


@click.command(cls=FileCommand)
@click.option(
    "--network",
    "names",
    multiple=True,
    type=click.Choice(list(STEMS)),
    default=list(STEMS),
    show_default=True,
)
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    type=click.Choice(list(QUANTIZERS)),
    default=list(QUANTIZERS),
    show_default=True,
)
@click.option("--name", default="quantized", show_default=True, help="Name of the result files.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(names: tuple[str, ...], runtimes: tuple[str, ...], name: str, output: Path) -> None:
    """Quantize every network by every tool, and write NAME.json and NAME.md."""
    cases = [(network, runtime) for network in names for runtime in runtimes]
    rows = [
        row
        for network, runtime in track(cases, "quantizing", transient=True)
        for row in measure(of_name(network), runtime)
    ]
    photos = packaged()
    document = {
        "photos": photos.name,
        "machine": describe_machine(),
        "runtimes": {each: describe_runtime(RUNTIMES[each]) for each in runtimes},
        "rows": rows,
    }
    write(output, name, document, markdown(document))


def measure(network: Network, runtime: str) -> list[dict[str, Any]]:
    """Return the errors of the stem and of the scores, by one tool."""
    [batch] = batches(packaged(), network.side, network.crop, 100)
    gray = np.float32(batch.gray[:, None] / 255)
    stem = network._replace(model=STEMS[network.name](network.model))
    rows = []
    for part, each in (("stem", stem), ("scores", network)):
        for name, exact, actual in quantize_both(each, gray, runtime):
            row = {"network": network.name, "runtime": runtime, "part": part, "input": name}
            row |= count_errors(exact, actual)
            if part == "scores":
                row |= count_classes(exact, actual, batch.labels)
            rows.append(row)
    return rows


def quantize_both(
    network: Network, gray: Array, runtime: str, ranges: Iterable[tuple[float, float]] = RANGES
) -> Iterator[tuple[str, Array, Array]]:
    """Yield the outputs in float and in int8 of the original, and of its adapted networks.

    Parameters
    ----------
    network : Network
    gray : ndarray of shape (N, 1, H, W)
        Images from 0 to 1. Mirrored, they calibrate.
    runtime : str
    ranges : iterable of (lo, hi)
        The ranges of gray that the network is adapted to.
    """
    statistics = network.mean, network.std
    mean, std = (np.reshape(np.float32(v), (3, 1, 1)) for v in statistics)
    yield ("original", *_quantize_one(network.model, (gray - mean) / std, runtime))
    for lo, hi in ranges:
        model = adapt(network.model, statistics, value_range=(lo, hi), example=network.side)
        images = np.float32(lo) + np.float32(hi - lo) * gray
        yield (f"adapted, {lo:g} to {hi:g}", *_quantize_one(model, images, runtime))


def _quantize_one(model: Any, images: Array, runtime: str) -> tuple[Array, Array]:
    """Return a network's outputs in float and in int8, calibrated on the images mirrored."""
    with torch.inference_mode():
        exact = model(torch.from_numpy(images)).numpy()
    mirrored = [image[None, :, :, ::-1].copy() for image in images]
    with TemporaryDirectory() as folder:
        session = quantize(runtime, model, mirrored, Path(folder))
        return exact, run(session, list(np.split(images, len(images))))


def count_errors(exact: Array, actual: Array) -> dict[str, float]:
    """Return the figures of the differences of all values."""
    errors = np.abs(actual.astype(np.float64) - exact)
    return {
        "mean_error": float(errors.mean()),
        "root_mean_square_error": float(np.sqrt(np.mean(errors**2))),
        "largest_error": float(errors.max()),
        "largest_value": float(np.abs(exact).max()),
    }


def count_classes(exact: Array, actual: Array, labels: Array) -> dict[str, int]:
    """Return how many photos have the class that float finds, and how many the right one."""
    return {
        "same_best": int((actual.argmax(1) == exact.argmax(1)).sum()),
        "right": int((actual.argmax(1) == labels).sum()),
        "right_in_float": int((exact.argmax(1) == labels).sum()),
        "images": len(labels),
    }


def markdown(document: dict[str, Any]) -> str:
    """Return the results as a page."""
    heads = (
        "network", "runtime", "measured", "input", "mean error", "RMS error", "largest error",
        "same class as in float", "right", "right in float",
    )  # fmt: skip
    lines = [
        (
            row["network"],
            document["runtimes"][row["runtime"]],
            row["part"],
            row["input"],
            *(
                f"{row[key]:.4f}"
                for key in ("mean_error", "root_mean_square_error", "largest_error")
            ),
            *(
                f"{row[key]} of {row['images']}" if key in row else ""
                for key in ("same_best", "right", "right_in_float")
            ),
        )
        for row in document["rows"]
    ]
    return "\n".join(
        [
            "# Quantization to int8 after training, original and adapted",
            "",
            f"{document['photos']}, gray. {summarize_machine(document['machine'])}.",
            "",
            *table(heads, lines, 4),
            "",
        ]
    )


if __name__ == "__main__":
    main()
