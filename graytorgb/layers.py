"""Keras 3 layers: ``ToRGB`` and ``Prepare``, on the TensorFlow, JAX and torch backends.

Import this module before you load a model that has these layers: Keras finds classes by name.

>>> import keras
>>> from graytorgb.layers import ToRGB
>>> gray = keras.Input((224, 224))
>>> ToRGB()(gray).shape
(None, 224, 224, 3)
"""

from typing import Any

from .extras import require

require("keras")  # raises the error that names the extra

import keras  # noqa: E402

from . import kinds  # noqa: E402
from .core import alpha as alphas  # noqa: E402
from .core.image_file import ImageFile  # noqa: E402
from .core.layout import Layout, Shape, parse, resolve  # noqa: E402
from .core.stats import stats as find_stats  # noqa: E402
from .core.stats import stats_in_one  # noqa: E402
from .core.value_range import ValueRange, check_depth, check_policy, needs_values  # noqa: E402
from .core.wording import suggest  # noqa: E402
from .errors import ChannelError, DtypeError, LayoutError, LevelsError  # noqa: E402
from .functional.prepare import check_dtype, prepare_checked  # noqa: E402
from .functional.to_rgb import to_rgb  # noqa: E402

__all__ = ["Prepare", "ToRGB"]

# The axes of a batch in each data format of Keras, by their number
_LAYOUTS = {
    "channels_last": {4: "NHWC", 5: "NTHWC"},
    "channels_first": {4: "NCHW", 5: "NCTHW"},
}
_CHANNELS = (1, 2, 3, 4)  # a last axis of such a size could be channels


def _explain_no_tensor(inputs: Any) -> str:
    """Return what to pass in place of a file or a PIL image; ``""`` for a tensor or an array."""
    if isinstance(inputs, ImageFile):
        return (
            "not a file: g2r.to_uint8(file)[None], or file.array[None] with its range in the "
            "layer, Prepare(stats, value_range=file.value_range)"
        )
    if kinds.is_pil(inputs):
        deep = ""
        if inputs.mode[:1] in ("I", "F"):
            deep = (
                f". Mode {inputs.mode} has more than 8 bits: Prepare(stats, value_range=(lo, hi)) "
                "in the model, or g2r.to_uint8(image, (lo, hi)) before it"
            )
        return f"not a PIL image: np.asarray(image)[None]{deep}"
    return kinds.explain_source(inputs, ".array[None]")


class _ImageLayer(keras.layers.Layer):
    """Base class of the two layers: the axes of a batch, and a dtype that Keras doesn't cast."""

    def __init__(self, layout: str | None, data_format: str | None, **options: Any) -> None:
        super().__init__(autocast=False, **options)
        if data_format not in (None, *_LAYOUTS):
            raise LayoutError(
                f'data_format is "channels_last", "channels_first" or None, not {data_format!r}'
                + suggest(data_format, _LAYOUTS)
            )
        self.data_format = data_format or keras.config.image_data_format()
        self.layout = layout
        if layout is not None:
            parse(layout)
        self.supports_masking = True  # a mask belongs to the leading axes, which stay
        self.built = True

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that Keras makes the layer from again."""
        own = {"layout": self.layout, "data_format": self.data_format}
        return {**super().get_config(), **own}

    def __call__(self, inputs: Any, *arguments: Any, **options: Any) -> Any:
        """Call the layer; in a ``tf.data`` pipeline too, with every backend of Keras."""
        name = type(self).__name__
        told = _explain_no_tensor(inputs)
        if told:
            raise DtypeError(f"{name} takes a batch of images as one tensor or array, {told}")
        if isinstance(inputs, list | tuple | dict):
            raise DtypeError(
                f"{name} takes one tensor, not a {type(inputs).__name__} of them: {name}(...)(x) "
                "makes three channels of one"
            )
        if keras.backend.backend() != "tensorflow" and kinds.is_symbolic_tensorflow(inputs):
            return self.call(inputs)
        return super().__call__(inputs, *arguments, **options)

    def axes(self, shape: Shape) -> Layout:
        """Return the axes of an input of this shape, and of the result."""
        channels_first = self.data_format == "channels_first"
        layout = self.layout or _LAYOUTS[self.data_format].get(len(shape))
        if len(shape) == 3 and not channels_first and shape[2] not in (None, *_CHANNELS):
            layout = layout or "NHW"
        if layout is None:
            name = type(self).__name__
            raise LayoutError(
                f"an input of shape {shape} could be a batch of gray images or one image with "
                f'channels: {name}(..., layout="NHW") or layout="HWC" or "CHW" says which; '
                f"(N, H, W, 1) in {self.data_format} needs no layout"
            )
        return resolve(layout, shape, channels_first)

    def layout_of(self, inputs: Any) -> str | None:
        """Return an input's layout; ``tf.data`` may not know how many axes the input has."""
        if getattr(inputs.shape, "rank", 0) is None:
            return self.layout
        return str(self.axes(tuple(inputs.shape)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the result, with None for each size that isn't known."""
        axes = self.axes(tuple(input_shape))
        sizes = dict(zip(axes.source, input_shape, strict=True))
        self.check_channels(sizes.get("C", 1))
        return tuple({**sizes, "C": 3}[a] for a in axes.target)

    def check_channels(self, channels: int | None) -> None:
        """Raise ChannelError for a number of channels that can't become three."""
        if channels is not None and channels not in (1, 3):
            raise alphas.refuse(channels)


@keras.saving.register_keras_serializable(package="graytorgb")
class ToRGB(_ImageLayer):
    """Give gray images three equal channels in a model: :func:`graytorgb.to_rgb` as a layer.

    Values and dtype never change, under any dtype policy of the layer. RGB images pass through.

    Parameters
    ----------
    layout : str, optional
        As in :func:`graytorgb.to_rgb`: ``"NHW"``, ``"NHWC->NCHW"``. With None the input is
        a batch with channels, (N, H, W, C) or (N, T, H, W, C) in the data format, or, with
        ``"channels_last"``, (N, H, W) where W can't be channels.
    data_format : {"channels_last", "channels_first"}, optional
        Where the channels are; Keras' own setting by default.
    alpha : {"error", "drop"}
        What becomes of an alpha channel.
    **options
        Of :class:`keras.layers.Layer`.

    Raises
    ------
    LayoutError, ChannelError
        On construction, or when the model is made, if the axes aren't known or the number of
        channels can't become three.

    Examples
    --------
    >>> import keras
    >>> from graytorgb.layers import ToRGB
    >>> model = keras.Sequential(
    ...     [
    ...         keras.Input((None, None, 1)),
    ...         ToRGB(),
    ...         keras.layers.GlobalAveragePooling2D(),
    ...     ]
    ... )
    >>> model.output_shape
    (None, 3)
    """

    def __init__(
        self,
        layout: str | None = None,
        *,
        data_format: str | None = None,
        alpha: alphas.Alpha = "error",
        **options: Any,
    ) -> None:
        super().__init__(layout, data_format, **options)
        if not isinstance(alphas.check(alpha), str):
            raise ChannelError(
                'a layer doesn\'t composite: alpha="drop", or to_rgb(x, alpha=(r, g, b)) before'
            )
        self.alpha = alpha

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that Keras makes the layer from again."""
        return {**super().get_config(), "alpha": self.alpha}

    def check_channels(self, channels: int | None) -> None:
        """Raise ChannelError for a number of channels that can't become three."""
        if not (self.alpha == "drop" and channels in (2, 4)):
            super().check_channels(channels)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Return a symbolic tensor of the result's shape and dtype."""
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype=inputs.dtype)

    def call(self, inputs: Any) -> Any:
        """Convert a batch with :func:`graytorgb.to_rgb`."""
        return to_rgb(inputs, self.layout_of(inputs), alpha=self.alpha)


@keras.saving.register_keras_serializable(package="graytorgb")
class Prepare(_ImageLayer):
    """Scale, normalize and expand inside a model; :func:`graytorgb.prepare` as a layer.

    Parameters
    ----------
    stats : str, object or (mean, std)
        How the network's images were normalized in training, as for :func:`graytorgb.prepare`:
        ``"imagenet"``, or a pair for values from 0 to 1.
    value_range : (lo, hi) or "dtype", optional
        What becomes 0 and 1. uint8 is (0, 255) unless stated; anything else has to state it,
        floats too: ``image_dataset_from_directory`` gives floats from 0 to 255. bool has no
        range: it is black and white.
    layout : str, optional
        As in :class:`ToRGB`.
    data_format : {"channels_last", "channels_first"}, optional
        As in :class:`ToRGB`.
    **options
        Of :class:`keras.layers.Layer`. The result has the compute dtype of the layer's policy:
        float32, float16, bfloat16 or float64, which JAX has only with ``jax_enable_x64``.

    Raises
    ------
    LevelsError, DtypeError, LayoutError, ChannelError
        On construction, or when the model is made, for arguments that can't work.

    Examples
    --------
    >>> import keras
    >>> from graytorgb.layers import Prepare
    >>> gray = keras.Input((224, 224, 1), dtype="uint8")
    >>> batch = Prepare("imagenet")(gray)
    >>> batch.shape, batch.dtype
    ((None, 224, 224, 3), 'float32')
    """

    @stats_in_one
    def __init__(
        self,
        stats: Any,
        *,
        value_range: ValueRange | None = None,
        layout: str | None = None,
        data_format: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(layout, data_format, **options)
        self.stats = find_stats(stats)
        if self.compute_dtype != "float64":
            check_dtype(self.compute_dtype)
        self.value_range = check_policy(value_range)
        if needs_values(self.value_range):
            raise LevelsError(
                f"{value_range!r} looks at the values, and a model's graph can't: state the "
                "range, (lo, hi)"
            )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that Keras makes the layer from again."""
        own = {"stats": tuple(self.stats), "value_range": self.value_range}
        return {**super().get_config(), **own}

    def compute_output_spec(self, inputs: Any) -> Any:
        """Return a symbolic tensor of the result's shape and dtype."""
        self._check_range(inputs)
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def call(self, inputs: Any) -> Any:
        """Convert a batch with :func:`graytorgb.prepare`."""
        self._check_range(inputs)
        layout = self.layout_of(inputs)
        return prepare_checked(inputs, self.stats, layout, self.value_range, self.compute_dtype)

    def _check_range(self, inputs: Any) -> None:
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        check_depth(dtype, self.value_range)
        if self.value_range is None and dtype not in ("uint8", "bool"):
            raise LevelsError(
                f"{dtype} doesn't tell the range of the levels: value_range=(0, 255) for what "
                "image_dataset_from_directory gives, (0, 1) for floats that end there, (0, 4095) "
                'for 12 bits, (lo, hi) for others, or "dtype". "minmax" and ("percentile", p, q) '
                "look at the values, and a model's graph can't: g2r.to_uint8(batch, \"minmax\") "
                "before the model"
            )
