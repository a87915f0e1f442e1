"""``to_gray``: one gray channel for an image with three, or for a batch of them."""

from functools import partial
from typing import Any, TypeVar, cast, overload

import numpy as np

from .. import kinds
from ..core import alpha as alphas
from ..core.gray_planes import make_gray
from ..core.image_file import ImageFile
from ..core.layout import Layout, parse
from ..core.luma import Weights, check_weights
from ..errors import DtypeError, GrayToRGBError, LayoutError
from ..kinds import BlockKind, LibraryKind, SharedKind
from .gray_by_library import make_gray_by_library

Image = TypeVar("Image")
Array = np.ndarray[Any, Any]


@overload
def to_gray(
    image: ImageFile, layout: str | None = None, *, weights: Weights = "luma", out: Any = None
) -> Array: ...
@overload
def to_gray(
    image: Image, layout: str | None = None, *, weights: Weights = "luma", out: Any = None
) -> Image: ...
def to_gray(
    image: Any, layout: str | None = None, *, weights: Weights = "luma", out: Any = None
) -> Any:
    """Make one gray channel of an RGB image, or of a batch of them.

    The dtype never changes. An image that is gray already passes through, so
    ``to_gray(to_rgb(x))`` has the values of `x`, under all three `weights`.

    Parameters
    ----------
    image : ndarray, torch.Tensor, tv_tensors.Image or Video, PIL.Image.Image, or another array
        RGB or gray; of any number dtype or bool, of any strides and of any kind that
        :func:`graytorgb.to_rgb` takes; every kind gives the same bits. Or a file that
        :func:`graytorgb.io.read` gave, which brings its layout.
    layout : str, optional
        The axes, as :func:`graytorgb.to_rgb` takes them: ``"HWC->HW"``, ``"NCHW->NHW"``. The right
        side has a C, of size 1, or none. Without an arrow the result has no channel axis, except
        for torch, where it always has one, in front of H if the input has none. With None the
        shape tells the axes, as in :func:`graytorgb.to_rgb`.
    weights : {"luma", "equal", "any"}
        How three channels become one. ``"luma"``: 0.299 red + 0.587 green + 0.114 blue, the
        weights of ITU-R BT.601. ``"equal"``: their mean. ``"any"``: one of them, for images that
        are gray inside; it is an error if the three channels aren't equal.
    out : ndarray or torch.Tensor, optional
        Memory for the result, of its shape and dtype, C-contiguous, writable and apart from
        the input; it is returned. After an error for a value it holds part of the result.

    Returns
    -------
    of the kind of `image`
        Gray values in the dtype of `image`; an ndarray for a file. A PIL image is in mode L, or in
        its own mode if that is I;16, I or F, which are gray. C-contiguous, writable and fresh.

    Raises
    ------
    ChannelError
        If there are 2 or 4 channels, which have alpha: :func:`graytorgb.to_rgb` drops or composites
        it; if there are 0 or more than 4; or if the channels aren't equal under ``"any"``. The
        message tells the largest difference and its place (for dask, in the block). In a graph or
        a trace, which has no values, the library raises an error of its own when it runs. Channels
        aren't compared in ``torch.vmap`` and in what ``torch.jit.trace`` makes.
    LayoutError
        If the axes aren't known, or `out` doesn't fit.
    DtypeError
        If `image` isn't an image, or holds no numbers; for three complex channels, unless `weights`
        is ``"any"``; or if its kind can't be converted into `out`.
    OptionError
        If `weights` is none of the three.

    Notes
    -----
    Integers are exact, in every dtype up to 64 bits: the weighted sum is rounded to nearest, ties
    to even. uint8 under ``"luma"`` has the integers of Pillow's ``convert("L")``, which are
    ``(19595 r + 38470 g + 7471 b + 32768) >> 16``. bool counts as 0 and 1. Floats aren't rounded to
    integers; they are computed in float32, and float64 in float64, as
    ``g - 0.299 (g - r) - 0.114 (g - b)``. TensorFlow and JAX make 0 of subnormal floats.

    Examples
    --------
    >>> import numpy as np, graytorgb as g2r
    >>> colors = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)
    >>> g2r.to_gray(colors, "HWC->HW")
    array([[ 76, 150,  29,   9]], dtype=uint8)
    >>> g2r.to_gray(colors, "HWC->HW", weights="equal")
    array([[85, 85, 85,  9]], dtype=uint8)
    >>> g2r.to_gray(colors[:, 3:], "HWC->HWC", weights="any")
    array([[[9]]], dtype=uint8)
    """
    given = image
    try:
        weights = check_weights(weights)
        if isinstance(image, ImageFile):
            image, layout = image.array, image.find_layout(layout, "gray")
        if kinds.is_pil(image):
            return _convert_pil(image, layout, weights, out)
        return _convert_array(image, layout, weights, out)
    except GrayToRGBError as error:
        told = kinds.describe_image(given)
        error.args += (f"given: {told}; layout={layout!r}, weights={weights!r}",)
        raise


def _convert_array(image: Any, layout: str | None, weights: Weights, out: Any) -> Any:
    """Convert an array of any kind."""
    kind = kinds.find_kind(image)
    array, axes, channels = kinds.read_image(kind, image, layout, "gray")
    if channels not in (1, 3):
        raise alphas.refuse(channels, "gray")
    if isinstance(kind, SharedKind):
        shared = kind.to_numpy_shared(array)
        if shared is not None:
            write = partial(make_gray, shared, axes, weights)
            if channels == 3 and isinstance(kind, LibraryKind) and not _is_in_numpy(kind, array):
                gray = make_gray_by_library(kind, array, axes, channels, weights)
                write = partial(_copy, cast(Array, kind.to_numpy_shared(gray)))
            shape = axes.result_shape(shared.shape, 1)
            return kinds.write_result(kind, image, out, shape, array.dtype, shared, write)
    library = kinds.require_unshared(kind, out)
    if isinstance(library, BlockKind):
        function = partial(to_gray, layout=str(axes), weights=weights)
        return library.map_blocks(function, array, axes, channels=1)
    result = make_gray_by_library(library, array, axes, channels, weights)
    return library.wrap_result(result, image)


def _is_in_numpy(kind: LibraryKind, array: Any) -> bool:
    """Return whether numpy has the array's dtype; it lacks bfloat16, whose words it shares."""
    return hasattr(np, kind.get_dtype_name(array))


def _copy(array: Array, out: Array | None) -> Array:
    if out is None:
        return array
    np.copyto(out, array)
    return out


def _convert_pil(image: Any, layout: str | None, weights: Weights, out: Any) -> Any:
    """Convert a PIL image to one in mode L; one with more than 8 bits is gray, and is copied."""
    from ..kinds import pil

    if layout is not None and parse(layout, result="gray") not in (("HW", "HW"), ("HWC", "HW")):
        raise LayoutError(
            f"a PIL image is HW or HWC and gives a PIL image: leave layout={layout!r} away, or "
            "to_gray(np.asarray(image), layout) for an array"
        )
    if out is not None:
        raise DtypeError(
            "out= takes an array, and a PIL image gives a PIL image: "
            "to_gray(np.asarray(image), out=...)"
        )
    if pil.is_deep(image):
        return image.copy()
    flat = pil.flatten(image, "error", "gray")
    if flat.mode == "L":
        return flat.copy() if flat is image else flat
    if weights == "luma":
        return flat.convert("L")  # the same integers
    return pil.from_array(make_gray(np.asarray(flat), Layout("HWC", "HW"), weights), like=image)
