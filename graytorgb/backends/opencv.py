"""OpenCV: a whole batch in one call, as one tall image."""

import numpy as np
from cv2 import COLOR_GRAY2BGR, cvtColor, getNumThreads, merge, repeat, setNumThreads

from ..layout import insert
from . import Array, is_solid, solid, split, strips

# cvtColor(GRAY2BGR) copies these; every dtype of that width is carried in them, bit for bit.
_CVTCOLOR = {1: np.uint8, 2: np.uint16, 4: np.float32}

_INT_MAX = 2**31 - 1  # OpenCV counts columns in 32 bits, and doesn't notice an overflow


def expand(grey: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.Backend`."""
    if out is None:
        out = np.empty(insert(grey.shape, axis), grey.dtype)
    if axis < grey.ndim:
        _repeat_planes(solid(grey), axis, out)
    elif is_solid(grey):
        _interleave(grey, out)
    else:  # in strips, so that no copy of the whole input is needed
        for part in strips(grey):
            _interleave(np.array(grey[part], order="C"), out[part])
    return out


def _interleave(grey: Array, out: Array) -> None:
    rows, columns = split(grey.shape, grey.ndim - 1)
    if grey.itemsize in _CVTCOLOR:
        word = _CVTCOLOR[grey.itemsize]
        image = grey.reshape(rows, columns).view(word)
        cvtColor(image, COLOR_GRAY2BGR, dst=out.view(word).reshape(rows, columns, 3))
    else:
        # cvtColor has no wider type; merge has float64, and takes a 16-byte element as two.
        words = grey.itemsize // 8
        plane = grey.view(np.float64).reshape(rows, columns, words)
        result = out.view(np.float64).reshape(rows, columns, 3 * words)
        merge((plane, plane, plane), dst=result)


def _repeat_planes(grey: Array, axis: int, out: Array) -> None:
    """The run of bytes behind each index before the channel axis, three times in a row."""
    before, after = split(grey.shape, axis)
    if 3 * after * grey.itemsize <= _INT_MAX:
        flat = grey.reshape(before, -1).view(np.uint8)
        repeat(flat, 1, 3, dst=out.reshape(before, -1).view(np.uint8))
        return
    runs = grey.reshape(before, -1, grey.shape[-1]).view(np.uint8)
    results = out.view(np.uint8).reshape(before, -1, runs.shape[-1])
    for run, result in zip(runs, results, strict=True):
        repeat(run, 3, 1, dst=result)


def threads() -> int:
    """How many threads OpenCV uses."""
    return getNumThreads()


def set_threads(count: int) -> None:
    """Let OpenCV use `count` threads."""
    setNumThreads(count)
