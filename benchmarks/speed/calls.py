"""Measure what a call costs where the image is small: `python -m benchmarks.speed.calls`.

Each of our calls is timed beside another way to the same result, and has a bar: how many times as
long it may take, or how much longer. The transforms are compared with the sum of their parts: a
transform of torchvision's v2 that is written by hand, does the same steps one after another, and
stands in a Compose as ours does. The parts are `x.expand(3, -1, -1).clone()` for ToRGB of a tensor,
`image.convert("RGB")` for ToRGB of a PIL image, and for Prepare the way into numpy, `prepare` of
that array, and `torch.from_numpy`: the bar of Prepare is for what the transform adds to `prepare`.
"""

from collections.abc import Callable
from functools import partial
from itertools import repeat
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import click
import cv2
import numpy as np
import PIL.Image
import torch
from torchvision.transforms import v2

import graytorgb as g2r
from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.measure.machine import describe_machine, summarize_machine
from graytorgb.measure.timing import Rounds, Timing
from graytorgb.transforms import Prepare, ToRGB

from ..tables import table, write

RESULTS = Path(__file__).parents[1] / "results"
BLOCK = 2e-3  # seconds; a call takes microseconds, so it is timed in blocks of many
SIDES = 28, 224

Call = Callable[[], Any]


class Pair(NamedTuple):
    """One of our calls, another way to the same result, and the bar.

    `most` is how many times as long as the other ours may take; or, if `is_difference`, how many
    seconds longer.
    """

    what: str
    other: str
    calls: tuple[Call, Call]
    most: float
    is_difference: bool = False


class Measured(NamedTuple):
    """A pair, and the times of one call of ours and of the other."""

    pair: Pair
    ours: Timing
    other: Timing

    @property
    def figure(self) -> float:
        """Our time as a multiple of the other's, or the difference of the two in seconds."""
        ours, other = self.ours.median, self.other.median
        return ours - other if self.pair.is_difference else ours / other

    @property
    def is_held(self) -> bool:
        """Whether the figure is at most the bar."""
        return self.figure <= self.pair.most

    def describe(self) -> dict[str, Any]:
        """Return what a JSON file holds of it."""
        pair = self.pair
        facts = {"call": pair.what, "other": pair.other, "is_difference": pair.is_difference}
        figures = {"figure": self.figure, "bar": pair.most, "is_held": self.is_held}
        return {
            **facts, "ours_s": self.ours._asdict(), "other_s": self.other._asdict(), **figures
        }  # fmt: skip

    def format_cells(self) -> list[str]:
        """Return the cells of its line in the table."""
        pair, show = self.pair, _format_difference if self.pair.is_difference else _format_ratio
        times = (_format_time(timing) for timing in (self.ours, self.other))
        return [pair.what, pair.other, *times, show(self.figure), show(pair.most)]


def _format_difference(seconds: float) -> str:
    return f"{1e6 * seconds:+.1f}"


def _format_ratio(ratio: float) -> str:
    return f"{ratio:.2f}x"


def _format_time(timing: Timing) -> str:
    median, low, high = (f"{1e6 * seconds:.3g}" for seconds in timing[:3])
    return f"{median} ({low} to {high})"


class ByHand(v2.Transform):
    """A transform of one image that calls a function."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Call the function."""
        return self.function(inpt)


@click.command(cls=FileCommand)
@click.option("--seconds", default=20.0, show_default=True, help="Timing of all calls together.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(seconds: float, output: Path) -> None:
    """Measure the calls in turn and write calls.json and calls.md."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    rows, machine = time_pairs(make_pairs(), seconds), describe_machine()
    document = {"machine": machine, "rows": [row.describe() for row in rows]}
    write(output, "calls", document, markdown(rows, machine))


def make_pairs() -> list[Pair]:
    """Return the calls and their bars, whose results are the same."""
    pairs: list[Pair] = []
    for side, most in zip(SIDES, (2.0, 1.2), strict=True):
        pairs += _pair_array_calls(_draw(side), most)
    batch = _draw(512)[None]
    ours = partial(g2r.to_rgb, batch, "NHW->NCHW")
    planar = ours, lambda: np.repeat(batch[:, None], 3, 1)
    pairs.append(Pair("to_rgb, planar, 1x512x512", "np.repeat", planar, 1 / 0.95))
    for side in SIDES:
        pairs += _pair_transforms(_draw(side))
    for pair in pairs:
        first, second = (np.asarray(call()) for call in pair.calls)
        if not np.array_equal(first, second):
            raise AssertionError(f"{pair.what} isn't what {pair.other} gives")
    return pairs


def _draw(side: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(side).integers(0, 256, (side, side), np.uint8)


def _format_size(x: np.ndarray[Any, Any]) -> str:
    return f"{x.shape[0]}x{x.shape[1]}"


def _pair_array_calls(x: np.ndarray[Any, Any], most: float) -> list[Pair]:
    """Return the calls of ``to_rgb`` for one image; a copy may take `most` of OpenCV's time."""
    size, shape = _format_size(x), (*x.shape, 3)
    copy, view = partial(g2r.to_rgb, x), partial(g2r.to_rgb, x, backend="broadcast")
    out = partial(g2r.to_rgb, x, out=np.empty(shape, x.dtype))
    opencv = partial(cv2.cvtColor, x, cv2.COLOR_GRAY2RGB)
    numpy = lambda: np.broadcast_to(x[..., None], shape)  # noqa: E731
    return [
        Pair(f"to_rgb, {size}", "cv2.cvtColor", (copy, opencv), most),
        Pair(f'to_rgb "HW", {size}', "cv2.cvtColor", (partial(copy, "HW"), opencv), most),
        Pair(f"to_rgb as a view, {size}", "np.broadcast_to", (view, numpy), 3.0),
        Pair(
            f"to_rgb copy=False, {size}", "np.broadcast_to", (partial(copy, copy=False), numpy), 3.0
        ),
        Pair(f"to_rgb out=, {size}", "to_rgb, fresh", (out, copy), 5e-6, is_difference=True),
    ]


def _pair_transforms(x: np.ndarray[Any, Any]) -> list[Pair]:
    """Return the transforms of one image, as a PIL image and as a tensor."""
    image, tensor, size = PIL.Image.fromarray(x), torch.from_numpy(x)[None], _format_size(x)

    def prepare(array: np.ndarray[Any, Any], layout: str) -> torch.Tensor:
        return torch.from_numpy(g2r.prepare(array, "imagenet", layout))

    ways: list[tuple[Any, str, Any, Callable[[Any], Any]]] = [
        (ToRGB(), "PIL", image, lambda image: image.convert("RGB")),
        (ToRGB(), "tensor", tensor, lambda x: x.expand(3, -1, -1).clone()),
        (Prepare("imagenet"), "PIL", image, lambda image: prepare(np.asarray(image), "HW->CHW")),
        (Prepare("imagenet"), "tensor", tensor, lambda x: prepare(x.numpy(), "CHW")),
    ]
    return [
        Pair(
            f"{type(ours).__name__}, {kind} {size}",
            "its parts",
            (partial(v2.Compose([ours]), given), partial(v2.Compose([ByHand(other)]), given)),
            1.3,
        )
        for ours, kind, given, other in ways
    ]


def time_pairs(pairs: list[Pair], seconds: float) -> list[Measured]:
    """Return the times of one call of each pair, measured in turn in blocks of many calls."""
    calls = [call for pair in pairs for call in pair.calls]
    counts = [_count_calls(call) for call in calls]
    blocks = {
        str(i): partial(_call_often, call, count)
        for i, (call, count) in enumerate(zip(calls, counts, strict=True))
    }
    rounds = Rounds(blocks, perf_counter)
    rounds.run(seconds)
    if rounds.failures:
        raise AssertionError(rounds.failures)
    found = rounds.timings()
    each = [_divide(found[str(i)], count) for i, count in enumerate(counts)]
    return [Measured(*row) for row in zip(pairs, each[::2], each[1::2], strict=True)]


def _count_calls(call: Call) -> int:
    """Return how many calls take about as long as a block should."""
    count = 1
    while True:
        start = perf_counter()
        _call_often(call, count)
        if perf_counter() - start > BLOCK / 2:
            return count
        count *= 2


def _call_often(call: Call, count: int) -> None:
    for _ in repeat(None, count):
        call()


def _divide(timing: Timing, count: int) -> Timing:
    median, low, high, rounds = timing
    return Timing(median / count, low / count, high / count, rounds)


def markdown(rows: list[Measured], machine: dict[str, Any]) -> str:
    """Return a table with a line for each of our calls, and which of them miss their bar."""
    missed = [row.pair.what for row in rows if not row.is_held]
    lines = [
        "The times are microseconds by the clock for one call, all measured in turn: medians,",
        "with quartiles in brackets. The next column is our time as a multiple of the other's, or",
        "how many microseconds longer it is, and the last is the bar. The parts of a transform are",
        "the same steps in a v2.Transform written by hand, in a Compose too.",
        "",
        f"{summarize_machine(machine)}.",
        "",
        *table(
            ("call", "compared with", "us", "us of the other", "ours", "bar"),
            [row.format_cells() for row in rows],
            text_columns=2,
        ),
        "",
        f"{len(rows) - len(missed)} of {len(rows)} calls hold their bars."
        + (f" These miss them: {'; '.join(missed)}." if missed else ""),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
