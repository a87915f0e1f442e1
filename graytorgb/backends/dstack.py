"""The backend ``dstack``: ``np.stack`` of the same image three times, as ``np.dstack`` does."""

import numpy as np

from .protocol import Array, allocate_result


def expand(gray: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.Backend`."""
    # without memory to write into, np.stack would follow the order of a Fortran input
    return np.stack((gray, gray, gray), axis, out=allocate_result(gray, axis, out))
