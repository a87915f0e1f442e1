"""Time gray batches that become RGB on a GPU: `python -m benchmarks.speed.gpu`.

The gray batch is on the device, and so is the result. Two times are measured: that of many calls in
a row, until the device is ready, and the device's own while it has other work, as in a training
loop. With ``--try`` the same calls run on the processor, to try the script.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import geometric_mean, quantiles
from typing import Any, NamedTuple

import click
import torch

import graytorgb as g2r
from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.errors import BackendUnavailable
from graytorgb.extras import require
from graytorgb.measure.machine import describe_machine, summarize_machine
from graytorgb.measure.timing import Rounds

from ..tables import table, write

RESULTS = Path(__file__).parents[1] / "results"
MEAN, STD = g2r.stats("imagenet")
CALLS = 20  # in a row, before the clock waits for the device
OURS = "graytorgb"

Tensor = torch.Tensor
Call = Callable[[], Tensor]


class Cell(NamedTuple):
    """A row of the table: what is made of which batch."""

    verb: str
    dtype: str
    layout: str
    shape: tuple[int, int, int]

    @property
    def moved_bytes(self) -> int:
        """The bytes that are read and written at least."""
        count = self.shape[0] * self.shape[1] * self.shape[2]
        size = getattr(torch, self.dtype).itemsize
        return count * (size + 3 * (size if self.verb == "to_rgb" else 4))


class Way(NamedTuple):
    """A way to convert a batch: its name, and ``make(cell, gray)``, which returns the call.

    The call gives None where a library doesn't do such a cell.
    """

    name: str
    make: Callable[[Cell, Tensor], Call | None]


def _ours(cell: Cell, gray: Tensor) -> Call:
    if cell.verb == "to_rgb":
        return lambda: g2r.to_rgb(gray, cell.layout)
    return lambda: g2r.prepare(gray, "imagenet", cell.layout)


def _axis(cell: Cell) -> int:
    return 1 if cell.layout.endswith("CHW") else 3


def _expand(gray: Tensor, axis: int) -> Tensor:
    sizes = [-1, -1, -1]
    return gray.unsqueeze(axis).expand(*sizes[:axis], 3, *sizes[axis:]).contiguous()


def _normalize(gray: Tensor, axis: int, mean: Tensor, std: Tensor) -> Tensor:
    return (gray.unsqueeze(axis).float() / 255 - mean) / std


def _by_hand(cell: Cell, gray: Tensor) -> Call:
    return _make_by_hand(cell, gray, _expand, _normalize)


def _compiled(cell: Cell, gray: Tensor) -> Call:
    torch.compiler.reset()
    return _make_by_hand(cell, gray, torch.compile(_expand), torch.compile(_normalize))


def _make_by_hand(cell: Cell, gray: Tensor, expand: Any, normalize: Any) -> Call:
    axis = _axis(cell)
    if cell.verb == "to_rgb":
        return partial(expand, gray, axis)
    shape = [3 if i == axis else 1 for i in range(4)]
    mean, std = (torch.tensor(part, device=gray.device).reshape(shape) for part in (MEAN, STD))
    return partial(normalize, gray, axis, mean, std)


def _torchvision(cell: Cell, gray: Tensor) -> Call | None:
    v2 = require("torchvision.transforms.v2")
    if _axis(cell) == 3:
        return None
    steps = [v2.RGB()]
    if cell.verb == "prepare":
        steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    return partial(v2.Compose(steps), gray.unsqueeze(1))


def _kornia(cell: Cell, gray: Tensor) -> Call | None:
    color, enhance = require("kornia.color"), require("kornia.enhance")
    if _axis(cell) == 3:
        return None
    if cell.verb == "to_rgb":
        return lambda: color.grayscale_to_rgb(gray.unsqueeze(1)).contiguous()
    mean, std = (torch.tensor(part, device=gray.device) for part in (MEAN, STD))
    return lambda: enhance.normalize(
        color.grayscale_to_rgb(gray.unsqueeze(1).float() / 255), mean, std
    )


def _dali(cell: Cell, gray: Tensor) -> Call | None:
    dali = require("nvidia.dali")
    if gray.dtype != torch.uint8 or cell.verb == "to_rgb" or _axis(cell) == 3:
        return None
    fn, types = require("nvidia.dali.fn"), dali.types
    place = "gpu" if gray.is_cuda else "cpu"
    pixels = gray.unsqueeze(3).contiguous()
    batch = pixels if gray.is_cuda else pixels.numpy()

    def describe() -> Any:
        images = fn.external_source(
            source=lambda: batch, device=place, layout="HWC", no_copy=gray.is_cuda
        )
        colors = fn.color_space_conversion(images, image_type=types.GRAY, output_type=types.RGB)
        return fn.crop_mirror_normalize(
            colors, dtype=types.FLOAT, output_layout="CHW",
            mean=[255 * each for each in MEAN], std=[255 * each for each in STD],
        )  # fmt: skip

    device = 0 if gray.is_cuda else None
    pipeline = dali.pipeline_def(describe)(
        batch_size=len(gray), num_threads=torch.get_num_threads(), device_id=device
    )
    pipeline.build()
    return lambda: torch.from_dlpack(pipeline.run()[0].as_tensor())


WAYS = (
    Way(OURS, _ours),
    Way("torch's operations by hand", _by_hand),
    Way("the same by torch.compile", _compiled),
    Way("torchvision v2", _torchvision),
    Way("kornia", _kornia),
    Way("DALI", _dali),
)


def list_cells(counts: tuple[int, ...]) -> Iterator[Cell]:
    """Yield what is measured: both verbs, and the dtypes and layouts of each."""
    for count in counts:
        shape = (count, 224, 224)
        for layout in ("NHW->NCHW", "NHW->NHWC"):
            for dtype in ("uint8", "uint16", "float32"):
                yield Cell("to_rgb", dtype, layout, shape)
            yield Cell("prepare", "uint8", layout, shape)


def make_calls(cell: Cell, gray: Tensor) -> tuple[dict[str, Call], dict[str, str]]:
    """Return the calls whose results are right, and why each other way has none.

    Raises SystemExit if a result differs from what torch's operations give.
    """
    calls, reasons, expected = {}, {}, _by_hand(cell, gray)()
    for way in WAYS:
        try:
            call = way.make(cell, gray)
            found = None if call is None else call()
        except (BackendUnavailable, RuntimeError, TypeError) as error:
            reasons[way.name] = str(error).splitlines()[0]
            continue
        if call is None or found is None:
            reasons[way.name] = "doesn't do this"
        elif found.shape != expected.shape or not torch.allclose(
            found.double(), expected.double(), rtol=1e-5, atol=1e-5
        ):
            raise SystemExit(f"{way.name} gives another result for {cell}")
        else:
            calls[way.name] = call
    return calls, reasons


def _time_on_device(call: Call, seconds: float) -> list[float] | None:
    """Return the median and the quartiles of the device's seconds; None without a GPU.

    The device multiplies matrices first, so that it never waits for the processor.
    """
    if not torch.cuda.is_available():
        return None
    matrix, taken = torch.rand(4096, 4096, device="cuda"), []
    end = time.perf_counter() + seconds
    while len(taken) < 10 or time.perf_counter() < end:
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.mm(matrix, matrix)
        start.record()
        call()
        stop.record()
        torch.cuda.synchronize()
        taken.append(start.elapsed_time(stop) / 1e3)
    low, median, high = quantiles(taken, n=4, method="inclusive")
    return [median, low, high]


def _call_in_a_row(call: Call) -> None:
    for _ in range(CALLS):
        call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def measure(cell: Cell, device: str, seconds: float) -> dict[str, Any]:
    """Return the times of every way, and of copying as many bytes, for one cell."""
    torch.manual_seed(0)
    dtype = getattr(torch, cell.dtype)
    gray = torch.randint(0, 256, cell.shape, device=device).to(dtype)
    calls, reasons = make_calls(cell, gray)
    block = torch.empty(cell.moved_bytes // 2, dtype=torch.uint8, device=device)
    calls["copy"] = partial(torch.empty_like(block).copy_, block)
    rounds = Rounds({name: partial(_call_in_a_row, call) for name, call in calls.items()})
    rounds.run(seconds / 2)
    on_device = {
        name: _time_on_device(call, seconds / 2 / len(calls))
        for name, call in calls.items()
        if name != "DALI"  # it has a stream of its own
    }
    if rounds.failures:
        raise SystemExit(f"failed: {rounds.failures}")
    times = {
        name: [value / CALLS for value in timing[:3]] for name, timing in rounds.timings().items()
    }
    facts = {"bytes": cell.moved_bytes, "seconds": times, "device_seconds": on_device}
    return {**cell._asdict(), **facts, "reasons": reasons}


@click.command(cls=FileCommand)
@click.option("--images", default=(64, 512), multiple=True, show_default=True)
@click.option("--seconds", default=1.0, show_default=True, help="Timing of each row.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
@click.option("--try", "is_trial", is_flag=True, help="Run on the processor.")
def main(images: tuple[int, ...], seconds: float, output: Path, is_trial: bool) -> None:
    """Time every way on the GPU and write gpu.json and gpu.md."""
    if not is_trial and not torch.cuda.is_available():
        raise click.ClickException(
            "torch finds no GPU here; --try --output FOLDER runs the calls on the processor"
        )
    device = "cpu" if is_trial else "cuda"
    rows = [measure(cell, device, seconds) for cell in list_cells(images)]
    document = {
        "machine": describe_machine(), "torch": torch.__version__, "rows": rows,
        "device": torch.cuda.get_device_name() if device == "cuda" else "no GPU: the processor",
    }  # fmt: skip
    write(output, "gpu", document, markdown(document))


def markdown(document: dict[str, Any]) -> str:
    """Return a table with a row for each cell and way."""
    rows = [line for cell in document["rows"] for line in _list_ways_of(cell)]
    heads = (
        "what, dtype, layout, images", "way", "us", "times ours", "us of the device", "times ours",
        "of the limit",
    )  # fmt: skip
    lines = [
        f"Batches of 224x224 on the device: {document['device']}, torch {document['torch']}. *us*",
        f"is the time a batch of {CALLS} calls in a row, until the device is ready, and *us of the",
        "device* is the time that the device needs while other work is waiting for it: medians, ±",
        "half the distance between the quartiles. *Times ours* is the time divided by graytorgb's.",
        "*Of the limit* compares the device's time with the time of copying as many bytes as must",
        "be read and written: each gray value once, and three of the result.",
        "",
        f"{summarize_machine(document['machine'])}.",
        "",
        *table(heads, rows, text_columns=2),
        "",
        *_summarize(document["rows"]),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _list_ways_of(cell: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the row of each way that does a cell."""
    times, on_device = cell["seconds"], cell["device_seconds"]
    what = f"{cell['verb']}, {cell['dtype']}, {cell['layout']}, {cell['shape'][0]}"
    for way in WAYS:
        if way.name not in times:
            continue
        shown = [_format_time(times[way.name]), f"{times[way.name][0] / times[OURS][0]:.2f}"]
        device = on_device.get(way.name)
        if device is None:
            shown += ["", "", ""]
        else:
            share = on_device["copy"][0] / device[0]
            shown += [
                _format_time(device),
                f"{device[0] / on_device[OURS][0]:.2f}",
                f"{100 * share:.0f} %",
            ]
        yield (what, way.name, *shown)


def _format_time(times: list[float]) -> str:
    median, low, high = times
    return f"{1e6 * median:.1f} ± {1e6 * (high - low) / 2:.1f}"


def _summarize(cells: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line about the best other way by each of the two times."""
    for name, what in (("seconds", "calls in a row"), ("device_seconds", "the device's time")):
        ratios = []
        for cell in cells:
            times = {way: each[0] for way, each in cell[name].items() if each is not None}
            others = [times[way.name] for way in WAYS[1:] if way.name in times]
            if others:
                ratios.append(min(others) / times[OURS])
        if ratios:
            yield (
                f"By {what}, the best other way takes {min(ratios):.2f} to {max(ratios):.2f} times "
                f"as long as graytorgb, in the geometric mean {geometric_mean(ratios):.2f}."
            )


if __name__ == "__main__":
    main()
