"""numpy arrays, and whatever has ``__array__``."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DtypeError

Array = NDArray[Any]

REACH = "memory"
expand = None  # NumPy has no way of its own beside the backends
CHANNELS_FIRST = False
NUMBERS = "biufc"  # the kinds of dtype that an image can have


def dtype(name: str) -> np.dtype[Any]:
    if name == "bfloat16":
        raise DtypeError(
            "numpy has no bfloat16: pass a torch tensor, torch.from_numpy(x), or take float16"
        )
    return np.dtype(name)


def unwrap(image: Any) -> Array:
    """A plain array of numbers over the same memory.

    Raises
    ------
    DtypeError
        For subclasses, which would lose what they carry, and dtypes that aren't numbers.
    """
    array = image if type(image) is np.ndarray else _plain(image)
    check_dtype(array.dtype)
    return array


def check_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """`dtype` itself if it is one of numbers or bool, else DtypeError."""
    if dtype.kind not in NUMBERS:
        field = ", or pick a field, x[name]" if dtype.names else ""
        raise DtypeError(
            f"an image holds numbers or bool, not dtype {dtype}: x.astype(...) to a number "
            f"dtype{field}"
        )
    return dtype


def axes(image: Any) -> str | None:
    """An array's type says nothing of its axes."""
    return None


def shape(array: Array) -> tuple[int, ...]:
    return array.shape


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


def dtype_name(array: Array) -> str:
    return _name(array.dtype)


@lru_cache(64)  # NumPy makes the name anew each time, which takes as long as a small image
def _name(dtype: np.dtype[Any]) -> str:
    return str(dtype.name)


def look(array: Array) -> Array:
    return array


def peek(array: Array) -> Array:
    return array


def black(array: Array) -> Array:
    return np.zeros(array.shape, array.dtype)


def adopt(result: Array, dtype: np.dtype[Any]) -> Array:
    return result


def written(out: Array) -> None:
    """NumPy doesn't watch its arrays."""


def wrap(result: Array, image: Any) -> Array:
    return result


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    """The call that makes memory for a result."""
    return f"np.empty({shape}, {dtype.str!r})"


def nearest(values: Array) -> Array:
    """The same values as numbers that numpy itself has: bfloat16 and the like as float32."""
    return values if hasattr(np, values.dtype.name) else values.astype(np.float32)


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
