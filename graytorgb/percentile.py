"""Exact percentiles in bounded memory: order statistics by counting digits.

``np.percentile`` copies the whole array to sort it. Here each value becomes an unsigned key
that sorts the same way, and the key of a given rank is found digit by digit, one counting
pass over the data each (radix selection; Knuth, *The Art of Computer Programming*, vol. 3,
5.2.5).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import blocks
from .errors import LevelsError

Array = NDArray[Any]

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
    positions = [(array.size - 1) * (p / 100) for p in percents]
    below = [int(position) for position in positions]
    above = [min(rank + 1, array.size - 1) for rank in below]
    values = _order_statistics(array, sorted({*below, *above}))
    return [
        _interpolate(values[a], values[b], position - a)
        for a, b, position in zip(below, above, positions, strict=True)
    ]


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


def _order_statistics(array: Array, ranks: list[int]) -> dict[int, Any]:
    """The value of each rank, 0 for the smallest."""
    dtype = np.dtype(np.float64) if array.dtype.itemsize > 8 else array.dtype.newbyteorder("=")
    bits = dtype.itemsize * 8
    # for each rank: the key's digits found so far, and the rank among the keys that share them
    found = {rank: (0, rank) for rank in ranks}
    for shift in range((bits - 1) // _DIGIT * _DIGIT, -1, -_DIGIT):
        counts = _count_digits(array, dtype, {prefix for prefix, _ in found.values()}, shift)
        for rank, (prefix, rest) in found.items():
            cumulative = np.cumsum(counts[prefix])
            digit = int(np.searchsorted(cumulative, rest, side="right"))
            before = int(cumulative[digit - 1]) if digit else 0
            found[rank] = ((prefix << _DIGIT) | digit, rest - before)
    return {rank: _value(key, dtype) for rank, (key, _) in found.items()}


def _count_digits(
    array: Array, dtype: np.dtype[Any], prefixes: set[int], shift: int
) -> dict[int, Array]:
    """How often each digit at `shift` follows each prefix."""
    counts = {prefix: np.zeros(1 << _DIGIT, np.int64) for prefix in prefixes}
    unsigned = np.dtype(f"u{dtype.itemsize}").type
    mask = unsigned(min((1 << _DIGIT) - 1, np.iinfo(unsigned).max))
    for block in blocks.read(array, dtype, _BLOCK):
        if dtype.kind == "f" and np.isnan(block).any():
            raise nan_error()
        leading = _keys(block) >> unsigned(shift)
        digits = (leading & mask).astype(np.intp)
        leading >>= unsigned(_DIGIT)
        for prefix, count in counts.items():
            count += np.bincount(digits[leading == unsigned(prefix)], minlength=1 << _DIGIT)
    return counts


def _keys(block: Array) -> Array:
    """Unsigned keys of the same width that sort as the values do."""
    unsigned: Any = np.dtype(f"u{block.dtype.itemsize}").type
    raw: Array = block.view(unsigned)
    sign = unsigned(1 << (block.dtype.itemsize * 8 - 1))
    if block.dtype.kind == "i":
        raw = raw ^ sign
    elif block.dtype.kind == "f":  # the sign bit of positives flips, every bit of negatives
        raw = np.where(raw & sign, ~raw, raw | sign)
    return raw


def _value(key: int, dtype: np.dtype[Any]) -> Any:
    """The value of a key: the inverse of :func:`_keys`."""
    bits = dtype.itemsize * 8
    sign = 1 << (bits - 1)
    if dtype.kind == "i":
        return key - sign
    if dtype.kind == "f":
        raw = key & ~sign if key & sign else key ^ ((1 << bits) - 1)
        return float(np.array(raw, f"u{dtype.itemsize}").view(dtype))
    return key
