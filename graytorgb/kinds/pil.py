"""Pillow images: what each mode means, and how an image becomes an array and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core import alpha as alphas
from ..core.layout import Result
from ..errors import ChannelError, DtypeError

PILImage = Image.Image

_DEEP = ("I", "F")  # and every mode that begins with "I;"

# For each mode that is accepted: the mode of its levels, and the mode that has alpha beside them.
_COLORS = {
    "1": ("1", "LA"),
    "L": ("L", "LA"),
    "LA": ("L", "LA"),
    "P": ("RGB", "RGBA"),
    "PA": ("RGB", "RGBA"),
    "RGB": ("RGB", "RGBA"),
    "RGBA": ("RGB", "RGBA"),
}


def is_deep(image: PILImage) -> bool:
    """Return whether the pixels have more than 8 bits: modes I;16*, I and F."""
    return image.mode in _DEEP or image.mode.startswith("I;")


def flatten(image: PILImage, alpha: alphas.Alpha, result: Result = "rgb") -> PILImage:
    """Return an image in mode L or RGB, with its palette looked up and its alpha resolved.

    An image that has one of these modes already, and no transparent color, is returned itself.
    The messages are those of the verb that makes `result`.

    Raises
    ------
    DtypeError
        For the deep modes, which no RGB mode of Pillow's can hold.
    ChannelError
        For transparency with ``alpha="error"``, and for other color spaces.
    """
    if is_deep(image):
        raise DtypeError(
            f"Pillow has no RGB of more than 8 bits, and mode {image.mode!r} would be clipped: "
            "choose how its values become 8 bits, "
            'to_rgb(to_uint8(image, (lo, hi))) or to_uint8(image, "minmax"), or convert '
            "np.asarray(image), which keeps every value"
        )
    if image.mode not in _COLORS:
        raise ChannelError(
            f"mode {image.mode!r} is neither gray nor RGB: {_conversion(image)} if Pillow's "
            "conversion is what you want"
        )
    if image.has_transparency_data:
        return _resolve_alpha(image, alpha, result)
    if image.mode == "1":
        return image.convert("L")  # 0 and 255
    return image.convert("RGB") if image.mode == "P" else image


def from_array(rgb: NDArray[Any], like: PILImage) -> PILImage:
    """Return an image of these pixels, with the metadata of `like` except a transparent color."""
    image = Image.fromarray(rgb)
    image.info = {k: v for k, v in like.info.items() if k != "transparency"}
    return image


def split_alpha(image: PILImage) -> tuple[PILImage, PILImage | None]:
    """Return the levels of an image, and its alpha in mode L or None.

    The levels are an image in mode 1, L, RGB, I, F or I;16*.

    Raises
    ------
    ChannelError
        For color spaces whose values aren't levels of gray or RGB.
    """
    if is_deep(image):
        key = image.info.get("transparency")
        if key is None:
            return image, None
        return image, Image.fromarray(np.where(np.asarray(image) == key, 0, 255).astype(np.uint8))
    if image.mode not in _COLORS:
        raise ChannelError(
            f"the values of mode {image.mode!r} aren't levels of gray or RGB: "
            f"{_conversion(image)} first"
        )
    mode, full = _COLORS[image.mode]
    if not image.has_transparency_data:
        return image if image.mode == mode else image.convert(mode), None
    whole = image.convert(full)
    return image if image.mode == mode else whole.convert(mode), whole.getchannel("A")


def join_alpha(levels: PILImage, opacity: PILImage | None) -> PILImage:
    """Return 8-bit levels with their alpha; the inverse of :func:`split_alpha`."""
    if opacity is None:
        return levels
    return Image.merge(levels.mode + "A", (*levels.split(), opacity))


def _conversion(image: PILImage) -> str:
    """Return the call that converts another color space to one that is accepted."""
    premultiplied = {"La": "LA", "RGBa": "RGBA"}
    return f"image.convert({premultiplied.get(image.mode, 'RGB')!r})"


def _resolve_alpha(image: PILImage, alpha: alphas.Alpha, result: Result) -> PILImage:
    if alpha == "error":
        raise alphas.refuse(2 if _COLORS[image.mode][1] == "LA" else 4, result)
    levels, opacity = split_alpha(image)
    levels = levels.convert("L") if levels.mode == "1" else levels.copy()
    if alpha == "drop":
        levels.info.pop("transparency", None)
        return levels
    full = np.asarray(join_alpha(levels, opacity))
    mixed = np.empty((*full.shape[:2], 3), full.dtype)
    alphas.composite(full, alpha, mixed)
    return from_array(mixed, like=image)
