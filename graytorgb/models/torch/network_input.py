"""``describe_input`` for torch: what an image has to be for an adapted network."""

from typing import Any

from torch import nn

from ..network_input import NetworkInput
from ..resizing_record import find_resizing
from .example import find_parameter, find_timm_size
from .modules import GrayInput
from .runner import Runner


def describe_input(model: nn.Module) -> NetworkInput:
    """Return what an image has to be for an adapted network: a tensor (1, H, W)."""
    inner: Any = model.model if isinstance(model, GrayInput) else model
    size = find_timm_size(inner)
    sides: tuple[int | None, ...] = (None, None) if size is None else tuple(size[1:])
    stated = getattr(getattr(inner, "config", None), "image_size", None)  # Hugging Face
    if size is None and isinstance(stated, int | tuple | list):
        sides = (stated, stated) if isinstance(stated, int) else tuple(stated)
    return NetworkInput(
        Runner(model, None).preprocessing,
        sides,
        axis=0,
        dtype=str(find_parameter(model).dtype).removeprefix("torch."),
        is_torch=True,
        resizing=find_resizing(inner),
    )
