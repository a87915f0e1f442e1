"""Rules for ONNX operators that an image meets before a convolution.

A rule is a function that takes `edit`, `node` and `image`, the ChannelMap of the node's first
input that is an image. It adds nodes to the adapted graph where some are needed. It returns the
ChannelMap of the node's first output, or None if that isn't an image. It raises ``TraceError`` if
the image can't pass.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from onnx import NodeProto

from ..channel_map import ChannelMap, TraceError
from .channel_operations import (
    concatenate_values,
    gather_channels,
    gather_nd_channels,
    scatter_channels,
    scatter_nd_channels,
    slice_channels,
    split_channels,
    squeeze_image,
    unsqueeze_image,
)
from .edit import FIRST_OPSET_WITH_NUMPY_BROADCASTING, Edit
from .graph import get_attribute, list_used_values
from .inputs import FLOATS
from .reshaping import fold_space_to_depth, pass_expanded, reshape_image
from .rule_parts import (
    apply_to_base,
    check_axis,
    check_plain,
    describe,
    find_argument,
    has_padding,
    require_argument,
)
from .stems import fold_into_convolution, fold_into_einsum, fold_into_gemm, fold_into_matrix

Operation = Callable[[Edit, NodeProto, ChannelMap], ChannelMap | None]

_ARITHMETIC = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide"}
_TAKE_SEVERAL = (*_ARITHMETIC, "Concat", "MatMul", "Einsum", "ScatterElements", "ScatterND")
_TAKE_ONE_CHANNEL = (*_ARITHMETIC, "Neg", "Identity", "Unsqueeze", "Shape", "Expand", "Reshape")
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
    if edit.graph.opset < FIRST_OPSET_WITH_NUMPY_BROADCASTING:
        raise TraceError(f"goes into {describe(node)} of opset {edit.graph.opset}, before 7")
    if image.dtype not in FLOATS:
        raise TraceError(f"goes into {describe(node)}, which calculates in whole numbers")
    is_left, is_right = (name in edit.images for name in node.input)
    operator = _ARITHMETIC[node.op_type]
    if is_left and is_right:
        other = edit.images[node.input[1]]
        edit.folds = True
        return image.combine(operator, other, describe(node))
    operand = edit.graph.find_constant(node.input[int(is_left)])
    if _is_mask(edit, node, image, operand, is_left=is_left):
        return _apply_mask(edit, node, image, place=int(not is_left))
    operand = require_argument(edit, node, int(is_left), "other operand")
    edit.folds = True
    return image.calculate(operator, operand, describe(node), is_left=is_left)


def _is_mask(
    edit: Edit, node: NodeProto, image: ChannelMap, operand: Any, *, is_left: bool
) -> bool:
    """Whether the image is multiplied or divided by numbers that differ only between pixels."""
    if node.op_type not in ("Mul", "Div") or not (is_left or node.op_type == "Mul"):
        return False
    name = node.input[int(is_left)]
    shapes = edit.probe.find_shapes([name]) if operand is None else [[operand.shape]]
    axis = image.axis - image.rank
    if not image.has_axis or any(len(shape) > image.rank for [shape] in shapes):
        return False
    one = all(len(shape) < -axis or shape[axis] == 1 for [shape] in shapes)
    return one and (operand is None or operand.size > 1)


def _apply_mask(edit: Edit, node: NodeProto, image: ChannelMap, place: int) -> ChannelMap:
    """Multiply the base, and the ones that carry a constant, by the numbers for each pixel."""
    if image.has_constant():
        image = edit.prepare_for_zeros(image)
    edit.keep_node(node, {place: image.base})
    return replace(image, base=node.output[0])


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
    """Pad the base. A constant that differs from the padding's value becomes a constant plane."""
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
        image = edit.prepare_for_zeros(image.shift(np.full(1, -value))).shift(np.full(1, value))
    inputs: dict[int, str] = {0: image.base}
    attributes: dict[str, Any] = {}
    if value and edit.graph.opset >= 11:  # the base is padded with zeros
        inputs[2] = edit.add_constant(np.array(0), f"{node.output[0]}_value", image.dtype)
    elif value:
        attributes["value"] = 0.0
    edit.keep_node(node, inputs, **attributes)
    return replace(image, base=node.output[0])


def _pool_average(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Average the base. If the padding's zeros count, a constant becomes a constant plane."""
    check_axis(node, image)
    if get_attribute(node, "count_include_pad", 0) and has_padding(node) and image.has_constant():
        image = edit.prepare_for_zeros(image)
    return apply_to_base(edit, node, image)


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
    name = f"{node.output[0]}_sizes"
    sizes = edit.replace_size(node.input[3], place, image.plane_count, len(axes), name)
    edit.keep_node(node, {0: image.base, 3: sizes})
    return replace(image, base=node.output[0])


def _restore_shape(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Return the shape of the original image, not of the base, to nodes that use it."""
    if not image.has_axis:
        kept = [k for k in range(image.rank) if k != image.axis]
        kept = kept[get_attribute(node, "start", 0) : get_attribute(node, "end", None)]
        shape = edit.make_name(f"{node.output[0]}_of_gray")
        edit.add_node("Shape", [image.base], shape)
        index = edit.add_constant(np.array(kept, np.int64), f"{shape}_kept")
        edit.add_node("Gather", [shape, index], node.output[0], axis=0)
        return
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
    "ScatterElements": scatter_channels,
    "ScatterND": scatter_nd_channels,
    "Expand": pass_expanded,
    "Unsqueeze": unsqueeze_image,
    "Squeeze": squeeze_image,
    **dict.fromkeys(("Reshape", "Flatten"), reshape_image),
    "SpaceToDepth": fold_space_to_depth,
    **dict.fromkeys(_QUANTIZED, _reject_quantized),
    "Conv": partial(fold_into_convolution, axes="OI"),
    "ConvTranspose": partial(fold_into_convolution, axes="IO"),
    "MatMul": fold_into_matrix,
    "Gemm": fold_into_gemm,
    "Einsum": fold_into_einsum,
}
