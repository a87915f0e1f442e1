"""TensorFlow's tensors and variables: eager, in a ``tf.function`` and in ``tf.data``.

TensorFlow does all the work, because a graph has no memory yet, and may not know a shape.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ..core.arithmetic import Arithmetic
from ..core.levels import Levels
from ..errors import DtypeError
from .numpy import widen_values
from .protocols import LibraryKind

Tensor = Any  # tf.Tensor; TensorFlow has no type hints


class TensorflowKind(LibraryKind):
    """TensorFlow's tensors and variables."""

    library = "TensorFlow"
    why_not_shared = "TensorFlow's isn't"
    numpy_call = "x.numpy()"

    def get_dtype(self, name: str) -> Any:
        return tf.as_dtype(name)

    def get_array(self, image: Any) -> Tensor:
        """Return the tensor itself, or the present value of a variable.

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
                "channels=1) of a file's content, tf.quantization.dequantize(x, lo, hi) of "
                "quantized values"
            )
        return tf.convert_to_tensor(image)

    def get_shape(self, array: Tensor) -> tuple[int | None, ...] | None:
        return None if array.shape.rank is None else tuple(array.shape)

    def set_rank(self, array: Tensor, count: int) -> Tensor:
        return tf.ensure_shape(array, [None] * count)

    def set_channels(self, array: Tensor, axis: int) -> Tensor:
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

    def wrap_result(self, result: Tensor, image: Any) -> Tensor:
        """Return the result on the device of an eager `image`; in a graph TensorFlow places it."""
        if tf.is_symbolic_tensor(result) or result.device == image.device:
            return result
        with tf.device(image.device):
            return tf.identity(result)

    def get_dtype_name(self, array: Tensor) -> str:
        return str(array.dtype.name)

    def cast(self, array: Tensor, name: str) -> Tensor:
        return tf.cast(array, name)

    def select(self, condition: Tensor, first: Tensor, second: Tensor) -> Tensor:
        return tf.where(condition, first, second)

    def transpose(self, array: Tensor, order: tuple[int, ...]) -> Tensor:
        return tf.transpose(array, order)

    def insert_axis(self, array: Tensor, axis: int) -> Tensor:
        return tf.expand_dims(array, axis)

    def make_copy(self, array: Tensor) -> Tensor:
        return tf.identity(array)  # a tensor doesn't change, so its memory may be shared

    def expand(self, gray: Tensor, axis: int, *, view: bool) -> Tensor:
        """Use ``tf.broadcast_to``, which takes dtypes and axes that ``grayscale_to_rgb`` lacks."""
        if view:
            return self.make_view(gray)
        known = gray.shape.as_list()
        sizes = [tf.shape(gray)[i] if size is None else size for i, size in enumerate(known)]
        rgb = tf.broadcast_to(self.insert_axis(gray, axis), [*sizes[:axis], 3, *sizes[axis:]])
        return tf.ensure_shape(rgb, [*known[:axis], 3, *known[axis:]])

    def normalize(self, image: Tensor, axis: int, arithmetic: Arithmetic, dtype: Any) -> Tensor:
        """Compute in float32 where that holds every x, because TFLite has no float64.

        The formula is ``(x - mean) * scale - rest * scale``: where one part of the mean is
        subtracted after the other, a graph's optimizer adds the two parts up first.
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

    def look_up_levels(self, array: Tensor, levels: Levels) -> Tensor:
        if levels.first is not None:
            return tf.gather(levels.entries, tf.cast(array, tf.int32) - levels.first)
        x = tf.reshape(tf.cast(array, levels.entries.dtype), [-1])
        found = tf.searchsorted(tf.constant(levels.entries), x, side="right")
        return tf.reshape(tf.cast(found, tf.uint8), tf.shape(array))

    def check_values(self, array: Tensor, lo: float, hi: float, error: Exception) -> Tensor:
        """Return the tensor, or raise `error`; XLA leaves the check out of what it compiles."""
        x = array if array.dtype in (tf.float32, tf.float64) else tf.cast(array, tf.float32)
        inside = tf.reduce_all((x >= lo) & (x <= hi))
        if not tf.is_symbolic_tensor(inside):
            if not inside:
                raise error
            return array
        with tf.control_dependencies([tf.debugging.Assert(inside, [str(error)])]):
            return tf.identity(array)

    def read_values(self, array: Tensor) -> NDArray[Any] | None:
        return None if tf.is_symbolic_tensor(array) else widen_values(array.numpy())

    def read_host_values(self, array: Tensor) -> NDArray[Any] | None:
        on_host = not tf.is_symbolic_tensor(array) and "CPU" in (array.device or "CPU")
        return self.read_values(array) if on_host else None

    def make_black(self, array: Tensor) -> Tensor:
        return tf.zeros_like(array)


KIND = TensorflowKind()
