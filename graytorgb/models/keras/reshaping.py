"""Rules for Keras layers and operations that reshape an image, for instance into patches.

The head of operations.py describes the arguments and the result of a rule.
"""

from dataclasses import replace
from math import prod
from typing import Any

import keras
import numpy as np

from ..channel_map import ChannelMap, TraceError
from ..channel_reshape import add_axes, merge_channels, remove_axes, reshape_channels
from .steps import Step, check_axis, describe, get_kind, rebuild_operation

# Sizes that stand for those that aren't fixed. Many sizes of patches divide them, and no product
# of some is equal in both rows, where a rule has to do the same.
_FREE_SIZES = ((672, 960, 1344), (1344, 1920, 2688))


def reshape_image(operation: Any, image: ChannelMap, args: Any, place: int) -> Step:
    """Reshape the base. Its planes may be merged with pixels, as where an image becomes patches."""
    where = describe(operation)
    if get_kind(operation) == "Flatten" and image.rank > 2:
        check_axis(operation, image)
        if operation.data_format == "channels_first":
            raise TraceError(f"is transposed and flattened by {where}")
    shape = list(image.base.shape)
    shape[image.axis] = image.channel_count
    runs = []
    for sizes in _FREE_SIZES:
        free = iter(sizes)
        before = [next(free, 2016) if size is None else size for size in shape]
        runs.append((before, _find_output_shape(operation, before)))
    result = reshape_channels(image, runs, where)
    if get_kind(operation) == "Flatten" or result.plane_count == result.channel_count:
        return Step(result, keep=True)
    name = "target_shape" if isinstance(operation, keras.layers.Layer) else "newshape"
    target = list(getattr(operation, name))
    target[result.axis - (name == "target_shape")] = result.plane_count
    return Step(result, layers=[rebuild_operation(operation, **{name: tuple(target)})])


def _find_output_shape(operation: Any, before: list[int]) -> list[int]:
    """Return the shape of an operation's output for an input of fixed sizes.

    A layer that reshapes keeps the number of images.
    """
    if isinstance(operation, keras.layers.Layer):
        return [int(size) for size in operation.compute_output_shape(tuple(before))]
    target = [int(size) for size in operation.newshape]
    if -1 in target:
        target[target.index(-1)] = prod(before) // -prod(target)
    if prod(target) != prod(before):  # a size that the user took from an input that was fixed
        raise TraceError(f"is reshaped to {tuple(operation.newshape)} by {describe(operation)}")
    return target


def expand_image(operation: Any, image: ChannelMap, args: Any, place: int) -> Step:
    """Add axes to the base; one may be the axis that a single picked channel lost."""
    result = add_axes(image, _list_axes(operation), describe(operation))
    return Step(result, keep=result.rank != image.rank)


def squeeze_image(operation: Any, image: ChannelMap, args: Any, place: int) -> Step:
    """Remove axes of size 1 from the base; one may be the axis of a single channel."""
    if operation.axis is None or not image.has_axis:
        raise TraceError(f"goes into {describe(operation)}, which doesn't say which axes")
    result = remove_axes(image, _list_axes(operation), describe(operation))
    return Step(result, keep=result.rank != image.rank)


def _list_axes(operation: Any) -> list[int]:
    """Return the axes that an operation states, one or several."""
    return list(operation.axis) if isinstance(operation.axis, list | tuple) else [operation.axis]


def take_channels(operation: Any, image: ChannelMap, args: tuple[Any, ...], place: int) -> Step:
    """Pick channels by their numbers, or parts of the base along another axis."""
    if operation.axis is None or place or isinstance(args[1], keras.KerasTensor):
        raise TraceError(f"goes into {describe(operation)}")
    index, axis = np.asarray(args[1]), operation.axis % image.rank
    if not image.has_axis or (axis == image.axis and index.ndim > 1):
        raise TraceError(f"gets another axis in {describe(operation)}")
    if axis == image.axis:
        return Step(image.pick(index))
    added = index.ndim - 1
    moved = image.axis + added * (axis < image.axis)
    return Step(replace(image, axis=moved, rank=image.rank + added), keep=True)


def extract_patches(operation: Any, image: ChannelMap, args: Any, place: int) -> Step:
    """Cut the base into patches, whose channels are those of each pixel of a patch."""
    check_axis(operation, image)
    prepare = operation.padding != "valid" and image.has_constant()
    if prepare:
        image = image.prepare_for_zeros(image.base)
    merged = merge_channels(image, prod(operation.size), 1, describe(operation))
    return Step(merged, prepare=prepare, keep=True)


def pad_base(operation: Any, image: ChannelMap, args: tuple[Any, ...], place: int) -> Step:
    """Pad the base by keras.ops.pad. A constant becomes a constant plane, which is padded too."""
    widths = operation.pad_width * (image.rank if len(operation.pad_width) == 1 else 1)
    stated = [value for value in args[1:] if value is not None]
    if not image.has_axis or any(widths[image.axis]):
        raise TraceError(f"gets more channels in {describe(operation)}")
    if operation.mode != "constant" or image.is_plain or not (image.has_constant() or any(stated)):
        return Step(image, keep=True)
    if any(stated):
        raise TraceError(f"is padded with {stated[0]} after arithmetic, by {describe(operation)}")
    return Step(image.prepare_for_zeros(image.base), prepare=True, keep=True)
