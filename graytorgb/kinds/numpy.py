"""numpy arrays, and whatever has ``__array__``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DtypeError, LayoutError

Array = NDArray[Any]

CHANNELS_FIRST = False


def unwrap(image: Any) -> Array:
    """A plain array of numbers over the same memory.

    Raises
    ------
    DtypeError
        For subclasses, which would lose what they carry, and dtypes that aren't numbers.
    """
    array = image if type(image) is np.ndarray else _plain(image)
    if array.dtype.kind not in "biufc":
        raise DtypeError(
            f"an image holds numbers or bool, not dtype {array.dtype}: "
            "x.astype(...) to a number dtype"
            + (", or pick a field, x[name]" if array.dtype.names else "")
        )
    return array


def axes(image: Any) -> str | None:
    """An array's type says nothing of its axes."""
    return None


def transpose(array: Array, order: tuple[int, ...]) -> Array:
    return array.transpose(order)


def view(array: Array) -> Array:
    """Read-only, as what ``broadcast`` returns."""
    shown = array.view()
    shown.flags.writeable = False
    return shown


def copy(array: Array) -> Array:
    return np.array(array, order="C")


def lend(array: Array) -> Array:
    return array


def lend_values(array: Array) -> Array:
    return array


def adopt(result: Array, like: Array | None) -> Array:
    return result


def wrap(result: Array, image: Any) -> Array:
    return result


def check_out(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], source: Array) -> None:
    """Whether `out` can take a result of this shape and dtype made from `source`.

    Raises
    ------
    DtypeError
        If it is no array, or of another dtype.
    LayoutError
        If its shape is another, it isn't C-contiguous or writable, or it overlaps `source`.
    """
    need = f"out = np.empty({shape}, {dtype.str!r})"
    if not isinstance(out, np.ndarray):
        raise DtypeError(f"out must be a numpy array, not {type(out).__name__}: {need}")
    if out.dtype != dtype:
        raise DtypeError(f"out has dtype {out.dtype.str!r}, the result {dtype.str!r}: {need}")
    if out.shape != shape:
        raise LayoutError(f"out has the shape {out.shape}, the result {shape}: {need}")
    if not (out.flags.c_contiguous and out.flags.aligned):
        raise LayoutError(
            f"out must be C-contiguous and aligned; its strides are {out.strides}: {need}"
        )
    if not out.flags.writeable:
        raise LayoutError(f"out is read-only: {need}")
    if np.may_share_memory(out, source) and np.shares_memory(out, source):
        raise LayoutError(f"out overlaps the input in memory: {need}")


def _plain(image: Any) -> Array:
    if isinstance(image, np.ma.MaskedArray):
        raise DtypeError(
            "a masked array's mask would be lost: x.filled(value) first, or convert x.data "
            "and keep x.mask"
        )
    if isinstance(image, np.ndarray) and not isinstance(image, np.memmap):
        name = type(image).__name__
        raise DtypeError(
            f"{name} is a subclass of numpy.ndarray, and what it carries would be lost: "
            "pass np.asarray(x)"
        )
    return np.asarray(image)
