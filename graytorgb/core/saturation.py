"""Tell when a stated range turns most of an image white."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import blocks, notice

Array = NDArray[Any]

# To count what is above a range takes as long as a pass of `prepare`, so all values are counted
# only if so many of a few are above. Only a few, because those of a large image are in no cache.
# Their places are spread by the golden ratio: a fixed step could meet one column in every row.
_FEW = 64
_SUSPICIOUS = 1 / 4
_SMALL = 1024  # values; an image of no more is counted at once

_looked_at: set[Any] = set()  # ranges for which values were brought from another device


def check(kind: Any, array: Any, value_range: Any) -> None:
    """Warn once for each range if more than half of the values lie above its upper end.

    Parameters
    ----------
    kind : ArrayKind
    array
        Of that kind. Nothing is known, and nothing said, of the values in a graph or a trace. Of
        values on another device only the first array for each range is looked at, because
        looking waits for the device.
    value_range : ValueRange or None
        As it was stated. Only ``(lo, hi)`` is checked: any other ends where the dtype does, or
        was found in the values.
    """
    if type(value_range) is not tuple or len(value_range) != 2:
        return
    values = kind.peek(array)
    if values is None and value_range not in _looked_at:
        values = kind.look(array)
        if values is not None:
            _looked_at.add(value_range)
    if values is not None:
        _check_values(values, value_range)


def _check_values(values: Array, value_range: tuple[float, float]) -> None:
    key, hi = ("white", value_range), _end(value_range[1], values.dtype)
    if hi is None or not values.size or not notice.is_due(key):
        return
    some = values if values.size <= _SMALL else _spread(values)
    if np.count_nonzero(some > hi) <= _SUSPICIOUS * some.size:
        return
    if 2 * _count_above(values, hi) > values.size:
        largest = np.nanmax(values).item()
        told = largest if isinstance(largest, int) else f"{largest:.12g}"
        notice.warn_once(
            key,
            f"more than half of an image is above value_range={value_range!r} and becomes white: "
            f"the largest value is {told}. If that isn't meant, state the range that the "
            f"values have{_wide_enough(largest)}. This is said once for each range",
        )


@lru_cache(64)  # a pipeline says the same each time
def _end(hi: float, dtype: np.dtype[Any]) -> Any:
    """Return the end of a range as values of a dtype compare with it; None if none is above it."""
    if dtype.kind in "iu":
        return None if hi >= np.iinfo(dtype).max else hi
    return np.float64(hi) if dtype.kind == "f" else None  # half precision may not hold it


@lru_cache(64)
def _places(size: int) -> Array:
    return (np.arange(_FEW) * ((5**0.5 - 1) / 2) % 1 * size).astype(np.intp)


def _spread(values: Array) -> Array:
    places = _places(values.size)
    if values.flags.c_contiguous:
        return values.reshape(-1)[places]
    return values.flat[places]


def _count_above(values: Array, hi: Any) -> int:
    dtype = np.dtype(np.float64) if values.dtype.kind == "f" else values.dtype.newbyteorder("=")
    return sum(int(np.count_nonzero(block > hi)) for block in blocks.read(values, dtype))


def _wide_enough(largest: float) -> str:
    """Return words for a range up to a power of two, as sensors have it, or to the value itself."""
    if isinstance(largest, int):
        return f", such as {(0, (1 << max(8, largest.bit_length())) - 1)}"
    return f", such as (0, {largest:.6g})" if np.isfinite(largest) else ""
