"""Rules for ONNX operators whose weights see the image: convolutions and matrix products.

The head of operations.py describes the arguments and the result of a rule.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from ..channel_map import ChannelMap, TraceError
from .edit import Edit
from .graph import get_attribute, get_title
from .rule_parts import check_axis, describe, find_argument, has_padding, require_argument

Array = NDArray[Any]


def fold_into_convolution(edit: Edit, node: NodeProto, image: ChannelMap, *, axes: str) -> None:
    """Give a stem a kernel that sees the base's planes, and a bias that holds the constant."""
    check_axis(node, image)
    kernel = require_argument(edit, node, 1, "kernel")
    is_transposed = axes == "IO"
    axes += "DHW"[5 - kernel.ndim :] if kernel.ndim > 2 else ""
    groups = get_attribute(node, "group", 1)
    if image.channel_count != kernel.shape[axes.index("I")] * (1 if is_transposed else groups):
        raise TraceError(f"has {image.channel_count} channels where {describe(node)} takes others")
    if image.has_constant() and (is_transposed or has_padding(node)):
        image = edit.prepare_for_zeros(image)
    bias = find_argument(edit, node, 2, "bias") if image.has_constant() else None
    folded, bias = image.fold_into_stem(kernel, bias, axes, groups)
    inputs = {0: image.base, 1: edit.add_constant(folded, f"{node.input[1]}_gray", image.dtype)}
    if bias is not None:
        inputs[2] = edit.add_constant(bias, f"{get_title(node)}_bias_gray", image.dtype)
    edit.keep_node(node, inputs, group=1)
    edit.stems[get_title(node)] = node.output[0]


def fold_into_matrix(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Give a MatMul by a constant a matrix that sees the base's planes."""
    place = _find_only_image(edit, node)
    weight = require_argument(edit, node, 1 - place, "matrix")
    axis = image.rank - 1 - place
    if weight.ndim < 2 or image.axis != axis or weight.ndim > image.rank:
        raise TraceError(f"goes into {describe(node)} with its channels on axis {image.axis}")
    input_axis = place - 2  # of (..., I, O) on the right, and of (..., O, I) on the left
    gray, added = _mix_axis(image, weight, input_axis, node)
    bias = added.sum(input_axis, keepdims=True)
    _write_product(edit, node, image, 1 - place, gray, bias)


def fold_into_einsum(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Give an Einsum of the image and a constant weights that see the base's planes."""
    place = _find_only_image(edit, node)
    inputs, arrow, output = get_attribute(node, "equation").replace(" ", "").partition("->")
    letters = inputs.split(",")
    if len(letters) != 2 or not arrow or "." in inputs or len(letters[place]) != image.rank:
        raise TraceError(f"goes into {describe(node)}")
    weight = require_argument(edit, node, 1 - place, "weight")
    channel, others = letters[place][image.axis], letters[1 - place]
    is_once = all(len(set(text)) == len(text) for text in letters)
    if not is_once or channel not in others or channel in output or weight.ndim != len(others):
        raise TraceError(f"goes into {describe(node)}, which keeps its channels apart")
    gray, added = _mix_axis(image, weight, others.index(channel), node)
    # what the ones give: the sum over every axis that the result doesn't have
    lost = tuple(k for k, letter in enumerate(others) if letter not in output)
    if image.has_constant() and len(set(letters[place]) - {channel} - set(output)) > len(
        set(letters[place]) & {others[k] for k in lost} - {channel}
    ):
        raise TraceError(f"is summed over pixels by {describe(node)}")
    kept = [letter for letter in others if letter in output]
    summed = np.transpose(added.sum(lost), [kept.index(c) for c in output if c in kept])
    sizes = iter(summed.shape)
    bias = summed.reshape([next(sizes) if letter in kept else 1 for letter in output])
    _write_product(edit, node, image, 1 - place, gray, bias)


def fold_into_gemm(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Give a Gemm a matrix that sees the base's planes, and a bias that holds the constant."""
    if get_attribute(node, "transA", 0) or image.axis != 1:
        raise TraceError(f"goes into {describe(node)} with its channels on axis {image.axis}")
    weight = require_argument(edit, node, 1, "matrix")
    is_transposed = bool(get_attribute(node, "transB", 0))
    gray, added = _mix_axis(image, weight, int(is_transposed), node)
    inputs = {0: image.base, 1: edit.add_constant(gray, f"{node.input[1]}_gray", image.dtype)}
    attributes: dict[str, Any] = {}
    if image.has_constant():
        bias = find_argument(edit, node, 2, "bias")
        total = added.sum(int(is_transposed)) * get_attribute(node, "alpha", 1.0)
        if bias is not None:
            total = total + bias.astype(np.float64) * get_attribute(node, "beta", 1.0)
        inputs[2] = edit.add_constant(total, f"{get_title(node)}_bias_gray", image.dtype)
        attributes["beta"] = 1.0
    edit.keep_node(node, inputs, **attributes)
    edit.stems[get_title(node)] = node.output[0]


def _find_only_image(edit: Edit, node: NodeProto) -> int:
    """Return the place of the only image among a node's inputs."""
    places = [place for place, name in enumerate(node.input) if name in edit.images]
    if len(places) > 1:
        raise TraceError(f"goes into {describe(node)} twice")
    return places[0]


def _mix_axis(image: ChannelMap, weight: Array, axis: int, node: NodeProto) -> tuple[Array, Array]:
    """Return weights that see the base's planes, and weights times the constant.

    Parameters
    ----------
    image : ChannelMap
    weight : ndarray
    axis : int
        The weights' axis that has the channels.
    node : NodeProto

    Returns
    -------
    gray : ndarray of float64
        Like `weight`, with the number of planes on the axis.
    added : ndarray of float64
        Like `weight`. Its sum over the axis is added to the result.
    """
    if weight.shape[axis] != image.channel_count:
        raise TraceError(f"has {image.channel_count} channels where {describe(node)} takes others")
    last = np.moveaxis(weight.astype(np.float64), axis, -1)
    gray, added = last @ image.matrix, last * image.constant
    return np.moveaxis(gray, -1, axis), np.moveaxis(added, -1, axis)


def _write_product(
    edit: Edit, node: NodeProto, image: ChannelMap, place: int, weight: Array, bias: Array
) -> None:
    """Keep a product of the base and weights, and add the bias to its result if there is one."""
    name = edit.add_constant(weight, f"{node.input[place]}_gray", image.dtype)
    output = node.output[0]
    edit.stems[get_title(node)] = output
    if not image.has_constant():
        edit.keep_node(node, {1 - place: image.base, place: name})
        return
    product = edit.make_name(f"{output}_without_bias")
    edit.keep_node(node, {1 - place: image.base, place: name}, outputs=[product])
    added = edit.add_constant(bias, f"{get_title(node)}_bias_gray", image.dtype)
    edit.add_node("Add", [product, added], output)
