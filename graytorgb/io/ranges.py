"""Ranges of values, and gray that is inverted within one."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ..core.value_range import ValueRange

Array = NDArray[Any]
Range = tuple[int | float, int | float]


def are_limits(value_range: ValueRange | None) -> TypeGuard[Range]:
    """Return whether a range is two values, black and white, and not a rule to find them.

    >>> are_limits((0, 4095)), are_limits(("percentile", 1, 99)), are_limits(None)
    (True, False, False)
    """
    return isinstance(value_range, tuple) and not isinstance(value_range[0], str)


def invert(array: Array, value_range: tuple[float, float]) -> Array:
    """Return ``lo + hi - value``, so that what is black becomes white, in the same dtype.

    Integers are exact if every value lies in the range.

    >>> invert(np.array([0, 1, 4095], np.uint16), (0, 4095))
    array([4095, 4094,    0], dtype=uint16)
    """
    if array.dtype.kind == "b":
        return np.logical_not(array)
    total = value_range[0] + value_range[1]
    if array.dtype.kind == "f":
        return np.asarray(total - array, array.dtype)
    total = int(total)
    limits = np.iinfo(array.dtype)
    if limits.min <= total <= limits.max:
        return np.asarray(array.dtype.type(total) - array)
    return (total - array.astype(np.int64)).astype(array.dtype)


def saturate_invertible(array: Array, value_range: tuple[float, float]) -> Array:
    """Return integers cut to those that can be inverted: the dtype holds ``lo + hi - value`` too.

    Raises
    ------
    ValueError
        If ``lo + hi`` is no whole number.

    Examples
    --------
    >>> saturate_invertible(np.array([-32768, 5], np.int16), (0, 100))
    array([-32667,      5], dtype=int16)
    """
    lo, hi = value_range
    if lo + hi != int(lo + hi):
        raise ValueError(
            f"and integers can't be inverted within {lo} to {hi}: lo + hi has to be a whole number"
        )
    limits, total = np.iinfo(array.dtype), int(lo + hi)
    return array.clip(
        max(total - int(limits.max), int(limits.min)), min(total - int(limits.min), int(limits.max))
    )


def invert_gray(grays: Sequence[Array], value_range: Range) -> bool:
    """Invert gray values in place, and return whether some had to saturate.

    Raises
    ------
    ValueError
        If the values are integers, and ``lo + hi`` is no whole number.
    """
    are_cut = False
    for part in (part for gray in grays for part in split_blocks(gray)):
        inside = saturate_invertible(part, value_range) if part.dtype.kind in "iu" else part
        are_cut = are_cut or (inside is not part and bool((inside != part).any()))
        part[...] = invert(inside, value_range)
    return are_cut


def split_blocks(array: Array) -> Iterator[Array]:
    """Yield views of some rows or images each, so that the temporaries of a step stay small."""
    if array.ndim > 3:
        for part in array:
            yield from split_blocks(part)
        return
    step = max(1, (1 << 18) // max(1, array[:1].size))
    for start in range(0, array.shape[0], step):
        yield array[start : start + step]


def find_pivot(value_range: ValueRange | None, grays: Sequence[Array]) -> tuple[Any, Any]:
    """Return the two values that change places where a file tells no range to invert within.

    These are the ends of the caller's range, of the dtype if that is the range, or else of the
    finite values.
    """
    if are_limits(value_range):
        return value_range
    dtype = grays[0].dtype
    if value_range == "dtype":
        bits, signed = 8 * dtype.itemsize, dtype.kind == "i"
        return find_depth_range(bits, signed=signed) if dtype.kind in "iu" else (0, 1)
    finite = [gray[np.isfinite(gray)] if dtype.kind == "f" else gray for gray in grays]
    ends = [end.item() for part in finite if part.size for end in (part.min(), part.max())]
    return min(ends, default=0), max(ends, default=1)


def find_depth_range(bits: int, *, signed: bool = False) -> tuple[int, int]:
    """Return the smallest and the largest integer of so many bits.

    >>> find_depth_range(12), find_depth_range(12, signed=True)
    ((0, 4095), (-2048, 2047))
    """
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def as_number(value: Any) -> int | float:
    """Return a Python number: an int if the value is whole, else a float.

    >>> as_number("40.0"), as_number(0.5)
    (40, 0.5)
    """
    value = float(value)
    return int(value) if value.is_integer() else value
