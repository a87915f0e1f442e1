"""The backend ``torchvision``: ``grayscale_to_rgb`` of a tensor that shares the array's memory."""

import numpy as np
import torch
from torchvision.transforms.v2 import functional

from ..core.layout import insert
from .protocol import Array, as_contiguous, sizes_around

# torch knows neither every NumPy dtype nor other byte orders, so elements are viewed as words.
_WORDS = {1: np.uint8, 2: np.int16, 4: np.int32, 8: np.int64, 16: np.complex128}

get_threads, set_threads = torch.get_num_threads, torch.set_num_threads


class _Writable:
    """Read-only memory that claims to be writable; torch warns otherwise, and never writes."""

    def __init__(self, array: Array) -> None:
        address = array.__array_interface__["data"][0]
        self.__array_interface__ = {**array.__array_interface__, "data": (address, False)}
        self.keep = array


def expand(gray: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.Backend`; ``grayscale_to_rgb`` can't write into `out`."""
    before, after = sizes_around(gray.shape, axis)
    word = _WORDS.get(gray.itemsize, np.complex128)
    words: Array = as_contiguous(gray).reshape(before, after).view(word)
    if not words.flags.writeable:
        words = np.asarray(_Writable(words))
    # images of one row, (A, 1, 1, B), so that either layout is a single copy
    gray_rows = torch.from_numpy(words).reshape(before, 1, 1, -1)
    rgb: Array = functional.grayscale_to_rgb(gray_rows).numpy()
    return rgb.view(gray.dtype).reshape(insert(gray.shape, axis))
