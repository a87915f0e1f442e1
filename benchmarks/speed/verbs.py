"""Time the four ways to feed gray images to a network: `python -m benchmarks.speed.verbs`.

Gray images go through `to_rgb`, `to_uint8`, `prepare`, and what makes the input of an adapted
network; beside each is what people write in NumPy. The README quotes these figures.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import skimage.data
import torch

import graytorgb as g2r
from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.measure.machine import describe_machine, summarize_machine
from graytorgb.measure.timing import Rounds, format_milliseconds
from graytorgb.transforms import PrepareBatch

from ..tables import table, write

RESULTS = Path(__file__).parents[1] / "results"
SIDE = 224
VALUES = (0, 4095)
TOLERANCE = 2e-6  # of float32; integers are compared bit for bit

Batch = np.ndarray[Any, Any]


class Verb(NamedTuple):
    """A call of this package, and what people write in NumPy for the same result.

    Attributes
    ----------
    name : str
        The call, as the README names it.
    takes, makes : str
        What the images and the result are; the images have 8 bits, unless `takes` has "uint16".
    ours, numpy : callable
        ``ours(batch)`` and ``numpy(batch)`` make it of a batch (N, H, W).
    """

    name: str
    takes: str
    makes: str
    ours: Callable[[Batch], Any]
    numpy: Callable[[Batch], Batch]


def list_verbs() -> list[Verb]:
    """Return the calls; `PrepareBatch(channels=1)` makes what an adapted network takes."""
    mean, std = (np.float32(part)[:, None, None] for part in g2r.stats("imagenet"))
    in_three, in_one = PrepareBatch("imagenet"), PrepareBatch(channels=1)
    return [
        Verb(
            "to_rgb", "uint8", "3 equal channels, uint8",
            lambda x: g2r.to_rgb(x, "NHW->NCHW"),
            lambda x: np.repeat(x[:, None], 3, 1),
        ),
        Verb(
            "to_uint8", "12 bits in uint16", "1 channel, uint8",
            lambda x: g2r.to_uint8(x, VALUES),
            lambda x: np.rint(np.clip(x, *VALUES) * np.float32(255 / 4095)).astype(np.uint8),
        ),
        Verb(
            "prepare", "uint8", "3 channels, normalized float32",
            lambda x: g2r.prepare(x, "imagenet", "NHW->NCHW"),
            lambda x: (np.repeat(x[:, None], 3, 1) / np.float32(255) - mean) / std,
        ),
        Verb(
            "PrepareBatch", "samples, uint8", "3 channels, normalized float32",
            lambda x: in_three(list(torch.from_numpy(x)[:, None])),
            lambda x: (np.repeat(np.stack(list(x))[:, None], 3, 1) / np.float32(255) - mean) / std,
        ),
        Verb(
            "PrepareBatch(channels=1)", "samples, uint8", "1 channel, float32 from 0 to 1",
            lambda x: in_one(list(torch.from_numpy(x)[:, None])),
            lambda x: np.stack(list(x))[:, None] / np.float32(255),
        ),
    ]  # fmt: skip


def crop_batch(count: int) -> Batch:
    """Return parts of a photo with noise, (N, H, W), as 12-bit values in uint16."""
    photo, rng = skimage.data.camera() * (VALUES[1] / 255), np.random.default_rng(0)
    places = rng.integers(0, photo.shape[0] - SIDE, (count, 2))
    parts = np.stack([photo[top : top + SIDE, left : left + SIDE] for top, left in places])
    return (parts + rng.normal(0, 16, parts.shape)).round().clip(*VALUES).astype(np.uint16)


@click.command(cls=FileCommand)
@click.option("--batch-size", default=64, show_default=True)
@click.option("--seconds", default=10.0, show_default=True, help="Timing of all calls.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(batch_size: int, seconds: float, output: Path) -> None:
    """Time the four calls and write verbs.json and verbs.md."""
    torch.set_num_threads(1)
    batch = crop_batch(batch_size)
    rows = measure(list_verbs(), batch, seconds)
    document = {"machine": describe_machine(), "batch_size": batch_size, "rows": rows}
    write(output, "verbs", document, markdown(document))


def measure(verbs: list[Verb], batch: Batch, seconds: float) -> list[dict[str, Any]]:
    """Return the processor time of each call and of NumPy's way, and the bytes of an image."""
    calls: dict[str, Callable[[], Any]] = {}
    sizes = {}
    for verb in verbs:
        images = batch if "uint16" in verb.takes else (batch >> 4).astype(np.uint8)
        sizes[verb.name] = check(verb, images) // len(batch)
        calls[verb.name] = partial(verb.ours, images)
        calls[f"{verb.name}, numpy"] = partial(verb.numpy, images)
    rounds = Rounds(calls, clock=time.process_time)
    rounds.run(seconds)
    timings = rounds.timings()
    return [
        {
            "call": verb.name, "takes": verb.takes, "makes": verb.makes,
            "bytes": sizes[verb.name], "ours": timings[verb.name],
            "numpy": timings[f"{verb.name}, numpy"],
        }
        for verb in verbs
    ]  # fmt: skip


def check(verb: Verb, batch: Batch) -> int:
    """Return the bytes of the result, or raise SystemExit unless both ways give the same."""
    ours, other = np.asarray(verb.ours(batch)), verb.numpy(batch)
    if (ours.shape, ours.dtype) != (other.shape, other.dtype):
        raise SystemExit(f"{verb.name} gives {ours.shape} {ours.dtype}, not {other.shape}")
    difference = np.abs(ours - other.astype(np.float64)).max()
    if difference > (TOLERANCE if ours.dtype == np.float32 else 0):
        raise SystemExit(f"{verb.name} differs from NumPy by {difference}")
    return ours.nbytes


def markdown(document: dict[str, Any]) -> str:
    """Return a table with a row for each call."""
    heads = ["call", "takes", "makes", "bytes an image", "CPU ms", "NumPy, CPU ms", "times as fast"]
    rows = [
        (
            f"`{row['call']}`", row["takes"], row["makes"], f"{row['bytes']:,}",
            format_milliseconds(*row["ours"][:3]), format_milliseconds(*row["numpy"][:3]),
            f"{row['numpy'][0] / row['ours'][0]:.1f}",
        )
        for row in document["rows"]
    ]  # fmt: skip
    lines = [
        f"The batch is {document['batch_size']} gray images of {SIDE}x{SIDE}, in memory. The",
        "times are processor time for the whole batch: medians of rounds in random order, ± half",
        "the distance between the quartiles. `PrepareBatch(channels=1)` makes what an adapted",
        "network takes, and `benchmarks/speed/verbs.py` has NumPy's way to the same results.",
        "",
        f"{summarize_machine(document['machine'])}.",
        "",
        *table(heads, rows, text_columns=3),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
