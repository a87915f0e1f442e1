"""Resize one image with antialiasing: to a size, or by the length of its shorter side."""

from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backends import registry
from ..errors import LevelsError
from ..extras import require
from .to_uint8 import to_uint8

Array = NDArray[Any]
Box = tuple[float, float, float, float]  # left, top, right, bottom
Size = tuple[int, int]  # height, width

# Pillow's modes for arrays whose memory it reads as it is; I;16 has the lower byte first
_MAPPED_MODES = {np.dtype("u1"): "L", np.dtype("<u2"): "I;16"}

_BEST_LEVEL = -1  # of the kernels: the processor's widest vectors


def find_size(shape: tuple[int, ...], size: int | tuple[int, int]) -> tuple[int, int]:
    """Return the height and the width of an image after resizing.

    A single number is the length of the shorter side; the longer side keeps the proportions, and
    is rounded down, as in torchvision's ``Resize``.

    Examples
    --------
    >>> find_size((480, 640), 256), find_size((480, 640), (224, 224))
    ((256, 341), (224, 224))
    """
    if isinstance(size, tuple):
        return size
    height, width = shape
    if height <= width:
        return size, max(1, size * width // height)
    return max(1, size * height // width), size


def resize(
    array: Array, size: tuple[int, int], box: Box | None = None, *, resampling: str = "BILINEAR"
) -> Array:
    """Resize an image with antialiasing, and keep its dtype and all of its depth.

    The filter is a triangle that is as wide as the reduction (Pillow's ``BILINEAR``), computed on
    float32 for each channel. It never goes beyond the image's own extremes. Integers are rounded to
    nearest, ties to even. Bool becomes uint8, 0 or 255, because its mean has levels between.

    Parameters
    ----------
    array : ndarray, shape (H, W) or (H, W, 3)
    size : (height, width)
    box : (left, top, right, bottom), optional
        The part that is resized, in pixels, also between them. Pixels beyond it take part where the
        filter reaches them, as if all were resized. By default it is the whole image.
    resampling : str
        The name of another filter of Pillow's. Some of them go beyond the image's extremes.

    Returns
    -------
    ndarray, shape (height, width) or (height, width, 3)

    Raises
    ------
    LevelsError
        If a value is too large for float32.

    Examples
    --------
    >>> resize(np.array([[0, 65535], [0, 65535]], np.uint16), (1, 1))
    array([[32768]], dtype=uint16)
    """
    if array.dtype.kind == "b":
        array = to_uint8(array)
    if box is None and array.shape[:2] == size:
        return array
    if box is not None:
        array, box = _cut_around(array, size, box)
    dtype = array.dtype
    planes = array[..., None] if array.ndim == 2 else array
    result = np.empty((*size, planes.shape[2]), dtype)
    image = require("PIL.Image")
    for channel in range(planes.shape[2]):
        if channel and (planes[..., channel] == planes[..., 0]).all():
            result[..., channel] = result[..., 0]  # three equal planes take the time of one
            continue
        whole = _make_float_image(planes[..., channel])
        resized = np.asarray(whole.resize(size[::-1], image.Resampling[resampling], box))
        if dtype.kind in "iu" and dtype.itemsize <= 2:  # float32 holds their limits
            limits = np.iinfo(dtype)  # which some filters go beyond
            result[..., channel] = np.rint(resized).clip(limits.min, limits.max)
        elif dtype.kind in "iu":
            limits = np.iinfo(dtype)
            wide = np.rint(resized, dtype=np.float64)
            resized = wide.clip(limits.min, limits.max)
            top = resized >= limits.max  # 2**64 is no uint64
            result[..., channel] = np.where(top, 0, resized).astype(dtype)
            result[..., channel][top] = limits.max
        else:
            result[..., channel] = resized
    return result[..., 0] if array.ndim == 2 else result


def resize_part(
    plane: Array,
    whole: Size,
    place: tuple[int, int],
    size: Size,
    is_mirrored: bool = False,
    *,
    resampling: str = "BILINEAR",
) -> Array:
    """Resize a plane, take a part of the result, and keep the dtype; only the part is computed.

    Bytes are resized in integers, as Pillow does it, and have the bits of Pillow 13. The kernels of
    this package do it bilinearly in a sixth of Pillow's time. Where they aren't built, and for
    other filters, Pillow resizes the plane as a whole. Other dtypes are resized by :func:`resize`.

    Parameters
    ----------
    plane : ndarray, shape (H, W)
        Not bool. A part of a larger array isn't copied.
    whole : (height, width)
        What the plane becomes as a whole.
    place : (top, left)
        Where the part begins in that.
    size : (height, width)
        Of the part.
    is_mirrored : bool
        Whether left and right of the part are exchanged then.
    resampling : str
        The name of Pillow's filter.

    Returns
    -------
    ndarray, shape `size`
        C-contiguous, in memory of its own.

    Examples
    --------
    >>> resize_part(np.array([[0, 100, 200]], np.uint8), (1, 6), (0, 1), (1, 4), is_mirrored=True)
    array([[175, 125,  75,  25]], dtype=uint8)
    """
    top, left = place
    if plane.dtype != np.uint8:
        down, across = plane.shape[0] / whole[0], plane.shape[1] / whole[1]
        right, bottom = (left + size[1]) * across, (top + size[0]) * down
        box = (left * across, top * down, min(right, plane.shape[1]), min(bottom, plane.shape[0]))
        result = resize(plane, size, box, resampling=resampling)
    elif resampling == "BILINEAR" and registry.is_usable("native"):
        native: Any = registry.load("native")
        result = np.empty(size, np.uint8)
        plane = plane if plane.strides[1] == 1 else np.ascontiguousarray(plane)
        native.resize(plane, result, *whole, *place, is_mirrored, _BEST_LEVEL)
        return result
    else:
        image = require("PIL.Image")
        plane = np.ascontiguousarray(plane)
        unsized = image.frombuffer("L", plane.shape[::-1], plane, "raw", "L", 0, 1)
        resized = np.asarray(unsized.resize(whole[::-1], image.Resampling[resampling]))
        result = resized[top : top + size[0], left : left + size[1]].copy()
    return np.ascontiguousarray(result[:, ::-1]) if is_mirrored else result


def _cut_around(array: Array, size: tuple[int, int], box: Box) -> tuple[Array, Box]:
    """Return the pixels that the filter reaches from a box, and where the box is in them."""
    left, top, right, bottom = box
    rows = _find_reach(top, bottom, size[0], array.shape[0])
    columns = _find_reach(left, right, size[1], array.shape[1])
    y, x = rows.start, columns.start
    return array[rows, columns], (left - x, top - y, right - x, bottom - y)


def _find_reach(start: float, stop: float, size: int, length: int) -> slice:
    """Return the pixels of one axis that the filter reaches: as far as a new pixel is wide."""
    reach = max(1.0, (stop - start) / size) + 1
    return slice(max(0, floor(start - reach)), min(length, ceil(stop + reach)))


def _make_float_image(plane: Array) -> Any:
    """Return a plane as a PIL image of float32.

    Pillow reads unsigned integers of 8 and 16 bits where they are, and converts them by itself: it
    uses its memory again, so that resizing takes half of the time.

    Raises
    ------
    LevelsError
        If a value is too large for float32.
    """
    image = require("PIL.Image")
    mode = _MAPPED_MODES.get(plane.dtype)
    if mode is not None:
        plane = np.ascontiguousarray(plane)
        return image.frombuffer(mode, plane.shape[::-1], plane, "raw", mode, 0, 1).convert("F")
    with np.errstate(over="ignore"):
        floats = np.ascontiguousarray(plane, np.float32)
    if plane.dtype.itemsize > 4 and (np.isinf(floats) & np.isfinite(plane)).any():
        raise LevelsError(f"{plane.dtype} values beyond float32 can't be resized")
    return image.fromarray(floats)
