"""Tell when a stated range turns most of an image white."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import blocks, notice

Array = NDArray[Any]

# To count the white pixels of a large image takes as long as a pass of `prepare`. So it is done
# only if many of these few values are white. Their places are fractions of the size, spread by
# the golden ratio, because a fixed step could meet the same column in every row.
_PLACES = np.arange(256) * ((5**0.5 - 1) / 2) % 1
_SMALL = 4096  # values; an image of no more is counted at once
_SUSPICIOUS = 3 / 8  # of the values that were looked at

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
    hi: Any = value_range[1]
    if values.dtype.kind in "iu":
        if hi >= np.iinfo(values.dtype).max:
            return
    elif values.dtype.kind == "f":
        hi = np.float64(hi)  # which half precision may not hold
    else:
        return
    if not values.size or not notice.is_due(("white", value_range)):
        return
    some = values if values.size <= _SMALL else _spread(values)
    if np.count_nonzero(some > hi) <= _SUSPICIOUS * some.size:
        return
    if 2 * _count_above(values, hi) > values.size:
        largest = np.nanmax(values).item()
        told = largest if isinstance(largest, int) else f"{largest:.12g}"
        notice.warn_once(
            ("white", value_range),
            f"more than half of an image is above value_range={value_range!r} and becomes white: "
            f"the largest value is {told}. If that isn't meant, state the range that the "
            f"values have{_wide_enough(largest)}. This is said once for each range",
        )


def _spread(values: Array) -> Array:
    places = (_PLACES * values.size).astype(np.intp)
    if values.flags.c_contiguous:
        return values.reshape(-1)[places]
    return values.flat[places]


def _count_above(values: Array, hi: Any) -> int:
    dtype = np.dtype(np.float64) if values.dtype.kind == "f" else values.dtype.newbyteorder("=")
    return sum(np.count_nonzero(block > hi) for block in blocks.read(values, dtype))


def _wide_enough(largest: float) -> str:
    """Return words for a range up to a power of two, as sensors have it, or to the value itself."""
    if isinstance(largest, int):
        return f", such as {(0, (1 << max(8, largest.bit_length())) - 1)}"
    return f", such as (0, {largest:.6g})" if np.isfinite(largest) else ""
