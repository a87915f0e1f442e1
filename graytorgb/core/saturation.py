"""A warning for a stated range that turns most of an image white."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import blocks, notice

Array = NDArray[Any]

# To count the values above a range takes as long as a pass of `prepare`, so all are counted only
# if more than _SUSPICIOUS of a few are above. They are few because a large image is in no cache.
# Their places are spread by the golden ratio: a fixed step could meet one column in every row.
_FEW = 64
_SUSPICIOUS = 1 / 4
_SMALL = 1024  # values; an image of no more is counted at once


def warn_if_white(values: Array, value_range: Any) -> None:
    """Warn, once for each range, if more than half of the values lie above its upper end.

    Parameters
    ----------
    values : ndarray
    value_range : ValueRange or None
        The range that the caller stated. Only ``(lo, hi)`` is checked: any other range ends where
        the dtype does, or was found in the values.
    """
    if not is_stated(value_range):
        return
    key, hi = ("white", value_range), _get_end(value_range[1], values.dtype)
    if hi is None or not values.size or not notice.is_due(key):
        return
    some = values if values.size <= _SMALL else _pick_spread(values)
    if np.count_nonzero(some > hi) <= _SUSPICIOUS * some.size:
        return
    if 2 * _count_above(values, hi) > values.size:
        largest = np.nanmax(values).item()
        told = largest if isinstance(largest, int) else f"{largest:.12g}"
        suggested = _suggest_range(largest)
        such = f", such as {_tell(suggested)}" if suggested else ""
        text = (
            f"more than half of an image is above value_range={value_range!r} and becomes white: "
            f"the largest value is {told}. If that isn't meant, state the range that the "
            f"values have{such}. This is said once for each range"
        )
        problem = (
            f"more than half of the image is above the range {_tell(value_range)}: it becomes white"
        )
        notice.warn_once(key, notice.RangeWarning(text, problem, suggested))


def is_stated(value_range: Any) -> bool:
    """Return whether a range is the pair ``(lo, hi)``."""
    return type(value_range) is tuple and len(value_range) == 2


@lru_cache(64)  # a pipeline asks for the same each time
def _get_end(hi: float, dtype: np.dtype[Any]) -> Any:
    """Return a range's upper end, to compare with a dtype; None if no value is above it."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        # NumPy 2.0 crashes if it compares a strided array with a Python integer below its dtype's.
        return None if hi >= limits.max else np.float64(-np.inf) if hi < limits.min else hi
    return np.float64(hi) if dtype.kind == "f" else None  # half precision may not hold it


@lru_cache(64)
def _find_places(size: int) -> Array:
    return (np.arange(_FEW) * ((5**0.5 - 1) / 2) % 1 * size).astype(np.intp)


def _pick_spread(values: Array) -> Array:
    places = _find_places(values.size)
    if values.flags.c_contiguous:
        return values.reshape(-1)[places]
    return values.flat[places]


def _count_above(values: Array, hi: Any) -> int:
    dtype = np.dtype(np.float64) if values.dtype.kind == "f" else values.dtype.newbyteorder("=")
    return sum(int(np.count_nonzero(block > hi)) for block in blocks.read(values, dtype))


def _suggest_range(largest: float) -> tuple[float, float] | None:
    """Return a range that fits, up to a power of two for integers; None for infinity."""
    if isinstance(largest, int):
        return 0, (1 << max(8, largest.bit_length())) - 1
    return (0, largest) if np.isfinite(largest) else None


def _tell(value_range: tuple[float, float]) -> str:
    """Return a range as text."""
    lo, hi = (str(end) if isinstance(end, int) else f"{end:.6g}" for end in value_range)
    return f"({lo}, {hi})"
