"""One gray plane of one image: its axes, its alpha, and whether its depth suits the range."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.alpha import Alpha
from ...core.value_range import ValueRange, is_deeper
from ...errors import LevelsError
from ...functional.to_gray import to_gray
from ...functional.to_rgb import to_rgb
from ...io.ranges import are_limits

Array = NDArray[Any]


def make_plane(array: Array, axes: str, alpha: Alpha) -> Array:
    """Return one channel of an image, without an axis for it.

    Parameters
    ----------
    array : ndarray
    axes : str
        Its axes: H, W and at most C.
    alpha : "drop", (r, g, b) or "error"
        What becomes of an alpha channel.

    Returns
    -------
    ndarray, shape (H, W)
        `array` itself if that is its shape already.

    Raises
    ------
    ChannelError
        If the image has alpha, and `alpha` is ``"error"``.

    Examples
    --------
    >>> pixel = np.array([[[9, 9, 9, 255]]], np.uint8)
    >>> make_plane(pixel, "HWC", "drop")
    array([[9]], dtype=uint8)
    """
    if axes == "HW":
        return array
    if "C" in axes and array.shape[axes.index("C")] in (2, 4):
        array, axes = to_rgb(array, f"{axes}->HWC", alpha=alpha), "HWC"
    return to_gray(array, f"{axes}->HW")


def check_depth(dtype: np.dtype[Any], value_range: ValueRange | None, remedy: str) -> None:
    """Raise LevelsError for an image of 8 bits under a range of more, which would be dark.

    Parameters
    ----------
    dtype : dtype
        The dtype of the image's values.
    value_range : ValueRange or None
    remedy : str
        What the caller can do, for the message.
    """
    if dtype.itemsize > 1 or dtype.kind == "b" or not is_deeper(255, 256, value_range):
        return
    if are_limits(value_range):
        raise LevelsError(
            "it has 8 bits, and would be dark under the range "
            f"{value_range[0]} to {value_range[1]}: {remedy}"
        )
