"""The backend ``opencv``: ``cv2.cvtColor``, or ``cv2.merge`` for wide elements; ``cv2.repeat``.

The first two interleave and the last one makes planes. A contiguous batch is one image to OpenCV,
so it takes one call.
"""

import numpy as np
from cv2 import COLOR_GRAY2BGR, cvtColor, getNumThreads, merge, repeat, setNumThreads

from .protocol import (
    Array,
    allocate_result,
    as_contiguous,
    cut_into_strips,
    is_contiguous,
    sizes_around,
)

# cvtColor(GRAY2BGR) copies these dtypes; every other dtype is viewed as the one of its width.
_CVTCOLOR = {1: np.uint8, 2: np.uint16, 4: np.float32}

# OpenCV counts rows and columns in 32 bits and doesn't notice an overflow, and a thread works on
# whole rows. So contiguous elements are passed as rows of this length, whatever their shape.
_COLUMNS = 4096
_INT_MAX = 2**31 - 1

get_threads, set_threads = getNumThreads, setNumThreads


def expand(gray: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.Backend`."""
    out = allocate_result(gray, axis, out)
    if axis == gray.ndim and is_contiguous(gray):
        _interleave(gray.reshape(-1), out.reshape(-1, 3))
    elif axis == gray.ndim:
        for part in cut_into_strips(gray, 1 << 20):
            _interleave(np.array(gray[part], order="C").reshape(-1), out[part].reshape(-1, 3))
    elif axis > 0 and not is_contiguous(gray):
        for image, planes in zip(gray, out, strict=True):
            _repeat_planes(as_contiguous(image), axis - 1, planes)
    else:
        _repeat_planes(as_contiguous(gray), axis, out)
    return out


def _interleave(gray: Array, out: Array) -> None:
    """Copy elements (A,) to pixels (A, 3)."""
    whole = gray.size - gray.size % _COLUMNS
    for start, stop, columns in ((0, whole, _COLUMNS), (whole, gray.size, gray.size - whole)):
        if start < stop:
            _interleave_rows(gray[start:stop].reshape(-1, columns), out[start:stop])


def _interleave_rows(gray: Array, out: Array) -> None:
    rows, columns = gray.shape
    if gray.itemsize in _CVTCOLOR:
        word = _CVTCOLOR[gray.itemsize]
        result = out.view(word).reshape(rows, columns, 3)
        cvtColor(gray.view(word), COLOR_GRAY2BGR, dst=result)
    else:
        # cvtColor has no wider type. merge has float64, and an element of 16 bytes is two of them.
        words = gray.itemsize // 8
        plane = gray.view(np.float64).reshape(rows, columns, words)
        merged = out.view(np.float64).reshape(rows, columns, 3 * words)
        merge((plane, plane, plane), dst=merged)


def _repeat_planes(gray: Array, axis: int, out: Array) -> None:
    """Copy the run of bytes behind each index before the channel axis three times in a row."""
    before, after = sizes_around(gray.shape, axis)
    if 3 * after * gray.itemsize <= _INT_MAX:
        flat = gray.reshape(before, -1).view(np.uint8)
        repeat(flat, 1, 3, dst=out.reshape(before, -1).view(np.uint8))
        return
    runs = gray.reshape(before, -1, gray.shape[-1]).view(np.uint8)
    results = out.view(np.uint8).reshape(before, -1, runs.shape[-1])
    for run, result in zip(runs, results, strict=True):
        repeat(run, 3, 1, dst=result)
