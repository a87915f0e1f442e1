"""The histogram of the values that an image file holds."""

from typing import NamedTuple

import numpy as np

from ..io import ImageFile
from ..io.ranges import are_limits
from .values import Values, split_alpha

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


def make_histogram(image: ImageFile, values: Values) -> list[Bin]:
    """Return the histogram of an image's finite values, at most 16 bins; empty without any.

    Parameters
    ----------
    image : ImageFile
        The image.
    values : Values
        What :func:`graytorgb.inspection.values.find_values` found of it.
    """
    if values.minimum is None or values.maximum is None:
        return []
    ends = float(values.minimum), float(values.maximum)
    span, stated = ends[1] - ends[0], image.value_range
    bins = min(_BINS, int(span) + 1) if image.array.dtype.kind in "biu" else _BINS
    if values.counts:
        first, numbers = values.counts
        counts, edges = np.histogram(
            np.arange(first, first + len(numbers)), bins, ends, weights=numbers.astype(float)
        )
    else:
        colors = split_alpha(image)[0].colors
        counts, edges = np.histogram(colors[np.isfinite(colors)].astype(float), bins, ends)
    shown = edges.round() if span > 4 * _BINS else edges
    black, white = stated if are_limits(stated) else (-np.inf, np.inf)
    found = []
    for k, count in enumerate(counts):
        clipped = "black" if edges[k + 1] <= black else "white" if edges[k] >= white else ""
        found.append(Bin(shown[k], shown[k + 1], count / counts.sum(), clipped))
    return found
