"""The backend ``skimage``: ``skimage.color.gray2rgb`` of scikit-image."""

import numpy as np
from skimage.color import gray2rgb

from .protocol import Array


def expand(gray: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.Backend`; ``gray2rgb`` can't write into `out`."""
    # gray2rgb would change a foreign byte order, so the bytes are viewed in the machine's order;
    # and it keeps the order of a Fortran input
    native = gray.view(gray.dtype.newbyteorder("="))
    rgb: Array = gray2rgb(native, channel_axis=axis)
    return np.ascontiguousarray(rgb).view(gray.dtype)
