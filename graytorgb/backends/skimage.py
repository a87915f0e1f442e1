"""scikit-image: ``skimage.color.gray2rgb``."""

import numpy as np
from skimage.color import gray2rgb

from .protocol import Array


def expand(gray: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.protocol.Backend`. ``gray2rgb`` can't write into `out`."""
    # gray2rgb would swap a foreign byte order, so the bytes are carried as native ones; and it
    # keeps the order of a Fortran input.
    native = gray.view(gray.dtype.newbyteorder("="))
    rgb: Array = gray2rgb(native, channel_axis=axis)
    return np.ascontiguousarray(rgb).view(gray.dtype)
