"""Turn and mirror an image as the orientation tag of EXIF and TIFF says."""

import numpy as np

from .image import Array


def orient(array: Array, layout: str, value: int) -> Array:
    """Return the image upright: `value` is the tag's, from 1 to 8.

    >>> orient(np.array([[1, 2, 3]]), "HW", 6).shape
    (3, 1)
    """
    height, width = layout.index("H"), layout.index("W")
    if value in (5, 6, 7, 8):
        array = array.swapaxes(height, width)
    flipped = tuple(axis for axis, values in ((height, (3, 4, 7, 8)), (width, (2, 3, 6, 7)))
               if value in values)  # fmt: skip
    return np.ascontiguousarray(np.flip(array, flipped))
