"""The histogram of the values that an image file holds."""

from typing import NamedTuple

import numpy as np

from ..io import ImageFile
from ..io.ranges import are_limits

_BINS = 16


class Bin(NamedTuple):
    """A bar of a histogram: the values between two edges.

    Attributes
    ----------
    lo, hi : float
        The edges.
    share : float
        The share of all finite values that lie between them.
    clipped : {"black", "white", ""}
        What all values of the bin become in the file's range, if that isn't gray.
    """

    lo: float
    hi: float
    share: float
    clipped: str


def count_values(image: ImageFile) -> list[Bin]:
    """Return the histogram of an image's finite values, at most 16 bins; empty without any."""
    array, stated = image.array, image.value_range
    values = array[np.isfinite(array)].astype(np.float64)
    if values.size == 0:
        return []
    span = values.max() - values.min()
    bins = min(_BINS, int(span) + 1) if array.dtype.kind in "biu" else _BINS
    counts, edges = np.histogram(values, bins)
    shown = edges.round() if span > 4 * _BINS else edges
    black, white = stated if are_limits(stated) else (-np.inf, np.inf)
    found = []
    for k, count in enumerate(counts):
        clipped = "black" if edges[k + 1] <= black else "white" if edges[k] >= white else ""
        found.append(Bin(shown[k], shown[k + 1], count / values.size, clipped))
    return found
