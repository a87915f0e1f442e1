"""The bits in use: values that were shifted or scaled to a larger depth are recognized."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_FEW = 64  # values that are tried first, because most sets fail at one of them
_MOST_ROUNDED = 16  # bits: scaling by a division; deeper values are scaled by repeating bits


def find_step(values: Array) -> int:
    """Return the greatest common divisor of integers, 1 if all are 0.

    Parameters
    ----------
    values : ndarray of int64 or uint64, shape (N,)
        Different values in rising order, at least one.

    Examples
    --------
    >>> find_step(np.array([0, 48, 64, 4080]))
    16
    """
    span = int(values[-1]) - int(values[0])
    if 2 * len(values) > span + 2:  # two of them are neighbors
        return 1
    sizes = (np.abs(values) if values.dtype.kind == "i" else values).astype(np.uint64)
    step = np.gcd.reduce(sizes[:_FEW])
    while step != 1:
        left = sizes[(sizes % step if step else sizes) != 0]
        if not len(left):
            break
        step = np.gcd(step, np.gcd.reduce(left[:_FEW]))
    return int(step) or 1


def find_effective_bits(values: Array, step: int, depths: Iterable[int]) -> int:
    """Return the smallest number of bits from which the values can have been made.

    A value of k bits may have been stored as it is, multiplied by a step (shifted to the left), or
    scaled to the whole depth: by repeating its bits, ``v << 4 | v >> 8`` for 12 in 16, or by
    ``v * 65535 / 4095``, rounded to nearest or down. Signed values have two's complement's bits.

    Parameters
    ----------
    values : ndarray of int64 or uint64, shape (N,)
        Different values in rising order, at least one.
    step : int
        The greatest common divisor of the values.
    depths : iterable of int
        The depths that values may have been scaled to.

    Examples
    --------
    >>> twelve = np.array([0, 1, 77, 4095])
    >>> find_effective_bits(twelve << 4, 16, [16]), find_effective_bits(twelve, 1, [16])
    (12, 12)
    >>> find_effective_bits(twelve << 4 | twelve >> 8, 1, [16])
    12
    >>> find_effective_bits(np.array([-1024, 3071]), 1, [16])
    13
    """
    lowest, highest = int(values[0]) // step, int(values[-1]) // step
    if lowest < 0:
        return 1 + max((~lowest).bit_length(), max(highest, 0).bit_length())
    bits = highest.bit_length()
    unsigned = values.astype(np.uint64)
    least = max(1, (len(values) - 1).bit_length())  # so many values need so many bits
    for fewer in range(least, bits):
        if any(_is_scaled(unsigned, fewer, depth) for depth in depths if fewer < depth):
            return fewer
    return bits


def list_depths(dtype: np.dtype[Any], stated: int | None) -> set[int]:
    """Return the depths to which unsigned values may have been scaled: the dtype's, the stated.

    >>> sorted(list_depths(np.dtype("uint16"), 12)), list_depths(np.dtype("int16"), 12)
    ([12, 16], set())
    """
    if dtype.kind != "u":
        return set()
    whole = 8 * dtype.itemsize
    return {whole, stated} if stated and 1 < stated < whole else {whole}


def _is_scaled(values: Array, bits: int, depth: int) -> bool:
    """Return whether each value is one of `bits` bits, scaled to a depth in one of the ways."""
    if int(values[-1]) >> depth:
        return False
    ways = (_repeat_bits, _round_down, _round) if depth <= _MOST_ROUNDED else (_repeat_bits,)
    few = values[:: len(values) // _FEW + 1]
    likely = [way for way in ways if np.array_equal(way(few, bits, depth), few)]
    return any(np.array_equal(way(values, bits, depth), values) for way in likely)


def _repeat_bits(values: Array, bits: int, depth: int) -> Array:
    """Return values whose highest `bits` bits are repeated below, down to the lowest."""
    found = values >> np.uint64(depth - bits) << np.uint64(depth - bits)
    done = bits
    while done < depth:
        found = found | found >> np.uint64(done)
        done *= 2
    return found


def _round(values: Array, bits: int, depth: int) -> Array:
    """Return the nearest values that are ``round(v * (2^depth - 1) / (2^bits - 1))`` of some v."""
    top, full = np.uint64((1 << bits) - 1), np.uint64((1 << depth) - 1)
    two = np.uint64(2)
    nearest = (values * top * two + full) // (two * full)
    return (nearest * full * two + top) // (two * top)


def _round_down(values: Array, bits: int, depth: int) -> Array:
    """Return values that are ``floor(v * (2^depth - 1) / (2^bits - 1))`` of some v."""
    top, full = np.uint64((1 << bits) - 1), np.uint64((1 << depth) - 1)
    above = (values * top + full - np.uint64(1)) // full
    return above * full // top
