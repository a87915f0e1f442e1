"""What each operator makes of the image on its way to the first convolution.

Every function here has the arguments `edit`, `node` and `image`, the planes of the node's first
input. It records what the outputs are and puts the nodes that stay into the adapted graph, or
raises ``Refused`` with a phrase that follows "the image".
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from .. import weights
from ..channel_map import ChannelMap
from .channel_operations import (
    concatenate_values,
    gather_channels,
    gather_nd_channels,
    slice_channels,
    split_channels,
    squeeze,
    unsqueeze,
)
from .edit import Edit
from .graph import attribute, names, title
from .operator_rules import Refused, check_axis, check_plain, describe, find_constant, move_base

Array = NDArray[Any]
Operation = Callable[[Edit, NodeProto, ChannelMap], None]

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
_FIRST_OPSET_WITH_NUMPY_BROADCASTING = 7
_BINARY = ("Add", "Sub", "Mul", "Div")
_TAKE_SEVERAL = (*_BINARY, "Concat")
_TAKE_ONE_CHANNEL = (*_BINARY, "Neg", "Identity", "Unsqueeze")
_QUANTIZED = ("QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "ConvInteger",
    "DequantizeLinear")  # fmt: skip


def operate(edit: Edit, node: NodeProto) -> None:
    """Pass a node that the image goes into.

    Raises
    ------
    Refused
        If it can't be passed.
    """
    operation = OPERATIONS.get(node.op_type) if edit.graph.is_standard(node) else None
    places = [place for place, name in enumerate(node.input) if name in edit.images]
    if operation is None or not places or any(map(edit.images.get, _captured(node))):
        raise Refused(f"goes into {describe(node)}")
    image = edit.images[node.input[places[0]]]
    if places != [0] and node.op_type not in _TAKE_SEVERAL:
        raise Refused(f"goes into {describe(node)}, and not as what is worked on")
    if not image.has_axis and node.op_type not in _TAKE_ONE_CHANNEL:
        raise Refused(f"goes into {describe(node)} as a single channel")
    operation(edit, node, image)


def _captured(node: NodeProto) -> list[str]:
    return names(node)[len(node.input) :]


def _alias(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    training = find_constant(edit, node, 2, "training mode")
    if len(node.output) > 1 or (training is not None and training.any()):
        raise Refused(f"goes into {describe(node)} in training mode")
    edit.images[node.output[0]] = image


def _cast(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    dtype = attribute(node, "to")
    if dtype not in _FLOATS:
        check_plain(node, image)
    move_base(edit, node, image, dtype=dtype)


def _same_for_equal_planes(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Any function of a pixel, or of pixels of one channel, while the planes are equal."""
    check_plain(node, image)
    if node.op_type == "MaxPool":
        check_axis(node, image)
    move_base(edit, node, image)


def _arithmetic(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Add, Sub, Mul and Div by a constant are folded."""
    if edit.graph.opset < _FIRST_OPSET_WITH_NUMPY_BROADCASTING:
        raise Refused(f"goes into {describe(node)} of opset {edit.graph.opset}, before 7")
    if image.dtype not in _FLOATS:
        raise Refused(f"goes into {describe(node)}, which calculates in whole numbers")
    first, second = (name in edit.images for name in node.input)
    operator = node.op_type
    if first and second:
        raise Refused(f"goes into {describe(node)} twice")
    if second and operator == "Div":
        raise Refused(f"divides in {describe(node)}")
    number = _of_each_channel(edit, node, image, 1 if first else 0)
    if second and operator == "Sub":
        image, operator = image.scale(-np.ones(1)), "Add"
    with np.errstate(divide="ignore"):
        factor = 1 / number if operator == "Div" else number
    if operator in ("Mul", "Div"):
        image = image.scale(factor)
    else:
        image = image.shift(-number if operator == "Sub" else number)
    if not (np.isfinite(image.matrix).all() and np.isfinite(image.constant).all()):
        raise Refused(f"becomes infinite in {describe(node)}")
    edit.folds = True
    edit.images[node.output[0]] = image


def _of_each_channel(edit: Edit, node: NodeProto, image: ChannelMap, place: int) -> Array:
    """A constant that is one number, or one for each channel."""
    values = find_constant(edit, node, place, "other operand")
    assert values is not None
    rank = image.rank if image.has_axis else image.rank - 1
    if values.ndim > rank:
        raise Refused(f"gets another axis in {describe(node)}")
    spread = values.astype(np.float64).reshape((1,) * (rank - values.ndim) + values.shape)
    last = np.moveaxis(spread, image.axis, -1) if image.has_axis else spread[..., None]
    numbers = last.reshape(-1, last.shape[-1])
    if (numbers != numbers[0]).any():
        raise Refused(f"meets other numbers at each pixel in {describe(node)}")
    if len(numbers[0]) not in (1, image.channels) and image.channels != 1:
        raise Refused(f"of {image.channels} channels meets {len(numbers[0])} in {describe(node)}")
    return np.asarray(numbers[0])


def _negative(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    edit.folds = True
    edit.images[node.output[0]] = image.scale(-np.ones(1))


def _batch_normalization(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    check_axis(node, image)
    if attribute(node, "training_mode", 0) or len(node.output) > 1:
        raise Refused(f"goes into {describe(node)} in training mode")
    given = [find_constant(edit, node, place, "argument") for place in range(1, 5)]
    scale, bias, mean, variance = (np.asarray(v, np.float64) for v in given)
    factor = scale / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
    edit.folds = True
    edit.images[node.output[0]] = image.scale(factor).shift(bias - mean * factor)


def _transpose(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    order = list(attribute(node, "perm", range(image.rank)[::-1]))
    move_base(edit, node, image, axis=order.index(image.axis))


def _pad(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Padding by a number ends the ones, unless the planes are that number everywhere."""
    if edit.graph.opset < 2:
        raise Refused(f"goes into {describe(node)} of opset 1")
    axes = find_constant(edit, node, 3, "axes")
    places = range(image.rank) if axes is None else [int(a) % image.rank for a in axes]
    if image.axis in places:
        pads = find_constant(edit, node, 1, "pads")
        assert pads is not None
        place, count = list(places).index(image.axis), len(places)
        if pads[place] or pads[place + count]:
            raise Refused(f"gets more channels in {describe(node)}")
    given = find_constant(edit, node, 2, "value")
    value = 0.0 if given is None else float(given.item())  # some write it as [0.0]
    if image.is_plain or attribute(node, "mode", "constant") != "constant":
        move_base(edit, node, image)
        return
    if image.has_constant(other_than=value):
        image = edit.with_ones(image.shift(np.full(1, -value))).shift(np.full(1, value))
    changed = {0: image.base}
    if value and edit.graph.opset >= 11:
        changed[2] = edit.tensor(np.array(0), f"{node.output[0]}_value", image.dtype)
    zero = {"value": 0.0} if value and edit.graph.opset < 11 else {}
    edit.keep(node, changed, **zero)
    edit.made(node.output[0], replace(image, base=node.output[0]))


def _average_pool(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    check_axis(node, image)
    if attribute(node, "count_include_pad", 0) and _pads(node) and image.has_constant():
        image = edit.with_ones(image)
    move_base(edit, node, image)


def _pads(node: NodeProto) -> bool:
    """Whether a convolution or a pooling pads with zeros."""
    same = attribute(node, "auto_pad", "NOTSET") in ("SAME_UPPER", "SAME_LOWER")
    return same or any(attribute(node, "pads", ()))


def _resize(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Every way of interpolating keeps what is constant, but cropping by tf_crop_and_resize."""
    if attribute(node, "coordinate_transformation_mode", "") == "tf_crop_and_resize":
        raise Refused(f"is cropped by {describe(node)}, tf_crop_and_resize")
    axes = attribute(node, "axes")
    if axes is not None and image.axis not in [a % image.rank for a in axes]:
        move_base(edit, node, image)
        return
    if attribute(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Refused(f"goes into {describe(node)}, which keeps an aspect ratio")
    place = image.axis if axes is None else [a % image.rank for a in axes].index(image.axis)
    sizes = 3 if node.op_type == "Resize" and len(node.input) > 3 and node.input[3] else None
    if sizes is None:
        given = 2 if node.op_type == "Resize" and edit.graph.opset > 10 else 1
        scales = find_constant(edit, node, given, "scales")
        if scales is None or scales[place] != 1:
            raise Refused(f"gets other channels in {describe(node)}")
        move_base(edit, node, image)
        return
    count = image.rank if axes is None else len(axes)
    keep, planes = np.ones(count, np.int64), np.zeros(count, np.int64)
    keep[place], planes[place] = 0, image.planes
    name = f"{node.output[0]}_sizes"
    others = edit.add(
        "Mul", [node.input[3], edit.tensor(keep, f"{name}_kept")], edit.fresh(f"{name}_of_others")
    )
    added = edit.add("Add", [others, edit.tensor(planes, f"{name}_planes")], edit.fresh(name))
    edit.keep(node, {0: image.base, 3: added})
    edit.made(node.output[0], replace(image, base=node.output[0]))


def _shape(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """The shape that the image had, for what is calculated with it."""
    missing = np.zeros(image.rank, np.int64)
    missing[image.axis] = image.channels - image.planes
    missing = missing[attribute(node, "start", 0) : attribute(node, "end", None)]
    if not missing.any():
        edit.keep(node, {0: image.base})
        return
    shape = edit.fresh(f"{node.output[0]}_of_gray")
    bounds = {a.name: a.i for a in node.attribute}
    edit.add("Shape", [image.base], shape, **bounds)
    edit.add("Add", [shape, edit.tensor(missing, f"{shape}_missing")], node.output[0])


def _quantized(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    raise Refused(f"is quantized by {describe(node)}: adapt the float model, then quantize it")


def _convolution(edit: Edit, node: NodeProto, image: ChannelMap, *, axes: str) -> None:
    """The stem: its kernel sees the base's planes, its bias takes what is constant."""
    check_axis(node, image)
    kernel = find_constant(edit, node, 1, "kernel")
    assert kernel is not None
    spread = axes + "DHW"[-(kernel.ndim - 2) :] if kernel.ndim > 2 else axes
    groups = attribute(node, "group", 1)
    if image.channels != kernel.shape[spread.index("I")] * (1 if axes == "IO" else groups):
        raise Refused(f"has {image.channels} channels where {describe(node)} takes others")
    if image.has_constant() and (axes == "IO" or _pads(node)):
        image = edit.with_ones(image)
    dtype = image.dtype
    changed = {0: image.base}
    if image.has_constant():
        share = weights.mix_channels(kernel, image.constant[:, None], spread, groups)
        bias = share.sum(tuple(i for i, letter in enumerate(spread) if letter != "O"))
        given = find_constant(edit, node, 2, "bias")
        bias = bias if given is None else bias + given.astype(np.float64)
        changed[2] = edit.tensor(bias, f"{title(node)}_bias_gray", dtype)
    mixed = weights.mix_channels(kernel, image.matrix, spread, groups)
    changed[1] = edit.tensor(mixed, f"{node.input[1]}_gray", dtype)
    edit.keep(node, changed, group=1)
    edit.stems[title(node)] = node.output[0]


OPERATIONS: dict[str, Operation] = {
    **dict.fromkeys(("Identity", "Dropout"), _alias),
    "Cast": _cast,
    **dict.fromkeys(("Clip", "Ceil", "Floor", "MaxPool", "Relu", "Round"), _same_for_equal_planes),
    **dict.fromkeys(_BINARY, _arithmetic),
    "Neg": _negative,
    "BatchNormalization": _batch_normalization,
    "Transpose": _transpose,
    "Pad": _pad,
    "AveragePool": _average_pool,
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "Shape": _shape,
    "Slice": slice_channels,
    "Gather": gather_channels,
    "GatherND": gather_nd_channels,
    "Split": split_channels,
    "Concat": concatenate_values,
    "Unsqueeze": unsqueeze,
    "Squeeze": squeeze,
    **dict.fromkeys(_QUANTIZED, _quantized),
    "Conv": partial(_convolution, axes="OI"),
    "ConvTranspose": partial(_convolution, axes="IO"),
}
