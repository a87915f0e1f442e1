"""``adapt`` for torch networks: how="collapse" is in collapse.py, the others are here."""

from typing import Any

import torch
from torch import nn

from ...errors import ModelError
from ..weights import Normalization, unstated
from .collapse import collapse
from .copy import copied
from .example import any_parameter, calls
from .input_arithmetic import is_rcnn_transform
from .modules import GrayInput, Learned, Repeat, is_adapted
from .runner import Runner

__all__ = ["Runner", "adapt"]


def adapt(
    model: nn.Module,
    stated: Normalization | None,
    plain: Normalization,
    *,
    how: str,
    layer: list[str] | None,
    example: Any,
    freeze: bool,
    inplace: bool,
    out: Any,
) -> nn.Module:
    """:func:`graytorgb.models.adapt` for a torch network.

    Parameters
    ----------
    stated : Normalization or None
        What the caller says of the network's preprocessing.
    plain : Normalization
        The same for a network that is given values from 0 to 1.
    """
    if out is not None:
        raise ModelError(
            "out= writes ONNX models; a torch network's weights are saved by "
            "torch.save(adapted.state_dict(), path)"
        )
    _refuse(model)
    as_list = is_rcnn_transform(getattr(model, "transform", None))
    if as_list and stated is not None and not stated.equals(plain):
        transform: Any = model.transform
        raise ModelError(
            f"a {type(model).__name__} normalizes its images itself, by the mean "
            f"{transform.image_mean} and the std {transform.image_std}: leave mean and std out, "
            "adapt(model)"
        )
    if not inplace:
        model = copied(model)
    if how == "collapse":
        return collapse(model, stated, plain, layer=layer, example=example, as_list=as_list)
    if stated is None and not as_list:
        raise ModelError(unstated(how))
    spatial = 2 if example is None else next(calls(model, example, as_list=as_list)).spatial
    front = (Repeat if how == "expand" else Learned)(stated or plain, spatial)
    like = any_parameter(model)
    front.to(like.device, like.dtype)
    if freeze:
        model.requires_grad_(False)
    return GrayInput(front, model)


def _refuse(model: nn.Module) -> None:
    """ModelError for what only looks like a network of layers."""
    if isinstance(model, torch.jit.ScriptModule):
        raise ModelError(
            "a scripted network's layers can't be changed: adapt the network that it was made of, "
            "then torch.jit.trace or torch.export that"
        )
    if hasattr(model, "_orig_mod"):
        raise ModelError(
            "a compiled network's layers can't be changed, the network inside can: "
            "torch.compile(adapt(model._orig_mod, ...))"
        )
    if any(p.is_meta for p in model.parameters()):
        raise ModelError("this network is on the meta device, without weights: load them first")
    if any(nn.parameter.is_lazy(p) for p in model.parameters()):
        raise ModelError("this network has lazy layers without weights: run it once, model(images)")
    if any(is_adapted(module) for module in model.modules()):
        raise ModelError(
            "this network is adapted already, and takes one channel: adapt the original again for "
            "other mean, std or how"
        )
