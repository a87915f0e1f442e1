"""Time the places where gray becomes RGB: `python -m benchmarks.speed.expansion`.

Gray samples of 8 bits are in memory. Each way makes of them what the network takes, on the CPU
alone or with a GPU if there is one.
"""

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import skimage.data
import torch
from torch.utils.data import default_collate
from torchvision.transforms import v2

import graytorgb as g2r
from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.measure.machine import describe_machine, summarize_machine
from graytorgb.measure.timing import Rounds, format_milliseconds
from graytorgb.transforms import Prepare, PrepareBatch, ToRGB, ToUint8

from ..tables import table, write

RESULTS = Path(__file__).parents[1] / "results"
STATS = "imagenet"
SIDE = 224
TOLERANCE = 1e-5  # between the batches of two ways; float32 rounds in another order

Samples = list[torch.Tensor]


class Way(NamedTuple):
    """A place where gray becomes RGB.

    Attributes
    ----------
    name : str
        The calls, as the guide shows them.
    collate : callable
        ``collate(samples)`` makes the batch that is sent to the device.
    finish : callable
        ``finish(batch)`` makes the network's input of it, where the batch is.
    is_normalized : bool
        Whether the input is normalized, as of a network that doesn't do that itself.
    """

    name: str
    collate: Callable[[Samples], torch.Tensor]
    finish: Callable[[torch.Tensor], torch.Tensor]
    is_normalized: bool = True


def list_ways() -> list[Way]:
    """Return the ways, those that expand first at the beginning."""
    mean, std = g2r.stats(STATS)
    steps = [ToUint8(), ToRGB(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)]
    as_they_are = PrepareBatch(channels=1, dtype=torch.uint8)
    return [
        Way("ToUint8 + ToRGB", _each(v2.Compose(steps)), _keep),
        Way("Prepare", _each(Prepare(STATS)), _keep),
        Way("PrepareBatch", PrepareBatch(STATS), _keep),
        Way("PrepareBatch(channels=1), adapt", PrepareBatch(channels=1), _keep,
            is_normalized=False),
        Way("bytes, prepare on the device", as_they_are,
            functools.partial(g2r.prepare, stats=STATS, layout="NCHW")),
        Way("PrepareBatch(channels=1), view", PrepareBatch(channels=1),
            functools.partial(g2r.to_rgb, layout="NCHW", backend="broadcast"),
            is_normalized=False),
    ]  # fmt: skip


def _each(transform: Callable[[Any], Any]) -> Callable[[Samples], torch.Tensor]:
    return lambda samples: default_collate([transform(sample) for sample in samples])


def _keep(batch: torch.Tensor) -> torch.Tensor:
    return batch


def crop_samples(count: int) -> Samples:
    """Return gray samples (1, H, W) of 8 bits: parts of a photo."""
    photo, rng = skimage.data.camera(), np.random.default_rng(0)
    places = rng.integers(0, photo.shape[0] - SIDE, (count, 2))
    parts = (photo[top : top + SIDE, left : left + SIDE] for top, left in places)
    return [torch.from_numpy(part.copy())[None] for part in parts]


@click.command(cls=FileCommand)
@click.option("--batch-size", default=64, show_default=True)
@click.option("--seconds", default=5.0, show_default=True, help="Timing of each table.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(batch_size: int, seconds: float, output: Path) -> None:
    """Time every way and write expansion.json and expansion.md."""
    torch.set_num_threads(1)
    samples = crop_samples(batch_size)
    ways = list_ways()
    check(ways, samples)
    document: dict[str, Any] = {
        "machine": describe_machine(), "batch_size": batch_size, "gpu": None,
        "rows": measure_on_cpu(ways, samples, seconds),
    }  # fmt: skip
    if torch.cuda.is_available():
        document["gpu"] = torch.cuda.get_device_name()
        add_gpu(document["rows"], ways, samples, seconds)
    write(output, "expansion", document, markdown(document))


def check(ways: list[Way], samples: Samples) -> None:
    """Raise SystemExit unless the ways that normalize give the same input."""
    expected = ways[0].finish(ways[0].collate(samples))
    for way in ways[1:]:
        if not way.is_normalized:
            continue
        found = way.finish(way.collate(samples))
        if (found.shape, found.dtype) != (expected.shape, expected.dtype):
            raise SystemExit(f"{way.name} gives {tuple(found.shape)} of {found.dtype}")
        difference = (found - expected).abs().max().item()
        if not difference <= TOLERANCE:
            raise SystemExit(f"{way.name} differs from {ways[0].name} by {difference}")


def measure_on_cpu(ways: list[Way], samples: Samples, seconds: float) -> list[dict[str, Any]]:
    """Return the processor time that each way takes, and the bytes that it sends to a device."""
    calls = {way.name: functools.partial(_make, way, samples) for way in ways}
    collate = {way.name: functools.partial(way.collate, samples) for way in ways}
    times = []
    for group in (collate, calls):
        rounds = Rounds(group, clock=time.process_time)
        rounds.run(seconds)
        if rounds.failures:
            raise SystemExit(f"failed: {rounds.failures}")
        times.append(rounds.timings())
    rows = []
    for way in ways:
        batch = way.collate(samples)
        rows.append({
            "way": way.name, "bytes": batch.nbytes // len(samples), "collate": times[0][way.name],
            "all": times[1][way.name],
        })  # fmt: skip
    return rows


def _make(way: Way, samples: Samples) -> torch.Tensor:
    return way.finish(way.collate(samples))


def add_gpu(rows: list[dict[str, Any]], ways: list[Way], samples: Samples, seconds: float) -> None:
    """Add the time from a batch in page-locked memory to the network's input on the GPU."""
    calls = {}
    for way in ways:
        batch = way.collate(samples)
        batch = batch if batch.is_pinned() else batch.pin_memory()
        calls[way.name] = functools.partial(_send, way, batch)
    rounds = Rounds(calls)
    rounds.run(seconds, warm_up=10)
    if rounds.failures:
        raise SystemExit(f"failed: {rounds.failures}")
    for row in rows:
        row["gpu"] = rounds.timings()[row["way"]]


def _send(way: Way, batch: torch.Tensor) -> None:
    way.finish(batch.to("cuda", non_blocking=True))
    torch.cuda.synchronize()


def markdown(document: dict[str, Any]) -> str:
    """Return a table with a row for each way."""
    count, gpu = document["batch_size"], document["gpu"]
    heads = ["way", "bytes an image", "CPU ms, batch", "CPU ms, input"] + ["GPU ms"] * bool(gpu)
    rows = [
        (
            row["way"], f"{row['bytes']:,}",
            *(format_milliseconds(*row[k][:3]) for k in ("collate", "all", "gpu") if k in row),
        )
        for row in document["rows"]
    ]  # fmt: skip
    on_gpu = [
        "*GPU ms* is the time by the clock from the batch in page-locked memory to the network's",
        f"input on the {gpu}.",
    ]
    lines = [
        f"The samples are {count} gray images of {SIDE}x{SIDE} in 8 bits, in memory. *CPU ms,",
        "batch* is the processor time to make the batch that is sent to the device, and *CPU ms,",
        "input* is the time to make the network's input on the CPU alone. These are medians of",
        "rounds in random order, ± half the distance between the quartiles, with one thread.",
        *(on_gpu if gpu else []),
        "",
        f"{summarize_machine(document['machine'])}.",
        "",
        *table(heads, rows),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
