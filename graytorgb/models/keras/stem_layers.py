"""``replace_layer``: replaces a Keras convolution that sees color by one that sees gray."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ..channel_map import ChannelMap

Array = NDArray[Any]
# Settings that a separable or depthwise layer has in common with a convolution.
_SHARED = ("name", "trainable", "dtype", "strides", "padding", "data_format", "dilation_rate",
    "kernel_size", "activation", "use_bias", "bias_initializer", "bias_regularizer",
    "bias_constraint", "activity_regularizer")  # fmt: skip
_OF_KERNEL = ("initializer", "regularizer", "constraint")
_CONVOLUTIONS = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}


def replace_layer(layer: Any, image: ChannelMap) -> tuple[list[Any], bool]:
    """Return layers that see the image's base and have the outputs of a layer that sees channels.

    Parameters
    ----------
    layer : keras.layers.Layer
    image : ChannelMap

    Returns
    -------
    layers : list of keras.layers.Layer
        The layers, built and with weights: two for a separable convolution, else one.
    prepare : bool
        Whether the first layer takes the base after it is prepared for padding with zeros, as
        :meth:`.ChannelMap.prepare_for_zeros` says.
    """
    kind, kernel = _get_kind(layer), to_float64(_get_kernel(layer))
    bias = None if layer.bias is None else to_float64(layer.bias)
    if kind not in ("SeparableConv", "DepthwiseConv"):
        stem, prepare = _make_stem(layer, image, kernel, bias)
        return [stem], prepare
    # output c * m + q of the grouped convolution is channel c with the multiplier's kernel q of m
    kernel = kernel.reshape(*kernel.shape[:-2], 1, -1)
    is_separable = kind == "SeparableConv"  # its bias belongs to the second half
    stem, prepare = _make_stem(
        _make_depthwise(layer), image, kernel, None if is_separable else bias
    )
    return [stem, _make_pointwise(layer)] if is_separable else [stem], prepare


def make_counter(layer: Any) -> Any:
    """Return a convolution of ones, not built, with a stem's window and one input channel."""
    if _get_kind(layer) in ("SeparableConv", "DepthwiseConv"):
        layer = _make_depthwise(layer)
    if type(layer) is keras.layers.EinsumDense:
        return keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", dtype="float32")
    config = layer.get_config()
    changes = {"groups": 1, "use_bias": False, "activation": None, "kernel_initializer": "ones",
        "units": 1, "filters": 1, "dtype": "float32", "kernel_regularizer": None,
        "kernel_constraint": None}  # fmt: skip
    return type(layer).from_config(config | {k: v for k, v in changes.items() if k in config})


def count_channels(layer: Any) -> int:
    """Return how many channels a stem sees."""
    shape = _get_kernel(layer).shape
    return int(shape[_list_axes(layer).index("I")] * getattr(layer, "groups", 1))


def to_float64(value: Any) -> Array:
    """Return a tensor, a variable or numbers as an array of float64."""
    return np.asarray(keras.ops.convert_to_numpy(value)).astype(np.float64)


def _make_stem(
    layer: Any, image: ChannelMap, kernel: Array, bias: Array | None
) -> tuple[Any, bool]:
    """Return a convolution that sees the image's base, and whether the base has to be prepared.

    Parameters
    ----------
    layer : keras.layers.Layer
        The original convolution, or one with its settings.
    image : ChannelMap
    kernel, bias : ndarray
        The original's weights.
    """
    config = layer.get_config()
    prepare = image.has_constant() and _pads_with_zeros(layer)
    if prepare:
        image = image.prepare_for_zeros(image.base)
    folded, bias = image.fold_into_stem(kernel, bias, _list_axes(layer), config.get("groups", 1))
    if "groups" in config:
        config["groups"] = 1
    if "bias_axes" in config:  # an EinsumDense
        config["bias_axes"] = None if bias is None else _read_output_letter(layer)
    else:
        config["use_bias"] = bias is not None
    stem = type(layer).from_config(config)
    shape = list(image.base.shape)
    shape[image.axis] = image.plane_count
    stem.build(tuple(shape))
    stem.set_weights([weights for weights in (folded, bias) if weights is not None])
    return stem, prepare


def _make_depthwise(layer: Any) -> Any:
    """Return the grouped convolution that is the first part of a depthwise or separable layer."""
    config = layer.get_config()
    channels, multiplier = _get_kernel(layer).shape[-2:]
    part = {name: config[name] for name in _SHARED if name in config}
    part |= {f"kernel_{name}": config[f"depthwise_{name}"] for name in _OF_KERNEL}
    part |= {"filters": int(channels * multiplier), "groups": int(channels)}
    if _get_kind(layer) == "SeparableConv":
        part |= {"name": f"{layer.name}_depthwise", "activation": None, "use_bias": False,
            "activity_regularizer": None}  # fmt: skip
    return _CONVOLUTIONS[layer.rank].from_config(part)


def _make_pointwise(layer: Any) -> Any:
    """Return the second half of a separable convolution, with its weights."""
    config = layer.get_config()
    names = set(_SHARED) - {"strides", "padding", "dilation_rate", "kernel_size"}
    part = {name: config[name] for name in names if name in config}
    part |= {f"kernel_{name}": config[f"pointwise_{name}"] for name in _OF_KERNEL}
    part |= {"filters": layer.filters, "kernel_size": 1}
    pointwise = _CONVOLUTIONS[layer.rank].from_config(part)
    shape: list[int | None] = [None] * (layer.rank + 2)
    axis = 1 if layer.data_format == "channels_first" else -1
    shape[axis] = int(layer.pointwise_kernel.shape[-2])
    pointwise.build(tuple(shape))
    weights = layer.pointwise_kernel, layer.bias
    pointwise.set_weights([to_float64(w) for w in weights if w is not None])
    return pointwise


def _get_kernel(layer: Any) -> Any:
    """Return the weights that see the image."""
    return layer.depthwise_kernel if _get_kind(layer) == "SeparableConv" else layer.kernel


def _get_kind(layer: Any) -> str:
    """Return the name of a layer's class without its dimensions, such as "Conv"."""
    return type(layer).__name__.rstrip("123D")


def _list_axes(layer: Any) -> str:
    """Return a letter for each axis of a kernel, for :func:`.weights.mix_channels`."""
    if type(layer) is keras.layers.Dense:
        return "IO"
    if type(layer) is keras.layers.EinsumDense:
        kernel = layer.equation.partition(",")[2].partition("->")[0].strip()
        return "OI" if kernel.startswith(_read_output_letter(layer)) else "IO"
    spatial = "DHW"[-layer.rank :]
    return spatial + ("OI" if type(layer).__name__.endswith("Transpose") else "IO")


def _pads_with_zeros(layer: Any) -> bool:
    """Whether a layer pads with zeros, so that a bias can't replace a constant plane."""
    if type(layer).__name__.endswith("Transpose"):
        return True
    return hasattr(layer, "padding") and layer.padding != "valid"


def is_linear_along_axis(layer: Any) -> bool:
    """Whether an EinsumDense multiplies the last axis by a matrix, as a Dense does."""
    inputs, _, output = layer.equation.replace(" ", "").partition("->")
    image, kernel = inputs.split(",")
    channel, units = image[-1], output[-1]
    is_matrix = sorted(kernel) == sorted((channel, units)) and channel != units
    bias_axes = layer.bias_axes or units
    return is_matrix and output == image[:-1] + units and bias_axes == units


def _read_output_letter(layer: Any) -> str:
    """Return the letter of the outputs in the equation of an EinsumDense."""
    return str(layer.equation.strip()[-1])


def make_plain_layer(layer: Any) -> Any:
    """Return Keras's own convolution with the kernel that a user's convolution calculates.

    Such a layer, for instance one that standardizes its weights, calculates its kernel from
    others at each call. Its answers to impulses are the kernel. The caller has to compare both
    layers on images, because a layer that isn't linear answers too.
    """
    base: Any = next(kind for kind in type(layer).__mro__ if kind in _CONVOLUTIONS.values())
    reach = [(k - 1) * d + 1 for k, d in zip(layer.kernel_size, layer.dilation_rate, strict=True)]
    channels = count_channels(layer)
    places = [(slice(None, None, d)) for d in layer.dilation_rate]
    taps = int(np.prod(layer.kernel_size))
    impulses = np.zeros((taps * channels + 1, *reach, channels), np.float32)
    grid = np.eye(taps * channels).reshape(-1, *layer.kernel_size, channels)
    impulses[(slice(1, None), *places)] = grid  # the first image is black, for the bias
    if layer.data_format == "channels_first":
        impulses = np.moveaxis(impulses, -1, 1)
    own = {name: getattr(layer, name) for name in ("strides", "padding", "activation")}
    try:
        layer.strides, layer.padding, layer.activation = (1,) * layer.rank, "valid", None
        answers = to_float64(layer(keras.ops.convert_to_tensor(impulses)))
    finally:
        for name, value in own.items():
            setattr(layer, name, value)
    answers = answers.reshape(len(answers), -1)
    kernel = (answers[1:] - answers[0]).reshape(*layer.kernel_size, channels, -1)
    known = base(1, 1).get_config()
    config = {name: value for name, value in layer.get_config().items() if name in known}
    plain: Any = base.from_config(config | {"groups": 1})
    shape: list[int | None] = [None] * (layer.rank + 2)
    shape[1 if layer.data_format == "channels_first" else -1] = channels
    plain.build(tuple(shape))
    plain.set_weights([kernel, answers[0]] if layer.use_bias else [kernel])
    return plain
