"""Rules for Keras layers and operations that an image meets before a convolution.

A rule is a function that takes `operation`, `image`, `args` and `place`. `args` are the arguments
of the operation's call, `place` is the index of the image among them, and `image` is the image's
ChannelMap. A rule returns the :class:`Step`, or raises ``TraceError`` if the image can't pass.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from ..channel_map import ChannelMap, TraceError
from .reshaping import (
    expand_image,
    extract_patches,
    pad_base,
    reshape_image,
    squeeze_image,
    take_channels,
)
from .stem_layers import (
    is_linear_along_axis,
    make_plain_layer,
    replace_layer,
    to_float64,
)
from .steps import (
    Step,
    check_axis,
    describe,
    get_kind,
    is_float,
    is_from_keras,
    rebuild_operation,
)


def is_stem(operation: Any) -> bool:
    """Whether an operation is a layer whose kernel sees the image.

    It may be a user's convolution that only calculates its kernel in another way.
    """
    if get_kind(operation) in STEMS:
        return True
    convolutions = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
    is_plain = not isinstance(operation, _OTHER_CONVOLUTIONS)
    return isinstance(operation, convolutions) and is_plain and not is_from_keras(type(operation))


def plan_step(operation: Any, image: ChannelMap, args: tuple[Any, ...], place: int) -> Step:
    """Return the step for an operation whose only image is the argument at `place`.

    Raises
    ------
    TraceError
        If the image can't pass.
    """
    kind = get_kind(operation)
    if is_stem(operation):
        return _replace_stem(operation, image, args, place)
    if kind not in _RULES:
        raise TraceError(f"goes into {kind}, {describe(operation)}")
    return _RULES[kind](operation, image, args, place)


_CONSTRAINTS = ("kernel_constraint", "depthwise_constraint", "bias_constraint")


def _replace_stem(layer: Any, image: ChannelMap, args: Any, place: int) -> Step:
    """Replace a layer whose kernel sees the image by layers that see the base."""
    check_axis(layer, image)
    if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None):
        raise TraceError(f"goes into {describe(layer)}, which is quantized or has LoRA weights")
    constraints = [c for c in _CONSTRAINTS if getattr(layer, c, None) is not None]
    if layer.trainable and constraints:
        raise TraceError(
            f"goes into {describe(layer)}, whose {constraints[0]} would apply to other weights in "
            f"training (layer.trainable = False or layer.{constraints[0]} = None first)"
        )
    if get_kind(layer) == "EinsumDense" and not is_linear_along_axis(layer):
        raise TraceError(f"goes into {describe(layer)}, with the equation {layer.equation!r}")
    plain = layer if is_from_keras(type(layer)) else make_plain_layer(layer)
    layers, prepare = replace_layer(plain, image)
    return Step(None, prepare=prepare, layers=layers)


def _pad_image(layer: Any, image: ChannelMap, args: Any, place: int) -> Step:
    """Pad the base with zeros. A constant becomes a constant plane, which is padded too."""
    check_axis(layer, image)
    if not image.has_constant():
        return Step(image, keep=True)
    return Step(image.prepare_for_zeros(image.base), prepare=True, keep=True)


def _move_pixels(layer: Any, image: ChannelMap, args: Any, place: int) -> Step:
    """Move or average the base's pixels by a layer that keeps a constant image constant."""
    check_axis(layer, image)
    fills = getattr(layer, "fill_mode", None) == "constant"
    if get_kind(layer) == "Resizing":
        fills = layer.pad_to_aspect_ratio
    if fills and not image.is_plain:
        raise TraceError(f"is filled up with a constant after arithmetic, in {describe(layer)}")
    return Step(image, keep=True)


def _apply_to_equal_channels(layer: Any, image: ChannelMap, args: Any, place: int) -> Step:
    """Apply a function that keeps equal channels equal, in training too."""
    if not image.is_plain:
        raise TraceError(f"goes into {get_kind(layer)}, {describe(layer)}")
    check_axis(layer, image)
    return Step(image, keep=True)


def _fold_rescaling(layer: Any, image: ChannelMap, args: Any, place: int) -> Step:
    """Fold a Rescaling."""
    scale = np.asarray(layer.scale, np.float64)
    if scale.ndim and keras.config.image_data_format() == "channels_first":
        scale = scale.reshape(scale.shape + (1,) * (3 - scale.ndim))  # as the layer does
    scaled = image.calculate("multiply", scale, describe(layer))
    return Step(scaled.calculate("add", layer.offset, describe(layer)), folds=True)


def _fold_normalization(layer: Any, image: ChannelMap, args: Any, place: int) -> Step:
    """Fold a Normalization, or its inverse."""
    mean = to_float64(layer.mean)
    std = np.maximum(np.sqrt(to_float64(layer.variance)), keras.config.epsilon())
    steps = [("subtract", mean), ("divide", std)]
    if layer.invert:
        steps = [("multiply", std), ("add", mean)]
    for operator, numbers in steps:
        image = image.calculate(operator, numbers, describe(layer))
    return Step(image, folds=True)


def _fold_batch_normalization(layer: Any, image: ChannelMap, args: Any, place: int) -> Step:
    """Fold a BatchNormalization that isn't trained."""
    if layer.trainable:
        raise TraceError(
            f"goes into BatchNormalization, {describe(layer)}, whose statistics change in training "
            "(set layer.trainable = False first, if it needn't be trained)"
        )
    if layer.axis % image.rank != image.axis:
        raise TraceError(f"goes into BatchNormalization, {describe(layer)}, on axis {layer.axis}")
    factor = 1 / np.sqrt(to_float64(layer.moving_variance) + layer.epsilon)
    factor = factor if layer.gamma is None else factor * to_float64(layer.gamma)
    offset = -to_float64(layer.moving_mean) * factor
    offset = offset if layer.beta is None else offset + to_float64(layer.beta)
    return Step(image.scale(factor).shift(offset), folds=True)


def _fold_arithmetic(operation: Any, image: ChannelMap, args: tuple[Any, ...], place: int) -> Step:
    """Fold arithmetic of two operands, one of them a number or one for each channel."""
    kind = get_kind(operation)
    other = args[1 - place] if len(args) == 2 else args  # a layer takes a list
    if isinstance(operation, keras.layers.Layer) or isinstance(other, keras.KerasTensor | tuple):
        raise TraceError(f"goes into {kind}, {describe(operation)}, with something else")
    _check_float(operation)
    operator = "divide" if kind == "TrueDivide" else kind.lower()
    numbers, where = to_float64(other), describe(operation)
    return Step(image.calculate(operator, numbers, where, is_left=place == 0), folds=True)


def _fold_negative(operation: Any, image: ChannelMap, args: Any, place: int) -> Step:
    """Fold a change of sign."""
    _check_float(operation)
    return Step(image.negate(), folds=True)


def _check_float(operation: Any) -> None:
    """Check that the result is floating point, since whole numbers may overflow."""
    if not is_float(operation.output.dtype):
        raise TraceError(f"is calculated with in whole numbers, in {describe(operation)}")


def _cast_image(operation: Any, image: ChannelMap, args: Any, place: int) -> Step:
    """Cast the base. A cast to whole numbers rounds, so the channels have to be equal."""
    if not is_float(operation.dtype) and not image.is_plain:
        raise TraceError(f"is rounded, in {describe(operation)}")
    return Step(replace(image, dtype=operation.dtype), keep=True)


def _pass_unchanged(operation: Any, image: ChannelMap, args: Any, place: int) -> Step:
    """Leave out an operation that does nothing."""
    return Step(image)


def _index_image(operation: Any, image: ChannelMap, args: tuple[Any, ...], place: int) -> Step:
    """Pick, reverse or split off channels, and crop the base."""
    # a file has a list where there was a tuple
    key = tuple(args[1]) if isinstance(args[1], tuple | list) else (args[1],)
    if Ellipsis in key:
        at = key.index(Ellipsis)
        fill = (slice(None),) * (image.rank - len(key) + 1)
        key = (*key[:at], *fill, *key[at + 1 :])
    key = (*key, *(slice(None),) * (image.rank - len(key)))
    picked = key[image.axis]
    crop = tuple(slice(None) if k == image.axis else part for k, part in enumerate(key))
    crops_only = all(isinstance(part, slice | int) for part in crop)
    if not (image.has_axis and crops_only and isinstance(picked, int | slice)):
        raise TraceError(f"goes into {describe(operation)}, x[{args[1]}]")
    result = image.pick(np.asarray(np.arange(image.channel_count)[picked]))
    if all(part == slice(None) for part in crop):
        return Step(result)
    lost = [k for k, part in enumerate(crop) if isinstance(part, int)]  # such as a frame's axis
    axis = image.axis - sum(k < image.axis for k in lost)
    result = replace(result, axis=axis, rank=image.rank - len(lost))
    return Step(result, layers=[lambda base: rebuild_operation(operation)(base, crop)])


def _flip_image(operation: Any, image: ChannelMap, args: Any, place: int) -> Step:
    """Flip the base, and reverse the channels if their axis is flipped."""
    axes = operation.axis if isinstance(operation.axis, list | tuple) else (operation.axis,)
    if axes == (None,) or not image.has_axis:
        raise TraceError(f"goes into Flip, {describe(operation)}")
    axes = [axis % image.rank for axis in axes]
    if image.axis in axes:
        image = image.pick(np.arange(image.channel_count)[::-1])
    others = [axis for axis in axes if axis != image.axis]
    return Step(image, layers=[rebuild_operation(operation, axis=others)] if others else [])


def _permute_image(operation: Any, image: ChannelMap, args: Any, place: int) -> Step:
    """Permute the base's axes."""
    order = getattr(operation, "dims", None)  # of the layer, without the batch
    order = (0, *order) if order is not None else operation.axes
    if order is None or len(order) != image.rank or order[0] != 0 or not image.has_axis:
        raise TraceError(f"goes into {get_kind(operation)}, {describe(operation)}")
    axis = [k % image.rank for k in order].index(image.axis)
    return Step(replace(image, axis=axis), keep=True)


_OTHER_CONVOLUTIONS = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose, keras.layers.DepthwiseConv2D)  # fmt: skip
STEMS = ("Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose",
    "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D",
    "Dense", "EinsumDense")  # fmt: skip
_MOVING = ("Cropping1D", "Cropping2D", "Cropping3D", "UpSampling1D", "UpSampling2D",
    "UpSampling3D", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "CenterCrop",
    "Resizing", "RandomCrop", "RandomFlip", "RandomTranslation", "RandomRotation", "RandomZoom",
    "RandomShear")  # fmt: skip
_KEEPING_EQUAL = ("ReLU", "LeakyReLU", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D",
    "RandomBrightness", "RandomContrast")  # fmt: skip
_ARITHMETIC = ("Add", "Subtract", "Multiply", "Divide", "TrueDivide")
Rule = Callable[[Any, ChannelMap, tuple[Any, ...], int], Step]
_RULES: dict[str, Rule] = {
    "Rescaling": _fold_rescaling,
    "Normalization": _fold_normalization,
    "BatchNormalization": _fold_batch_normalization,
    "Negative": _fold_negative,
    "Cast": _cast_image,
    "Identity": _pass_unchanged,
    "GetItem": _index_image,
    "Flip": _flip_image,
    **dict.fromkeys(("Reshape", "Flatten"), reshape_image),
    "ExpandDims": expand_image,
    "Squeeze": squeeze_image,
    "Take": take_channels,
    "ExtractPatches": extract_patches,
    "Pad": pad_base,
    **dict.fromkeys(("Permute", "Transpose"), _permute_image),
    **dict.fromkeys(("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"), _pad_image),
    **dict.fromkeys(_ARITHMETIC, _fold_arithmetic),
    **dict.fromkeys(_MOVING, _move_pixels),
    **dict.fromkeys(_KEEPING_EQUAL, _apply_to_equal_channels),
}
