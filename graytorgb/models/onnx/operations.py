"""Rules for ONNX operators that an image meets before a convolution.

A rule is a function that takes `edit`, `node` and `image`, the ChannelMap of the node's first
input that is an image. It adds nodes to the adapted graph where some are needed. It returns the
ChannelMap of the node's first output, or None if that isn't an image. It raises ``TraceError`` if
the image can't pass.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from onnx import NodeProto

from ..channel_map import ChannelMap, TraceError
from .channel_operations import (
    concatenate_values,
    gather_channels,
    gather_nd_channels,
    slice_channels,
    split_channels,
    squeeze_image,
    unsqueeze_image,
)
from .edit import Edit
from .graph import get_attribute, get_title, list_used_values
from .inputs import FLOATS
from .rule_parts import (
    apply_to_base,
    check_axis,
    check_plain,
    describe,
    find_argument,
    require_argument,
)

Operation = Callable[[Edit, NodeProto, ChannelMap], ChannelMap | None]

_FIRST_OPSET_WITH_NUMPY_BROADCASTING = 7
_ARITHMETIC = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide"}
_TAKE_SEVERAL = (*_ARITHMETIC, "Concat")
_TAKE_ONE_CHANNEL = (*_ARITHMETIC, "Neg", "Identity", "Unsqueeze")
_QUANTIZED = ("QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "ConvInteger",
    "DequantizeLinear")  # fmt: skip


def trace_node(edit: Edit, node: NodeProto) -> None:
    """Trace the image through a node that uses it.

    Raises
    ------
    TraceError
        If the image can't pass.
    """
    operation = OPERATIONS.get(node.op_type) if edit.graph.is_standard(node) else None
    places = [place for place, name in enumerate(node.input) if name in edit.images]
    in_subgraphs = list_used_values(node)[len(node.input) :]
    if operation is None or not places or any(name in edit.images for name in in_subgraphs):
        raise TraceError(f"goes into {describe(node)}")
    image = edit.images[node.input[places[0]]]
    if places != [0] and node.op_type not in _TAKE_SEVERAL:
        raise TraceError(f"goes into {describe(node)}, and not as its first input")
    if not image.has_axis and node.op_type not in _TAKE_ONE_CHANNEL:
        raise TraceError(f"goes into {describe(node)} as a single channel")
    result = operation(edit, node, image)
    if result is not None:
        edit.record_image(node.output[0], result)


def _pass_unchanged(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Leave out Identity and Dropout, which do nothing in inference."""
    training = find_argument(edit, node, 2, "training mode")
    if len(node.output) > 1 or (training is not None and training.any()):
        raise TraceError(f"goes into {describe(node)} in training mode")
    return image


def _cast_image(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Cast the base. A cast to whole numbers rounds, so the channels have to be equal."""
    dtype = get_attribute(node, "to")
    if dtype not in FLOATS:
        check_plain(node, image)
    return apply_to_base(edit, node, image, dtype=dtype)


def _apply_to_equal_channels(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Apply a function to the base, if all channels are equal to the base."""
    check_plain(node, image)
    if node.op_type == "MaxPool":
        check_axis(node, image)
    return apply_to_base(edit, node, image)


def _fold_arithmetic(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Fold Add, Sub, Mul and Div by a constant."""
    if edit.graph.opset < _FIRST_OPSET_WITH_NUMPY_BROADCASTING:
        raise TraceError(f"goes into {describe(node)} of opset {edit.graph.opset}, before 7")
    if image.dtype not in FLOATS:
        raise TraceError(f"goes into {describe(node)}, which calculates in whole numbers")
    is_left, is_right = (name in edit.images for name in node.input)
    if is_left and is_right:
        raise TraceError(f"goes into {describe(node)} twice")
    operand = require_argument(edit, node, int(is_left), "other operand")
    edit.folds = True
    return image.calculate(_ARITHMETIC[node.op_type], operand, describe(node), is_left=is_left)


def _fold_negative(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Fold a change of sign."""
    edit.folds = True
    return image.negate()


def _fold_batch_normalization(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Fold a BatchNormalization in inference."""
    check_axis(node, image)
    if get_attribute(node, "training_mode", 0) or len(node.output) > 1:
        raise TraceError(f"goes into {describe(node)} in training mode")
    scale, bias, mean, variance = (
        require_argument(edit, node, place, "argument").astype(np.float64) for place in range(1, 5)
    )
    factor = scale / np.sqrt(variance + get_attribute(node, "epsilon", 1e-5))
    edit.folds = True
    return image.scale(factor).shift(bias - mean * factor)


def _transpose_image(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Transpose the base."""
    order = list(get_attribute(node, "perm", range(image.rank)[::-1]))
    return apply_to_base(edit, node, image, axis=order.index(image.axis))


def _pad_image(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Pad the base. A constant that differs from the padding's value becomes a plane of ones."""
    if edit.graph.opset < 2:
        raise TraceError(f"goes into {describe(node)} of opset 1")
    axes = find_argument(edit, node, 3, "axes")
    places = list(range(image.rank)) if axes is None else [int(a) % image.rank for a in axes]
    if image.axis in places:
        pads = require_argument(edit, node, 1, "pads")
        if pads[places.index(image.axis) :: len(places)].any():
            raise TraceError(f"gets more channels in {describe(node)}")
    stated = find_argument(edit, node, 2, "value")
    value = 0.0 if stated is None else float(stated.item())  # some write it as [0.0]
    if image.is_plain or get_attribute(node, "mode", "constant") != "constant":
        return apply_to_base(edit, node, image)
    if image.has_constant(other_than=value):
        image = edit.append_ones(image.shift(np.full(1, -value))).shift(np.full(1, value))
    inputs, attributes = {0: image.base}, {}
    if value and edit.graph.opset >= 11:  # the base is padded with zeros
        inputs[2] = edit.add_constant(np.array(0), f"{node.output[0]}_value", image.dtype)
    elif value:
        attributes["value"] = 0.0
    edit.keep_node(node, inputs, **attributes)
    return replace(image, base=node.output[0])


def _pool_average(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Average the base. If the padding's zeros count, a constant becomes a plane of ones."""
    check_axis(node, image)
    if get_attribute(node, "count_include_pad", 0) and _has_padding(node) and image.has_constant():
        image = edit.append_ones(image)
    return apply_to_base(edit, node, image)


def _has_padding(node: NodeProto) -> bool:
    """Whether a convolution or a pooling pads with zeros."""
    is_same = get_attribute(node, "auto_pad", "NOTSET") in ("SAME_UPPER", "SAME_LOWER")
    return is_same or any(get_attribute(node, "pads", ()))


def _resize_image(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Resize the base, by any interpolation but tf_crop_and_resize, which adds a constant."""
    if get_attribute(node, "coordinate_transformation_mode", "") == "tf_crop_and_resize":
        raise TraceError(f"is cropped by {describe(node)}, tf_crop_and_resize")
    axes = [a % image.rank for a in get_attribute(node, "axes", range(image.rank))]
    if image.axis not in axes:
        return apply_to_base(edit, node, image)
    if get_attribute(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
        raise TraceError(f"goes into {describe(node)}, which keeps an aspect ratio")
    place = axes.index(image.axis)
    is_resize = node.op_type == "Resize"
    if not (is_resize and len(node.input) > 3 and node.input[3]):
        has_region = is_resize and edit.graph.opset > 10
        scales = find_argument(edit, node, 2 if has_region else 1, "scales")
        if scales is None or scales[place] != 1:
            raise TraceError(f"gets other channels in {describe(node)}")
        return apply_to_base(edit, node, image)
    # the sizes that the node takes, but with the number of planes for the channels
    is_other = np.arange(len(axes)) != place
    name = f"{node.output[0]}_sizes"
    factor = edit.add_constant(is_other.astype(np.int64), f"{name}_kept")
    others = edit.add_node("Mul", [node.input[3], factor], edit.make_name(f"{name}_of_others"))
    planes = edit.add_constant(np.where(is_other, 0, image.plane_count), f"{name}_planes")
    sizes = edit.add_node("Add", [others, planes], edit.make_name(name))
    edit.keep_node(node, {0: image.base, 3: sizes})
    return replace(image, base=node.output[0])


def _restore_shape(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Return the shape of the original image, not of the base, to nodes that use it."""
    missing = np.zeros(image.rank, np.int64)
    missing[image.axis] = image.channel_count - image.plane_count
    missing = missing[get_attribute(node, "start", 0) : get_attribute(node, "end", None)]
    if not missing.any():
        edit.keep_node(node, {0: image.base})
        return
    shape = edit.make_name(f"{node.output[0]}_of_gray")
    edit.add_node("Shape", [image.base], shape, **{a.name: a.i for a in node.attribute})
    added = edit.add_constant(missing, f"{shape}_missing")
    edit.add_node("Add", [shape, added], node.output[0])


def _reject_quantized(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Raise the TraceError for an operator of quantized models."""
    raise TraceError(f"is quantized by {describe(node)}: adapt the float model, then quantize it")


def _fold_into_convolution(edit: Edit, node: NodeProto, image: ChannelMap, *, axes: str) -> None:
    """Give a stem a kernel that sees the base's planes, and a bias that holds the constant."""
    check_axis(node, image)
    kernel = require_argument(edit, node, 1, "kernel")
    is_transposed = axes == "IO"
    axes += "DHW"[5 - kernel.ndim :] if kernel.ndim > 2 else ""
    groups = get_attribute(node, "group", 1)
    if image.channel_count != kernel.shape[axes.index("I")] * (1 if is_transposed else groups):
        raise TraceError(f"has {image.channel_count} channels where {describe(node)} takes others")
    if image.has_constant() and (is_transposed or _has_padding(node)):
        image = edit.append_ones(image)
    bias = find_argument(edit, node, 2, "bias") if image.has_constant() else None
    folded, bias = image.fold_into_stem(kernel, bias, axes, groups)
    inputs = {0: image.base, 1: edit.add_constant(folded, f"{node.input[1]}_gray", image.dtype)}
    if bias is not None:
        inputs[2] = edit.add_constant(bias, f"{get_title(node)}_bias_gray", image.dtype)
    edit.keep_node(node, inputs, group=1)
    edit.stems[get_title(node)] = node.output[0]


OPERATIONS: dict[str, Operation] = {
    **dict.fromkeys(("Identity", "Dropout"), _pass_unchanged),
    "Cast": _cast_image,
    **dict.fromkeys(
        ("Clip", "Ceil", "Floor", "MaxPool", "Relu", "Round"), _apply_to_equal_channels
    ),
    **dict.fromkeys(_ARITHMETIC, _fold_arithmetic),
    "Neg": _fold_negative,
    "BatchNormalization": _fold_batch_normalization,
    "Transpose": _transpose_image,
    "Pad": _pad_image,
    "AveragePool": _pool_average,
    **dict.fromkeys(("Resize", "Upsample"), _resize_image),
    "Shape": _restore_shape,
    "Slice": slice_channels,
    "Gather": gather_channels,
    "GatherND": gather_nd_channels,
    "Split": split_channels,
    "Concat": concatenate_values,
    "Unsqueeze": unsqueeze_image,
    "Squeeze": squeeze_image,
    **dict.fromkeys(_QUANTIZED, _reject_quantized),
    "Conv": partial(_fold_into_convolution, axes="OI"),
    "ConvTranspose": partial(_fold_into_convolution, axes="IO"),
}
