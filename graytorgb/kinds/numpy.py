"""numpy arrays, and every other object that has ``__array__``."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..core.wording import suggest
from ..errors import DtypeError
from .protocols import SharedKind

Array = NDArray[Any]

NUMBERS = "biufc"  # the `kind` letters of the dtypes that an image can have


class NumpyKind(SharedKind):
    """numpy arrays: numpy always shares their memory, so the backends do all the work."""

    def get_dtype(self, name: str) -> np.dtype[Any]:
        if name == "bfloat16":
            raise DtypeError(
                "numpy has no bfloat16: pass a torch tensor, torch.from_numpy(x), or take float16"
            )
        return np.dtype(name)

    def get_array(self, image: Any) -> Array:
        """Return a plain array of numbers over the image's memory.

        Raises
        ------
        DtypeError
            For subclasses, which would lose what they carry, and for dtypes that aren't numbers.
        """
        array = image if type(image) is np.ndarray else _get_plain(image)
        check_dtype(array.dtype)
        return array

    def to_numpy_shared(self, array: Array) -> Array:
        return array

    def to_numpy_values(self, array: Array) -> Array:
        return array

    def from_numpy(self, result: Array, dtype: np.dtype[Any]) -> Array:
        return result

    def format_empty_call(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
        return f"np.empty({shape}, {dtype.str!r})"


KIND = NumpyKind()


def find_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return numpy's dtype of numbers or bool that a caller states.

    Raises
    ------
    DtypeError
        If numpy has no such dtype, or it isn't one of numbers. None, which is numpy's float64, is
        none either.
    """
    if dtype is None:
        raise DtypeError('a dtype is one of numbers or bool, such as "uint8", not None')
    try:
        return check_dtype(np.dtype(dtype))
    except TypeError as error:
        if isinstance(error, DtypeError):
            raise
        names = [kind.__name__ for kind in np.sctypeDict.values() if np.dtype(kind).kind in NUMBERS]
        raise DtypeError(f"numpy has no dtype {dtype!r}{suggest(dtype, names)}") from error


def check_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return `dtype` itself if it is one of numbers or bool, or raise DtypeError."""
    if dtype.kind not in NUMBERS:
        field = ", or pick a field, x[name]" if dtype.names else ""
        raise DtypeError(
            f"an image holds numbers or bool, not dtype {dtype}: x.astype(...) to a number "
            f"dtype{field}"
        )
    return dtype


def widen_values(values: Array) -> Array:
    """Return the values in a dtype that numpy itself has: bfloat16 and the like as float32."""
    return values if hasattr(np, values.dtype.name) else values.astype(np.float32)


def _get_plain(image: Any) -> Array:
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
