"""``example=`` for a torch network: the calls that it means, or the likely ones without it."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from ..stem import CHANNELS
from .calls import Call
from .example_arguments import list_axes, list_example_calls, make_example_error, order_axes
from .image_arguments import list_leaves, map_leaves
from .likely_calls import find_timm_size, list_likely_calls, list_likely_shapes

__all__ = [
    "Call",
    "convert_to_float64",
    "find_epsilons",
    "find_parameter",
    "find_timm_size",
    "list_calls",
]
_STATED = ("example_input_array", "dummy_inputs")  # Lightning, Hugging Face and diffusers


def find_parameter(model: nn.Module) -> Tensor:
    """Return a tensor that has the network's device and dtype."""
    return next((p for p in model.parameters() if p.is_floating_point()), torch.empty(()))


def find_epsilons(model: nn.Module) -> tuple[float, float]:
    """Return the smallest and the largest machine epsilon of a network's dtypes."""
    dtypes = {p.dtype for p in model.parameters() if p.is_floating_point()} or {torch.float32}
    epsilons = [float(torch.finfo(dtype).eps) for dtype in dtypes]
    return min(epsilons), max(epsilons)


def convert_to_float64(example: Any) -> Any:
    """Return an example with its float tensors converted to float64."""
    return tree_map_only(Tensor, lambda t: t.double() if t.is_floating_point() else t, example)


def list_calls(model: nn.Module, example: Any) -> Iterator[Call]:
    """Yield the calls that `example` may mean, or likely calls if it is None.

    Parameters
    ----------
    model : nn.Module
    example : int, tuple, list, Tensor, ndarray, mapping or None
        The side of an image, its ``(H, W)``, the ``(T, H, W)`` of a clip or a volume, a batch of
        images, or the network's arguments: a tuple or a list in their order, or a dict by name. A
        dict or a list may also be the only argument. The images have three channels, or one.

    Raises
    ------
    ModelError
        If `example` is none of these, or it can't be told which tensors in it are images.
    """
    if example is None:
        yield from _list_stated_calls(model)
        yield from list_likely_calls(model, list_likely_shapes(model))
        return
    if isinstance(example, int | np.integer) and not isinstance(example, bool):
        example = (example, example)
    if _is_size(example):
        sides = tuple(int(n) for n in example)
        yield from list_likely_calls(model, list_likely_shapes(model, sides))
    elif isinstance(example, Tensor | np.ndarray):
        yield from list_likely_calls(model, _list_batch_shapes(model, example))
    elif isinstance(example, Mapping | tuple | list) and len(example):
        arguments = map_leaves(lambda leaf: _to_tensor(leaf, model), example)
        yield from list_example_calls(model, arguments)
    else:
        raise make_example_error(example)


def _list_stated_calls(model: nn.Module) -> Iterator[Call]:
    """Yield the calls of an example that the network itself has, if it has images in it."""
    for name in _STATED:
        stated = getattr(model, name, None)
        if isinstance(stated, Tensor):
            stated = (stated,)
        if not isinstance(stated, Mapping | tuple | list):
            continue
        if any(isinstance(leaf, Tensor) and leaf.ndim >= 4 for _, leaf in list_leaves(stated)):
            yield from list_example_calls(model, stated)


def _is_size(example: Any) -> bool:
    """Whether an example is the sides of an image or a clip."""
    return (
        isinstance(example, tuple | list)
        and len(example) in (2, 3)
        and all(isinstance(n, int | np.integer) and n is not True and n > 0 for n in example)
    )


def _list_batch_shapes(model: nn.Module, batch: Any) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield the shape of a batch of images without its channel axis, and this axis.

    Raises
    ------
    ModelError
        If no axis can be the channels'.
    """
    shape = tuple(int(n) for n in batch.shape)
    found = False
    for channels in (CHANNELS, 1):
        for axis in order_axes(model, list_axes(shape, channels)):
            found = True
            place = len(shape) + axis
            yield (*shape[:place], *shape[place + 1 :]), axis
            if axis == -1 and len(shape) == 4:  # images as files hold them
                yield shape[:-1], -3
    if not found:
        raise make_example_error(torch.empty(shape, device="meta"))


def _to_tensor(leaf: Any, model: nn.Module) -> Any:
    """Return a numpy array of numbers as a tensor, and anything else as it is."""
    if not isinstance(leaf, np.ndarray) or leaf.dtype.kind not in "biuf":
        return leaf
    tensor, like = torch.from_numpy(np.array(leaf)), find_parameter(model)
    return tensor.to(like.device, like.dtype if tensor.is_floating_point() else None)
