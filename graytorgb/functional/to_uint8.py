"""``to_uint8``: deep pixels to 8 bits by a stated policy."""

import math
from functools import partial
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from .. import kinds
from ..core import saturation
from ..core import value_range as value_ranges
from ..core.image_file import ImageFile
from ..core.levels import find_levels, write_levels
from ..core.percentile import refuse_nan
from ..core.value_range import ValueRange
from ..errors import DtypeError, GrayToRGBError
from ..kinds import BlockKind, LibraryKind, SharedKind
from .ranges import convert_blocks, resolve_range_by_library, warn_if_white_by_library

Image = TypeVar("Image")
Array = NDArray[Any]


@overload
def to_uint8(
    image: ImageFile, value_range: ValueRange | None = None, *, out: Any = None
) -> Array: ...
@overload
def to_uint8(image: Image, value_range: ValueRange | None = None, *, out: Any = None) -> Image: ...
def to_uint8(image: Any, value_range: ValueRange | None = None, *, out: Any = None) -> Any:
    """Turn pixels of any depth into 8 bits by an explicit policy.

    Each value becomes ``(value - lo) / (hi - lo) * 255``, rounded to nearest (ties to even)
    and saturated at 0 and 255; the policy says what `lo` and `hi` are.

    Parameters
    ----------
    image : ndarray, torch.Tensor, tv_tensors.Image or Video, PIL.Image.Image, or another array
        An array of any shape, of integers, floats or bool, and of any kind that
        :func:`graytorgb.to_rgb` takes; every kind gives the same bits. PIL images in modes I;16,
        I;16B, I, F, L and RGB; P becomes its palette's colors, and an alpha channel is kept. PIL
        mode 1 and bool have no range: False becomes 0 and True becomes 255, whatever
        `value_range` says. Or a file that :func:`graytorgb.io.read` gave.
    value_range : tuple or str, optional
        ``(lo, hi)``: these values become 0 and 255; ``(0, 4095)`` for a 12-bit image in a
        16-bit file. ``"dtype"``: the dtype's own range, 0 to 1 for floats. ``"minmax"``: the
        smallest and the largest value in the whole of `image`. ``("percentile", p, q)``:
        these percentiles of it, interpolated linearly. An image without contrast under one of
        the last two becomes black, and neither is known in a graph or a trace. By default it is
        what is known: a file's own range, 0 to 255 for uint8 and 0 to 1 for floats.
    out : ndarray or torch.Tensor of uint8, optional
        Memory for the result, of the shape of `image`, C-contiguous; it is returned.

    Returns
    -------
    of the kind of `image`
        uint8 in the same shape; a PIL image in mode L or RGB, with its alpha; an ndarray for a
        file.

    Raises
    ------
    LevelsError
        If the policy is unknown, the range is empty, not finite or not known, or a value is NaN;
        if integers of 8 bits have a range of more than 8 bits, or floats lie beyond 0 to 1, by
        more than a rounding error of 2**-10, where no other range is stated. In a graph, the
        library raises an error of its own about values when the graph runs. In ``torch.vmap``,
        which shows no values, and in what ``torch.jit.trace`` makes, NaN becomes 255.
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
    >>> g2r.to_uint8(deep / 4095)
    array([[  0, 128, 255]], dtype=uint8)
    """
    given = image
    try:
        if isinstance(image, ImageFile):
            image, value_range = image.array, image.find_range(value_range)
        value_range = value_ranges.check_policy(value_range)
        if kinds.is_pil(image):
            return _convert_pil(image, value_range, out)
        return _convert_array(image, value_range, out)
    except GrayToRGBError as error:
        error.args += (f"given: {kinds.describe_image(given)}; value_range={value_range!r}",)
        raise


def _convert_array(image: Any, value_range: ValueRange | None, out: Any) -> Any:
    """Convert an array of any kind."""
    kind = kinds.find_kind(image)
    array = kind.get_array(image)
    if isinstance(kind, SharedKind):
        values = kind.to_numpy_values(array)
        if values is not None:
            uint8, write = kind.get_dtype("uint8"), partial(quantize, values, value_range)
            return kinds.write_result(kind, image, out, values.shape, uint8, values, write)
    library = kinds.require_unshared(kind, out)
    if isinstance(library, BlockKind):
        return convert_blocks(library, to_uint8, array, value_range)
    return library.wrap_result(_quantize_by_library(library, array, value_range), image)


def _quantize_by_library(library: LibraryKind, array: Any, value_range: ValueRange | None) -> Any:
    """Return the levels of an array's values, with the operations of its own library."""
    array, limits = resolve_range_by_library(library, array, value_range)
    dtype = library.get_dtype_name(array)
    levels = library.call_untraced(find_levels, dtype, limits)
    if "float" in dtype and limits not in (None, "dtype"):
        array = library.check_values(array, -math.inf, math.inf, refuse_nan())
    warn_if_white_by_library(library, array, value_range)
    return library.look_up_levels(array, levels)


def quantize(array: Array, value_range: ValueRange | None, out: Array | None = None) -> Array:
    """Return the levels of a numpy array's values, by a checked policy, in `out` if it is given."""
    value_ranges.check_order(array.dtype)
    if out is None:
        out = np.empty(array.shape, np.uint8)
    whole, resolved = value_ranges.resolve_array_range(array, value_range)
    if array.size:
        is_unit = value_ranges.is_unit_range(array.dtype, resolved)
        bounds = value_ranges.NEARLY_0_TO_1 if is_unit else None
        write_levels(whole, *value_ranges.get_limits(array.dtype, resolved), out, bounds)
        saturation.warn_if_white(array, value_range)
    return out


def _convert_pil(image: Any, value_range: ValueRange | None, out: Any) -> Any:
    """Convert a PIL image to one in mode L or RGB, with its alpha."""
    from ..kinds import pil

    if out is not None:
        raise DtypeError(
            "out= takes an array, and a PIL image gives a PIL image: "
            "to_uint8(np.asarray(image), value_range, out=...)"
        )
    levels, opacity = pil.split_alpha(image)
    result = pil.from_array(quantize(np.asarray(levels), value_range), like=image)
    return pil.join_alpha(result, opacity)
