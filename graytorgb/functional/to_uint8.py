"""``to_uint8``: deep pixels to 8 bits by a stated policy."""

import math
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from .. import kinds
from ..core import saturation
from ..core.levels import find_levels, write_levels
from ..core.percentile import nan_error
from ..core.value_range import (
    NEARLY_0_TO_1,
    ValueRange,
    are_0_to_1,
    check_policy,
    map_blocks,
    ordered,
    outside_error,
    settle,
    stated_range,
)
from ..errors import DtypeError, GrayToRGBError
from ..kinds import numpy as numpy_kind

Image = TypeVar("Image")
Array = NDArray[Any]


def to_uint8(image: Image, value_range: ValueRange, *, out: Any = None) -> Image:
    """Turn pixels of any depth into 8 bits by an explicit policy.

    Each value becomes ``(value - lo) / (hi - lo) * 255``, rounded to nearest (ties to even)
    and saturated at 0 and 255; the policy says what `lo` and `hi` are.

    Parameters
    ----------
    image : ndarray, torch.Tensor, tv_tensors.Image or Video, PIL.Image.Image, or another array
        As in :func:`graytorgb.to_rgb`, to the same bits in every kind. Any shape; integers,
        floats or bool. PIL modes I;16, I;16B, I, F, L and RGB as they are, P as its palette's
        colors; an alpha channel of a PIL image is kept. PIL mode 1 and bool have no range:
        False becomes 0 and True becomes 255, whatever `value_range` says.
    value_range : tuple or str
        ``(lo, hi)``: these values become 0 and 255; ``(0, 4095)`` for a 12-bit image in a
        16-bit file. ``"dtype"``: the dtype's own range, 0 to 1 for floats. ``"minmax"``: the
        smallest and the largest value in the whole of `image`. ``("percentile", p, q)``:
        these percentiles of it, interpolated linearly. Neither is known in a graph or trace.
        An image without contrast under one of these two rules becomes black.
    out : ndarray or torch.Tensor of uint8, optional
        Memory for the result, of the shape of `image`, C-contiguous; it is returned.

    Returns
    -------
    of the kind of `image`
        The same shape in uint8; PIL images in mode L or RGB, with their alpha.

    Raises
    ------
    LevelsError
        If the policy is unknown, the range is empty or not finite, or a value is NaN; if integers
        of 8 bits have a range of more than 8 bits, or floats lie beyond 0 to 1 under
        ``"dtype"`` by more than a rounding error, 2**-10. In a
        graph an error about values is its library's own, when it runs; in ``torch.vmap``, which
        shows no values, and in what ``torch.jit.trace`` makes, NaN becomes 255.
    DtypeError
        If it isn't an image of real numbers, or `out` has another dtype.
    LayoutError
        If `out` doesn't fit.

    Warns
    -----
    UserWarning
        Once for each range, if more than half of an image is above a stated `hi`; once for each
        policy, if an image has no contrast under it.

    Examples
    --------
    >>> import numpy as np, graytorgb as g2r
    >>> deep = np.array([[0, 2048, 4095]], np.uint16)
    >>> g2r.to_uint8(deep, (0, 4095))
    array([[  0, 128, 255]], dtype=uint8)
    """
    try:
        value_range = check_policy(value_range)
        if kinds.is_pil(image):
            return cast(Image, _pil_to_uint8(image, value_range, out))
        kind = kinds.find(image)
        array = kind.unwrap(image)
        lent = kind.lend_values(array) if kind.REACH == "memory" else None
        if lent is None:
            if out is not None:
                raise kinds.refuse_out(kind)
            return cast(Image, _to_uint8_elsewhere(kind, image, array, value_range))
        uint8 = kind.dtype("uint8")
        if out is None:
            return cast(Image, kind.wrap(kind.adopt(quantize(lent, value_range), uint8), image))
        lent_out = kinds.lend_out(kind, out, tuple(lent.shape), uint8, lent)
        quantize(lent, value_range, lent_out)
        kind.written(out)
        return cast(Image, out)
    except GrayToRGBError as error:
        error.args += (f"given: {kinds.describe(image)}; value_range={value_range!r}",)
        raise


def _to_uint8_elsewhere(kind: Any, image: Any, array: Any, value_range: ValueRange) -> Any:
    """By the image's own library, or of each block of a plan."""
    if kind.REACH == "blocks":
        return map_blocks(kind, to_uint8, array, value_range)
    stated = value_range
    array, value_range = settle(kind, array, stated)
    dtype = kind.dtype_name(array)
    levels = kind.settle(find_levels, dtype, value_range)
    if "float" in dtype and value_range == "dtype":
        array = kind.demand(array, *NEARLY_0_TO_1, outside_error())
    elif "float" in dtype:
        array = kind.demand(array, -math.inf, math.inf, nan_error())
    saturation.check(kind, array, stated)
    return kind.wrap(kind.digitize(array, levels), image)


def quantize(array: Array, value_range: ValueRange, out: Array | None = None) -> Array:
    """:func:`to_uint8` for a numpy array, with a checked policy and `out`."""
    ordered(array.dtype)
    if out is None:
        out = np.empty(array.shape, np.uint8)
    whole, limits = settle(numpy_kind, array, value_range)
    if array.size:
        bounds = NEARLY_0_TO_1 if are_0_to_1(array.dtype, limits) else None
        write_levels(whole, *stated_range(array.dtype, limits), out, bounds)
        saturation.check(numpy_kind, array, value_range)
    return out


def _pil_to_uint8(image: Any, value_range: ValueRange, out: Any) -> Any:
    from ..kinds import pil

    if out is not None:
        raise DtypeError(
            "out= takes an array, and a PIL image gives a PIL image: "
            "to_uint8(np.asarray(image), value_range, out=...)"
        )
    levels, opacity = pil.split_alpha(image)
    result = pil.from_array(quantize(np.asarray(levels), value_range), like=image)
    return pil.join_alpha(result, opacity)
