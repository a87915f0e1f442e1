"""Rules for ONNX operators that reshape an image, for instance into patches.

The head of operations.py describes the arguments and the result of a rule.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from ..channel_map import ChannelMap, TraceError
from ..channel_reshape import merge_channels, reshape_channels
from .edit import Edit
from .graph import get_attribute
from .rule_parts import apply_to_base, check_axis, describe, find_argument

_FIRST_OPSET_WITH_SHAPE_AS_INPUT = 5


def reshape_image(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Reshape the base. Its planes may be merged with pixels, as where an image becomes patches.

    The shapes are those of runs at two sizes, unless the model takes one size.
    """
    runs = [(before, after) for before, after in
        edit.probe.find_shapes([node.input[0], node.output[0]])]  # fmt: skip
    if not image.has_axis:  # the base has an axis of one plane where the channel was
        runs = [((*before[: image.axis], 1, *before[image.axis :]), a) for before, a in runs]
    result = reshape_channels(replace(image, has_axis=True), runs, describe(node))
    if all(_count_planes(b, image) == _count_planes(a, result) for b, a in runs):
        return replace(result, base=image.base)  # it does nothing to the base
    after = runs[0][1]
    if node.op_type == "Flatten" or result.plane_count == result.channel_count:
        edit.keep_node(node, {0: image.base})
    elif edit.graph.opset < _FIRST_OPSET_WITH_SHAPE_AS_INPUT:
        edit.keep_node(node, {0: image.base}, shape=_correct(
            find_argument(edit, node, 1, "shape"), image, result, after).tolist())  # fmt: skip
    else:
        edit.keep_node(node, {0: image.base, 1: _add_shape(edit, node, image, result, after)})
    return replace(result, base=node.output[0])


def _count_planes(shape: tuple[int, ...], image: ChannelMap) -> tuple[int, ...]:
    """Return the shape of the base, where `shape` is the original's."""
    return (*shape[: image.axis], image.plane_count, *shape[image.axis + 1 :])


def pass_expanded(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Leave out an Expand to the shape that the image has already."""
    runs = edit.probe.find_shapes([node.input[0], node.output[0]])
    if any(before != after for before, after in runs):
        raise TraceError(f"is repeated by {describe(node)}")
    return image


def _add_shape(
    edit: Edit, node: NodeProto, image: ChannelMap, result: ChannelMap, after: tuple[int, ...]
) -> str:
    """Return the name of a reshape's new shape, which is constant if the original's is."""
    stated = edit.graph.find_constant(node.input[1])
    if stated is None and edit.probe.has_fixed_inputs:
        stated = np.array(after, np.int64)
    name = f"{node.output[0]}_shape"
    if stated is not None:
        return edit.add_constant(_correct(stated, image, result, after), name)
    return edit.replace_size(node.input[1], result.axis, result.plane_count, len(after), name)


def _correct(
    stated: Any, image: ChannelMap, result: ChannelMap, after: tuple[int, ...]
) -> NDArray[np.int64]:
    """Return the shape that a reshape of the base takes."""
    shape = np.array(stated, np.int64)
    if image.axis < len(shape) and shape[image.axis] == 0:  # the size of the input's axis
        shape[image.axis] = after[image.axis]
    shape[result.axis] = result.plane_count
    return shape


def fold_space_to_depth(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Apply a SpaceToDepth to the base. Its channels are those of each pixel of a block."""
    check_axis(node, image)
    block = get_attribute(node, "blocksize")
    merged = merge_channels(image, block * block, 1, describe(node))
    return apply_to_base(edit, node, image, matrix=merged.matrix, constant=merged.constant)
