"""Modules and hooks that adaptation adds to a torch network; they are saved with it."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...errors import ChannelError
from ..weights import Normalization

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def apply_to_image(
    function: Callable[[Tensor], Tensor], args: tuple[Any, ...], kwargs: Any
) -> Arguments:
    """Return the arguments of a layer, with `function` applied to the image among them.

    The image is the first argument that is a tensor with three dimensions or more, or a list
    of such tensors.

    Raises
    ------
    ChannelError
        If there is no image.
    """
    for index, value in enumerate(args):
        if _is_image(value):
            return (*args[:index], _apply(function, value), *args[index + 1 :]), kwargs
    for name, value in kwargs.items():
        if _is_image(value):
            return args, {**kwargs, name: _apply(function, value)}
    raise ChannelError("this network takes a batch of gray images, (N, 1, H, W), and got no image")


def _is_image(value: Any) -> bool:
    """Whether a value is an image or a batch of images, or a list of them."""
    if isinstance(value, list | tuple):
        return bool(value) and all(_is_image(item) for item in value)
    return isinstance(value, Tensor) and value.ndim >= 3


def _apply(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """Return `function` of an image, or of each image in a list."""
    if isinstance(value, list | tuple):
        return type(value)([function(item) for item in value])
    return function(value)


def _check_gray(image: Tensor, spatial: int) -> None:
    """Raise a ChannelError for an image that doesn't have one channel."""
    if image.ndim <= spatial or image.shape[-spatial - 1] != 1:
        axes = "N, 1, H, W" if spatial == 2 else "N, 1, T, H, W"
        raise ChannelError(
            f"this network was adapted to one channel: ({axes}) is expected, not the shape "
            f"{tuple(image.shape)}"
        )


class Repeat(nn.Module):
    """A layer that makes the original network's three channels of gray.

    It returns a view that repeats the gray if all channels are equal, else ``(x - mean) / std``.
    The mean and the std are in float64 until the layer is converted to the network's dtype, so
    that they are rounded only once.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, normalization: Normalization, spatial: int = 2) -> None:
        super().__init__()
        self.spatial = spatial
        self.is_view = normalization.is_identity
        for name, values in normalization._asdict().items():
            self.register_buffer(name, torch.tensor(values).reshape(-1, *(1,) * spatial))

    def forward(self, gray: Tensor) -> Tensor:
        """Return ``(N, 3, H, W)`` for ``(N, 1, H, W)``."""
        _check_gray(gray, self.spatial)
        if not self.is_view:
            return (gray - self.mean) / self.std
        shape = list(gray.shape)
        shape[-self.spatial - 1] = self.mean.shape[0]
        return gray.expand(shape)

    def extra_repr(self) -> str:
        """Return the text in parentheses when this layer is printed."""
        if self.is_view:
            return "view"
        return f"mean={self.mean.flatten().tolist()}, std={self.std.flatten().tolist()}"


def repeat_and_normalize(gray: Tensor, normalization: Normalization) -> Tensor:
    """Return the original network's input for gray: the gray three times, normalized."""
    return cast(Tensor, Repeat(normalization, gray.ndim - 2).to(gray.device, gray.dtype)(gray))


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

    def forward(self, gray: Tensor) -> Tensor:
        """Return ``(N, 3, H, W)`` for ``(N, 1, H, W)``."""
        _check_gray(gray, self.spatial)
        return cast(Tensor, self.convolution(gray))


class GrayInput(nn.Module):
    """A network behind a layer that makes its three channels of gray.

    Attributes
    ----------
    front : Repeat or Learned
    model : nn.Module
        The original network.
    """

    def __init__(self, front: Repeat | Learned, model: nn.Module) -> None:
        super().__init__()
        self.front = front
        self.model = model
        # train() would also set the layers of the network, some of which may be frozen in eval mode
        for module in (self, *front.modules()):
            module.training = model.training

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the network's output for the gray image, or list of images, in the arguments."""
        args, kwargs = apply_to_image(self.front, args, kwargs)
        return self.model(*args, **kwargs)
