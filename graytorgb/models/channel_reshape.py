"""``ChannelMap`` after axes are reshaped, added or removed, as where patches are cut of an image.

A reshape to ``(N, h, p, w, p, C)`` and a merge of the last axes turn the channels of a patch's
pixels into one axis. Each of its channels still depends on few planes: those of its own pixel.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod
from typing import NamedTuple

import numpy as np

from .channel_map import ChannelMap, TraceError

_LARGEST_MATRIX = 1 << 24  # numbers, 128 MiB of float64


class Factor(NamedTuple):
    """A factor that an axis before a reshape has in common with an axis after it."""

    size: int
    before: int
    after: int


def reshape_channels(
    image: ChannelMap, runs: Sequence[tuple[Sequence[int], Sequence[int]]], where: str
) -> ChannelMap:
    """Return the map after a reshape in row-major order.

    The base has to be reshaped as the original value is, with the size of the result's axis
    replaced by the result's number of planes.

    Parameters
    ----------
    image : ChannelMap
    runs : sequence of pairs (before, after)
        The shapes of the original value, at several sizes if its size isn't fixed.
    where : str
        A description of the layer or node for messages.

    Raises
    ------
    TraceError
        If the channels are cut into parts that depend on the same planes, become too many, or
        aren't the same number at each size.

    Examples
    --------
    >>> image = ChannelMap("x", np.ones((3, 1)), np.zeros(3), 3, 4, "float32")
    >>> patches = reshape_channels(image, [((2, 4, 2, 3), (2, 4, 6))], "reshape")
    >>> patches.axis, patches.channel_count, patches.plane_count
    (2, 6, 2)
    """
    if not image.has_axis:
        raise TraceError(f"goes into {where} as a single channel")
    plans = [_plan_reshape(image, before, after, where) for before, after in runs]
    if any(plan != plans[0] for plan in plans):
        raise TraceError(f"has its sides, which aren't fixed, merged with its channels in {where}")
    axis, outer, merged = plans[0]
    inner = split_channels(image, *outer)
    if inner is None:
        raise TraceError(f"has its channels cut into parts by {where}")
    joined = merge_channels(inner, *merged, where)
    return replace(joined, axis=axis, rank=len(runs[0][1]))


class ReshapePlan(NamedTuple):
    """The new axis of the channels, and the numbers of values in front of and behind them.

    Attributes
    ----------
    axis : int
    outer : (int, int)
        The values on the channels' axis before the reshape that leave it.
    merged : (int, int)
        The values that are on the channels' axis after the reshape.
    """

    axis: int
    outer: tuple[int, int]
    merged: tuple[int, int]


def _plan_reshape(
    image: ChannelMap, before: Sequence[int], after: Sequence[int], where: str
) -> ReshapePlan:
    """Return the plan of a reshape between these shapes."""
    factors = find_factors(before, after)
    if factors is None:
        raise TraceError(f"is reshaped from {tuple(before)} to {tuple(after)} in {where}")
    parts = [factor for factor in factors if factor.before == image.axis]
    if not parts:
        return _keep_single_channel(image, before, after, where)
    plans = []
    for carrier in parts:
        merged = [factor for factor in factors if factor.after == carrier.after]
        outer, inner = _count_around(parts, carrier), _count_around(merged, carrier)
        plans.append(ReshapePlan(carrier.after, outer, inner))
    possible = [plan for plan in plans if split_channels(image, *plan.outer) is not None]
    return (possible or plans)[0]


def _count_around(factors: list[Factor], carrier: Factor) -> tuple[int, int]:
    """Return the products of the factors in front of one, and of those behind it."""
    place = factors.index(carrier)
    sides = factors[:place], factors[place + 1 :]
    lead, trail = (prod(factor.size for factor in side) for side in sides)
    return lead, trail


def find_factors(before: Sequence[int], after: Sequence[int]) -> list[Factor] | None:
    """Return the common factors of two shapes, in order, or None if axes are cut unevenly.

    Axes of size 1 have no factor.

    >>> [tuple(factor) for factor in find_factors((2, 6, 5), (4, 3, 5))]
    [(2, 0, 0), (2, 1, 0), (3, 1, 1), (5, 2, 2)]
    """
    left, right = (
        [[size, axis] for axis, size in enumerate(shape) if size != 1] for shape in (before, after)
    )
    found = []
    while left and right:
        size = min(left[0][0], right[0][0])
        if not size or left[0][0] % size or right[0][0] % size:
            return None
        found.append(Factor(size, left[0][1], right[0][1]))
        for side in (left, right):
            side[0][0] //= size
            if side[0][0] == 1:
                side.pop(0)
    return None if left or right else found


def merge_channels(image: ChannelMap, lead: int, trail: int, where: str) -> ChannelMap:
    """Return the map after the channels' axis is merged with others.

    Parameters
    ----------
    image : ChannelMap
    lead, trail : int
        The number of values on the axes in front of the channels' axis, and behind it.
    where : str
    """
    if lead == trail == 1:
        return image
    size = image.matrix.size * (lead * trail) ** 2
    if size > _LARGEST_MATRIX:
        count = image.channel_count * lead * trail
        raise TraceError(f"is flattened to {count} channels in {where}, which are too many")
    matrix = np.kron(np.kron(np.eye(lead), image.matrix), np.eye(trail))
    constant = np.tile(np.repeat(image.constant, trail), lead)
    return replace(image, matrix=matrix, constant=constant)


def split_channels(image: ChannelMap, lead: int, trail: int) -> ChannelMap | None:
    """Return the map after the channels' axis is split, or None if its parts share planes.

    This undoes :func:`merge_channels`.
    """
    if lead == trail == 1:
        return image
    count = lead * trail
    if image.plane_count % count:
        return None
    shape = (lead, image.channel_count // count, trail, lead, image.plane_count // count, trail)
    matrix = image.matrix.reshape(shape)[0, :, 0, 0, :, 0]
    constant = image.constant.reshape(shape[:3])[0, :, 0]
    part = replace(image, matrix=matrix, constant=constant)
    whole = merge_channels(part, lead, trail, "")
    same = np.array_equal(whole.matrix, image.matrix)
    return part if same and np.array_equal(whole.constant, image.constant) else None


def _keep_single_channel(
    image: ChannelMap, before: Sequence[int], after: Sequence[int], where: str
) -> ReshapePlan:
    """Return the plan for an image of one channel, whose axis stays between the same axes."""
    count = prod(before[: image.axis])
    places = [k for k, size in enumerate(after) if size == 1 and prod(after[:k]) == count]
    if image.plane_count != 1 or len(places) != 1:
        raise TraceError(f"loses the axis of its channel in {where}")
    return ReshapePlan(places[0], (1, 1), (1, 1))


def add_axes(image: ChannelMap, axes: Iterable[int], where: str) -> ChannelMap:
    """Return the map after axes of size 1 are added at these places of the result.

    The base gets them too, unless the rank stays: then the axis is the one that a picked channel
    has lost, and the base has it still.

    Raises
    ------
    TraceError
        If a single channel gets other axes.
    """
    places = [int(axis) for axis in axes]
    rank = (image.rank if image.has_axis else image.rank - 1) + len(places)
    new = {place % rank for place in places}
    if image.has_axis:
        return replace(image, axis=[k for k in range(rank) if k not in new][image.axis], rank=rank)
    if new != {image.axis}:
        raise TraceError(f"gets its channels on another axis in {where}")
    return replace(image, has_axis=True)


def remove_axes(image: ChannelMap, axes: Iterable[int], where: str) -> ChannelMap:
    """Return the map after axes of size 1 are removed.

    The base loses them too, unless the rank stays: then the axis is the one of a single channel,
    and the base keeps it.

    Raises
    ------
    TraceError
        If several channels lose their axis.
    """
    removed = {int(axis) % image.rank for axis in axes}
    if removed == {image.axis} and image.channel_count == 1:
        return replace(image, has_axis=False)
    if image.axis in removed:
        raise TraceError(f"loses its channels in {where}")
    axis = image.axis - sum(place < image.axis for place in removed)
    return replace(image, axis=axis, rank=image.rank - len(removed))
