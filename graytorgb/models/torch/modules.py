"""What an adapted torch network is made of beside its own layers; these are pickled with it."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...errors import ChannelError
from ..weights import Normalization

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def on_image(call: Callable[[Tensor], Tensor], args: tuple[Any, ...], kwargs: Any) -> Arguments:
    """The arguments of a layer, with `call` applied to the image or the list of images.

    The image is the first argument that is a tensor with three dimensions or more, or a list
    of such tensors.
    """
    for place, value in enumerate(args):
        if _is_image(value):
            return (*args[:place], _each(call, value), *args[place + 1 :]), kwargs
    for name, value in kwargs.items():
        if _is_image(value):
            return args, {**kwargs, name: _each(call, value)}
    raise ChannelError("this network takes a batch of gray images, (N, 1, H, W), and got no image")


def _is_image(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(_is_image(item) for item in value)
    return isinstance(value, Tensor) and value.ndim >= 3


def _each(call: Callable[[Tensor], Tensor], value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)([call(item) for item in value])
    return call(value)


def _check_gray(image: Tensor, spatial: int) -> None:
    if image.ndim <= spatial or image.shape[-spatial - 1] != 1:
        axes = "TCHW"[-spatial - 1 :] if spatial == 2 else "CTHW"
        raise ChannelError(
            f"this network was adapted to one channel: (N, {', '.join(axes).replace('C', '1')}) is "
            f"expected, not the shape {tuple(image.shape)}"
        )


class AppendOnes:
    """A forward pre-hook: the layer is given the gray, and a plane of ones beside it.

    The ones carry what the normalization adds to a gray of 0; they end where the image ends,
    and so does that.

    Parameters
    ----------
    spatial : int
        Axes behind the channel: 2 for images, 3 for volumes and clips.
    """

    def __init__(self, spatial: int = 2) -> None:
        self.spatial = spatial

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: Any) -> Arguments:
        """The arguments with ``(N, 2, ...)`` in place of ``(N, 1, ...)``."""
        return on_image(self.append, args, kwargs)

    def append(self, image: Tensor) -> Tensor:
        """The image and its ones, along the channel axis."""
        _check_gray(image, self.spatial)
        return torch.cat((image, torch.ones_like(image)), -self.spatial - 1)


class Repeat(nn.Module):
    """One gray channel as the planes that the network was trained on.

    A view that repeats the gray where the planes are equal, else ``(x - mean) / std``. Made in
    float64, like :class:`Learned`, to be rounded once, into the network's dtype.
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
        """``(N, 1, H, W)`` to ``(N, 3, H, W)``."""
        _check_gray(gray, self.spatial)
        if not self.is_view:
            return (gray - self.mean) / self.std
        shape = list(gray.shape)
        shape[-self.spatial - 1] = self.mean.shape[0]
        return gray.expand(shape)

    def extra_repr(self) -> str:
        """What it does, in the network's printout."""
        if self.is_view:
            return "view"
        return f"mean={self.mean.flatten().tolist()}, std={self.std.flatten().tolist()}"


def repeat_and_normalize(gray: Tensor, normalization: Normalization) -> Tensor:
    """Return what the original network is given: the gray three times, normalized."""
    return cast(Tensor, Repeat(normalization, gray.ndim - 2).to(gray.device, gray.dtype)(gray))


class Learned(nn.Module):
    """A trainable 1 to 3 convolution of size 1 that starts as :class:`Repeat`."""

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
        """``(N, 1, H, W)`` to ``(N, 3, H, W)``."""
        _check_gray(gray, self.spatial)
        planes: Tensor = self.convolution(gray)
        return planes


class GrayInput(nn.Module):
    """A network behind a layer that makes its color planes of gray.

    Attributes
    ----------
    front : Repeat or Learned
    model : nn.Module
        The network as it was.
    """

    def __init__(self, front: Repeat | Learned, model: nn.Module) -> None:
        super().__init__()
        self.front = front
        self.model = model
        # not by train(), which would set every layer of the network: some may be frozen in eval
        for module in (self, *front.modules()):
            module.training = model.training

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The network's own output for the gray image, or list of images, among the arguments."""
        args, kwargs = on_image(self.front, args, kwargs)
        return self.model(*args, **kwargs)


def is_adapted(module: nn.Module) -> bool:
    """Whether a layer is one that takes gray in the place of color."""
    hooks = module._forward_pre_hooks.values()
    return isinstance(module, GrayInput) or any(isinstance(hook, AppendOnes) for hook in hooks)
