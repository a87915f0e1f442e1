"""What Keras's layers and operations make of the planes of an image."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from ..channel_map import ChannelMap, concatenate_channels
from .stem_layers import replace_layer

Array = NDArray[Any]


class Refused(Exception):
    """What the image meets can't be passed; the message completes "the image …"."""


class Step(NamedTuple):
    """What has to be done to the base of the planes, in this order.

    Attributes
    ----------
    planes : ChannelMap or None
        What comes out, on a base that is made when the step is done; None: not an image.
    ones : bool
        Whether a plane of ones is appended first.
    keep : bool
        Whether the operation itself, or a copy, is applied.
    layers : list
        Then these: layers, or functions of a tensor.
    folds : bool
        Whether arithmetic went into the planes.
    """

    planes: ChannelMap | None
    ones: bool = False
    keep: bool = False
    layers: list[Any] = []  # noqa: RUF012  # never written
    folds: bool = False


def kind_of(operation: Any) -> str:
    """The name of a class of Keras's own; of any other, with its module."""
    kind = type(operation)
    name: str = kind.__name__
    return name if is_kerass(kind) else f"{kind.__module__}.{name}"


def is_kerass(kind: type) -> bool:
    """Whether a class is Keras's own."""
    return kind.__module__.partition(".")[0] == "keras"


def is_float(dtype: str) -> bool:
    """Whether its numbers aren't whole ones."""
    return bool(keras.backend.is_float_dtype(dtype))


def remake(operation: Any, **changes: Any) -> Any:
    """A layer or operation made again, of the same name."""
    config = operation.get_config()
    if type(operation) is keras.layers.Lambda:  # functions don't survive being written down
        changes |= {"function": operation.function, "arguments": operation.arguments}
        changes |= {"mask": operation.mask, "output_shape": operation._output_shape}
        return keras.layers.Lambda(**config | changes)
    return type(operation).from_config(config | changes)


def operate(operation: Any, planes: ChannelMap, args: tuple[Any, ...], place: int) -> Step:
    """One layer or operation whose argument at `place`, alone, is an image.

    Raises
    ------
    Refused
        If the result can't be expressed by planes.
    """
    kind = kind_of(operation)
    handler = _HANDLERS.get(kind)
    if handler is not None:
        return handler(operation, planes, args, place)
    if kind in _EQUAL and planes.is_plain:
        _check_axis(operation, planes)
        return Step(planes, keep=True)
    raise Refused(f"goes into {kind}, {where(operation)}")


def join(operation: Any, parts: list[ChannelMap | None]) -> tuple[ChannelMap, list[Any]]:
    """The channels of several values side by side, for Stack and Concatenate.

    Returns
    -------
    planes : ChannelMap
    bases : list
        Where there are several, their concatenation becomes the base.
    """
    kind = kind_of(operation)
    images = [part for part in parts if part is not None]
    if kind not in ("Stack", "Concatenate") or len(images) < len(parts):
        raise Refused(f"goes into {kind}, {where(operation)}, with something else")
    rank = images[0].rank
    if operation.axis % rank != images[0].axis or len({p.axis for p in images}) > 1:
        raise Refused(f"goes into {kind}, {where(operation)}, on axis {operation.axis}")
    if any(part.has_axis == (kind == "Stack") for part in images):
        raise Refused(f"goes into {kind}, {where(operation)}")
    bases = list(dict.fromkeys(part.base for part in images))
    joined = concatenate_channels(images, bases[0])
    return replace(joined, has_axis=True), bases


def where(operation: Any) -> str:
    """The operation's name, for a message."""
    kind = "layer" if isinstance(operation, keras.layers.Layer) else "operation"
    return f"{kind} {operation.name!r}"


_CONSTRAINTS = ("kernel_constraint", "depthwise_constraint", "bias_constraint")


def _stem(layer: Any, planes: ChannelMap, args: Any, place: int) -> Step:
    _check_axis(layer, planes)
    if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None):
        raise Refused(f"goes into {where(layer)}, which is quantized or has LoRA weights")
    constraints = [c for c in _CONSTRAINTS if getattr(layer, c, None) is not None]
    if layer.trainable and constraints:
        raise Refused(
            f"goes into {where(layer)}, whose {constraints[0]} would hold for other weights in "
            f"training (layer.trainable = False or layer.{constraints[0]} = None first)"
        )
    layers, ones = replace_layer(layer, planes)
    return Step(None, ones=ones, layers=layers)


def _padding(layer: Any, planes: ChannelMap, args: Any, place: int) -> Step:
    """Zeros around the planes: the ones end where the image ends."""
    _check_axis(layer, planes)
    if not planes.has_constant():
        return Step(planes, keep=True)
    return Step(planes.with_ones(planes.base), ones=True, keep=True)


def _movement(layer: Any, planes: ChannelMap, args: Any, place: int) -> Step:
    """Pixels are moved or averaged, with weights whose sum is 1."""
    _check_axis(layer, planes)
    fills = getattr(layer, "fill_mode", None) == "constant"
    if kind_of(layer) == "Resizing":
        fills = layer.pad_to_aspect_ratio
    if fills and not planes.is_plain:
        raise Refused(f"is filled up with a constant after arithmetic, in {where(layer)}")
    return Step(planes, keep=True)


def _rescaling(layer: Any, planes: ChannelMap, args: Any, place: int) -> Step:
    scale = np.asarray(layer.scale, np.float64)
    if scale.ndim and keras.config.image_data_format() == "channels_first":
        scale = scale.reshape(scale.shape + (1,) * (3 - scale.ndim))  # as the layer does
    factor, offset = (_per_channel(layer, v, planes) for v in (scale, layer.offset))
    return Step(planes.scale(factor).shift(offset), folds=True)


def _normalization(layer: Any, planes: ChannelMap, args: Any, place: int) -> Step:
    mean, variance = (_per_channel(layer, v, planes) for v in (layer.mean, layer.variance))
    std = np.maximum(np.sqrt(variance), keras.config.epsilon())
    if layer.invert:
        return Step(planes.scale(std).shift(mean), folds=True)
    return Step(planes.shift(-mean).scale(1 / std), folds=True)


def _batch_normalization(layer: Any, planes: ChannelMap, args: Any, place: int) -> Step:
    if layer.trainable:
        raise Refused(
            f"goes into BatchNormalization, {where(layer)}, which follows the data in training "
            "(layer.trainable = False first, if it needn't)"
        )
    if layer.axis % planes.rank != planes.axis:
        raise Refused(f"goes into BatchNormalization, {where(layer)}, on axis {layer.axis}")
    mean, variance = (_numbers(v) for v in (layer.moving_mean, layer.moving_variance))
    factor = 1 / np.sqrt(variance + layer.epsilon)
    factor = factor if layer.gamma is None else factor * _numbers(layer.gamma)
    offset = -mean * factor + (0 if layer.beta is None else _numbers(layer.beta))
    return Step(planes.scale(factor).shift(offset), folds=True)


def _arithmetic(operation: Any, planes: ChannelMap, args: tuple[Any, ...], place: int) -> Step:
    """Two operands, one of them a number or one for each channel."""
    kind = kind_of(operation)
    other = args[1 - place] if len(args) == 2 else args  # a layer takes a list
    if isinstance(operation, keras.layers.Layer) or isinstance(other, keras.KerasTensor):
        raise Refused(f"goes into {kind}, {where(operation)}, with something else")
    _check_float(operation)
    number = _per_channel(operation, other, planes)
    if kind == "Add":
        planes = planes.shift(number)
    elif kind == "Subtract":
        planes = planes.shift(-number) if place == 0 else _negated(planes).shift(number)
    elif kind == "Multiply":
        planes = planes.scale(number)
    elif place == 0:
        planes = planes.scale(1 / number)
    else:
        raise Refused(f"is what {where(operation)} divides by")
    return Step(planes, folds=True)


def _negative(operation: Any, planes: ChannelMap, args: Any, place: int) -> Step:
    _check_float(operation)
    return Step(_negated(planes), folds=True)


def _check_float(operation: Any) -> None:
    """Refused if whole numbers come out, which overflow."""
    if not is_float(operation.output.dtype):
        raise Refused(f"is calculated with in whole numbers, in {where(operation)}")


def _negated(planes: ChannelMap) -> ChannelMap:
    return planes.scale(np.full(planes.channels, -1.0))


def _cast(operation: Any, planes: ChannelMap, args: Any, place: int) -> Step:
    if not is_float(operation.dtype) and not planes.is_plain:
        raise Refused(f"is rounded, in {where(operation)}")
    return Step(replace(planes, dtype=operation.dtype), keep=True)


def _nothing(operation: Any, planes: ChannelMap, args: Any, place: int) -> Step:
    return Step(planes)


def _get_item(operation: Any, planes: ChannelMap, args: tuple[Any, ...], place: int) -> Step:
    """Channels picked, reversed or split off; crops stay."""
    # a file has a list where there was a tuple
    key = tuple(args[1]) if isinstance(args[1], tuple | list) else (args[1],)
    if Ellipsis in key:
        at = key.index(Ellipsis)
        fill = (slice(None),) * (planes.rank - len(key) + 1)
        key = (*key[:at], *fill, *key[at + 1 :])
    key = (*key, *(slice(None),) * (planes.rank - len(key)))
    others = [part for axis, part in enumerate(key) if axis != planes.axis]
    picked = key[planes.axis]
    if not planes.has_axis or any(not isinstance(part, slice) for part in others):
        raise Refused(f"goes into {where(operation)}, x[{args[1]}]")
    if not isinstance(picked, int | slice):
        raise Refused(f"goes into {where(operation)}, x[{args[1]}]")
    result = planes.pick(np.asarray(np.arange(planes.channels)[picked]))
    if all(part == slice(None) for part in others):
        return Step(result)
    crop = tuple(slice(None) if k == planes.axis else part for k, part in enumerate(key))
    return Step(result, layers=[lambda base: remake(operation)(base, crop)])


def _flip(operation: Any, planes: ChannelMap, args: Any, place: int) -> Step:
    axes = operation.axis if isinstance(operation.axis, list | tuple) else (operation.axis,)
    if axes == (None,) or not planes.has_axis:
        raise Refused(f"goes into Flip, {where(operation)}")
    axes = [axis % planes.rank for axis in axes]
    if planes.axis in axes:
        planes = planes.pick(np.arange(planes.channels)[::-1])
    rest = [axis for axis in axes if axis != planes.axis]
    return Step(planes, layers=[remake(operation, axis=rest)] if rest else [])


def _permute(operation: Any, planes: ChannelMap, args: Any, place: int) -> Step:
    order = getattr(operation, "dims", None)  # of the layer, without the batch
    order = (0, *order) if order is not None else operation.axes
    if order is None or len(order) != planes.rank or order[0] != 0 or not planes.has_axis:
        raise Refused(f"goes into {kind_of(operation)}, {where(operation)}")
    axis = [k % planes.rank for k in order].index(planes.axis)
    return Step(replace(planes, axis=axis), keep=True)


def _check_axis(layer: Any, planes: ChannelMap) -> None:
    """Refused unless the layer's channels are the image's."""
    said = getattr(layer, "data_format", None)
    axis = 1 if said == "channels_first" else planes.rank - 1
    if not planes.has_axis or axis != planes.axis:
        raise Refused(
            f"goes into {where(layer)}, which has its channels on axis {axis}, not "
            f"{planes.axis if planes.has_axis else 'one channel without an axis'}"
        )


def _numbers(value: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(value), np.float64)


def _per_channel(operation: Any, value: Any, planes: ChannelMap) -> Array:
    """A number for each channel."""
    array = _numbers(value)
    if array.size == 1 and array.ndim <= planes.rank:
        return np.full(planes.channels, array.item())
    shape = (1,) * (planes.rank - array.ndim) + array.shape
    wanted = [planes.channels if k == planes.axis else 1 for k in range(planes.rank)]
    if not planes.has_axis or list(shape) != wanted:
        raise Refused(
            f"meets numbers of shape {array.shape} in {where(operation)}, not one a channel"
        )
    return array.ravel()


Handler = Callable[[Any, ChannelMap, tuple[Any, ...], int], Step]
_HANDLERS: dict[str, Handler] = {
    "Rescaling": _rescaling,
    "Normalization": _normalization,
    "BatchNormalization": _batch_normalization,
    "Negative": _negative,
    "Cast": _cast,
    "Identity": _nothing,
    "GetItem": _get_item,
    "Flip": _flip,
}
_HANDLERS |= dict.fromkeys(("Permute", "Transpose"), _permute)
_HANDLERS |= dict.fromkeys(("Add", "Subtract", "Multiply", "Divide", "TrueDivide"), _arithmetic)
_HANDLERS |= dict.fromkeys((f"ZeroPadding{n}D" for n in (1, 2, 3)), _padding)
_HANDLERS |= dict.fromkeys(
    (f"{name}{n}D" for name in ("Cropping", "UpSampling", "AveragePooling") for n in (1, 2, 3)),
    _movement,
)
_HANDLERS |= dict.fromkeys(
    ("CenterCrop", "Resizing", "RandomCrop", "RandomFlip", "RandomTranslation", "RandomRotation",
     "RandomZoom", "RandomShear"), _movement)  # fmt: skip
STEMS = ("Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose",
    "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D",
    "Dense")  # fmt: skip
_HANDLERS |= dict.fromkeys(STEMS, _stem)
# What gives equal planes for equal planes, in training too.
_EQUAL = ("ReLU", "LeakyReLU", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D",
    "RandomBrightness", "RandomContrast")  # fmt: skip
