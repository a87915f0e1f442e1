"""Example calls of a torch network: the image sizes and arguments to try."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from ...errors import ModelError
from ..stem import CHANNELS
from .input_arithmetic import takes_image_list

_SIZES = (224, 256, 299, 384, 512, 96, 64, 32, 28)


class Call(NamedTuple):
    """A way to call a network with a batch of images.

    Attributes
    ----------
    shape : tuple of int
        The shape of the batch without its channel axis: ``(N, H, W)`` or ``(N, T, H, W)``.
    as_list : bool
        Whether the network takes a list of images instead of a batch.
    keyword : str or None
        The name of the argument that takes the images; None if it is the first one.
    others : mapping
        The other arguments.
    """

    shape: tuple[int, ...]
    as_list: bool = False
    keyword: str | None = None
    others: Mapping[str, Any] = MappingProxyType({})

    def run(self, model: nn.Module, images: Tensor) -> Any:
        """Return the network's output for `images`."""
        argument = list(images) if self.as_list else images
        if self.keyword is None:
            return model(argument, **self.others)
        return model(**{**self.others, self.keyword: argument})


def find_parameter(model: nn.Module) -> Tensor:
    """Return a tensor that has the network's device and dtype."""
    return next((p for p in model.parameters() if p.is_floating_point()), torch.empty(()))


def find_epsilons(model: nn.Module) -> tuple[float, float]:
    """Return the smallest and the largest machine epsilon of a network's dtypes."""
    dtypes = {p.dtype for p in model.parameters() if p.is_floating_point()} or {torch.float32}
    epsilons = [float(torch.finfo(dtype).eps) for dtype in dtypes]
    return min(epsilons), max(epsilons)


def find_timm_size(model: nn.Module) -> tuple[int, ...] | None:
    """Return the input size (C, H, W) that a timm network states, or None."""
    config = getattr(model, "pretrained_cfg", None)
    return config.get("input_size") if isinstance(config, dict) else None


def convert_to_float64(example: Any) -> Any:
    """Return an example with its float tensors converted to float64."""
    return tree_map_only(Tensor, lambda t: t.double() if t.is_floating_point() else t, example)


def list_calls(model: nn.Module, example: Any) -> Iterator[Call]:
    """Yield the call that `example` states, or calls with usual sizes if it is None.

    Raises
    ------
    ModelError
        If `example` isn't what :func:`graytorgb.models.adapt` takes.
    """
    as_list = takes_image_list(model)
    if example is None:
        for height, width in _list_likely_sizes(model):
            yield Call((1, height, width), as_list)
    elif isinstance(example, Tensor):
        yield Call(_drop_channel(example), as_list)
    elif isinstance(example, dict):
        name, image = _find_image(example)
        others = {key: other for key, other in example.items() if key != name}
        yield Call(_drop_channel(image), as_list, name, others)
    else:
        size = (example, example) if isinstance(example, int) else tuple(example)
        if len(size) not in (2, 3) or not all(isinstance(n, int) and n > 0 for n in size):
            raise _make_example_error(example)
        yield Call((1, *size), as_list)


def _find_image(example: dict[str, Any]) -> tuple[str, Tensor]:
    """Return the name and the value of the first batch of color images, or of the first batch."""
    batches = [(n, v) for n, v in example.items() if isinstance(v, Tensor) and v.ndim >= 4]
    colored = [(name, value) for name, value in batches if value.shape[1] == CHANNELS]
    if not batches:
        raise _make_example_error(example)
    return (colored or batches)[0]


def _drop_channel(example: Tensor) -> tuple[int, ...]:
    """Return the shape of a batch without its channel axis."""
    if example.ndim < 4 or example.shape[1] not in (1, 3):
        raise _make_example_error(example)
    return (example.shape[0], *example.shape[2:])


def _make_example_error(example: Any) -> ModelError:
    """Return the error for an ``example=`` that can't be used."""
    given = f"a tensor of shape {tuple(example.shape)}" if isinstance(example, Tensor) else example
    return ModelError(
        "example is the size of an image, (H, W) or (T, H, W), a batch of shape (N, 1, H, W) or "
        f"(N, 3, H, W), or a dict of the network's arguments with such a batch; not {given!r}"
    )


def _list_likely_sizes(model: nn.Module) -> list[tuple[int, int]]:
    """Return the image sizes that the network states, followed by usual sizes."""
    sizes = []
    of_hugging_face = getattr(getattr(model, "config", None), "image_size", None)
    for size in (find_timm_size(model), of_hugging_face, getattr(model, "image_size", None)):
        if isinstance(size, int):
            sizes.append((size, size))
        elif isinstance(size, list | tuple) and len(size) >= 2:
            sizes.append((int(size[-2]), int(size[-1])))
    return list(dict.fromkeys([*sizes, *((n, n) for n in _SIZES)]))
