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


def invert_gray(grays: Sequence[Array], value_range: Range) -> bool:
    """Invert gray in place, so that black becomes white: each value is ``lo + hi - value`` then.

    Returns
    -------
    bool
        Whether integers lay so far outside of the range that they had to saturate.

    Raises
    ------
    ValueError
        If the values are integers, and ``lo + hi`` is no whole number.

    Examples
    --------
    >>> gray = np.array([[0, 1, 4095]], np.uint16)
    >>> invert_gray([gray], (0, 4095)), gray
    (False, array([[4095, 4094,    0]], dtype=uint16))
    >>> gray = np.array([[-32768, 5]], np.int16)
    >>> invert_gray([gray], (0, 100)), gray
    (True, array([[32767,    95]], dtype=int16))
    """
    blocks = (block for gray in grays for block in split_blocks(gray))
    saturated = [_invert_block(block, *value_range) for block in blocks]
    return any(saturated)


def _invert_block(block: Array, lo: float, hi: float) -> bool:
    """Invert some rows in place, and return whether integers had to saturate."""
    total = lo + hi
    if block.dtype.kind == "b":
        np.logical_not(block, out=block)
        return False
    if block.dtype.kind == "f":
        np.subtract(total, block, out=block)
        return False
    if total != int(total):
        raise ValueError(
            f"and integers can't be inverted within {lo} to {hi}: lo + hi has to be a whole number"
        )
    total, limits = int(total), np.iinfo(block.dtype)
    least, most = max(total - limits.max, limits.min), min(total - limits.min, limits.max)
    has_beyond = bool(block.min() < least or block.max() > most)
    if has_beyond:
        block.clip(least, most, out=block)
    if limits.min <= total <= limits.max:
        np.subtract(block.dtype.type(total), block, out=block)
    else:
        block[...] = total - block.astype(np.int64)
    return has_beyond


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
