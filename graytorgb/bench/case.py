"""The records of a benchmark: a case is what is converted, a row what one backend took for it."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from ..backends.protocol import Array
from ..core.layout import parse


class Case(NamedTuple):
    """One gray batch to convert: its shape, dtype, layout with an arrow, and threads."""

    shape: tuple[int, ...]
    dtype: str
    layout: str
    threads: int

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        return f"{self.shape_text} {self.dtype} {self.layout}, {threads}"

    @property
    def shape_text(self) -> str:
        """The shape as one writes it: 64x224x224."""
        return "x".join(map(str, self.shape))

    @property
    def input_bytes(self) -> int:
        """The bytes of the input."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def result_bytes(self) -> int:
        """The bytes of a result that is a copy."""
        return math.prod(self.result_shape) * np.dtype(self.dtype).itemsize

    @property
    def result_shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        return parse(self.layout).result_shape(self.shape)

    @property
    def needed_bytes(self) -> int:
        """The memory to measure it in: the input, a reused result, a fresh one and a temporary."""
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
        """The case that the row belongs to."""
        return Case(self.shape, self.dtype, self.layout, self.threads)


def make_gray_batch(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return gray levels that repeat after a prime number of pixels, quick to make at any size."""
    return np.resize(np.arange(251).astype(dtype), shape)
