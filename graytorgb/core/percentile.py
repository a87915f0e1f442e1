"""Exact percentiles in bounded memory: order statistics by counting digits.

``np.percentile`` copies the whole array to sort it. Here each value becomes an unsigned key
that sorts the same way, and the key of a given rank is found digit by digit, one counting
pass over the data each (radix selection; Knuth, *The Art of Computer Programming*, vol. 3,
5.2.5). Each pass is a function of its own, for data that comes in parts.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LevelsError
from . import blocks

Array = NDArray[Any]
Found = dict[int, tuple[int, int]]  # rank: the key's leading digits, the rank among those keys
Counts = dict[int, Any]  # leading digits: how often each next digit follows

_BLOCK = 4096  # elements; a block needs ten temporaries
_DIGIT = 11  # bits: 2048 counters; 2 passes for 16-bit values, 3 for 32, 6 for 64


def percentile(array: Array, percents: Sequence[float]) -> list[float]:
    """Return percentiles of all values, interpolated linearly between the two nearest ranks.

    Parameters
    ----------
    array : ndarray
        Bool, integers or floats; at least one value.
    percents : sequence of float
        0 to 100.

    Returns
    -------
    list of float
        The values of ``np.percentile(array, percents)``; an exact integer where a percentile of
        integers needs no interpolation.

    Raises
    ------
    LevelsError
        If a value is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> percentile(np.arange(101, dtype=np.uint16), [1, 99])
    [1, 99]
    """
    found = begin_search(array.size, percents)
    for shift in list_shifts(array.dtype):
        found = narrow_ranks(found, count_digits(array, found, shift))
    return finish_search(found, array.dtype, array.size, percents)


def begin_search(size: int, percents: Sequence[float]) -> Found:
    """Return the ranks to look for, of whose keys no digit is known yet."""
    return {rank: (0, rank) for pair in _find_ranks(size, percents) for rank in pair[:2]}


def list_shifts(dtype: np.dtype[Any]) -> range:
    """Return where each digit of a key begins, the leading one first; each takes one pass."""
    return range((_get_sortable(dtype).itemsize * 8 - 1) // _DIGIT * _DIGIT, -1, -_DIGIT)


def finish_search(
    found: Found, dtype: np.dtype[Any], size: int, percents: Sequence[float]
) -> list[float]:
    """Return the percentiles, once every digit of the keys is known."""
    sortable = _get_sortable(dtype)
    wanted = np.array([key for key, _ in found.values()], f"u{sortable.itemsize}")
    at = dict(zip(found, from_keys(wanted, sortable).tolist(), strict=True))
    return [_interpolate(at[a], at[b], fraction) for a, b, fraction in _find_ranks(size, percents)]


def percentile_of_counts(first: int, counts: Array, percents: Sequence[float]) -> list[float]:
    """Return percentiles of integers of which it is known how often each occurs.

    Parameters
    ----------
    first : int
        The integer of the first count.
    counts : ndarray of int, shape (levels,)
        How often each integer from `first` on occurs; at least one occurs.
    percents : sequence of float
        0 to 100.

    Returns
    -------
    list of float
        As :func:`percentile` returns them for an array of these integers.

    Examples
    --------
    >>> import numpy as np
    >>> percentile_of_counts(10, np.array([2, 0, 2]), [0, 50, 100])
    [10, 11.0, 12]
    """
    ends = np.cumsum(counts, dtype=np.int64)
    ranks = _find_ranks(int(ends[-1]), percents)
    at = [first + np.searchsorted(ends, pair[:2], side="right") for pair in ranks]
    return [
        _interpolate(int(low), int(high), fraction)
        for (low, high), (_, _, fraction) in zip(at, ranks, strict=True)
    ]


def _find_ranks(size: int, percents: Sequence[float]) -> list[tuple[int, int, float]]:
    """Return the two ranks around each percentile, and where between them it lies."""
    positions = [(size - 1) * (p / 100) for p in percents]
    return [(int(p), min(int(p) + 1, size - 1), p - int(p)) for p in positions]


def refuse_nan() -> LevelsError:
    """Return the error for NaN, which has no place in an order and no level."""
    return LevelsError("a value is NaN, which no level stands for: np.nan_to_num(x) first")


def _interpolate(low: float, high: float, fraction: float) -> float:
    if fraction == 0 or low == high:
        return low
    # from the nearer end, as NumPy does, so that the result never passes the other one
    if fraction < 0.5:
        return low + (high - low) * fraction
    return high - (high - low) * (1 - fraction)


def _get_sortable(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that values are counted in: float64 for long doubles."""
    return np.dtype(np.float64) if dtype.itemsize > 8 else dtype.newbyteorder("=")


def narrow_ranks(found: Found, counts: Counts) -> Found:
    """Return the ranks with one more digit of each key, found in the counts."""
    known = {}
    for rank, (prefix, rest) in found.items():
        cumulative = np.cumsum(counts[prefix])
        digit = int(np.searchsorted(cumulative, rest, side="right"))
        before = int(cumulative[digit - 1]) if digit else 0
        known[rank] = ((prefix << _DIGIT) | digit, rest - before)
    return known


def merge_counts(parts: Sequence[Counts]) -> Counts:
    """Return the sum of the counts of an array's parts."""
    return {prefix: sum(part[prefix] for part in parts) for prefix in parts[0]}


def count_digits(array: Array, found: Found, shift: int) -> Counts:
    """Count how often each digit at `shift` follows each prefix that was found."""
    dtype = _get_sortable(array.dtype)
    counts = {prefix: np.zeros(1 << _DIGIT, np.int64) for prefix, _ in found.values()}
    unsigned = np.dtype(f"u{dtype.itemsize}").type
    mask = unsigned(min((1 << _DIGIT) - 1, np.iinfo(unsigned).max))
    for block in blocks.read(array, dtype, _BLOCK):
        if dtype.kind == "f" and np.isnan(block).any():
            raise refuse_nan()
        leading = to_keys(block) >> unsigned(shift)
        digits = (leading & mask).astype(np.intp)
        leading >>= unsigned(_DIGIT)
        for prefix, total in counts.items():
            total += np.bincount(digits[leading == unsigned(prefix)], minlength=1 << _DIGIT)
    return counts


def to_keys(block: Array) -> Array:
    """Return unsigned keys, of the same width, that sort in the order of the values."""
    unsigned: Any = np.dtype(f"u{block.dtype.itemsize}").type
    raw: Array = block.view(unsigned)
    sign = unsigned(1 << (block.dtype.itemsize * 8 - 1))
    if block.dtype.kind == "i":
        raw = raw ^ sign
    elif block.dtype.kind == "f":  # the sign bit of positives flips, every bit of negatives
        raw = np.where(raw & sign, ~raw, raw | sign)
    return raw


def from_keys(keys: Array, dtype: np.dtype[Any]) -> Array:
    """Return the values of keys; the inverse of :func:`to_keys`."""
    unsigned: Any = np.dtype(f"u{dtype.itemsize}").type
    sign = unsigned(1 << (dtype.itemsize * 8 - 1))
    if dtype.kind == "i":
        keys = keys ^ sign
    elif dtype.kind == "f":
        keys = np.where(keys & sign, keys ^ sign, ~keys)
    return keys.view(dtype)
