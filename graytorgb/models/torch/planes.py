"""The planes that an adapted network's stem sees, and how they are made of gray.

A stem that pads with zeros needs a second plane, since zeros stand for other values around a
normalized image than around gray. The second plane is the negative of the gray, ``white - gray``.
Padding puts zeros around both, and inside the image any ``a * gray + b`` is a sum of both. The
stem's weights are then its answers to white and to black. A plane of ones would be exact too, but
its weights cancel those of the gray in part, and 8 bits round both.

The functions here are called at the beginning of an adapted network's ``forward``. TorchScript
compiles them, and for ``torch.fx`` each is one operation.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ...errors import ChannelError


class PlaneForm(NamedTuple):
    """The planes that a network's stem sees in place of color.

    Attributes
    ----------
    planes : int
        1: the gray; 2: the gray and its negative; 3: these and a plane of zeros, for a network
        whose own code is written for three channels.
    white : float
        The negative is ``white - gray``.
    """

    planes: int
    white: float


def check_gray(image: Tensor, axis: int) -> None:
    """Raise a ChannelError for an image that doesn't have one channel on an axis below 0."""
    if image.dim() < -axis or image.size(axis) != 1:
        raise ChannelError(
            "this network was adapted to one channel: (N, 1, H, W) is expected, not the shape "
            f"{list(image.shape)}"
        )


def append_planes(image: Tensor, axis: int, white: float, zeros: int) -> Tensor:
    """Return a gray image followed by its negative, and by planes of zeros.

    Parameters
    ----------
    image : Tensor
        One channel on `axis`, such as ``(N, 1, H, W)``.
    axis : int
        The channel axis, counted from the end: -3 for images, -4 for volumes and clips.
    white : float
        The number of which the negative is ``white - image``.
    zeros : int
        How many planes of zeros follow.
    """
    check_gray(image, axis)
    planes = [image, white - image]
    for _ in range(zeros):
        planes.append(torch.zeros_like(image))
    return torch.cat(planes, axis)


def append_missing_planes(image: Tensor, axis: int, white: float, zeros: int) -> Tensor:
    """Return a gray image followed by its planes, or an image that has them as it is.

    It is for methods that a user calls with gray, and the network itself with planes.
    """
    if image.dim() >= -axis and image.size(axis) == 2 + zeros:
        return image
    return append_planes(image, axis, white, zeros)


def append_planes_if_given(
    image: Tensor | None, axis: int, white: float, zeros: int
) -> Tensor | None:
    """Return a gray image followed by its planes, or None if there is no image."""
    if image is None:
        return None
    return append_planes(image, axis, white, zeros)


def append_planes_to_each(
    images: list[Tensor], axis: int, white: float, zeros: int
) -> list[Tensor]:
    """Return a list of gray images, each followed by its planes."""
    return [append_planes(image, axis, white, zeros) for image in images]


# torch.fx looks these functions up among the globals of this module
torch.fx.wrap("append_planes")
torch.fx.wrap("append_missing_planes")
torch.fx.wrap("append_planes_if_given")
torch.fx.wrap("append_planes_to_each")
