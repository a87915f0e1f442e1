"""``adapt`` for torch networks. how="collapse" is in collapse.py, the other ways are here."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import ModelError
from ..frameworks import AdaptOptions, InputSize
from ..preprocessing import Preprocessing
from .collapse import collapse
from .example import find_timm_size
from .front import put_behind_layer
from .input_arithmetic import takes_image_list
from .modules import is_adapted
from .network_copy import copy_network
from .runner import PREPROCESSING
from .state_dicts import adapt_state_dict


def adapt(model: nn.Module, preprocessing: Preprocessing, options: AdaptOptions) -> nn.Module:
    """Return a torch network adapted as :func:`graytorgb.models.adapt` says."""
    _check_network(model)
    if takes_image_list(model) and not preprocessing.normalization.equals(preprocessing.rescaling):
        transform: Any = model.transform
        raise ModelError(
            f"a {type(model).__name__} normalizes its images itself, by the mean "
            f"{transform.image_mean} and the std {transform.image_std}: leave stats out, "
            "adapt(model)"
        )
    if not options.inplace:
        model = copy_network(model)
    if options.how == "collapse":
        collapse(model, preprocessing, options)
    else:
        model = put_behind_layer(model, preprocessing, options)
    setattr(model, PREPROCESSING, preprocessing.to_text())
    return model


def adapt_file(
    source: Path, target: Path, preprocessing: Preprocessing, options: AdaptOptions
) -> None:
    """Adapt the weights in a file and write them to another file.

    Raises
    ------
    ModelError
        If an option is for a network, because such a file holds none.
    """
    if options.how != "collapse" or options.example is not None:
        raise ModelError(
            "a file of weights has no network that can be run: how= and example= are for networks"
        )
    key = None
    if options.layers is not None:
        [name, *others] = options.layers
        if others:
            raise ModelError(f"layer= names one weight in a file of weights, not {options.layers}")
        key = name if name.endswith("weight") else f"{name}.weight"
    adapt_state_dict(source, preprocessing, key=key, offset=options.offset, dst=target)


def find_input_size(model: nn.Module) -> InputSize:
    """Return the image size that a timm network states, or any size for other networks."""
    size = find_timm_size(model)
    return InputSize((None, None) if size is None else tuple(size[1:]), has_integers=False)


def _check_network(model: nn.Module) -> None:
    """Check that the layers of a network can be changed.

    Raises
    ------
    ModelError
        If the network is scripted, compiled, without weights, or already adapted.
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise ModelError(
            "a scripted network's layers can't be changed: adapt the network that it was made of, "
            "then torch.jit.trace or torch.export the adapted one"
        )
    if hasattr(model, "_orig_mod"):
        raise ModelError(
            "a compiled network's layers can't be changed, so adapt the network inside it: "
            "torch.compile(adapt(model._orig_mod, ...))"
        )
    if any(p.is_meta for p in model.parameters()):
        raise ModelError("this network is on the meta device, without weights: load them first")
    if any(nn.parameter.is_lazy(p) for p in model.parameters()):
        raise ModelError("this network has lazy layers without weights: run it once, model(images)")
    if is_adapted(model):
        raise ModelError(
            "this network is adapted already, and takes one channel: adapt the original again for "
            "other stats or how"
        )
