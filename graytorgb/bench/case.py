"""What to measure: cases, and the rows that come of them."""

import math
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..backends.protocol import Array
from ..core import layout as layouts
from ..errors import LayoutError

# Shapes, dtypes and layouts of each preset. "full" is the matrix that `auto` is judged by.
PRESETS = {
    "quick": (
        [(1, 512, 512), (64, 224, 224)],
        ["uint8", "float32"],
        ["NHW->NHWC", "NHW->NCHW"],
    ),
    "full": (
        [(1, 512, 512), (64, 224, 224), (512, 224, 224), (1024, 512, 512)],
        ["uint8", "uint16", "float32", "float64"],
        ["NHW->NHWC", "NHW->NCHW"],
    ),
}


class Case(NamedTuple):
    """One gray batch to convert: its shape, dtype, layout with an arrow, and threads."""

    shape: tuple[int, ...]
    dtype: str
    layout: str
    threads: int

    def __str__(self) -> str:
        return f"{self.size} {self.dtype} {self.layout}, {self.threads} thread(s)"

    @property
    def size(self) -> str:
        """The shape as one writes it: 64x224x224."""
        return "x".join(map(str, self.shape))

    @property
    def input_bytes(self) -> int:
        """Bytes of the input."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def result_bytes(self) -> int:
        """Bytes of a result that is a copy."""
        return math.prod(self.result_shape) * np.dtype(self.dtype).itemsize

    @property
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return layouts.parse(self.layout).result_shape(self.shape)

    @property
    def needed_bytes(self) -> int:
        """Memory to measure it: the input, a reused result, a fresh one and a temporary."""
        return self.input_bytes + 3 * self.result_bytes


class Row(NamedTuple):
    """What was measured of one backend in one case; times in seconds.

    `fresh_s` is the median time with a new result, `reused_s` with ``out=``; the other two of
    each are quartiles. A rate is the bytes read and written over the time, and None for a
    view, which moves none. `limit_gb_s` is the rate of plain copying in the same rounds.
    `result_bytes` is the memory of the result itself, `peak_bytes` what the conversion needs
    at its peak, result included.
    """

    backend: str
    shape: tuple[int, ...]
    dtype: str
    layout: str
    threads: int
    available: bool
    why: str
    fresh_s: float | None = None
    fresh_low_s: float | None = None
    fresh_high_s: float | None = None
    reused_s: float | None = None
    reused_low_s: float | None = None
    reused_high_s: float | None = None
    rounds: int = 0
    images_s: float | None = None
    gb_s: float | None = None
    percent_of_limit: float | None = None
    reused_gb_s: float | None = None
    reused_percent_of_limit: float | None = None
    limit_gb_s: float | None = None
    result_bytes: int | None = None
    peak_bytes: int | None = None

    @property
    def case(self) -> Case:
        """The case it belongs to."""
        return Case(self.shape, self.dtype, self.layout, self.threads)


def gray_batch(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Gray levels that repeat after a prime number of pixels, quick to make at any size."""
    return np.resize(np.arange(251).astype(dtype), shape)


def cases(
    shapes: list[tuple[int, ...]], dtypes: list[str], named: list[str], threads: list[int]
) -> list[Case]:
    """Every combination, the small ones first.

    Raises
    ------
    LayoutError
        If a layout doesn't fit a shape, or names a channel axis.
    """
    found = []
    for shape, dtype, layout, count in product(shapes, dtypes, named, threads):
        axes = layouts.resolve(layout, shape)
        if "C" in axes.source:
            raise LayoutError(
                f"a benchmark's input is gray, without a channel axis: not {layout!r}"
            )
        found.append(Case(shape, np.dtype(dtype).name, str(axes), count))
    return sorted(found, key=lambda case: case.result_bytes)
