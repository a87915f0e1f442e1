"""Rows of an array target: which image is where, and what is recorded of each."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NO_CLASS = -1  # the label of an image that lies in no folder of the source
_SHARD_BYTES = 32 << 20
_SHARD_IMAGES = 1024  # a reader of one image reads its shard's index too, 16 bytes an image


class Row(NamedTuple):
    """What an array target records of one image.

    Attributes
    ----------
    path : str
        The file, relative to the source.
    label : int
        The number of the image's class, or NO_CLASS.
    bits : int
        The bits that the file states for a sample; 0 where it states none, as for floats.
    """

    path: str
    label: int
    bits: int


def count_shard_images(shape: tuple[int, ...], dtype: str) -> int:
    """Return how many images of this shape go into one shard: about 32 MiB, at most 1024 images.

    >>> count_shard_images((224, 224, 3), "uint8")
    222
    >>> count_shard_images((28, 28, 1), "uint8")
    1024
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return min(max(1, _SHARD_BYTES // max(size, 1)), _SHARD_IMAGES)


def find_kept(start: int, stop: int, missing: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the rows `start` to `stop` were before the missing ones were left out.

    Parameters
    ----------
    start, stop : int
        Numbers of rows among those that are kept.
    missing : ndarray of int64
        The rows that are left out, sorted.

    Examples
    --------
    >>> find_kept(0, 5, np.array([2, 5]))
    array([0, 1, 3, 4, 6])
    """
    rows = np.arange(start, stop)
    return rows + np.searchsorted(missing - np.arange(len(missing)), rows, side="right")


def as_missing(missing: Any) -> NDArray[np.int64]:
    """Return the numbers of missing rows as a sorted array without repeats."""
    return np.unique(np.asarray(missing, np.int64))
