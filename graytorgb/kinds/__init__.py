"""What is this object? Found through ``sys.modules``, so nothing is imported to find out.

A kind is what the caller holds; one file here for each. An array kind offers the few
operations of :mod:`graytorgb.kinds.protocols`, and everything else is written once, over those.
"""

import sys
from contextlib import suppress
from typing import Any, cast

import numpy as np

from ..core.layout import Layout, parse, resolve
from ..errors import BackendUnavailable, ChannelError, DtypeError, LayoutError
from . import numpy as _numpy
from .protocols import ArrayKind, OwnLibrary

_TENSORFLOW = ("Tensor", "Variable", "RaggedTensor", "SparseTensor", "IndexedSlices")


def is_pil(image: Any) -> bool:
    """Whether this is a Pillow image."""
    return _is_instance(image, "PIL.Image", "Image")


def is_tensor(image: Any) -> bool:
    """Whether this is a torch tensor, of any subclass."""
    return _is_instance(image, "torch", "Tensor")


def is_symbolic_tensorflow(image: Any) -> bool:
    """Whether this is a tensor of a graph of TensorFlow, which has no values yet."""
    if not _is_instance(image, "tensorflow", "Tensor"):
        return False
    return bool(sys.modules["tensorflow"].is_symbolic_tensor(image))


def _is_instance(image: Any, module: str, name: str) -> bool:
    # the class is missing for a moment while another thread imports the module
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(image, kind)


def find(image: Any) -> ArrayKind:
    """The kind of an array, or DtypeError for what is none.

    Raises
    ------
    DtypeError
        For strings, None, lists and whatever else doesn't hold an array.
    """
    if isinstance(image, np.ndarray):
        return _numpy
    if is_tensor(image):
        from . import torch as _torch

        return _torch
    return _find_other(image)


def _find_other(image: Any) -> ArrayKind:
    if isinstance(image, type) or _is_instance(image, "keras", "KerasTensor"):
        raise DtypeError(_refusal(image))
    if _is_instance(image, "jax", "Array"):
        from . import jax as _jax

        return cast(ArrayKind, _jax)
    if any(_is_instance(image, "tensorflow", name) for name in _TENSORFLOW):
        from . import tensorflow as _tensorflow

        return cast(ArrayKind, _tensorflow)
    if _is_instance(image, "dask.array", "Array"):
        from . import dask as _dask

        return cast(ArrayKind, _dask)
    if type(image).__module__.partition(".")[0] == "dask":  # its __array__ would compute it
        raise DtypeError(
            f"a dask {type(image).__name__} isn't an array: to_dask_array(lengths=True) of a "
            "frame, da.from_delayed(x, shape, dtype) of a delayed one"
        )
    if _is_instance(image, "cupy", "ndarray") or _has_namespace(image):
        return _array_api()
    if hasattr(image, "__array__"):
        return _numpy
    raise DtypeError(_refusal(image))


def _has_namespace(image: Any) -> bool:
    """Whether it is an array of the array API standard; numpy's scalars are, and numpy's."""
    return hasattr(image, "__array_namespace__") and not isinstance(image, np.generic)


def _array_api() -> ArrayKind:
    try:
        from . import array_api
    except ModuleNotFoundError as error:
        unavailable = BackendUnavailable(
            "arrays of the array API standard need array-api-compat: "
            "pip install 'graytorgb[array-api]'"
        )
        unavailable.missing = True
        raise unavailable from error
    return cast(ArrayKind, array_api)


def read(kind: ArrayKind, image: Any, layout: str | None) -> tuple[Any, Layout]:
    """The plain array in an image, and its axes and those of its result.

    They are as its type or the caller states them, or inferred. The size of a channel axis is
    known afterwards.
    """
    array = kind.unwrap(image)
    stated = kind.axes(image)
    layout = stated if layout is None else layout
    shape = kind.shape(array)
    if shape is None:
        if layout is None:
            raise LayoutError(
                'how many axes there are isn\'t known here: say the layout, to_rgb(x, "HWC"), or '
                "tf.ensure_shape(x, (None, None, 1)), or "
                "tf.io.decode_image(..., expand_animations=False)"
            )
        count = len(parse(layout).source)
        array, shape = cast(OwnLibrary, kind).give_axes(array, count), (None,) * count
    axes = resolve(layout, shape, kind.CHANNELS_FIRST)
    channel = axes.source.find("C")
    if channel >= 0 and shape[channel] is None:
        if not hasattr(kind, "give_channels"):
            raise ChannelError(
                f"the shape {shape} doesn't tell here how many channels there are: set it, "
                "x.compute_chunk_sizes() in dask"
            )
        array = kind.give_channels(array, channel)
    if stated is not None and not axes.target.endswith("CHW"):
        raise LayoutError(
            f"a {type(image).__name__} is (..., C, H, W) and can't be {axes.target}: pass "
            "x.as_subclass(torch.Tensor) for a plain tensor"
        )
    return array, axes


def lend_out(
    kind: ArrayKind, out: Any, shape: tuple[int, ...], dtype: Any, source: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """The memory of `out` as numpy, if it can take a result of this shape and dtype.

    Raises
    ------
    DtypeError
        If it is of another kind or dtype, or numpy can't share its memory.
    LayoutError
        If its shape is another, it isn't C-contiguous, aligned and writable, or it overlaps
        `source`, the memory of the input.
    """
    need = f"expected out={kind.empty(shape, dtype)}"
    try:
        same_kind = not is_pil(out) and find(out) is kind
    except DtypeError:
        same_kind = False
    if not same_kind:
        raise DtypeError(f"out must be of the input's kind, not {type(out).__name__}: {need}")
    if out.dtype != dtype:
        raise DtypeError(f"out has dtype {out.dtype}, the result {dtype}: {need}")
    if tuple(out.shape) != shape:
        raise LayoutError(f"out has the shape {tuple(out.shape)}, the result {shape}: {need}")
    lent = kind.lend(kind.unwrap(out))
    if lent is None:
        raise DtypeError(f"numpy can't share the memory of this out: {need}")
    if not (lent.flags.c_contiguous and lent.flags.aligned):
        raise LayoutError(f"out must be C-contiguous and aligned, and isn't: {need}")
    if not lent.flags.writeable:
        raise LayoutError(f"out is read-only: {need}")
    if np.may_share_memory(lent, source) and np.shares_memory(lent, source):
        raise LayoutError(f"out overlaps the input in memory: {need}")
    return lent


def refuse_out(kind: ArrayKind) -> DtypeError:
    """The error for `out` where numpy can't share the memory of the input."""
    return DtypeError(
        "out= needs an input whose memory numpy can share, and "
        f"{cast(OwnLibrary, kind).UNREACHED}: leave out= away"
    )


def refuse_backend(kind: ArrayKind, backend: str) -> DtypeError:
    """The error for a backend named where only the array's own library can do the work."""
    own = cast(OwnLibrary, kind)
    return DtypeError(
        f"backend {backend!r} works on memory that numpy can share, and {own.UNREACHED}: "
        f'backend="auto" uses its own library, or pass {own.TO_NUMPY}'
    )


def describe(image: Any) -> str:
    """What was given, for a message: its type and what it tells of its shape and dtype."""
    kind = type(image)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    facts = [f"{module}{kind.__qualname__}"]
    if is_pil(image):
        facts += [f"mode {image.mode}", f"size {image.size}"]
    elif not isinstance(image, type) and any(hasattr(image, name) for name in _ARRAYS):
        # an object may lie about these, or refuse; the error being told matters more
        with suppress(Exception):
            facts.append(f"shape {tuple(image.shape)}")
        with suppress(Exception):
            facts.append(f"dtype {image.dtype}")
    return ", ".join(facts)


_ARRAYS = ("__array__", "__array_namespace__", "__torch_function__", "__dask_graph__")


def _refusal(image: Any) -> str:
    expected = "expected an image as a numpy array, a PIL image or a torch tensor"
    if _is_instance(image, "keras", "KerasTensor"):
        return (
            "a KerasTensor only stands for what a model will be given: put "
            "graytorgb.layers.ToRGB() or Prepare(mean, std) into the model"
        )
    if isinstance(image, str | bytes) or hasattr(image, "__fspath__"):
        return f"{expected}, not a file name: open it, PIL.Image.open({image!r})"
    if isinstance(image, list | tuple):
        return (
            f"{expected}, not a {type(image).__name__}: np.stack(images) makes a batch (layout "
            '"NHW") of images of one size; else call this for each of them'
        )
    return f"{expected}, or anything with __array__, not {type(image).__name__}"
