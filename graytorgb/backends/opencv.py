"""OpenCV: a whole batch in one call, as one tall image."""

import cv2
import numpy as np

from ..layout import insert
from . import Array, solid, split

# cvtColor(GRAY2BGR) copies these; every dtype of that width is carried in them, bit for bit.
_CVTCOLOR = {1: np.uint8, 2: np.uint16, 4: np.float32}


def expand(grey: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.Backend`."""
    grey = solid(grey)
    if out is None:
        out = np.empty(insert(grey.shape, axis), grey.dtype)
    if axis == grey.ndim:
        _interleave(grey, out)
    else:
        # Planar: each run of bytes before the channel axis, three times in a row.
        before, _ = split(grey.shape, axis)
        flat = grey.reshape(before, -1).view(np.uint8)
        cv2.repeat(flat, 1, 3, dst=out.reshape(before, -1).view(np.uint8))
    return out


def _interleave(grey: Array, out: Array) -> None:
    rows, columns = split(grey.shape, grey.ndim - 1)
    if grey.itemsize in _CVTCOLOR:
        word = _CVTCOLOR[grey.itemsize]
        image = grey.reshape(rows, columns).view(word)
        cv2.cvtColor(image, cv2.COLOR_GRAY2BGR, dst=out.view(word).reshape(rows, columns, 3))
    else:
        # cvtColor has no wider type; merge has float64, and takes a 16-byte element as two.
        words = grey.itemsize // 8
        plane = grey.view(np.float64).reshape(rows, columns, words)
        result = out.view(np.float64).reshape(rows, columns, 3 * words)
        cv2.merge((plane, plane, plane), dst=result)
