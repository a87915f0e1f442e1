"""The arithmetic of the usual loaders: maps of stored values to the values that a loader gives."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Map(NamedTuple):
    """A map of each stored value to the value that a loader gives; equal maps compare equal.

    Attributes
    ----------
    function : callable
        Takes an array of stored values and the parameters, and returns an array of the same shape,
        uint8 or uint16.
    parameters : tuple of float
        The largest sample that a header states, or the sum of the two values that change places
        where 0 is white.
    """

    function: Callable[..., Array]
    parameters: tuple[float, ...] = ()

    def apply(self, values: Array) -> Array:
        """Return the values that the loader gives."""
        return self.function(values, *self.parameters)


class Table(NamedTuple):
    """What a map does to every value of a dtype of 16 bits or fewer.

    Attributes
    ----------
    results : ndarray of uint8
        The result of each value, from the smallest of the dtype on.
    starts : ndarray of int64, shape (256,), or None
        Where the values start whose result is 0, 1, ... 255; None if the map isn't monotonic.
    """

    results: NDArray[np.uint8]
    starts: NDArray[np.int64] | None


@lru_cache(64)
def tabulate(map_: Map, dtype: np.dtype[Any]) -> Table:
    """Return the table of a map for integers of 16 bits or fewer, or bool."""
    lo, hi = find_limits(dtype)
    results = map_.apply(np.arange(lo, hi + 1).astype(dtype)).astype(np.uint8, copy=False)
    if (results[1:] < results[:-1]).any():
        return Table(results, None)
    return Table(results, np.searchsorted(results, np.arange(256)))


def find_limits(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Return the smallest and the largest value of a dtype of integers or bool."""
    if dtype.kind == "b":
        return 0, 1
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def keep(values: Array) -> Array:
    """Return the values as they are, and signed ones as unsigned ones of the same bits."""
    if values.dtype.kind == "b":
        return values.view(np.uint8) * np.uint8(255)
    return values.view(f"u{values.itemsize}") if values.dtype.kind == "i" else values


def clip(values: Array) -> Array:
    """Return values saturated at 0 and 255, fractions cut off: Pillow's "I;16", "I" and "F".

    NaN becomes 0. Unsigned integers of 32 bits are read as signed ones, so the upper half is 0.
    """
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            single = values.astype(np.float32)
        return np.nan_to_num(single, nan=0, posinf=255, neginf=0).clip(0, 255).astype(np.uint8)
    values = values.view(np.int32) if values.dtype == np.uint32 else values
    return values.clip(0, 255).astype(np.uint8)


def take_high_byte(values: Array) -> Array:
    """Return the upper 8 of 16 bits, which are 15 of 256 levels for a camera of 12 bits."""
    return (keep(values) >> 8).astype(np.uint8)


def take_palette_byte(values: Array) -> Array:
    """Return the upper 8 of a palette's 16 bits; 0 for one that some writers fill with 8 bits."""
    return (values >> 8).astype(np.uint8)


def narrow(values: Array) -> Array:
    """Return values of 8 bits that are held in more."""
    return values.astype(np.uint8)


def divide(values: Array) -> Array:
    """Return 16 bits divided by 257, rounded to nearest."""
    return ((keep(values).astype(np.uint32) + 128) // 257).astype(np.uint8)


def scale(values: Array, largest: float) -> Array:
    """Return values of 0 to `largest` as 0 to 255, as Pillow's PPM decoder computes them."""
    return np.rint(values / largest * 255).astype(np.uint8)


def scale_and_clip(values: Array, largest: float) -> Array:
    """Return values of 0 to `largest` as 0 to 65535, and then saturated at 255."""
    return np.rint(values / largest * 65535).clip(0, 255).astype(np.uint8)


def scale_down(values: Array, largest: float) -> Array:
    """Return values of 0 to `largest` as 0 to 255, rounded down."""
    return (values.astype(np.uint32) * 255 // int(largest)).astype(np.uint8)


def repeat_bits(values: Array, largest: float) -> Array:
    """Return samples of 2 or 4 bits as 0 to 255, and those of 8 as they are."""
    return (values * (255 // int(largest))).astype(np.uint8)


def clip_inverted(values: Array, total: float) -> Array:
    """Return what was inverted as it is stored, saturated at 0 and 255."""
    stored = total - values if values.dtype.kind == "f" else int(total) - values.astype(np.int64)
    return clip(stored)


def invert_then_take_high_byte(values: Array, total: float) -> Array:
    """Return the upper 8 of 16 bits of what OpenCV inverts within 16 bits."""
    stored = int(total) - values.astype(np.int64)
    return ((65535 - stored) >> 8).astype(np.uint8)


def keep_upper_bits(values: Array, bits: float) -> Array:
    """Return 8-bit values with all but the first `bits` bits 0."""
    return values & np.uint8(256 - (256 >> int(bits)))


def blacken(values: Array) -> Array:
    """Return 0 for every value."""
    return np.zeros(values.shape, np.uint8)


KEEP, CLIP, HIGH_BYTE, DIVIDE, BLACK = map(Map, (keep, clip, take_high_byte, divide, blacken))
