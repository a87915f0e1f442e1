"""JAX's arrays: plain, sharded, and traced by ``jit``, ``vmap`` or ``grad``."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from ..core.layout import insert
from ..errors import DtypeError, LayoutError
from .numpy import nearest

Array = Any  # jax.Array, a tracer too

REACH = "library"
CHANNELS_FIRST = False
UNREACHED = "JAX's isn't"
TO_NUMPY = "np.asarray(x)"


def dtype(name: str) -> Any:
    return jnp.dtype(name)


def unwrap(image: Array) -> Array:
    """The array itself, or DtypeError for keys of random numbers and the like."""
    if not (jnp.issubdtype(image.dtype, jnp.number) or image.dtype == bool):
        raise DtypeError(f"an image holds numbers or bool, not {image.dtype}")
    return image


def axes(image: Array) -> str | None:
    """An array's type says nothing of its axes."""
    return None


def shape(array: Array) -> tuple[int | None, ...]:
    """Its sizes; None for the symbols of an exported function."""
    return tuple(size if isinstance(size, int) else None for size in array.shape)


def transpose(array: Array, order: tuple[int, ...]) -> Array:
    return jnp.transpose(array, order)


def view(array: Array) -> Array:
    raise _no_view()


def copy(array: Array) -> Array:
    return jnp.copy(array)  # a donated array's memory is gone


def lend(array: Array) -> NDArray[Any] | None:
    return None


def wrap(result: Array, image: Array) -> Array:
    return result


def insert_axis(array: Array, axis: int) -> Array:
    return jnp.expand_dims(array, axis)


def expand(array: Array, axis: int, *, view: bool) -> Array:
    """``jnp.broadcast_to``; ``jnp.stack`` changes the payload of some NaNs."""
    if view:
        raise _no_view()
    return jnp.broadcast_to(insert_axis(array, axis), insert(tuple(array.shape), axis))


def dtype_name(array: Array) -> str:
    return str(array.dtype.name)


def settle(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def normalize(image: Array, axis: int, arithmetic: Any, dtype: Any) -> Array:
    real = jnp.float64 if image.dtype == jnp.float64 or arithmetic.wide else jnp.float32
    if real == jnp.float64 and not jax.config.jax_enable_x64:
        raise DtypeError(
            "this range or result needs float64, which JAX has only after "
            'jax.config.update("jax_enable_x64", True)'
        )
    if jnp.issubdtype(image.dtype, jnp.integer) and image.dtype.itemsize >= 4:
        image, arithmetic = _from_its_lower_end(image, arithmetic)
    sizes = [3 if i == axis else 1 for i in range(image.ndim)]
    mean, rest, scale = (jnp.asarray(part, real).reshape(sizes) for part in arithmetic[:3])
    x = image.astype(real)
    if arithmetic.stated:
        x = jnp.clip(x, arithmetic.lo, arithmetic.hi)
    elif jnp.issubdtype(image.dtype, jnp.floating):  # a clip halves the gradient at its ends
        x = jnp.where(x > 1, 1, jnp.where(x < 0, 0, x))
    # XLA would add the two parts of the mean to one
    y = (lax.optimization_barrier(x - mean) - rest) * scale
    if dtype == jnp.uint8:
        y = jnp.clip(jnp.round(y), 0, 255)
    return y.astype(dtype)


def _from_its_lower_end(image: Array, arithmetic: Any) -> tuple[Array, Any]:
    """Integers that float32 doesn't hold, less the lower end of their range, and it less that."""
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


def look(array: Array) -> NDArray[Any] | None:
    if isinstance(array, jax.core.Tracer):
        return None
    return nearest(np.asarray(array))


def peek(array: Array) -> NDArray[Any] | None:
    if isinstance(array, jax.core.Tracer) or any(d.platform != "cpu" for d in array.devices()):
        return None
    return look(array)


def black(array: Array) -> Array:
    return jnp.zeros_like(array, device=array.sharding)


def demand(array: Array, lo: float, hi: float, error: Exception) -> Array:
    """See :class:`.protocols.OwnLibrary`. A trace calls back to the host."""
    outside = ~((array >= lo) & (array <= hi)).all()

    def refuse(found: Any) -> None:
        if found:
            raise error

    if isinstance(outside, jax.core.Tracer):
        jax.debug.callback(refuse, outside)
    else:
        refuse(outside)
    return array


def digitize(array: Array, levels: Any) -> Array:
    if levels.table is not None:
        return _entries(levels.table, array.astype(jnp.int32) - levels.first)
    steps = levels.steps
    x = array.astype(steps.dtype)
    count = jnp.zeros(array.shape, jnp.int32)  # of the steps that x has reached, bit by bit
    for bit in reversed(range(math.ceil(math.log2(len(steps) + 1)))):
        more = count + (1 << bit)
        step = _entries(steps, jnp.minimum(more, len(steps)) - 1)
        count = jnp.where((more <= len(steps)) & (x >= step), more, count)
    return count.astype(jnp.uint8)


def _entries(table: NDArray[Any], index: Array) -> Array:
    """``table[index]``, sharded as the index is; ``jnp.searchsorted`` can't be told that."""
    return (
        jnp.asarray(table)
        .at[index]
        .get(out_sharding=jax.typeof(index).sharding, mode="promise_in_bounds")
    )


def _no_view() -> LayoutError:
    return LayoutError(
        'JAX has no views: leave copy=False and backend="broadcast" away, or '
        'to_rgb(np.asarray(x), backend="broadcast")'
    )
