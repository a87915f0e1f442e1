"""What is this object? Found through ``sys.modules``, so nothing is imported to find out.

A kind is what the caller holds; one file here for each. An array kind offers the few
operations of :class:`ArrayKind`, and everything else is written once, over those.
"""

import sys
from typing import Any, Protocol

import numpy as np

from ..errors import DtypeError
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
    """What a kind of array offers; arrays are `Any` because each kind has its own."""

    CHANNELS_FIRST: bool  # where a missing C goes

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

    def adopt(self, result: np.ndarray[Any, Any], like: Any) -> Any:
        """A numpy result as an array of this kind, in the dtype of `like` if there is one."""

    def wrap(self, result: Any, image: Any) -> Any:
        """The result as an object of the type of `image`."""


class OwnLibrary(ArrayKind, Protocol):
    """A kind whose memory numpy can't always reach; its own library expands it then."""

    def expand(self, array: Any, axis: int) -> Any:
        """A view with three equal channels at `axis`."""


def is_pil(image: Any) -> bool:
    """Whether this is a Pillow image."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def is_tensor(image: Any) -> bool:
    """Whether this is a torch tensor, of any subclass."""
    module = sys.modules.get("torch")
    return module is not None and isinstance(image, module.Tensor)


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


def describe(image: Any) -> str:
    """What was given, for a message: its type and what it tells of its shape and dtype."""
    kind = type(image)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    facts = [name]
    for attribute in ("mode", "shape", "size", "dtype"):
        value = getattr(image, attribute, None)
        if value is None or callable(value) or (attribute == "size" and "mode" not in facts[-1]):
            continue
        facts.append(f"{attribute} {value}")
    return ", ".join(facts)


def _refusal(image: Any) -> str:
    expected = "expected an image as a numpy array, a PIL image or a torch tensor"
    if isinstance(image, str | bytes) or hasattr(image, "__fspath__"):
        return f"{expected}, not a file name: open it, PIL.Image.open({image!r})"
    if isinstance(image, list | tuple):
        return (
            f"{expected}, not a {type(image).__name__}: np.stack(images) makes a batch of images "
            'of one size, to_rgb(np.stack(images), "NHW"); else convert each, '
            "[to_rgb(x) for x in images]"
        )
    return f"{expected}, or anything with __array__, not {type(image).__name__}"
