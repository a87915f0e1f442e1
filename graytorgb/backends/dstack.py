"""``np.stack`` of the same image three times; what ``np.dstack`` does, for any axis."""

import numpy as np

from .protocol import Array, room


def expand(gray: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.protocol.Backend`."""
    # without memory to write into, np.stack would follow the order of a Fortran input
    return np.stack((gray, gray, gray), axis, out=room(gray, axis, out))
