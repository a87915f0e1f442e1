"""The backend ``fill``: preallocated memory and plain assignment."""

import numpy as np

from .protocol import Array, allocate_result


def expand(gray: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.Backend`."""
    out = allocate_result(gray, axis, out)
    if axis == gray.ndim:
        # One strided pass a channel. A single broadcast assignment would loop over the
        # three channels innermost, which takes 8 times as long.
        for channel in range(3):
            out[..., channel] = gray
    else:
        out[...] = np.expand_dims(gray, axis)  # the inner loop copies whole planes
    return out
