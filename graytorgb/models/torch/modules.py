"""Modules and hooks that adaptation adds to a torch network; they are saved with it."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..weights import Normalization
from .gray_class import make_own_transform
from .image_arguments import FIRST, ImageArgument, apply_to_images
from .planes import check_gray


class Repeat(nn.Module):
    """A layer that makes the original network's three channels of gray.

    It returns a view that repeats the gray if all channels are equal, else ``(x - mean) / std``.
    The mean and the std are in float64 until the layer is converted to the network's dtype, so
    that they are rounded only once.

    Attributes
    ----------
    is_view : bool
        Whether all channels are equal.
    copies : bool
        Whether the layer returns a copy in place of the view, for a network that writes into its
        input.
    """

    mean: Tensor
    std: Tensor
    copies = False

    def __init__(self, normalization: Normalization, spatial: int = 2) -> None:
        super().__init__()
        self.spatial = spatial
        self.is_view = normalization.is_identity
        for name, values in normalization._asdict().items():
            self.register_buffer(name, torch.tensor(values).reshape(-1, *(1,) * spatial))

    def forward(self, gray: Tensor, axis: int | None = None) -> Tensor:
        """Return three channels for one, such as ``(N, 3, H, W)`` for ``(N, 1, H, W)``.

        Parameters
        ----------
        gray : Tensor
        axis : int, optional
            The axis of the channel, counted from the end. Without it, `spatial` axes follow it.
        """
        axis = -self.spatial - 1 if axis is None else axis
        check_gray(gray, axis)
        if not self.is_view:
            mean, std = self.mean, self.std
            if axis != -self.spatial - 1:
                mean, std = (v.reshape(-1, *(1,) * (-axis - 1)) for v in (mean, std))
            return (gray - mean) / std
        shape = list(gray.shape)
        shape[axis] = self.mean.shape[0]
        view = gray.expand(shape)
        return view.clone(memory_format=torch.contiguous_format) if self.copies else view

    def extra_repr(self) -> str:
        """Return the text in parentheses when this layer is printed."""
        if self.is_view:
            return "copy" if self.copies else "view"
        return f"mean={self.mean.flatten().tolist()}, std={self.std.flatten().tolist()}"


def repeat_and_normalize(gray: Tensor, normalization: Normalization, axis: int = 1) -> Tensor:
    """Return the original network's input for gray: the gray three times, normalized.

    Parameters
    ----------
    gray : Tensor
    normalization : Normalization
    axis : int
        The axis of the channel, which has the size 1.
    """
    axis = axis - gray.ndim if axis >= 0 else axis
    layer = Repeat(normalization, -axis - 1).to(gray.device, gray.dtype)
    return cast(Tensor, layer(gray))


class Learned(nn.Module):
    """A trainable 1 to 3 convolution of size 1 that at first does what :class:`Repeat` does."""

    def __init__(self, normalization: Normalization, spatial: int = 2) -> None:
        super().__init__()
        self.spatial = spatial
        mean, std = (torch.from_numpy(values) for values in normalization)
        convolution = nn.Conv3d if spatial == 3 else nn.Conv2d
        self.convolution = convolution(1, len(mean), 1, dtype=torch.float64)
        with torch.no_grad():
            self.convolution.weight.copy_((1 / std).reshape(-1, *(1,) * (spatial + 1)))
            assert self.convolution.bias is not None
            self.convolution.bias.copy_(-mean / std)

    def forward(self, gray: Tensor, axis: int | None = None) -> Tensor:
        """Return three channels for one; for the parameters see :meth:`Repeat.forward`."""
        usual = -self.spatial - 1
        axis = usual if axis is None else axis
        check_gray(gray, axis)
        if axis == usual and gray.ndim <= self.spatial + 2:
            return cast(Tensor, self.convolution(gray))
        image = gray.movedim(axis, usual)  # the axes before the channel become one
        colored = self.convolution(image.reshape(-1, *image.shape[usual:]))
        return cast(Tensor, colored.reshape(*image.shape[:usual], *colored.shape[1:])).movedim(
            usual, axis
        )


class GrayInput(nn.Module):
    """A network behind a layer that makes its three channels of gray.

    Parameters
    ----------
    front : Repeat or Learned
    model : nn.Module
        The original network.
    images : sequence of ImageArgument
        Where the network's arguments hold images.

    Attributes
    ----------
    front, model, images
    """

    images: tuple[ImageArgument, ...] = (FIRST,)

    def __init__(
        self, front: Repeat | Learned, model: nn.Module, images: Sequence[ImageArgument] = (FIRST,)
    ) -> None:
        super().__init__()
        self.front = front
        self.model = model
        self.images = tuple(images)
        # train() would also set the layers of the network, some of which may be frozen in eval mode
        for module in (self, *front.modules()):
            module.training = model.training

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the network's output for its own arguments, with gray in place of each image."""
        args, kwargs = apply_to_images(self.front, self.images, args, kwargs)
        return self.model(*args, **kwargs)

    transform = make_own_transform
