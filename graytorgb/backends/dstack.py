"""``np.stack`` of the same image three times; what ``np.dstack`` does, for any axis."""

import numpy as np

from ..layout import insert
from . import Array


def expand(grey: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.Backend`."""
    if out is None:  # np.stack would follow the order of a Fortran input
        out = np.empty(insert(grey.shape, axis), grey.dtype)
    return np.stack((grey, grey, grey), axis, out=out)
