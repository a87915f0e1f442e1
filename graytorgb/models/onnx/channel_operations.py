"""Rules for ONNX operators that pick, split or join channels.

The head of operations.py describes the arguments and the result of a rule.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from ..channel_map import ChannelMap, TraceError, concatenate_channels, list_alike
from ..channel_reshape import add_axes, remove_axes
from .edit import Edit
from .graph import get_attribute
from .rule_parts import apply_to_base, describe, find_argument, require_argument

_WHOLE_AXIS = 1 << 31


def slice_channels(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Pick a range of channels, or crop the image."""
    axes = find_argument(edit, node, 3, "axes")
    if axes is None:
        axes = np.arange(len(require_argument(edit, node, 1, "starts")))
    places = [int(a) % image.rank for a in axes]
    if image.axis not in places:
        return apply_to_base(edit, node, image)
    starts = require_argument(edit, node, 1, "starts")
    ends, steps = require_argument(edit, node, 2, "ends"), find_argument(edit, node, 4, "steps")
    steps = np.ones(len(places), np.int64) if steps is None else steps
    bounds = zip(starts.tolist(), ends.tolist(), steps.tolist(), strict=True)
    slices = (_make_slice(*bound, image.channel_count) for bound in bounds)
    cuts = dict(zip(places, slices, strict=True))
    image = image.pick(np.arange(image.channel_count)[cuts.pop(image.axis)])
    if all(cut == slice(0, None, 1) for cut in cuts.values()):
        return image
    kept = np.array([place != image.axis for place in places])  # the base is only cropped
    fields = {"starts": starts, "ends": ends, "axes": np.array(places), "steps": steps}
    fields = {name: np.asarray(numbers, np.int64)[kept] for name, numbers in fields.items()}
    if edit.graph.opset < 10:
        del fields["steps"]
        edit.keep_node(node, {0: image.base}, **{k: v.tolist() for k, v in fields.items()})
    else:
        names = [edit.add_constant(v, f"{node.output[0]}_{k}") for k, v in fields.items()]
        edit.keep_node(node, dict(enumerate([image.base, *names])))
    return replace(image, base=node.output[0])


def _make_slice(start: int, end: int, step: int, size: int) -> slice:
    """Return Python's slice for ONNX's bounds.

    ONNX clamps bounds: an end far below 0 includes the first element, an end far above includes
    the last one.
    """
    if step < 0 and end < -size:
        return slice(start, None, step)
    return slice(start, None if end >= _WHOLE_AXIS - 1 else end, step)


def gather_channels(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Pick channels by their numbers."""
    place = get_attribute(node, "axis", 0) % image.rank
    if place != image.axis:
        return _gather_pixels(edit, node, image, place)
    index = require_argument(edit, node, 1, "indices")
    if index.ndim > 1:
        raise TraceError(f"gets another axis in {describe(node)}")
    return image.pick(index)


def _gather_pixels(edit: Edit, node: NodeProto, image: ChannelMap, place: int) -> ChannelMap:
    """Gather parts of the base along another axis, such as a frame or the rows of patches."""
    index = edit.graph.find_constant(node.input[1])
    if index is None:
        [[shape], *_] = edit.probe.find_shapes([node.input[1]])
        added = len(shape) - 1
    else:
        added = index.ndim - 1
    axis = image.axis + added * (place < image.axis)
    return apply_to_base(edit, node, image, axis=axis, rank=image.rank + added)


def gather_nd_channels(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Pick channels along the first axis, as torch exports ``x[:, [2, 1, 0]]``."""
    index = require_argument(edit, node, 1, "indices")
    if image.axis != 0 or get_attribute(node, "batch_dims", 0) or index.shape[1:] != (1,):
        raise TraceError(f"goes into {describe(node)}")
    return image.pick(index[:, 0])


def split_channels(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Split the channels into several values, or the base along another axis."""
    if get_attribute(node, "axis", 0) % image.rank != image.axis:
        edit.keep_node(node, {0: image.base})
        for name in node.output:
            edit.record_image(name, replace(image, base=name))
        return
    sizes = find_argument(edit, node, 1, "split")
    count = len(node.output)
    if sizes is None:  # the last may be smaller
        size = -(-image.channel_count // count)
        sizes = np.minimum(size, np.maximum(0, image.channel_count - size * np.arange(count)))
    rows = np.split(np.arange(image.channel_count), np.cumsum(sizes)[:-1])
    for name, index in zip(node.output, rows, strict=True):
        edit.record_image(name, image.pick(index))


def concatenate_values(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Put the channels of several values one after the other, or images along another axis.

    Values beside the image, such as a mask, become planes of the base.
    """
    axis = get_attribute(node, "axis", 1) % image.rank
    parts = [edit.images.get(name) for name in node.input]
    if axis != image.axis:
        bases = list_alike(parts, describe(node))
        edit.keep_node(node, dict(enumerate(bases)))
        return replace(image, base=node.output[0])
    for place, (name, part) in enumerate(zip(node.input, parts, strict=True)):
        if part is None:
            parts[place] = _map_other_value(edit, name, image)
    joined, bases = concatenate_channels(parts, axis, describe(node))
    if len(bases) == 1:
        return joined
    base = edit.add_node("Concat", bases, node.output[0], axis=image.axis)
    return replace(joined, base=base)


def _map_other_value(edit: Edit, name: str, image: ChannelMap) -> ChannelMap:
    """Return the map of a value that isn't an image, each of whose channels is a plane."""
    counts = {shapes[0][image.axis] for shapes in edit.probe.find_shapes([name])}
    if len(counts) != 1:
        raise TraceError(f"is put together with {name!r}, whose channels aren't a fixed number")
    return image.map_planes(name, counts.pop())


def scatter_channels(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Replace channels by others, as torch exports ``x[:, 0] = y`` with dynamo."""
    axis = get_attribute(node, "axis", 0) % image.rank
    rows = []
    for data, index in edit.probe.find_values([node.input[0], node.input[1]]):
        last = np.moveaxis(index, axis, -1)
        numbers = last.reshape(-1, last.shape[-1])
        is_whole = last.shape[:-1] == np.moveaxis(data, axis, -1).shape[:-1]
        if axis != image.axis or not is_whole or (numbers != numbers[0]).any():
            raise TraceError(f"goes into {describe(node)}, which replaces pixels")
        rows.append(numbers[0])
    return _replace_channels(edit, node, image, rows)


def scatter_nd_channels(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Replace channels by others, as torch exports ``x[:, 0] = y`` without dynamo."""
    rows = []
    for data, index in edit.probe.find_values([node.input[0], node.input[1]]):
        is_row = image.axis == 1 and index.ndim == 3 and index.shape[::2] == (len(data), 2)
        if not (is_row and (index[..., 0] == np.arange(len(data))[:, None]).all()):
            raise TraceError(f"goes into {describe(node)}, which replaces pixels")
        if (index[..., 1] != index[0, :, 1]).any():
            raise TraceError(f"goes into {describe(node)}, which replaces pixels")
        rows.append(index[0, :, 1])
    return _replace_channels(edit, node, image, rows)


def _replace_channels(
    edit: Edit, node: NodeProto, image: ChannelMap, rows: Sequence[NDArray[np.int64]]
) -> ChannelMap:
    """Return the image with these channels replaced by those of the node's last input."""
    parts = [edit.images.get(node.input[place]) for place in (0, 2)]
    if get_attribute(node, "reduction", "none") != "none" or any(
        not np.array_equal(row, rows[0]) for row in rows
    ):
        raise TraceError(f"goes into {describe(node)}, which replaces pixels")
    joined, bases = concatenate_channels(parts, image.axis, describe(node))
    if len(bases) > 1 or len(rows[0]) != joined.channel_count - image.channel_count:
        raise TraceError(f"goes into {describe(node)}, with another image")
    order = np.arange(image.channel_count)
    order[rows[0]] = image.channel_count + np.arange(len(rows[0]))
    return joined.pick(order)


def unsqueeze_image(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Add axes, one of which may be the axis that a single picked channel lost."""
    axes = require_argument(edit, node, 1, "axes")
    return _change_axes(edit, node, image, add_axes(image, axes, describe(node)))


def squeeze_image(edit: Edit, node: NodeProto, image: ChannelMap) -> ChannelMap:
    """Remove axes of size 1, which may be the axis of a single channel."""
    axes = find_argument(edit, node, 1, "axes")
    if axes is None or not image.has_axis:
        raise TraceError(f"goes into {describe(node)}, which doesn't say which axes")
    return _change_axes(edit, node, image, remove_axes(image, axes, describe(node)))


def _change_axes(edit: Edit, node: NodeProto, image: ChannelMap, result: ChannelMap) -> ChannelMap:
    """Apply the node to the base, unless the axis is the channel's, which the base keeps."""
    if result.rank == image.rank:
        return result
    return apply_to_base(edit, node, image, axis=result.axis, rank=result.rank)
