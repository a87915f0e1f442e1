"""``convert_image``: the pixels of one image, as the options of a conversion ask for them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.image_file import ImageFile
from ..core.value_range import ValueRange, is_deeper
from ..errors import LayoutError, LevelsError
from ..extras import require
from ..functional.to_gray import to_gray
from ..functional.to_rgb import to_rgb
from ..functional.to_uint8 import to_uint8
from ..io.orientation import orient
from ..io.ranges import are_limits
from .conversion_options import Options

Array = NDArray[Any]


def convert_image(image: ImageFile, options: Options) -> Array:
    """Return the pixels of an image of one frame, converted.

    The steps are: turn it upright, composite or drop its alpha, make one channel or three, resize
    it, and make 8 bits of it. Each is left out where the options don't ask for it, and then
    changes no value.

    Parameters
    ----------
    image : ImageFile
        One image, with a layout of H, W and at most C.
    options : Options
        Rules that look at values, such as ``"minmax"``, have to be replaced by what they find in
        the whole set.

    Returns
    -------
    ndarray, shape (H, W, 3) or (H, W)
        In the image's dtype, or uint8 where the options ask for 8 bits. C-contiguous.

    Raises
    ------
    LayoutError
        If the axes of the image aren't known, or it holds more than one image.
    ChannelError
        If it has alpha, and the options don't say what becomes of it.
    LevelsError
        If its values don't fit the range: NaN, 8 bits under a range of more, floats beyond 0 to 1.

    Examples
    --------
    >>> from pathlib import Path
    >>> scan = ImageFile(
    ...     Path("x.png"), np.array([[0, 4095]], np.uint16), "HW", (0, 65535), "", "PNG", "gray"
    ... )
    >>> convert_image(scan, Options(bits=8, value_range=(0, 4095), to="gray"))
    array([[  0, 255]], dtype=uint8)
    """
    layout = _check_layout(image)
    array = image.array
    if options.orientation == "apply" and image.orientation != 1:
        array = orient(array, layout, image.orientation)
    axes = "".join(axis for axis in layout if axis in "HWC")
    array = _set_channels(array, axes, options)
    if options.size is not None:
        array = resize(array, find_size(array.shape[:2], options.size))
    if options.bits == 8:
        value_range = image.value_range if options.value_range is None else options.value_range
        if array.dtype.itemsize == 1 and array.dtype.kind != "b":
            _check_depth(value_range)
        array = to_uint8(array, value_range)
    return np.ascontiguousarray(array)


def _check_layout(image: ImageFile) -> str:
    """Return the layout of one image, or raise LayoutError."""
    layout = image.layout
    if layout is None or not set(layout) <= set("HWC"):
        known = "nothing tells its axes" if layout is None else f"its axes are {layout!r}"
        raise LayoutError(
            f"{known}, shape {image.array.shape}, and one image of (H, W) or (H, W, C) is "
            "converted at a time"
        )
    return layout


def _check_depth(value_range: ValueRange | None) -> None:
    """Raise LevelsError for an image of 8 bits under a range of more, which would be dark."""
    if is_deeper(255, 256, value_range) and are_limits(value_range):
        raise LevelsError(
            "it has 8 bits, and would be dark under the range "
            f"{value_range[0]} to {value_range[1]}: convert the images of "
            '8 bits apart, or under "dtype"'
        )


def _set_channels(array: Array, axes: str, options: Options) -> Array:
    """Return the image with three channels, or with one and no axis for it."""
    if options.to == "rgb":
        return to_rgb(array, f"{axes}->HWC", alpha=options.alpha)
    if "C" in axes and array.shape[axes.index("C")] in (2, 4):
        array, axes = to_rgb(array, f"{axes}->HWC", alpha=options.alpha), "HWC"
    return to_gray(array, f"{axes}->HW")


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


def resize(array: Array, size: tuple[int, int]) -> Array:
    """Resize an image with antialiasing, and keep its dtype and all of its depth.

    The filter is a triangle that is as wide as the reduction (Pillow's ``BILINEAR``), computed on
    float32 for each channel. It never goes beyond the image's own extremes. Integers are rounded to
    nearest, ties to even. Bool becomes uint8, 0 or 255, because its mean has levels between.

    Parameters
    ----------
    array : ndarray, shape (H, W) or (H, W, 3)
    size : (height, width)

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
    if array.shape[:2] == size:
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
        small = image.fromarray(first).resize(size[::-1], image.Resampling.BILINEAR)
        resized = np.asarray(small)
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            wide = np.rint(resized, dtype=np.float64)
            resized = wide.clip(limits.min, limits.max)
            top = resized >= limits.max  # 2**64 is no uint64
            result[..., channel] = np.where(top, 0, resized).astype(dtype)
            result[..., channel][top] = limits.max
        else:
            result[..., channel] = resized
    return result[..., 0] if array.ndim == 2 else result
