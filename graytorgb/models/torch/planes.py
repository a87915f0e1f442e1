"""The planes that an adapted network's stem sees, and how they are made of gray.

A stem that pads with zeros needs a second plane, since zeros stand for other values around a
normalized image than around gray. The first plane is the gray, normalized by the mean of the three
means and of the three stds. The second one is constant, and carries what the means differ by.
Padding puts zeros around both, so the result is exact at the borders too.

The gray itself beside ones would be exact as well. But then large weights for ones cancel a large
part of the gray's, and 8 bits round both. With a normalized gray, a stem of 8 bits makes about the
error of the original's, mostly less.

The functions here are called at the beginning of an adapted network's ``forward``. TorchScript
compiles them, and for ``torch.fx`` each is one operation.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...errors import ChannelError
from .image_arguments import ImageArgument, apply_at_path, describe_gray

# TorchScript takes a comment about types in one of its functions for a type of its own
_is_tracing: Callable[[], bool] = torch.jit.is_tracing  # type: ignore[attr-defined]


class PlaneForm(NamedTuple):
    """The planes that a network's stem sees in place of color.

    Attributes
    ----------
    planes : int
        1: the gray; 2: normalized gray and a constant; 3: and zeros, for a network
        whose own code is written for three channels.
    center, scale, level : float
        The first plane is ``(gray - center) / scale``, and the second one is `level`.
    """

    planes: int
    center: float
    scale: float
    level: float


def count_planes(image: Tensor, axis: int) -> int:
    """Return the size of an axis as a number, also while ``torch.jit.trace`` runs the network."""
    if _is_tracing():
        return len(image.unbind(axis))  # the size would be a tensor, of which no `if` should depend
    return image.size(axis)


def check_gray(image: Tensor, axis: int) -> None:
    """Raise a ChannelError for an image that doesn't have one channel on an axis below 0."""
    if image.dim() < -axis or count_planes(image, axis) != 1:
        raise ChannelError(
            f"this network was adapted to one channel: {describe_gray(axis)} is expected, not "
            f"the shape {list(image.shape)}"
        )


def append_planes(
    image: Tensor, axis: int, center: float, scale: float, level: float, zeros: int
) -> Tensor:
    """Return a gray image, normalized, followed by a constant plane and by planes of zeros.

    Parameters
    ----------
    image : Tensor
        One channel on `axis`, such as ``(N, 1, H, W)``.
    axis : int
        The channel axis, counted from the end: -3 for images, -4 for volumes and clips.
    center, scale, level : float
        The first plane is ``(gray - center) / scale``, and the second one is `level`.
    zeros : int
        How many planes of zeros follow.
    """
    check_gray(image, axis)
    gray = (image - center) / scale
    planes = [gray, torch.full_like(gray, level)]
    for _ in range(zeros):
        planes.append(torch.zeros_like(gray))
    return torch.cat(planes, axis)


def append_missing_planes(
    image: Tensor, axis: int, center: float, scale: float, level: float, zeros: int
) -> Tensor:
    """Return a gray image followed by its planes, or an image that has them as it is.

    It is for methods that a user calls with gray, and the network itself with planes.
    """
    if image.dim() >= -axis and count_planes(image, axis) == 2 + zeros:
        return image
    return append_planes(image, axis, center, scale, level, zeros)


def append_planes_if_given(
    image: Tensor | None, axis: int, center: float, scale: float, level: float, zeros: int
) -> Tensor | None:
    """Return a gray image followed by its planes, or None if there is no image."""
    if image is None:
        return None
    return append_planes(image, axis, center, scale, level, zeros)


def append_planes_to_each(
    images: list[Tensor], axis: int, center: float, scale: float, level: float, zeros: int
) -> list[Tensor]:
    """Return a list of gray images, each followed by its planes."""
    return [append_planes(image, axis, center, scale, level, zeros) for image in images]


def append_planes_at(
    value: Any,
    path: tuple[str | int, ...],
    axis: int,
    center: float,
    scale: float,
    level: float,
    zeros: int,
) -> Any:
    """Return an argument with planes appended to the images at a path inside it.

    See :class:`.ImageArgument`.
    """

    def append(image: Tensor, axis: int) -> Tensor:
        return append_planes(image, axis, center, scale, level, zeros)

    return apply_at_path(append, value, ImageArgument(path=path, axis=axis))


# torch.fx looks these functions up among the globals of this module
torch.fx.wrap("append_planes")
torch.fx.wrap("append_missing_planes")
torch.fx.wrap("append_planes_if_given")
torch.fx.wrap("append_planes_to_each")
torch.fx.wrap("append_planes_at")
