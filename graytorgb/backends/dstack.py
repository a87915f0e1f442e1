"""``np.stack`` of the same image three times; what ``np.dstack`` does, for any axis."""

import numpy as np

from .protocol import Array, room


def expand(grey: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.Backend`."""
    # without memory to write into, np.stack would follow the order of a Fortran input
    return np.stack((grey, grey, grey), axis, out=room(grey, axis, out))
