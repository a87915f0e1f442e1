"""Alpha channels: how gray+alpha and RGBA become RGB."""

import sys
from numbers import Real
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import ChannelError, DtypeError
from . import blocks
from .layout import Result
from .wording import suggest

Array = NDArray[Any]
Background = tuple[float, float, float]
Alpha = Literal["error", "drop"] | Background


def check(alpha: Any) -> Alpha:
    """Return `alpha` if it is one of the three policies, or raise ChannelError."""
    if isinstance(alpha, str) and alpha in ("error", "drop"):
        return cast("Alpha", alpha)
    if isinstance(alpha, np.ndarray):
        alpha = alpha.tolist()
    if isinstance(alpha, tuple | list) and len(alpha) == 3 and all(map(_is_level, alpha)):
        return cast("Background", tuple(alpha))
    raise ChannelError(
        'alpha is "error", "drop" (the colors as they are) or a background '
        f"(r, g, b) in the image's own units, not {alpha!r}{suggest(alpha, ('error', 'drop'))}"
    )


def refuse(channels: int, result: Result = "rgb") -> ChannelError:
    """Return the error for a number of channels that isn't 1 or 3, of which a verb makes `result`.

    The message of ``to_gray``, which has no argument for alpha, names ``to_rgb`` too.
    """
    if channels in (2, 4):
        what = "gray and alpha" if channels == 2 else "RGB and alpha"
        kept, mixed = 'to_rgb(x, ..., alpha="drop")', "to_rgb(x, ..., alpha=(r, g, b))"
        if result == "gray":
            kept, mixed = f"to_gray({kept})", f"to_gray({mixed})"
        error = ChannelError(
            f"{channels} channels are {what}, and {'RGB' if result == 'rgb' else result} holds no "
            f"alpha: {kept} keeps the colors as they are, and {mixed} composites on that background"
        )
        error.remedies = ("alpha",)
        return error
    return ChannelError(
        f"the channel axis has {channels} entries; gray has 1, RGB has 3. If this axis counts "
        f'images, say so: to_{result}(x, "NHW")'
    )


def composite(image: Array, background: Background, result: Array) -> None:
    """Put gray or RGB with alpha on a background, and write it into `result`.

    The formula is ``(color * a + background * (opaque - a)) / opaque``, Porter and Duff's *over*
    for straight alpha. It is computed in float64, which is exact for 8 and 16 bits; integers are
    rounded to nearest, ties to even. `opaque` is the dtype's largest value for unsigned integers,
    and 1 for floats. Where a is 0 the result is the background, for any color, NaN too.

    Parameters
    ----------
    image : ndarray of shape (..., 2) or (..., 4)
        Unsigned integers of up to 32 bits, or floats of up to 64; the last entry is alpha.
    background : tuple of 3 floats
        In the image's own units.
    result : ndarray of shape (..., 3)
        Memory for the result, of the image's dtype and any strides.

    Raises
    ------
    DtypeError
        If the image has another dtype.
    ChannelError
        If the background is outside of the dtype, or a float alpha isn't from 0 to 1.
    """
    dtype = image.dtype
    if dtype.kind not in "uf" or dtype.itemsize > {"u": 4, "f": 8}[dtype.kind]:
        raise DtypeError(
            "alpha is a fraction: it is composited in unsigned integers of up to 32 bits and "
            f'floats of up to 64 that NumPy has, not in {dtype}: convert first, or alpha="drop"'
        )
    rounded = dtype.kind == "u"
    opaque = float(np.iinfo(dtype).max) if rounded else 1.0
    if rounded and not all(0 <= v <= opaque for v in background):
        raise ChannelError(f"background {background} is outside of {dtype}: 0 to {opaque:.0f}")
    inputs = image[..., :-1], image[..., -1:], np.asarray(background, np.float64)
    with np.errstate(invalid="ignore"):
        for color, a, ground, block in blocks.read_and_write(inputs, np.dtype(float), result):
            if not rounded and not ((a >= 0) & (a <= 1)).all():
                raise ChannelError(
                    "a float alpha channel holds values from 0 to 1, and this one doesn't"
                )
            mixed = (color * a + ground * (opaque - a)) / opaque
            mixed = np.where(a == 0, ground, mixed)
            block[...] = np.rint(mixed) if rounded else mixed


def _is_level(value: Any) -> bool:
    return isinstance(value, Real) and abs(value) <= sys.float_info.max  # type: ignore[operator]
