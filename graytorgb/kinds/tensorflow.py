"""TensorFlow's tensors and variables: eager, in a ``tf.function`` and in ``tf.data``.

All work is TensorFlow's own, because a graph has no memory yet, nor always a shape.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ..errors import DtypeError, LayoutError
from .numpy import nearest

Tensor = Any  # tf.Tensor; TensorFlow has no type hints

REACH = "library"
CHANNELS_FIRST = False
UNREACHED = "TensorFlow's isn't"
TO_NUMPY = "x.numpy()"


def dtype(name: str) -> Any:
    return tf.as_dtype(name)


def unwrap(image: Any) -> Tensor:
    """The tensor itself, or the present value of a variable.

    Raises
    ------
    DtypeError
        For ragged and sparse tensors, and for dtypes that aren't numbers.
    """
    if not isinstance(image, tf.Tensor | tf.Variable):
        raise DtypeError(
            f"a {type(image).__name__} isn't an array of one shape: x.to_tensor() of a ragged "
            "one, tf.sparse.to_dense(x) of a sparse one"
        )
    number = image.dtype.is_floating or image.dtype.is_integer or image.dtype.is_complex
    if not (number or image.dtype.is_bool) or image.dtype.is_quantized:
        raise DtypeError(
            f"an image holds numbers or bool, not {image.dtype.name}: tf.io.decode_png(x, "
            "channels=1) of a file's content, tf.quantization.dequantize(x, lo, hi) of quantized "
            "values"
        )
    return tf.convert_to_tensor(image)


def axes(image: Any) -> str | None:
    """A tensor's type says nothing of its axes."""
    return None


def shape(array: Tensor) -> tuple[int | None, ...] | None:
    return None if array.shape.rank is None else tuple(array.shape)


def give_axes(array: Tensor, count: int) -> Tensor:
    return tf.ensure_shape(array, [None] * count)


def give_channels(array: Tensor, axis: int) -> Tensor:
    """See :class:`.protocols.OwnLibrary`. A graph stops at another number when it runs."""
    channels = tf.shape(array)[axis]
    message = (
        "1 or 3 channels become RGB, and here is another number: tf.io.decode_image(..., "
        'channels=1), or tf.ensure_shape(x, ...) and to_rgb(x, alpha="drop")'
    )
    right = tf.debugging.Assert((channels == 1) | (channels == 3), [message, channels])
    with tf.control_dependencies([right]):
        sizes = tf.tensor_scatter_nd_update(tf.shape(array), [[axis]], [3])
    known: list[int | None] = array.shape.as_list()
    known[axis] = 3
    return tf.ensure_shape(tf.broadcast_to(array, sizes), known)


def transpose(array: Tensor, order: tuple[int, ...]) -> Tensor:
    return tf.transpose(array, order)


def view(array: Tensor) -> Tensor:
    raise _no_view()


def copy(array: Tensor) -> Tensor:
    return tf.identity(array)  # a tensor doesn't change, so its memory may be shared


def lend(array: Tensor) -> NDArray[Any] | None:
    return None


def wrap(result: Tensor, image: Any) -> Tensor:
    """The result on the device of an eager `image`; in a graph TensorFlow places it."""
    if tf.is_symbolic_tensor(result) or result.device == image.device:
        return result
    with tf.device(image.device):
        return tf.identity(result)


def insert_axis(array: Tensor, axis: int) -> Tensor:
    return tf.expand_dims(array, axis)


def expand(array: Tensor, axis: int, *, view: bool) -> Tensor:
    """``tf.broadcast_to``, which takes dtypes and axes that ``grayscale_to_rgb`` doesn't."""
    if view:
        raise _no_view()
    known = array.shape.as_list()
    sizes = [tf.shape(array)[i] if size is None else size for i, size in enumerate(known)]
    rgb = tf.broadcast_to(insert_axis(array, axis), [*sizes[:axis], 3, *sizes[axis:]])
    return tf.ensure_shape(rgb, [*known[:axis], 3, *known[axis:]])


def dtype_name(array: Tensor) -> str:
    return str(array.dtype.name)


def settle(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def normalize(image: Tensor, axis: int, arithmetic: Any, dtype: Any) -> Tensor:
    """In float32 where that holds every x, as TFLite needs it.

    ``(x - mean) * scale - rest * scale``, because a graph's optimizer makes one of the two parts
    of the mean when one is subtracted after the other.
    """
    wide = image.dtype.size >= 4 and image.dtype != tf.float32
    real = np.float64 if wide or arithmetic.wide else np.float32
    sizes = [3 if i == axis else 1 for i in range(image.shape.rank)]
    mean, rest, scale = (np.reshape(part, sizes) for part in arithmetic[:3])
    x = tf.cast(image, real)
    if arithmetic.stated:
        x = tf.clip_by_value(x, arithmetic.lo, arithmetic.hi)
    elif image.dtype.is_floating:
        x = tf.where(x > 1, tf.ones_like(x), tf.where(x < 0, tf.zeros_like(x), x))
    y = (x - mean.astype(real)) * scale.astype(real) - (rest * scale).astype(real)
    if dtype == tf.uint8:
        y = tf.clip_by_value(tf.round(y), 0, 255)
    return tf.cast(y, dtype)


def look(array: Tensor) -> NDArray[Any] | None:
    if tf.is_symbolic_tensor(array):
        return None
    return nearest(array.numpy())


def peek(array: Tensor) -> NDArray[Any] | None:
    on_host = not tf.is_symbolic_tensor(array) and "CPU" in (array.device or "CPU")
    return look(array) if on_host else None


def black(array: Tensor) -> Tensor:
    return tf.zeros_like(array)


def demand(array: Tensor, lo: float, hi: float, error: Exception) -> Tensor:
    """See :class:`.protocols.OwnLibrary`. XLA leaves the assertion out of what it compiles."""
    x = array if array.dtype in (tf.float32, tf.float64) else tf.cast(array, tf.float32)
    inside = tf.reduce_all((x >= lo) & (x <= hi))
    if not tf.is_symbolic_tensor(inside):
        if not inside:
            raise error
        return array
    with tf.control_dependencies([tf.debugging.Assert(inside, [str(error)])]):
        return tf.identity(array)


def digitize(array: Tensor, levels: Any) -> Tensor:
    if levels.table is not None:
        return tf.gather(levels.table, tf.cast(array, tf.int32) - levels.first)
    x = tf.reshape(tf.cast(array, levels.steps.dtype), [-1])
    found = tf.searchsorted(tf.constant(levels.steps), x, side="right")
    return tf.reshape(tf.cast(found, tf.uint8), tf.shape(array))


def _no_view() -> LayoutError:
    return LayoutError(
        'TensorFlow has no views: leave copy=False and backend="broadcast" away, or '
        'to_rgb(x.numpy(), backend="broadcast")'
    )
