"""Levels of 8 bits: which of the 256 levels each value of a range becomes."""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import LevelsError
from . import blocks
from . import percentile as percentiles
from .percentile import refuse_nan
from .value_range import ValueRange, find_numpy_dtype, get_limits, refuse_outside

Array = NDArray[Any]


def write_levels(
    array: Array, lo: Any, hi: Any, out: Array, bounds: tuple[float, float] | None = None
) -> None:
    """Write the level of each value.

    Parameters
    ----------
    array : ndarray
        Integers or floats, of any shape.
    lo, hi : int or float
        The values that become 0 and 255.
    out : ndarray of uint8
        Of the shape of `array`.
    bounds : (lowest, highest), optional
        The floats that are accepted; by default all but NaN are.

    Raises
    ------
    LevelsError
        If a float is NaN or out of `bounds`, or float64 can't scale the range.
    """
    dtype = array.dtype
    if dtype.kind in "iu" and dtype.itemsize <= 2 and array.size > 1 << (8 * dtype.itemsize - 1):
        _write_by_table(array, lo, hi, out)
    else:
        _write_each(array, lo, hi, out, bounds)


class Levels(NamedTuple):
    """The level of each value of a dtype, for libraries that don't round as NumPy does.

    Attributes
    ----------
    entries : ndarray
        For dtypes of up to 16 bits, a table in uint8: the level of every integer from `first` on.
        For all others, steps: the smallest value of each level from 1 up, as far as the dtype
        goes, in a dtype that holds every value. The level of a value is how many steps it reaches.
    first : int or None
        The integer that a table begins with; None for steps.
    """

    entries: Array
    first: int | None


def find_levels(dtype: str, value_range: ValueRange | None) -> Levels:
    """Return the levels that :func:`write_levels` gives, to the same bits."""
    return _find_levels(dtype, value_range)  # torch's compiler can't call a cached function


@lru_cache(64)  # a pipeline asks for the same levels each time
def _find_levels(dtype: str, value_range: ValueRange | None) -> Levels:
    number = find_numpy_dtype(dtype)
    if number == np.float16:
        number = np.dtype(np.float32)  # whose steps are quicker to compare with
    lo, hi = get_limits(number, value_range)
    if number.kind == "f":
        return Levels(_find_steps_of_floats(number, float(lo), float(hi)), None)
    if number.itemsize > 2:
        return Levels(_find_steps_of_integers(number, lo, hi), None)
    first, last = get_limits(number, "dtype")
    every = np.arange(first, last + 1, dtype=np.int32).astype(number)
    table = np.empty(every.shape, np.uint8)
    _write_each(every, lo, hi, table)
    return Levels(table, first)


def _write_by_table(array: Array, lo: Any, hi: Any, out: Array) -> None:
    """Look the levels up in a table of all values of the dtype, in half the time of arithmetic."""
    native = array.dtype.newbyteorder("=")
    entries, first = find_levels(native.name, (lo, hi))
    # signed integers: the order of unsigned ones of the same bits
    table = np.roll(entries, first) if first else entries
    bits = np.dtype(f"u{native.itemsize}")
    for block, result in blocks.read_and_write([array], native, out):
        # every value has its place; the default mode would copy the result
        table.take(block.view(bits), out=result, mode="clip")


def _write_each(
    array: Array, lo: Any, hi: Any, out: Array, bounds: tuple[float, float] | None = None
) -> None:
    """Find the level of each value by itself."""
    if array.dtype.kind in "iu" and not _is_exact_in_float64(array.dtype, lo, hi):
        _write_by_thresholds(array, lo, hi, out)
    else:
        _write_by_arithmetic(array, float(lo), float(hi), out, bounds)


def _is_exact_in_float64(dtype: np.dtype[Any], lo: Any, hi: Any) -> bool:
    """Return whether float64 holds ``(value - lo) * 255``, so that no rounding crosses a tie."""
    moderate = isinstance(lo, int) and isinstance(hi, int) and max(abs(lo), abs(hi)) < 2**40
    return moderate and dtype.itemsize <= 4


def _write_by_arithmetic(
    array: Array, lo: float, hi: float, out: Array, bounds: tuple[float, float] | None = None
) -> None:
    """Write the levels by arithmetic in float64."""
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
                raise refuse_outside(array)
            if least < lo or most > hi:
                np.clip(scaled, 0, 255, out=scaled)
                if array.dtype.kind == "f" and math.isnan(scaled.max()):
                    raise refuse_nan()
            np.rint(scaled, out=scaled)
            result[...] = scaled


def _write_by_thresholds(array: Array, lo: Any, hi: Any, out: Array) -> None:
    """Write the levels of integers that float64 doesn't scale exactly."""
    native = array.dtype.newbyteorder("=")
    thresholds = _find_steps_of_integers(native, lo, hi)
    for block, result in blocks.read_and_write([array], native, out):
        result[...] = np.searchsorted(thresholds, block, side="right")


def _find_steps_of_integers(dtype: np.dtype[Any], lo: Any, hi: Any) -> Array:
    """Return the smallest integer of each level from 1 up, as far as the dtype goes; exactly."""
    from fractions import Fraction

    low, span = Fraction(lo), Fraction(hi) - Fraction(lo)
    limits = np.iinfo(dtype)
    smallest = []
    for level in range(1, 256):
        middle = low + span * (2 * level - 1) / 510  # halfway from the level below
        tie_rounds_up = middle.denominator == 1 and level % 2 == 0
        smallest.append(math.floor(middle) + (0 if tie_rounds_up else 1))
    return np.array([max(v, int(limits.min)) for v in smallest if v <= limits.max], dtype)


def _find_steps_of_floats(dtype: np.dtype[Any], lo: float, hi: float) -> Array:
    """Return the smallest float of each level from 1 up, found by bisection: levels never fall.

    Infinity has the last level, so every level is reached.
    """
    levels = np.arange(1, 256)
    ends = np.array([-math.inf, math.inf], dtype)
    below, reached = (np.full(255, key) for key in percentiles.to_keys(ends))
    while (reached - below > 1).any():
        middle = below + (reached - below) // 2
        values, found = percentiles.from_keys(middle, dtype), np.empty(255, np.uint8)
        _write_by_arithmetic(values, lo, hi, found)
        below = np.where(found < levels, middle, below)
        reached = np.where(found < levels, reached, middle)
    return percentiles.from_keys(reached, dtype)
