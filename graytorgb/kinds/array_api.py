"""Arrays of the Python array API standard, CuPy's among them, through array-api-compat."""

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_cupy_array
from numpy.typing import NDArray

from ..core.arithmetic import Arithmetic
from ..core.layout import insert
from ..core.levels import Levels
from ..errors import DtypeError
from .protocols import LibraryKind

Array = Any  # of any library

# The libraries whose broadcast_to and permute_dims give views, which the standard leaves open
_VIEWS = ("cupy", "array_api_strict")


class ArrayApiKind(LibraryKind):
    """Arrays of the array API standard."""

    why_not_shared = "this library's isn't"
    numpy_call = "np.from_dlpack(x)"

    def get_dtype(self, name: str) -> str:
        return name  # `normalize` finds it in the array's own namespace

    def get_array(self, image: Array) -> Array:
        """Return the array itself, or raise DtypeError for one that doesn't hold numbers."""
        if not array_namespace(image).isdtype(image.dtype, ("bool", "numeric")):
            raise DtypeError(f"an image holds numbers or bool, not {image.dtype}")
        return image

    def get_dtype_name(self, array: Array) -> str:
        return str(array.dtype).rpartition(".")[2]

    def cast(self, array: Array, name: str) -> Array:
        xp = array_namespace(array)
        return xp.astype(array, getattr(xp, name))

    def select(self, condition: Array, first: Array, second: Array) -> Array:
        return array_namespace(first).where(condition, first, second)

    def transpose(self, array: Array, order: tuple[int, ...]) -> Array:
        return array_namespace(array).permute_dims(array, order)

    def insert_axis(self, array: Array, axis: int) -> Array:
        return array_namespace(array).expand_dims(array, axis=axis)

    def make_view(self, array: Array) -> Array:
        has_views = type(array).__module__.partition(".")[0] in _VIEWS
        return array if has_views else super().make_view(array)

    def make_copy(self, array: Array) -> Array:
        xp = array_namespace(array)
        flat = xp.reshape(array, (-1,), copy=True)  # in the order of the axes
        return xp.reshape(flat, array.shape)

    def expand(self, gray: Array, axis: int, *, view: bool) -> Array:
        xp = array_namespace(gray)
        if not view:
            return xp.stack([gray] * 3, axis=axis)
        sizes = insert(tuple(gray.shape), axis)
        return self.make_view(xp.broadcast_to(self.insert_axis(gray, axis), sizes))

    def normalize(self, image: Array, axis: int, arithmetic: Arithmetic, dtype: str) -> Array:
        xp = array_namespace(image)
        target = getattr(xp, dtype, None)
        if target is None:
            raise DtypeError(f'{xp.__name__} has no {dtype}: dtype="float32"')
        names = ("float64", "int32", "uint32", "int64", "uint64")
        wide = self.get_dtype_name(image) in names
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

    def look_up_levels(self, array: Array, levels: Levels) -> Array:
        xp = array_namespace(array)
        entries = xp.asarray(levels.entries, device=device(array))
        if levels.first is None:
            return xp.astype(xp.searchsorted(entries, array, side="right"), xp.uint8)
        index = xp.reshape(xp.astype(array, xp.int32) - levels.first, (-1,))
        return xp.reshape(xp.take(entries, index, axis=0), array.shape)

    def check_values(self, array: Array, lo: float, hi: float, error: Exception) -> Array:
        if not array_namespace(array).all((array >= lo) & (array <= hi)):
            raise error
        return array

    def read_values(self, array: Array) -> NDArray[Any] | None:
        return np.from_dlpack(array.get() if is_cupy_array(array) else array)

    def read_host_values(self, array: Array) -> NDArray[Any] | None:
        return None if is_cupy_array(array) else self.read_values(array)

    def make_black(self, array: Array) -> Array:
        return array_namespace(array).zeros_like(array)


KIND = ArrayApiKind()
