"""Read the arguments of a verb by their kind: an image with its axes, and memory for a result."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.layout import Layout, Result, parse, resolve
from ..errors import DtypeError, GrayToRGBError, LayoutError
from .classes import is_pil
from .protocols import BlockKind, LibraryKind, SharedKind
from .table import Kind, find_kind

Array = NDArray[Any]


def read_image(
    kind: Kind, image: Any, layout: str | None, result: Result = "rgb"
) -> tuple[Any, Layout, int]:
    """Return the plain array in an image, its axes and the number of its channels.

    Parameters
    ----------
    kind : Kind
        The kind of `image`.
    image
    layout : str or None
        The layout that the caller stated. If it is None, the image's type or shape tells the axes.
    result : {"rgb", "gray"}
        What the verb makes of the image.

    Returns
    -------
    array
        Its shape is known as far as the layout and the channels tell it.
    axes : Layout
        The axes of the array and of its result.
    channels : int
        1 without a channel axis.

    Raises
    ------
    LayoutError, ChannelError
        If the axes or the number of channels aren't known.
    """
    array = kind.get_array(image)
    stated = kind.get_stated_axes(image)
    layout = stated if layout is None else layout
    shape = kind.get_shape(array)
    if shape is None:
        if layout is None:
            raise LayoutError(
                f'the number of axes isn\'t known here: say the layout, to_{result}(x, "HWC"), or '
                "tf.ensure_shape(x, (None, None, 1)), or "
                "tf.io.decode_image(..., expand_animations=False)"
            )
        count = len(parse(layout, result=result).source)
        array, shape = kind.set_rank(array, count), (None,) * count
    axes = resolve(layout, shape, kind.channels_first, result)
    channels = axes.channels(shape)
    if channels is None:
        array, channels = kind.set_channels(array, axes.source.index("C")), 3
    if stated is not None and not axes.target.endswith("CHW"):
        raise LayoutError(
            f"a {type(image).__name__} is (..., C, H, W) and can't be {axes.target}: pass "
            "x.as_subclass(torch.Tensor) for a plain tensor"
        )
    return array, axes, channels


def require_unshared(kind: Kind, out: Any) -> LibraryKind | BlockKind:
    """Return the kind of an array whose memory numpy can't share, to convert it without numpy.

    Raises
    ------
    DtypeError
        If there is memory for a result, or the kind needs numpy.
    """
    if not isinstance(kind, LibraryKind | BlockKind):
        raise DtypeError("numpy can't share the memory of this array, and nothing else converts it")
    if out is not None:
        raise DtypeError(
            "out= needs an input whose memory numpy can share, and "
            f"{kind.why_not_shared}: leave out= away"
        )
    return kind


def write_result(
    kind: SharedKind,
    image: Any,
    out: Any,
    shape: tuple[int, ...],
    dtype: Any,
    source: Array,
    write: Callable[[Array | None], Array],
) -> Any:
    """Return what `write` makes, as an object of the type of `image`; or in `out` if it is given.

    Parameters
    ----------
    kind : SharedKind
        The kind of the input.
    image
        The input.
    out
        The memory for the result that the caller gave, or None.
    shape, dtype : tuple of int, dtype of the kind's library
        The shape and the dtype of the result.
    source : ndarray
        The memory of the input.
    write : callable
        Writes the result into a numpy array, or into a new one for None, and returns the array.

    Raises
    ------
    DtypeError
        If `out` is of another kind or dtype, or numpy can't share its memory.
    LayoutError
        If the shape of `out` is another, or `out` isn't C-contiguous, aligned and writable, or
        overlaps `source`.
    """
    if out is None:
        return kind.wrap_result(kind.from_numpy(write(None), dtype), image)
    write(_share_out(kind, out, shape, dtype, source))
    kind.mark_written(out)
    return out


def _share_out(
    kind: SharedKind, out: Any, shape: tuple[int, ...], dtype: Any, source: Array
) -> Array:
    """Return the memory of `out` as numpy, if it can take a result of this shape and dtype."""

    def refuse(error: type[GrayToRGBError], problem: str) -> GrayToRGBError:
        return error(f"{problem}: expected out={kind.format_empty_call(shape, dtype)}")

    if not _is_of_kind(out, kind):
        raise refuse(DtypeError, f"out must be of the input's kind, not {type(out).__name__}")
    if out.dtype != dtype:
        raise refuse(DtypeError, f"out has dtype {out.dtype}, the result {dtype}")
    if tuple(out.shape) != shape:
        raise refuse(LayoutError, f"out has the shape {tuple(out.shape)}, the result {shape}")
    memory = kind.to_numpy_shared(kind.get_array(out))
    if memory is None:
        raise refuse(DtypeError, "numpy can't share the memory of this out")
    flags = memory.flags
    if not (flags.c_contiguous and flags.aligned):
        raise refuse(LayoutError, "out must be C-contiguous and aligned, and isn't")
    if not flags.writeable:
        raise refuse(LayoutError, "out is read-only")
    if np.may_share_memory(memory, source) and np.shares_memory(memory, source):
        raise refuse(LayoutError, "out overlaps the input in memory")
    return memory


def _is_of_kind(out: Any, kind: SharedKind) -> bool:
    try:
        return not is_pil(out) and find_kind(out) is kind
    except DtypeError:
        return False
