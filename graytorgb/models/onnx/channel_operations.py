"""What operators that pick, split or join channels make of the image.

Every public function here has the arguments `edit`, `node` and `image`, as in operations.py.
"""

from dataclasses import replace

import numpy as np
from onnx import NodeProto

from ..channel_map import ChannelMap, concatenate_channels
from .edit import Edit
from .graph import attribute
from .operator_rules import Refused, describe, find_constant, move_base

_WHOLE_AXIS = 1 << 31


def slice_channels(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Pick a range of channels, or crop the image."""
    axes = find_constant(edit, node, 3, "axes")
    starts = None
    if axes is None:
        starts = find_constant(edit, node, 1, "starts")
        assert starts is not None
        axes = np.arange(len(starts))
    places = [int(a) % image.rank for a in axes]
    if image.axis not in places:
        move_base(edit, node, image)
        return
    starts = find_constant(edit, node, 1, "starts") if starts is None else starts
    ends, steps = find_constant(edit, node, 2, "ends"), find_constant(edit, node, 4, "steps")
    assert starts is not None
    assert ends is not None
    steps = np.ones(len(places), np.int64) if steps is None else steps
    bounds = zip(places, starts.tolist(), ends.tolist(), steps.tolist(), strict=True)
    cuts = {
        place: _as_slice(start, end, step, image.channels) for place, start, end, step in bounds
    }
    chosen = np.arange(image.channels)[cuts.pop(image.axis)]
    if any(cut != slice(0, None, 1) for cut in cuts.values()):
        raise Refused(f"is cropped along its channels and other axes at once in {describe(node)}")
    edit.images[node.output[0]] = image.pick(chosen)


def _as_slice(start: int, end: int, step: int, size: int) -> slice:
    """ONNX clamps: an end far below 0 includes the first, one far above is the whole axis."""
    if step < 0 and end < -size:
        return slice(start, None, step)
    return slice(start, None if end >= _WHOLE_AXIS - 1 else end, step)


def gather_channels(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Pick channels by their numbers."""
    if attribute(node, "axis", 0) % image.rank != image.axis:
        raise Refused(f"goes into {describe(node)}")
    index = find_constant(edit, node, 1, "indices")
    assert index is not None
    if index.ndim > 1:
        raise Refused(f"gets another axis in {describe(node)}")
    edit.images[node.output[0]] = image.pick(index)


def gather_nd_channels(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Channels picked along the first axis, as torch exports ``x[:, [2, 1, 0]]``."""
    index = find_constant(edit, node, 1, "indices")
    assert index is not None
    if image.axis != 0 or attribute(node, "batch_dims", 0) or index.shape[1:] != (1,):
        raise Refused(f"goes into {describe(node)}")
    edit.images[node.output[0]] = image.pick(index[:, 0])


def split_channels(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Split the channels into several values."""
    if attribute(node, "axis", 0) % image.rank != image.axis:
        raise Refused(f"is split along its sides by {describe(node)}")
    sizes = find_constant(edit, node, 1, "split")
    count = len(node.output)
    if sizes is None:  # the last may be smaller
        size = -(-image.channels // count)
        sizes = np.minimum(size, np.maximum(0, image.channels - size * np.arange(count)))
    rows = np.split(np.arange(image.channels), np.cumsum(sizes)[:-1])
    for name, index in zip(node.output, rows, strict=True):
        edit.images[name] = image.pick(index)


def concatenate_values(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Put the channels of several values one after the other."""
    parts = [edit.images.get(name) for name in node.input]
    images = [part for part in parts if part is not None]
    alike = {(p.axis, p.rank, p.dtype, p.has_axis) for p in images}
    if len(images) < len(parts) or len(alike) > 1:
        raise Refused(f"is put together with something else in {describe(node)}")
    if attribute(node, "axis", 1) % image.rank != image.axis:
        raise Refused(f"is put together along another axis than its channels in {describe(node)}")
    bases = list(dict.fromkeys(part.base for part in images))
    if len(bases) == 1:
        edit.images[node.output[0]] = concatenate_channels(images, bases[0])
        return
    edit.add("Concat", bases, node.output[0], axis=image.axis)
    edit.made(node.output[0], concatenate_channels(images, node.output[0]))


def unsqueeze(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Add axes, or give the channel that was picked its axis again."""
    axes = find_constant(edit, node, 1, "axes")
    assert axes is not None
    rank = (image.rank if image.has_axis else image.rank - 1) + len(axes)
    new = {int(a) % rank for a in axes}
    if not image.has_axis:
        if new != {image.axis}:
            raise Refused(f"gets its channels on another axis in {describe(node)}")
        edit.images[node.output[0]] = replace(image, has_axis=True)
        return
    axis = [a for a in range(rank) if a not in new][image.axis]
    move_base(edit, node, image, axis=axis, rank=rank)


def squeeze(edit: Edit, node: NodeProto, image: ChannelMap) -> None:
    """Remove axes of one, the axis of a single channel among them."""
    axes = find_constant(edit, node, 1, "axes")
    if axes is None or not image.has_axis:
        raise Refused(f"goes into {describe(node)}, which doesn't say which axes")
    gone = {int(a) % image.rank for a in axes}
    if gone == {image.axis} and image.channels == 1:
        edit.images[node.output[0]] = replace(image, has_axis=False)
    elif image.axis in gone:
        raise Refused(f"loses its channels in {describe(node)}")
    else:
        axis = image.axis - sum(a < image.axis for a in gone)
        move_base(edit, node, image, axis=axis, rank=image.rank - len(gone))
