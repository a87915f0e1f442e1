"""The check of ``to_gray`` under ``"any"`` that three channels are equal, and the error if not."""

from typing import Any

import numpy as np

from ..errors import ChannelError
from .blocks import Array, cut_into_strips
from .layout import Layout, remove_channel


def find_equal(red: Any, green: Any, blue: Any) -> Any:
    """Return where three values are the same number; NaN is the same as NaN."""
    are_nan = (red != red) & (green != green) & (blue != blue)
    return ((red == green) & (green == blue)) | are_nan


def refuse_color(planes: list[Array] | None, axes: Layout) -> ChannelError:
    """Return the error for channels that differ; with None for planes whose values aren't known."""
    told = "by how much isn't known in a graph or a trace"
    if planes is not None:
        difference, index = _find_largest_difference(planes)
        color = ", ".join(str(plane[index].item()) for plane in planes)
        place = zip(remove_channel(axes.target), index, strict=True)
        where = ", ".join(f"{letter}={i}" for letter, i in place)
        told = f"by {difference} at most, in ({color}) at {where}"
    return ChannelError(
        'weights="any" takes one of three equal channels, and these channels differ: '
        f'{told}. to_gray(x, ..., weights="luma") or "equal" makes one channel of a color image'
    )


def _find_largest_difference(planes: list[Array]) -> tuple[Any, tuple[int, ...]]:
    """Return the largest difference between two channels of a pixel, and the pixel's index.

    The difference is NaN where some, and not all, of the three channels are NaN.
    """
    largest: Any = -1
    where: tuple[int, ...] = ()
    for part in cut_into_strips(planes[0], 1 << 16):
        red, green, blue = (plane[part] for plane in planes)
        differences = _find_differences(red, green, blue)
        differences[find_equal(red, green, blue)] = 0
        place = np.unravel_index(int(differences.argmax()), differences.shape)
        found = differences[place].item()
        if found != found or found > largest:
            largest, begin = found, part[-1].start if isinstance(part[-1], slice) else 0
            leading = [int(i) for i in part[:-1] if not isinstance(i, slice)]
            where = (*leading, int(place[0]) + begin, *map(int, place[1:]))
        if found != found:
            break
    return largest, where


def _find_differences(red: Array, green: Array, blue: Array) -> Array:
    """Return the largest difference between the three channels of each pixel."""
    if red.dtype.kind in "biu":
        highest, lowest = np.maximum(np.maximum(red, green), blue), np.minimum(red, green)
        lowest = np.minimum(lowest, blue)
        return highest.astype(np.uint64) - lowest.astype(np.uint64)  # exact, for any sign
    with np.errstate(over="ignore", invalid="ignore"):
        red, green, blue = (x.astype(np.result_type(x, np.float64)) for x in (red, green, blue))
        pairs = ((red, green), (green, blue), (red, blue))
        differences: Array = np.maximum.reduce([np.abs(x - y) for x, y in pairs])
        return differences
