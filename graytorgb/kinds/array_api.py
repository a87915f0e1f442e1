"""Arrays of the Python array API standard, through array-api-compat: CuPy's among them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_cupy_array
from numpy.typing import NDArray

from ..core.layout import insert
from ..errors import DtypeError, LayoutError

Array = Any  # of any library

REACH = "library"
CHANNELS_FIRST = False
UNREACHED = "this library's isn't"
TO_NUMPY = "np.from_dlpack(x)"

# Where broadcast_to and permute_dims are known to give views, which the standard leaves open
_VIEWS = ("cupy", "array_api_strict")


def dtype(name: str) -> str:
    return name  # an array's own namespace knows more: see normalize


def unwrap(image: Array) -> Array:
    """The array itself, or DtypeError for what doesn't hold numbers."""
    if not array_namespace(image).isdtype(image.dtype, ("bool", "numeric")):
        raise DtypeError(f"an image holds numbers or bool, not {image.dtype}")
    return image


def axes(image: Array) -> str | None:
    """An array's type says nothing of its axes."""
    return None


def shape(array: Array) -> tuple[int | None, ...]:
    return tuple(array.shape)


def transpose(array: Array, order: tuple[int, ...]) -> Array:
    return array_namespace(array).permute_dims(array, order)


def view(array: Array) -> Array:
    return _checked_view(array)


def _checked_view(array: Array) -> Array:
    library = type(array).__module__.partition(".")[0]
    if library not in _VIEWS:
        raise LayoutError(
            f'{library} isn\'t known to make views: leave copy=False and backend="broadcast" away'
        )
    return array


def copy(array: Array) -> Array:
    xp = array_namespace(array)
    return xp.reshape(xp.reshape(array, (-1,), copy=True), array.shape)  # in the order of the axes


def lend(array: Array) -> NDArray[Any] | None:
    return None


def wrap(result: Array, image: Array) -> Array:
    return result


def insert_axis(array: Array, axis: int) -> Array:
    return array_namespace(array).expand_dims(array, axis=axis)


def expand(array: Array, axis: int, *, view: bool) -> Array:
    xp = array_namespace(array)
    if not view:
        return xp.stack([array] * 3, axis=axis)
    sizes = insert(tuple(array.shape), axis)
    return _checked_view(xp.broadcast_to(insert_axis(array, axis), sizes))


def dtype_name(array: Array) -> str:
    return str(array.dtype).rpartition(".")[2]


def settle(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def normalize(image: Array, axis: int, arithmetic: Any, dtype: str) -> Array:
    xp = array_namespace(image)
    target = getattr(xp, dtype, None)
    if target is None:
        raise DtypeError(f'{xp.__name__} has no {dtype}: dtype="float32"')
    wide = dtype_name(image) in ("float64", "int32", "uint32", "int64", "uint64")
    real = xp.float64 if wide or arithmetic.wide else xp.float32
    sizes = tuple(3 if i == axis else 1 for i in range(image.ndim))
    mean, rest, scale = (
        xp.reshape(xp.asarray(part, dtype=real, device=device(image)), sizes)
        for part in arithmetic[:3]
    )
    x = xp.astype(image, real)
    if arithmetic.stated:
        x = xp.clip(x, arithmetic.lo, arithmetic.hi)
    elif xp.isdtype(image.dtype, "real floating"):
        x = xp.clip(x, 0.0, 1.0)
    y = ((x - mean) - rest) * scale
    if dtype == "uint8":
        y = xp.clip(xp.round(y), 0.0, 255.0)
    return xp.astype(y, target)


def look(array: Array) -> NDArray[Any] | None:
    return np.from_dlpack(array.get() if is_cupy_array(array) else array)


def peek(array: Array) -> NDArray[Any] | None:
    return None if is_cupy_array(array) else look(array)


def black(array: Array) -> Array:
    return array_namespace(array).zeros_like(array)


def demand(array: Array, lo: float, hi: float, error: Exception) -> Array:
    if not array_namespace(array).all((array >= lo) & (array <= hi)):
        raise error
    return array


def digitize(array: Array, levels: Any) -> Array:
    xp = array_namespace(array)
    if levels.table is None:
        steps = xp.asarray(levels.steps, device=device(array))
        return xp.astype(xp.searchsorted(steps, array, side="right"), xp.uint8)
    index = xp.reshape(xp.astype(array, xp.int32) - levels.first, (-1,))
    table = xp.asarray(levels.table, device=device(array))
    return xp.reshape(xp.take(table, index, axis=0), array.shape)
