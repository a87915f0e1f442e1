"""``color="gray"`` of ``read``: one gray plane of whatever a file holds."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..core import alpha as alphas
from ..core.alpha import Alpha
from ..core.gray_planes import make_gray
from ..core.image_file import ImageFile
from ..core.layout import Layout, remove_channel
from ..core.wording import suggest
from ..errors import ChannelError, GrayToRGBError, LayoutError, OptionError
from .ranges import Array
from .request import Request

COLORS = ("keep", "gray")


def check_color(color: Any, alpha: Any, call: str) -> Alpha:
    """Return `alpha`, or raise for a color or an alpha of another kind, or that don't go together.

    `call` is how the caller's call begins, for messages: ``read(path``.

    >>> check_color("gray", [0, 0, 255], "read(path")
    (0, 0, 255)
    """
    if not isinstance(color, str) or color not in COLORS:
        raise OptionError(
            f'color is "keep" (every channel of the file) or "gray" (one gray plane), not {color!r}'
            + suggest(color, ("keep", "gray"))
        )
    policy = alphas.check(alpha)
    if policy != "error" and color == "keep":
        raise OptionError(
            f'alpha={alpha!r} is for color="gray", and color="keep" keeps an alpha channel as it '
            f'is: {call}, color="gray", alpha={alpha!r}), or '
            f"to_rgb({call}), alpha={alpha!r}) for three channels"
        )
    return policy


def reduce_to_gray(request: Request, image: ImageFile) -> ImageFile:
    """Return the image with one gray plane in place of its channels, by ``to_gray``'s arithmetic.

    An image without an axis for channels is returned as it is.

    Raises
    ------
    ChannelError
        If it has alpha, and the caller doesn't say what becomes of it; or if its channels are
        neither gray nor RGB.
    DtypeError
        If alpha is to be composited in a dtype in which it isn't.
    LayoutError
        If nothing tells which axis is that of the channels.
    """
    array, source = image.array, image.layout
    if source is None:
        raise LayoutError(
            f"{request.path}: nothing tells the axes of an array of shape {array.shape}, so that "
            f"one gray plane can't be made of it: to_gray({request.call}).array, layout) with a "
            'layout such as "NHW" or "HWC"'
        )
    if "C" not in source:
        return image
    axes = Layout(source, remove_channel(source))
    channels = axes.channels(array.shape)
    if channels in (2, 4):
        array = _remove_alpha(request, image, source.index("C"))
    elif channels not in (1, 3):
        raise ChannelError(f"{request.path}: {alphas.refuse(channels, 'gray')}")
    return replace(image, array=make_gray(array, axes, "luma"), layout=axes.target)


def _remove_alpha(request: Request, image: ImageFile, axis: int) -> Array:
    """Return the colors of an image with alpha, dropped or composited as the caller says."""
    array, channels = image.array, image.array.shape[axis]
    if request.alpha == "error":
        kind = "gray and alpha" if channels == 2 else "RGB and alpha"
        error = ChannelError(
            f"{request.path}: it has {channels} channels, {kind}, and a gray plane holds no alpha: "
            f'{request.call}, color="gray", alpha="drop") keeps the colors as they are, and '
            "alpha=(r, g, b) composites on that background"
        )
        error.remedies = ("alpha",)
        raise error
    if request.alpha == "drop":
        return array[(slice(None),) * axis + (slice(0, channels - 1),)]
    if image.format == "TIFF" and image.color_type != "palette" and (image.bits or 0) % 8:
        raise ChannelError(
            f"{request.path}: its alpha has {image.bits} bits, and alpha is composited in whole "
            f'bytes: {request.call}, color="gray", alpha="drop"), or {request.call}) and composite '
            "by yourself"
        )
    last = np.moveaxis(array, axis, -1)
    rgb = np.empty((*last.shape[:-1], 3), array.dtype)
    try:
        alphas.composite(last, request.alpha, rgb)
    except GrayToRGBError as error:
        raise type(error)(f"{request.path}: {error}") from error
    return np.moveaxis(rgb, -1, axis)
