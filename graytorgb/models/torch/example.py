"""An input for one forward pass of a torch network."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from ...errors import ModelError
from ..stem import CHANNELS
from .input_arithmetic import takes_image_list

_SIZES = (224, 256, 299, 384, 512, 96, 64, 32, 28)


class Call(NamedTuple):
    """How a network is called.

    Attributes
    ----------
    shape : tuple of int
        Of the image, without the channel: ``(N, H, W)``, or ``(N, T, H, W)``.
    as_list : bool
        Whether it takes a list of images and not a batch.
    keyword : str or None
        The argument that is the image, among `others`.
    others : mapping
        The other arguments.
    """

    shape: tuple[int, ...]
    as_list: bool = False
    keyword: str | None = None
    others: Mapping[str, Any] = MappingProxyType({})

    @property
    def spatial(self) -> int:
        """Axes behind the channel."""
        return len(self.shape) - 1

    def gray(self, model: nn.Module) -> Tensor:
        """Noise from 0 to 1, always the same, of the network's dtype and device."""
        like = any_parameter(model)
        batch, *size = self.shape
        noise = torch.rand((batch, 1, *size), generator=torch.Generator().manual_seed(0))
        return noise.to(like.device, like.dtype)

    def run(self, model: nn.Module, images: Tensor) -> Any:
        """The network's output."""
        given = list(images) if self.as_list else images
        if self.keyword is None:
            return model(given, **self.others)
        return model(**{**self.others, self.keyword: given})


def any_parameter(model: nn.Module) -> Tensor:
    """A tensor on the network's device and in its dtype."""
    return next((p for p in model.parameters() if p.is_floating_point()), torch.empty(()))


def in_float64(example: Any) -> Any:
    """Return an example whose tensors of floats are float64, for a network in float64."""
    return tree_map(
        lambda leaf: (
            leaf.double() if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf
        ),
        example,
    )


def calls(model: nn.Module, example: Any) -> Iterator[Call]:
    """The ways to call a network that are worth a try: the stated one, or those its kind takes."""
    as_list = takes_image_list(model)
    if example is None:
        for height, width in _likely_sizes(model):
            yield Call((1, height, width), as_list)
        return
    if isinstance(example, Tensor):
        yield Call(_without_channel(example), as_list)
    elif isinstance(example, dict):
        name, image = _image_among(example)
        others = {key: other for key, other in example.items() if key != name}
        yield Call(_without_channel(image), as_list, name, others)
    else:
        size = (example, example) if isinstance(example, int) else tuple(example)
        if len(size) not in (2, 3) or not all(isinstance(n, int) and n > 0 for n in size):
            raise _unusable(example)
        yield Call((1, *size), as_list)


def _image_among(example: dict[str, Any]) -> tuple[str, Tensor]:
    """Return the argument that is the image: of several batches, the first in color."""
    batches = [(n, v) for n, v in example.items() if isinstance(v, Tensor) and v.ndim >= 4]
    colored = [(name, value) for name, value in batches if value.shape[1] == CHANNELS]
    if not batches:
        raise _unusable(example)
    return (colored or batches)[0]


def _without_channel(example: Tensor) -> tuple[int, ...]:
    if example.ndim < 4 or example.shape[1] not in (1, 3):
        raise _unusable(example)
    return (example.shape[0], *example.shape[2:])


def _unusable(example: Any) -> ModelError:
    given = f"a tensor of shape {tuple(example.shape)}" if isinstance(example, Tensor) else example
    return ModelError(
        "example is the size of an image, (H, W) or (T, H, W), a batch of shape (N, 1, H, W) or "
        f"(N, 3, H, W), or a dict of the network's arguments with such a batch; not {given!r}"
    )


def _likely_sizes(model: nn.Module) -> list[tuple[int, int]]:
    """What the network says of its input, then what is common."""
    sizes = []
    timm = getattr(model, "pretrained_cfg", None) or {}
    hugging_face = getattr(getattr(model, "config", None), "image_size", None)
    for said in (
        timm.get("input_size") if isinstance(timm, dict) else None,
        hugging_face,
        getattr(model, "image_size", None),
    ):
        if isinstance(said, int):
            sizes.append((said, said))
        elif isinstance(said, list | tuple) and len(said) >= 2:
            sizes.append((int(said[-2]), int(said[-1])))
    return list(dict.fromkeys([*sizes, *((n, n) for n in _SIZES)]))
