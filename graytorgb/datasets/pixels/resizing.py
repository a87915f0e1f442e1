"""Resize one image with antialiasing: to a size, or by the length of its shorter side."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LevelsError
from ...extras import require
from ...functional.to_uint8 import to_uint8

Array = NDArray[Any]


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
    array: Array,
    size: tuple[int, int],
    box: tuple[float, float, float, float] | None = None,
    *,
    resampling: str = "BILINEAR",
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
    dtype = array.dtype
    planes = array[..., None] if array.ndim == 2 else array
    result = np.empty((*size, planes.shape[2]), dtype)
    image = require("PIL.Image")
    first: Array | None = None
    for channel in range(planes.shape[2]):
        if channel and (planes[..., channel] == planes[..., 0]).all():
            result[..., channel] = result[..., 0]  # three equal planes take the time of one
            continue
        with np.errstate(over="ignore"):
            first = np.ascontiguousarray(planes[..., channel], np.float32)
        if dtype.itemsize > 4 and (np.isinf(first) & np.isfinite(planes[..., channel])).any():
            raise LevelsError(f"{dtype} values beyond float32 can't be resized")
        small = image.fromarray(first).resize(size[::-1], image.Resampling[resampling], box)
        resized = np.asarray(small)
        if dtype.kind in "iu" and dtype.itemsize <= 2:  # float32 holds them all
            limits = np.iinfo(dtype)
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
