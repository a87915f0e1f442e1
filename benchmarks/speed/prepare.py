"""Time `prepare` and what people write instead: `python -m benchmarks.speed.prepare`.

Each way makes a normalized batch from gray bytes. The results are checked to be equal before the
ways are timed, and the table also shows where another way is faster.
"""

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from rich.progress import track
from torchvision.transforms import v2

import graytorgb as g2r
from graytorgb.bench.case import make_gray_batch
from graytorgb.bench.limit import find_kernels
from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.measure.machine import describe_machine, summarize_machine
from graytorgb.measure.peak import measure_peak_apart
from graytorgb.measure.timing import Rounds

from ..tables import table, write

RESULTS = Path(__file__).parents[1] / "results"
MEAN, STD = g2r.stats("imagenet")
LAYOUT = "NHW->NCHW"
SHAPES = [(1, 512, 512), (8, 224, 224), (64, 224, 224), (512, 224, 224)]
USUAL = v2.Compose([v2.RGB(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
OURS, REUSED, TORCHVISION = "graytorgb", "graytorgb, out=", "torchvision v2, the batch"


@click.command(cls=FileCommand)
@click.option(
    "--images", multiple=True, type=int, help="Batches of this many 224x224 images instead."
)
@click.option("--seconds", default=3.0, show_default=True, help="Timing of each batch.")
@click.option("--threads", default=2, show_default=True)
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(images: tuple[int, ...], seconds: float, threads: int, output: Path) -> None:
    """Measure every way for every batch and write prepare.json and prepare.md."""
    torch.set_num_threads(threads)
    shapes = [(n, 224, 224) for n in images] or SHAPES
    rows = [
        row
        for shape in track(shapes, "batches", transient=True)
        for row in measure(shape, seconds, threads)
    ]
    document = {"machine": describe_machine(), "threads": threads, "rows": rows}
    write(output, "prepare", document, markdown(document))


def ways(x: Any, threads: int) -> dict[str, Callable[[], Any]]:
    """Return each way as a call without arguments, whose result is (N, 3, H, W) in float32."""
    tensor = torch.from_numpy(x)[:, None]
    mean, std = np.float32(MEAN)[:, None, None], np.float32(STD)[:, None, None]
    out = np.empty((len(x), 3, *x.shape[1:]), np.float32)

    def prepare(**options: Any) -> Any:
        return g2r.prepare(x, (MEAN, STD), LAYOUT, threads=threads, **options)

    return {
        OURS: prepare,
        REUSED: lambda: prepare(out=out),
        TORCHVISION: lambda: USUAL(tensor),
        "torchvision v2, each image": lambda: torch.stack([USUAL(image) for image in tensor]),
        "numpy, step by step": lambda: (
            (np.repeat(x[:, None], 3, 1).astype(np.float32) / 255 - mean) / std
        ),
        "torch, broadcast": lambda: (
            (tensor.float() / 255 - torch.from_numpy(mean)) / torch.from_numpy(std)
        ),
    }


def plain_writes(out: np.ndarray[Any, Any], threads: int) -> dict[str, Callable[[], Any]]:
    """Return ways to write all of `out`, whatever the bytes; the fastest is the writing limit."""
    flat = out.reshape(-1).view(np.uint8)
    writes: dict[str, Callable[[], Any]] = {"numpy": partial(flat.fill, 0)}
    for kernels, stream in product(find_kernels(), (False, True)):
        writes[f"kernels, stream={stream}"] = partial(kernels.write, flat, stream, threads)
    return writes


def measure(shape: tuple[int, ...], seconds: float, threads: int) -> list[dict[str, Any]]:
    """Return a row for each way."""
    x = make_gray_batch(shape, "uint8")
    calls = ways(x, threads)
    exact = (x[:, None] / 255 - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1))
    for name, call in calls.items():
        error = np.abs(np.asarray(call()) - exact).max()
        if error > 2e-6:
            raise AssertionError(f"{name} is off by {error}")
    del exact
    limit = plain_writes(np.empty((len(x), 3, *x.shape[1:]), np.float32), threads)
    rounds = Rounds(calls | {f"limit: {name}": call for name, call in limit.items()})
    rounds.run(seconds)
    timings = rounds.timings()
    least = min(timings[f"limit: {name}"].median for name in limit)
    result_bytes = 12 * x.size
    peak = measure_peak_apart(_prepare_ones, shape)
    return [
        {
            "way": name,
            "shape": list(shape),
            "seconds": timing.median,
            "low_s": timing.low,
            "high_s": timing.high,
            "rounds": timing.rounds,
            "over_ours": timing.median / timings[OURS].median,
            "of_write_limit": least / timing.median,
            "limit_s": least,
            "result_bytes": result_bytes,
            "peak_bytes": peak if name == OURS else None,
        }
        for name, timing in timings.items()
        if not name.startswith("limit: ")
    ]


def _prepare_ones(shape: tuple[int, ...]) -> Callable[[], Any]:
    """Return the call whose peak memory is measured, in a process of its own."""
    x = np.ones(shape, np.uint8)
    g2r.prepare(x[:1], (MEAN, STD), LAYOUT)
    return lambda: g2r.prepare(x, (MEAN, STD), LAYOUT)


def markdown(document: dict[str, Any]) -> str:
    """Return a table: a row for each way, a column for each batch."""
    cells: dict[str, dict[str, dict[str, Any]]] = {}
    for row in document["rows"]:
        cells.setdefault(row["way"], {})["x".join(map(str, row["shape"]))] = row
    shapes = list(cells[OURS])

    def line(way: str, text: Callable[[dict[str, Any]], str]) -> list[str]:
        return [text(cells[way][shape]) for shape in shapes]

    times = [
        (way, *line(way, lambda r: f"{1e3 * r['seconds']:.3g} ({r['over_ours']:.1f}x)"))
        for way in cells
    ]
    facts = [
        ("`out=`, of the write limit", *line(REUSED, lambda r: f"{r['of_write_limit']:.0%}")),
        ("fresh, of the write limit", *line(OURS, lambda r: f"{r['of_write_limit']:.0%}")),
        (
            "memory over the result",
            *line(OURS, lambda r: f"{r['peak_bytes'] / r['result_bytes'] - 1:.1%}"),
        ),
    ]
    lines = [
        "A uint8 batch (N, H, W) is scaled, normalized and becomes float32 (N, 3, H, W). The",
        "times are milliseconds, medians of rounds in random order after a warm-up, with",
        f"{document['threads']} threads. The number in brackets is the time divided by",
        "graytorgb's time with a fresh result. The write limit is the time that the machine",
        "needs to write as many bytes, with its best store instruction and without reading.",
        "",
        f"{summarize_machine(document['machine'])}.",
        "",
        *table(("", *shapes), [*times, *facts]),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
