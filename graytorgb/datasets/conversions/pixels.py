"""``convert_image``: the pixels of one image, as the options of a conversion ask for them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.image_file import ImageFile
from ...errors import LayoutError
from ...functional.resizing import find_size, resize
from ...functional.to_rgb import to_rgb
from ...functional.to_uint8 import to_uint8
from ...io.orientation import orient
from ..pixels.one_plane import check_depth, make_plane
from .options import Options

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
        remedy = (
            'convert the images of 8 bits apart, or all under "dtype" if the others fill 16 bits'
        )
        check_depth(array.dtype, value_range, remedy)
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


def _set_channels(array: Array, axes: str, options: Options) -> Array:
    """Return the image with three channels, or with one and no axis for it."""
    if options.to == "rgb":
        return to_rgb(array, f"{axes}->HWC", alpha=options.alpha)
    return make_plane(array, axes, options.alpha)
