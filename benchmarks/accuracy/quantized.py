"""What int8 costs the original and the adapted network: `python -m benchmarks.accuracy.quantized`.

Each network is quantized twice by the tool of each runtime: the original, calibrated on gray photos
that are repeated and normalized, and the adapted network, calibrated on the gray photos. The error
of each is how far its class scores are from those of its own float network. The photos that
calibrate are mirrored; those that are measured aren't.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

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
NETWORKS = ("mobilenet_v2", "tf_efficientnet_lite0")
RANGES = ((0.0, 1.0), (0.0, 255.0))
Array = NDArray[Any]


@click.command(cls=FileCommand)
@click.option("--network", "names", multiple=True, default=NETWORKS, show_default=True)
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
    """Return the errors of the original, and of the network adapted to each range."""
    [batch] = batches(packaged(), network.side, network.crop, 100)
    gray = np.float32(batch.gray[:, None] / 255)
    mean, std = (np.reshape(np.float32(v), (3, 1, 1)) for v in (network.mean, network.std))
    cases: list[tuple[str, Any, Array]] = [("original", network.model, (gray - mean) / std)]
    for lo, hi in RANGES:
        model = adapt(
            network.model, (network.mean, network.std), value_range=(lo, hi), example=network.side
        )
        cases.append((f"adapted, {lo:g} to {hi:g}", model, np.float32(lo + (hi - lo) * gray)))
    rows = []
    for name, model, images in cases:
        with torch.inference_mode():
            exact = model(torch.from_numpy(images)).numpy()
        with TemporaryDirectory() as folder:
            mirrored = [image[None, :, :, ::-1].copy() for image in images]
            session = quantize(runtime, model, mirrored, Path(folder))
            scores = run(session, list(np.split(images, len(images))))
        errors = np.abs(scores - exact)
        rows.append(
            {
                "network": network.name,
                "runtime": runtime,
                "input": name,
                "mean_error": float(errors.mean()),
                "root_mean_square_error": float(np.sqrt(np.mean(errors**2))),
                "largest_error": float(errors.max()),
                "largest_score": float(np.abs(exact).max()),
                "same_best": int((scores.argmax(1) == exact.argmax(1)).sum()),
                "right": int((scores.argmax(1) == batch.labels).sum()),
                "right_in_float": int((exact.argmax(1) == batch.labels).sum()),
                "images": len(images),
            }
        )
    return rows


def markdown(document: dict[str, Any]) -> str:
    """Return the results as a page."""
    heads = (
        "network", "runtime", "input", "mean error", "RMS error", "largest error",
        "same class as in float", "right", "right in float",
    )  # fmt: skip
    lines = [
        (
            row["network"],
            document["runtimes"][row["runtime"]],
            row["input"],
            *(
                f"{row[key]:.3f}"
                for key in ("mean_error", "root_mean_square_error", "largest_error")
            ),
            *(f"{row[key]} of {row['images']}" for key in ("same_best", "right", "right_in_float")),
        )
        for row in document["rows"]
    ]
    return "\n".join(
        [
            "# Quantization to int8 after training, original and adapted",
            "",
            f"{document['photos']}, gray. {summarize_machine(document['machine'])}.",
            "",
            *table(heads, lines, 3),
            "",
        ]
    )


if __name__ == "__main__":
    main()
