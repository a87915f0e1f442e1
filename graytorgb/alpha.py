"""Alpha channels: what grey+alpha and RGBA become before they are RGB."""

from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from .errors import ChannelError, DtypeError

Background = tuple[float, float, float]
Alpha = Literal["error", "drop"] | Background

_SLAB = 1 << 16  # pixels composited at once, so that temporaries stay small


def check(alpha: Alpha) -> Alpha:
    """`alpha` itself if it is one of the three policies, else ChannelError."""
    if isinstance(alpha, str) and alpha in ("error", "drop"):
        return alpha
    if isinstance(alpha, tuple | list) and len(alpha) == 3 and all(map(_is_level, alpha)):
        return cast(Background, tuple(alpha))
    raise ChannelError(
        'alpha is "error", "drop" (the colours as they are) or a background '
        f"(r, g, b) in the image's own units, not {alpha!r}"
    )


def refuse(channels: int) -> ChannelError:
    """The error for a number of channels that isn't 1 or 3."""
    if channels in (2, 4):
        what = "grey and alpha" if channels == 2 else "RGB and alpha"
        return ChannelError(
            f"{channels} channels are {what}, and RGB holds no alpha: "
            'to_rgb(x, alpha="drop") keeps the colours as they are, and '
            "to_rgb(x, alpha=(r, g, b)) composites on that background"
        )
    return ChannelError(
        f"the channel axis has {channels} entries; grey has 1, RGB has 3. If this axis counts "
        'images, say so: to_rgb(x, "NHW")'
    )


def composite(image: NDArray[Any], background: Background) -> NDArray[Any]:
    """Grey or RGB with alpha, put on a background.

    ``colour * a + background * (1 - a)`` (Porter and Duff's *over*, straight alpha), in
    float64; integers are rounded to nearest, ties to even. ``a`` is alpha over its largest
    value: the dtype's for unsigned integers, 1 for floats.

    Parameters
    ----------
    image : ndarray of shape (..., 2) or (..., 4)
        Unsigned integers or floats; the last entry is alpha.
    background : tuple of 3 floats
        In the image's own units.

    Returns
    -------
    ndarray of shape (..., 3)
        C-contiguous, in the image's dtype.
    """
    kind, dtype = image.dtype.kind, image.dtype
    if kind not in "uf":
        raise DtypeError(
            f"alpha is a fraction only in unsigned integers and floats, not in {dtype}: "
            'convert first, or alpha="drop"'
        )
    opaque = float(np.iinfo(dtype).max) if kind == "u" else 1.0
    if kind == "u" and not all(0 <= v <= opaque for v in background):
        raise ChannelError(f"background {background} is outside of {dtype}: 0 to {opaque:.0f}")
    ground = np.asarray(background, np.float64)
    result = np.empty((*image.shape[:-1], 3), dtype)
    pixels = max(1, image[0].size) if image.shape[0] else 1
    rows = max(1, _SLAB // pixels)
    for start in range(0, image.shape[0], rows):
        slab = image[start : start + rows].astype(np.float64)
        weight = slab[..., -1:] / opaque
        if not ((weight >= 0) & (weight <= 1)).all():
            raise ChannelError("a float alpha channel holds values from 0 to 1, and this doesn't")
        mixed = slab[..., :-1] * weight + ground * (1 - weight)
        result[start : start + rows] = np.rint(mixed) if kind == "u" else mixed
    return result


def _is_level(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and bool(np.isfinite(value))
