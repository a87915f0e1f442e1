"""Keras layers whose kernels see the image, and the layers that see gray in their place."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from .. import weights
from ..channel_map import ChannelMap

# What a separable or depthwise layer's settings are called in the convolution that replaces it.
_SHARED = ("name", "trainable", "dtype", "strides", "padding", "data_format", "dilation_rate",
    "kernel_size", "activation", "use_bias", "bias_initializer", "bias_regularizer",
    "bias_constraint", "activity_regularizer")  # fmt: skip
_DEPTHWISE = ("initializer", "regularizer", "constraint")
_CONVOLUTIONS = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}


def replace_layer(layer: Any, planes: ChannelMap) -> tuple[list[Any], bool]:
    """Return the layers that give for the base of `planes` what `layer` gives for its channels.

    Returns
    -------
    layers : list of keras.layers.Layer
        Built, with their weights; one, or two of a separable convolution.
    ones : bool
        Whether a plane of ones goes in with the base.
    """
    if _kind(layer) == "SeparableConv":
        first, ones = _stem(_depthwise_part(layer), planes, _depthwise_kernel(layer), None)
        return [first, _pointwise_part(layer)], ones
    bias = None if layer.bias is None else _values(layer.bias)
    if _kind(layer) == "DepthwiseConv":
        stem, ones = _stem(_depthwise_part(layer), planes, _depthwise_kernel(layer), bias)
    else:
        stem, ones = _stem(layer, planes, _values(layer.kernel), bias)
    return [stem], ones


def counter(layer: Any) -> Any:
    """A convolution of ones, not built, with the reach of `layer`, that sees one plane."""
    if _kind(layer) in ("SeparableConv", "DepthwiseConv"):
        layer = _depthwise_part(layer)
    config = layer.get_config()
    config.update(groups=1, use_bias=False, activation=None, kernel_initializer="ones")
    config.update({"units" if _kind(layer) == "Dense" else "filters": 1})
    config.update(dtype="float32", kernel_regularizer=None, kernel_constraint=None)
    return type(layer).from_config({k: v for k, v in config.items() if k in layer.get_config()})


def first_kernel(layer: Any) -> Any:
    """The weights that see the image."""
    return layer.depthwise_kernel if _kind(layer) == "SeparableConv" else layer.kernel


def channels_seen(layer: Any) -> int:
    """How many channels a stem sees."""
    shape = first_kernel(layer).shape
    return int(shape[_axes(layer).index("I")] * getattr(layer, "groups", 1))


def _stem(
    layer: Any, planes: ChannelMap, kernel: NDArray[Any], bias: NDArray[Any] | None
) -> tuple[Any, bool]:
    """One convolution, given its kernel, as the convolution that sees the base."""
    config, axes = layer.get_config(), _axes(layer)
    groups = config.get("groups", 1)
    constant = planes.constant[:, None]
    ones = planes.has_constant() and not _pads_no_zeros(layer)
    if planes.has_constant() and not ones:
        spread = weights.mix_channels(kernel, constant, axes, groups)
        spread = spread.sum(tuple(k for k, axis in enumerate(axes) if axis != "O"))
        bias = spread if bias is None else spread + bias
    matrix = planes.matrix if not ones else np.concatenate((planes.matrix, constant), 1)
    if "groups" in config:
        config["groups"] = 1
    config["use_bias"] = bias is not None
    stem = type(layer).from_config(config)
    shape = list(planes.base.shape)
    shape[planes.axis] = matrix.shape[1]
    stem.build(tuple(shape))
    given = [weights.mix_channels(kernel, matrix, axes, groups), *([] if bias is None else [bias])]
    stem.set_weights(given)
    return stem, ones


def _depthwise_part(layer: Any) -> Any:
    """The plain convolution in groups that a depthwise or separable layer begins with."""
    said = layer.get_config()
    config = {name: said[name] for name in _SHARED if name in said}
    for name in _DEPTHWISE:
        config[f"kernel_{name}"] = said[f"depthwise_{name}"]
    channels, each = _depthwise_counts(layer)
    config.update(filters=channels * each, groups=channels)
    if _kind(layer) == "SeparableConv":
        config.update(name=f"{layer.name}_depthwise", activation=None, use_bias=False)
        config.update(activity_regularizer=None)
    return _CONVOLUTIONS[layer.rank].from_config(config)


def _pointwise_part(layer: Any) -> Any:
    """The second half of a separable convolution, with its weights."""
    said = layer.get_config()
    names = set(_SHARED) - {"strides", "padding", "dilation_rate", "kernel_size"}
    config = {name: said[name] for name in names if name in said}
    for name in _DEPTHWISE:
        config[f"kernel_{name}"] = said[f"pointwise_{name}"]
    config.update(filters=layer.filters, kernel_size=1)
    part = _CONVOLUTIONS[layer.rank].from_config(config)
    channels, each = _depthwise_counts(layer)
    shape: list[int | None] = [None] * (layer.rank + 2)
    shape[1 if layer.data_format == "channels_first" else -1] = channels * each
    part.build(tuple(shape))
    part.set_weights([_values(w) for w in (layer.pointwise_kernel, layer.bias) if w is not None])
    return part


def _depthwise_kernel(layer: Any) -> NDArray[Any]:
    """As the kernel of a convolution in groups: channel c's multiplier q is output c * m + q."""
    kernel = _values(first_kernel(layer))
    return kernel.reshape(*kernel.shape[:-2], 1, -1)


def _depthwise_counts(layer: Any) -> tuple[int, int]:
    channels, each = first_kernel(layer).shape[-2:]
    return int(channels), int(each)


def _kind(layer: Any) -> str:
    return type(layer).__name__.rstrip("123D")


def _axes(layer: Any) -> str:
    """A letter for each axis of the kernel, as :func:`graytorgb.models.weights.mix` reads them."""
    if type(layer) is keras.layers.Dense:
        return "IO"
    spatial = "DHW"[-layer.rank :]
    return spatial + ("OI" if type(layer).__name__.endswith("Transpose") else "IO")


def _pads_no_zeros(layer: Any) -> bool:
    """Whether a plane of ones gives a constant, so that a bias says the same."""
    if type(layer).__name__.endswith("Transpose"):
        return False
    return type(layer) is keras.layers.Dense or layer.padding == "valid"


def _values(variable: Any) -> NDArray[Any]:
    return np.asarray(keras.ops.convert_to_numpy(variable)).astype(np.float64)
