"""What is this object? Found through ``sys.modules``, so nothing is imported to find out.

A kind is what the caller holds; one file here for each. An array kind offers the few
operations of :class:`ArrayKind`, and everything else is written once, over those.
"""

import sys
from contextlib import suppress
from typing import Any, Protocol

import numpy as np

from ..errors import DtypeError, LayoutError
from ..layout import Layout, resolve
from . import numpy as _numpy

# Kinds that have an __array__, which would copy them to the host or compute them unasked.
_NOT_YET = {
    "tensorflow": "x.numpy()",
    "jax": "np.asarray(x)",
    "jaxlib": "np.asarray(x)",
    "dask": "x.map_blocks(...) with a function that calls it, or x.compute()",
    "cupy": "x.get()",
}


class ArrayKind(Protocol):
    """What a kind of array offers; arrays are `Any` because each kind has its own.

    A kind whose memory numpy can't always reach has more, by its own library:
    ``expand(array, axis)``, a view with three equal channels at `axis`; ``normalise(rgb, axis,
    arithmetic, dtype)``, the arithmetic of :mod:`graytorgb.normalise`; ``dtype_name(array)``,
    as numpy would say it; and ``settle(function, *arguments)``, the result of a function that
    sees no values, so that a compiler needs not trace it.
    """

    CHANNELS_FIRST: bool  # where a missing C goes

    def dtype(self, name: str) -> Any:
        """Its dtype of that name, or DtypeError."""

    def unwrap(self, image: Any) -> Any:
        """The plain array in `image`, or DtypeError for what can't be an image."""

    def axes(self, image: Any) -> str | None:
        """The axes that the object's own type states; None where it states none."""

    def transpose(self, array: Any, order: tuple[int, ...]) -> Any:
        """A view with its axes in another order."""

    def view(self, array: Any) -> Any:
        """A view to hand out: read-only where the kind knows such a thing."""

    def copy(self, array: Any) -> Any:
        """Contiguous memory of its own."""

    def lend(self, array: Any) -> np.ndarray[Any, Any] | None:
        """The same memory as a numpy array; None where numpy can't reach it."""

    def lend_values(self, array: Any) -> np.ndarray[Any, Any]:
        """Its values as a numpy array: shared where numpy has the dtype, else converted."""

    def adopt(self, result: np.ndarray[Any, Any], dtype: Any) -> Any:
        """A numpy result, or its words, as an array of this kind and dtype."""

    def written(self, out: Any) -> None:
        """Tell its library that the memory of `out` was written."""

    def wrap(self, result: Any, image: Any) -> Any:
        """The result as an object of the type of `image`."""

    def empty(self, shape: tuple[int, ...], dtype: Any) -> str:
        """The call that makes memory for a result, for a message."""


def is_pil(image: Any) -> bool:
    """Whether this is a Pillow image."""
    return _is_instance(image, "PIL.Image", "Image")


def is_tensor(image: Any) -> bool:
    """Whether this is a torch tensor, of any subclass."""
    return _is_instance(image, "torch", "Tensor")


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
    library = type(image).__module__.partition(".")[0]
    if library in _NOT_YET:
        raise DtypeError(f"{library} objects aren't taken yet: pass {_NOT_YET[library]}")
    if hasattr(image, "__array__") and not isinstance(image, type):
        return _numpy
    raise DtypeError(_refusal(image))


def read_layout(kind: ArrayKind, image: Any, layout: str | None, shape: tuple[int, ...]) -> Layout:
    """The axes of an image and of its result: as its type or the caller states, or inferred."""
    stated = kind.axes(image)
    axes = resolve(stated if layout is None else layout, shape, kind.CHANNELS_FIRST)
    if stated is not None and not axes.target.endswith("CHW"):
        raise LayoutError(
            f"a {type(image).__name__} is (..., C, H, W) and can't be {axes.target}: pass "
            "x.as_subclass(torch.Tensor) for a plain tensor"
        )
    return axes


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


def describe(image: Any) -> str:
    """What was given, for a message: its type and what it tells of its shape and dtype."""
    kind = type(image)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    facts = [f"{module}{kind.__qualname__}"]
    if is_pil(image):
        facts += [f"mode {image.mode}", f"size {image.size}"]
    elif is_tensor(image) or (hasattr(image, "__array__") and not isinstance(image, type)):
        # an object may lie about these, or refuse; the error being told matters more
        with suppress(Exception):
            facts.append(f"shape {tuple(image.shape)}")
        with suppress(Exception):
            facts.append(f"dtype {image.dtype}")
    return ", ".join(facts)


def _refusal(image: Any) -> str:
    expected = "expected an image as a numpy array, a PIL image or a torch tensor"
    if isinstance(image, str | bytes) or hasattr(image, "__fspath__"):
        return f"{expected}, not a file name: open it, PIL.Image.open({image!r})"
    if isinstance(image, list | tuple):
        return (
            f"{expected}, not a {type(image).__name__}: np.stack(images) makes a batch (layout "
            '"NHW") of images of one size; else call this for each of them'
        )
    return f"{expected}, or anything with __array__, not {type(image).__name__}"
