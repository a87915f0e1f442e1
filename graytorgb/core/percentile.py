"""Exact percentiles in bounded memory: order statistics by counting digits.

``np.percentile`` copies the whole array to sort it. Here each value becomes an unsigned key
that sorts the same way, and the key of a given rank is found digit by digit, one counting
pass over the data each (radix selection; Knuth, *The Art of Computer Programming*, vol. 3,
5.2.5). The passes are functions of their own, for data that comes in parts.
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
    """The percentiles of all values, interpolated linearly between the two nearest ranks.

    Parameters
    ----------
    array : ndarray
        Bool, integers or floats; at least one value.
    percents : sequence of float
        0 to 100.

    Returns
    -------
    list of float
        What ``np.percentile(array, percents)`` gives; the exact integer where a percentile
        of integers needs no interpolation.

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
    found = begin(array.size, percents)
    for shift in shifts(array.dtype):
        found = narrow(found, count(array, found, shift))
    return finish(found, array.dtype, array.size, percents)


def begin(size: int, percents: Sequence[float]) -> Found:
    """The ranks to look for, of which nothing is known yet."""
    return {rank: (0, rank) for pair in _ranks(size, percents) for rank in pair[:2]}


def shifts(dtype: np.dtype[Any]) -> range:
    """Where the digits of a key begin, the leading one first; each takes one counting pass."""
    return range((_sortable(dtype).itemsize * 8 - 1) // _DIGIT * _DIGIT, -1, -_DIGIT)


def finish(found: Found, dtype: np.dtype[Any], size: int, percents: Sequence[float]) -> list[float]:
    """The percentiles, when every digit is known."""
    sortable = _sortable(dtype)
    wanted = np.array([key for key, _ in found.values()], f"u{sortable.itemsize}")
    at = dict(zip(found, values(wanted, sortable).tolist(), strict=True))
    return [_interpolate(at[a], at[b], fraction) for a, b, fraction in _ranks(size, percents)]


def _ranks(size: int, percents: Sequence[float]) -> list[tuple[int, int, float]]:
    """The two ranks around each percentile, and where between them it lies."""
    positions = [(size - 1) * (p / 100) for p in percents]
    return [(int(p), min(int(p) + 1, size - 1), p - int(p)) for p in positions]


def nan_error() -> LevelsError:
    """The error for a value that no order and no level has a place for."""
    return LevelsError("a value is NaN, which no level stands for: np.nan_to_num(x) first")


def _interpolate(low: float, high: float, fraction: float) -> float:
    if fraction == 0 or low == high:
        return low
    # from the nearer end, as NumPy does, so that the result never passes the other one
    if fraction < 0.5:
        return low + (high - low) * fraction
    return high - (high - low) * (1 - fraction)


def _sortable(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype whose values have keys: long doubles are counted in float64."""
    return np.dtype(np.float64) if dtype.itemsize > 8 else dtype.newbyteorder("=")


def narrow(found: Found, counts: Counts) -> Found:
    """What is known of each rank with one more digit."""
    known = {}
    for rank, (prefix, rest) in found.items():
        cumulative = np.cumsum(counts[prefix])
        digit = int(np.searchsorted(cumulative, rest, side="right"))
        before = int(cumulative[digit - 1]) if digit else 0
        known[rank] = ((prefix << _DIGIT) | digit, rest - before)
    return known


def merge(parts: Sequence[Counts]) -> Counts:
    """The counts of parts of an array, added up."""
    return {prefix: sum(part[prefix] for part in parts) for prefix in parts[0]}


def count(array: Array, found: Found, shift: int) -> Counts:
    """How often each digit at `shift` follows each prefix that was found."""
    dtype = _sortable(array.dtype)
    counts = {prefix: np.zeros(1 << _DIGIT, np.int64) for prefix, _ in found.values()}
    unsigned = np.dtype(f"u{dtype.itemsize}").type
    mask = unsigned(min((1 << _DIGIT) - 1, np.iinfo(unsigned).max))
    for block in blocks.read(array, dtype, _BLOCK):
        if dtype.kind == "f" and np.isnan(block).any():
            raise nan_error()
        leading = keys(block) >> unsigned(shift)
        digits = (leading & mask).astype(np.intp)
        leading >>= unsigned(_DIGIT)
        for prefix, total in counts.items():
            total += np.bincount(digits[leading == unsigned(prefix)], minlength=1 << _DIGIT)
    return counts


def keys(block: Array) -> Array:
    """Unsigned keys of the same width that sort as the values do."""
    unsigned: Any = np.dtype(f"u{block.dtype.itemsize}").type
    raw: Array = block.view(unsigned)
    sign = unsigned(1 << (block.dtype.itemsize * 8 - 1))
    if block.dtype.kind == "i":
        raw = raw ^ sign
    elif block.dtype.kind == "f":  # the sign bit of positives flips, every bit of negatives
        raw = np.where(raw & sign, ~raw, raw | sign)
    return raw


def values(keys: Array, dtype: np.dtype[Any]) -> Array:
    """The values of keys: the inverse of :func:`keys`."""
    unsigned: Any = np.dtype(f"u{dtype.itemsize}").type
    sign = unsigned(1 << (dtype.itemsize * 8 - 1))
    if dtype.kind == "i":
        keys = keys ^ sign
    elif dtype.kind == "f":
        keys = np.where(keys & sign, keys ^ sign, ~keys)
    return keys.view(dtype)
