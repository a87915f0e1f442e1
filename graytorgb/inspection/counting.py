"""Count the values of samples, and compare colors: by the compiled kernels, or else by NumPy."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..backends import registry

Array = NDArray[Any]

_MOST = 1 << 16  # counts

_COUNTED = (
    "b1",
    "u1",
    "i1",
    "u2",
    "i2",
)  # the dtypes whose values are counted, without their order


class Counts(NamedTuple):
    """How often each value occurs, from the smallest to the largest.

    Attributes
    ----------
    first : int
        The smallest value.
    numbers : ndarray of uint64
        How often ``first + k`` occurs, at index k.
    """

    first: int
    numbers: NDArray[np.uint64]


class Samples(NamedTuple):
    """The color samples of an image, without its alpha.

    Attributes
    ----------
    pixels : ndarray of shape (N, period), C-contiguous
        The samples of each pixel.
    used : int
        How many of them, from the first, are colors: 1 or 3.
    """

    pixels: Array
    used: int

    @property
    def colors(self) -> Array:
        """The samples that are colors, as a view of shape (N, used)."""
        return self.pixels[:, : self.used]


def count(samples: Samples) -> Counts | None:
    """Count the values of color samples; None for floats, and integers that span more than 16 bits.

    Parameters
    ----------
    samples : Samples
        At least one pixel.

    Examples
    --------
    >>> first, numbers = count(Samples(np.array([[7], [9], [9]], "uint8"), 1))
    >>> first, numbers.tolist()
    (7, [1, 0, 2])
    """
    pixels, used = samples
    if pixels.dtype.kind == "f":
        return None
    if pixels.itemsize == 1:
        unsigned, first = pixels.view(np.uint8), 0
        numbers = _count_from(Samples(unsigned, used), 0, 256)
        if pixels.dtype.kind == "i":  # bytes from 128 on are -128 and up
            numbers, first = np.roll(numbers, 128), -128
    else:
        colors = pixels if used == pixels.shape[1] else samples.colors
        first, last = int(colors.min()), int(colors.max())
        if last - first >= _MOST:
            return None
        if pixels.itemsize == 2:
            unsigned, start = pixels.view(np.uint16), first & 0xFFFF
        else:  # such as Hounsfield units, which may take 32 bits and span 12
            unsigned, start = (pixels - pixels.dtype.type(first)).astype(np.uint16), 0
        numbers = _count_from(Samples(unsigned, used), start, last - first + 1)
    present = find_present(numbers)
    lo, hi = int(present[0]), int(present[-1])
    return Counts(first + lo, numbers[lo : hi + 1])


def find_present(numbers: NDArray[np.uint64]) -> Array:
    """Return the places at which a number isn't 0."""
    places: Array = (numbers != 0).nonzero()[0]  # in less time than `numbers.nonzero()`
    return places


def _count_from(samples: Samples, first: int, size: int) -> NDArray[np.uint64]:
    """Return how often each of `size` values from `first` on occurs; 16-bit values wrap round."""
    pixels, used = samples
    if registry.is_usable("native"):
        native: Any = registry.load("native")
        numbers = np.zeros(size, np.uint64)
        native.count(pixels, numbers, pixels.itemsize, first, pixels.shape[1], used)
        return numbers
    places = samples.colors if first == 0 else samples.colors - pixels.dtype.type(first)
    return np.bincount(places.reshape(-1), minlength=size).astype(np.uint64)


def find_spread(samples: Samples, most: int) -> tuple[int, int]:
    """Return the largest spread of a pixel and the sum of all: how far its colors are apart.

    A spread is the largest difference of two of the three colors. Where one is larger than `most`,
    the rest may be left out: `largest` is more than `most` then, and not of all pixels.

    Parameters
    ----------
    samples : Samples of uint8 or uint16
        Three colors of each pixel.

    Examples
    --------
    >>> find_spread(Samples(np.array([[7, 9, 4], [5, 5, 5]], "uint8"), 3), 10)
    (5, 5)
    """
    pixels = samples.pixels
    if pixels.shape[1] in (3, 4) and registry.is_usable("native"):
        native: Any = registry.load("native")
        found: tuple[int, int] = native.spread(pixels, pixels.itemsize, pixels.shape[1], most)
        return found
    colors = samples.colors
    spreads = colors.max(1) - colors.min(1)
    return int(spreads.max(initial=0)), int(spreads.sum(dtype=np.uint64))


def have_equal_planes(samples: Samples) -> bool:
    """Return whether the three colors of every pixel are equal; NaN equals NaN."""
    if samples.pixels.dtype in (np.uint8, np.uint16):
        return find_spread(samples, 0)[0] == 0
    first, *others = np.moveaxis(samples.colors, 1, 0)
    is_float = first.dtype.kind == "f"
    return all(np.array_equal(first, other, equal_nan=is_float) for other in others)
