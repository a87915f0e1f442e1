"""JAX's arrays: plain, sharded, and traced by ``jit``, ``vmap`` or ``grad``."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from ..core.arithmetic import Arithmetic
from ..core.layout import insert
from ..core.levels import Levels
from ..errors import DtypeError
from .numpy import widen_values
from .protocols import LibraryKind

Array = Any  # jax.Array, a tracer too


class JaxKind(LibraryKind):
    """JAX's arrays."""

    library = "JAX"
    why_not_shared = "JAX's isn't"
    numpy_call = "np.asarray(x)"

    def get_dtype(self, name: str) -> Any:
        return jnp.dtype(name)

    def get_array(self, image: Array) -> Array:
        """Return the array itself, or raise DtypeError for keys of random numbers and the like."""
        if not (jnp.issubdtype(image.dtype, jnp.number) or image.dtype == bool):
            raise DtypeError(f"an image holds numbers or bool, not {image.dtype}")
        return image

    def get_shape(self, array: Array) -> tuple[int | None, ...]:
        """Return the shape, with None for each symbol of an exported function."""
        return tuple(size if isinstance(size, int) else None for size in array.shape)

    def get_dtype_name(self, array: Array) -> str:
        return str(array.dtype.name)

    def cast(self, array: Array, name: str) -> Array:
        return array.astype(name)

    def select(self, condition: Array, first: Array, second: Array) -> Array:
        return jnp.where(condition, first, second)

    def transpose(self, array: Array, order: tuple[int, ...]) -> Array:
        return jnp.transpose(array, order)

    def insert_axis(self, array: Array, axis: int) -> Array:
        return jnp.expand_dims(array, axis)

    def make_copy(self, array: Array) -> Array:
        return jnp.copy(array)  # a donated array's memory is gone

    def expand(self, gray: Array, axis: int, *, view: bool) -> Array:
        """Use ``jnp.broadcast_to``, because ``jnp.stack`` changes the payload of some NaNs."""
        if view:
            return self.make_view(gray)
        return jnp.broadcast_to(self.insert_axis(gray, axis), insert(tuple(gray.shape), axis))

    def normalize(self, image: Array, axis: int, arithmetic: Arithmetic, dtype: Any) -> Array:
        real = jnp.float64 if image.dtype == jnp.float64 or arithmetic.wide else jnp.float32
        if real == jnp.float64 and not jax.config.jax_enable_x64:
            raise DtypeError(
                "this range or result needs float64, which JAX has only after "
                'jax.config.update("jax_enable_x64", True)'
            )
        if jnp.issubdtype(image.dtype, jnp.integer) and image.dtype.itemsize >= 4:
            image, arithmetic = _subtract_lower_end(image, arithmetic)
        sizes = [3 if i == axis else 1 for i in range(image.ndim)]
        mean, rest, scale = (jnp.asarray(part, real).reshape(sizes) for part in arithmetic[:3])
        x = image.astype(real)
        if arithmetic.stated:
            x = jnp.clip(x, arithmetic.lo, arithmetic.hi)
        elif jnp.issubdtype(image.dtype, jnp.floating):  # a clip halves the gradient at its ends
            x = jnp.where(x > 1, 1, jnp.where(x < 0, 0, x))
        # XLA would add the two parts of the mean up first
        y = (lax.optimization_barrier(x - mean) - rest) * scale
        if dtype == jnp.uint8:
            y = jnp.clip(jnp.round(y), 0, 255)
        return y.astype(dtype)

    def look_up_levels(self, array: Array, levels: Levels) -> Array:
        steps = levels.entries
        if levels.first is not None:
            return _take_entries(steps, array.astype(jnp.int32) - levels.first)
        x = array.astype(steps.dtype)
        count = jnp.zeros(array.shape, jnp.int32)  # of the steps that x has reached, bit by bit
        for bit in reversed(range(math.ceil(math.log2(len(steps) + 1)))):
            more = count + (1 << bit)
            step = _take_entries(steps, jnp.minimum(more, len(steps)) - 1)
            count = jnp.where((more <= len(steps)) & (x >= step), more, count)
        return count.astype(jnp.uint8)

    def check_values(self, array: Array, lo: float, hi: float, error: Exception) -> Array:
        """Return the array, or raise `error`; a trace calls back to the host for that."""
        outside = ~((array >= lo) & (array <= hi)).all()

        def refuse(found: Any) -> None:
            if found:
                raise error

        if isinstance(outside, jax.core.Tracer):
            jax.debug.callback(refuse, outside)
        else:
            refuse(outside)
        return array

    def read_values(self, array: Array) -> NDArray[Any] | None:
        return None if isinstance(array, jax.core.Tracer) else widen_values(np.asarray(array))

    def read_host_values(self, array: Array) -> NDArray[Any] | None:
        is_traced = isinstance(array, jax.core.Tracer)
        if is_traced or any(device.platform != "cpu" for device in array.devices()):
            return None
        return self.read_values(array)

    def make_black(self, array: Array) -> Array:
        return jnp.zeros_like(array, device=array.sharding)


KIND = JaxKind()


def _subtract_lower_end(image: Array, arithmetic: Arithmetic) -> tuple[Array, Arithmetic]:
    """Subtract the lower end of the range from integers that float32 doesn't hold.

    Returns
    -------
    image, arithmetic
        The differences, and the arithmetic for them.
    """
    limits = jnp.iinfo(image.dtype)
    first, last = (
        int(min(max(end, limits.min), limits.max))
        for end in (math.floor(arithmetic.lo), math.ceil(arithmetic.hi))
    )
    ends = np.array([first, last], image.dtype)
    # clipped, the difference fits in the same number of bits, though it may pass the sign
    unsigned = np.dtype(f"uint{limits.bits}")
    inside, offset = jnp.clip(image, *ends).astype(unsigned), ends.view(unsigned)[0]
    shifted = [part - first for part in arithmetic.mean]
    return inside - offset, arithmetic._replace(
        mean=tuple(np.add(shifted, arithmetic.rest).tolist()),
        rest=(0.0,) * 3,
        lo=arithmetic.lo - first,
        hi=arithmetic.hi - first,
    )


def _take_entries(table: NDArray[Any], index: Array) -> Array:
    """Return ``table[index]``, sharded as the index is, which ``jnp.searchsorted`` can't do."""
    found = jnp.asarray(table).at[index]
    return found.get(out_sharding=jax.typeof(index).sharding, mode="promise_in_bounds")
