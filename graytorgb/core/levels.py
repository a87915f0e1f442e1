"""Levels of 8 bits: which of them each value of a range becomes."""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import LevelsError
from . import blocks
from . import percentile as percentiles
from .percentile import nan_error
from .value_range import ValueRange, nearest, outside_error, stated_range

Array = NDArray[Any]


def write_levels(
    array: Array, lo: Any, hi: Any, out: Array, bounds: tuple[float, float] | None = None
) -> None:
    """Write the levels of a range; LevelsError for a float that is NaN or out of `bounds`."""
    if array.dtype.kind in "iu" and not _is_exact_in_float64(array.dtype, lo, hi):
        _quantize_by_thresholds(array, lo, hi, out)
    else:
        _quantize_by_arithmetic(array, float(lo), float(hi), out, bounds)


class Levels(NamedTuple):
    """Which level each value of a dtype becomes, for libraries that don't round as NumPy does.

    Attributes
    ----------
    table : ndarray of uint8 or None
        For dtypes of up to 16 bits: the level of every integer from `first` on.
    first : int
    steps : ndarray or None
        For all others: the smallest value of each level from 1 up, as far as the dtype goes,
        in a dtype that holds every value. The level is how many of them a value reaches.
    """

    table: Array | None
    first: int
    steps: Array | None


def find_levels(dtype: str, value_range: ValueRange) -> Levels:
    """The levels by :func:`write_levels`, to the same bits."""
    return _find_levels(dtype, value_range)  # torch's compiler can't call what is cached


@lru_cache(64)  # a pipeline says the same each time
def _find_levels(dtype: str, value_range: ValueRange) -> Levels:
    number = nearest(dtype)
    if number == np.float16:
        number = np.dtype(np.float32)  # whose steps are quicker to compare with
    lo, hi = stated_range(number, value_range)
    if number.kind == "f":
        return Levels(None, 0, _steps_of_floats(number, float(lo), float(hi)))
    if number.itemsize > 2:
        return Levels(None, 0, _steps_of_integers(number, lo, hi))
    first, last = stated_range(number, "dtype")
    every = np.arange(first, last + 1).astype(number)
    table = np.empty(every.shape, np.uint8)
    write_levels(every, lo, hi, table)
    return Levels(table, first, None)


def _is_exact_in_float64(dtype: np.dtype[Any], lo: Any, hi: Any) -> bool:
    """Whether ``(value - lo) * 255`` is, and the division's rounding can't cross a tie."""
    moderate = isinstance(lo, int) and isinstance(hi, int) and max(abs(lo), abs(hi)) < 2**40
    return moderate and dtype.itemsize <= 4


def _quantize_by_arithmetic(
    array: Array, lo: float, hi: float, out: Array, bounds: tuple[float, float] | None = None
) -> None:
    """In float64."""
    span = hi - lo
    if not 0 < span * 255 < math.inf:
        raise LevelsError(f"float64 can't scale the range {lo} to {hi}: too wide, or too narrow")
    scratch = np.empty(min(blocks.BLOCK, array.size))
    with np.errstate(over="ignore"):  # an overflow is saturated
        for block, result in blocks.read_and_write([array], np.dtype(np.float64), out):
            scaled = scratch[: block.size]
            np.subtract(block, lo, out=scaled)
            scaled *= 255
            scaled /= span
            least, most = (block.min(), block.max()) if bounds else (-math.inf, math.inf)
            if bounds and not (bounds[0] <= least and most <= bounds[1]):
                raise outside_error(array)
            if least < lo or most > hi:
                np.clip(scaled, 0, 255, out=scaled)
                if array.dtype.kind == "f" and math.isnan(scaled.max()):
                    raise nan_error()
            np.rint(scaled, out=scaled)
            result[...] = scaled


def _quantize_by_thresholds(array: Array, lo: Any, hi: Any, out: Array) -> None:
    """For integers that float64 doesn't scale exactly."""
    native = array.dtype.newbyteorder("=")
    thresholds = _steps_of_integers(native, lo, hi)
    if native.itemsize <= 2 and array.size > 1 << 16:  # a table of every value is quicker
        unsigned = np.dtype(f"u{native.itemsize}")
        every = np.arange(1 << 8 * native.itemsize, dtype=unsigned).view(native)
        table = np.searchsorted(thresholds, every, side="right").astype(np.uint8)
        for block, result in blocks.read_and_write([array], native, out):
            result[...] = table[block.view(unsigned)]
        return
    for block, result in blocks.read_and_write([array], native, out):
        result[...] = np.searchsorted(thresholds, block, side="right")


def _steps_of_integers(dtype: np.dtype[Any], lo: Any, hi: Any) -> Array:
    """The smallest integer of each level from 1 up, as far as the dtype goes; exactly."""
    from fractions import Fraction

    low, span = Fraction(lo), Fraction(hi) - Fraction(lo)
    limits = np.iinfo(dtype)
    smallest = []
    for level in range(1, 256):
        middle = low + span * (2 * level - 1) / 510  # halfway from the level below
        tie_rounds_up = middle.denominator == 1 and level % 2 == 0
        smallest.append(math.floor(middle) + (0 if tie_rounds_up else 1))
    return np.array([max(v, int(limits.min)) for v in smallest if v <= limits.max], dtype)


def _steps_of_floats(dtype: np.dtype[Any], lo: float, hi: float) -> Array:
    """The smallest float of each level from 1 up, by bisection: levels never fall.

    Infinity has the last level, so every level is reached.
    """
    levels = np.arange(1, 256)
    ends = np.array([-math.inf, math.inf], dtype)
    below, reached = (np.full(255, key) for key in percentiles.keys(ends))
    while (reached - below > 1).any():
        middle = below + (reached - below) // 2
        values, found = percentiles.values(middle, dtype), np.empty(255, np.uint8)
        _quantize_by_arithmetic(values, lo, hi, found)
        below = np.where(found < levels, middle, below)
        reached = np.where(found < levels, reached, middle)
    return percentiles.values(reached, dtype)
