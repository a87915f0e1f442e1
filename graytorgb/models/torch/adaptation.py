"""``adapt`` for torch networks. how="collapse" is in collapse.py, the other ways are here."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import ModelError
from ..frameworks import AdaptOptions, InputSize
from ..preprocessing import Preprocessing
from ..stem import make_collapse_error
from .collapse import collapse
from .example import find_timm_size
from .finite_values import check_half_range
from .front import put_behind_layer
from .image_lists import takes_image_list
from .integer_images import check_range_of_integers
from .network_copy import copy_network
from .plain_mode import convert_arrays, plain_mode
from .runner import PREPROCESSING, is_adapted
from .state_dicts import adapt_state_dict

# the base of every class that measures or rounds activations for quantization
_OBSERVER = "ObserverBase"


def adapt(model: nn.Module, preprocessing: Preprocessing, options: AdaptOptions) -> nn.Module:
    """Return a torch network adapted as :func:`graytorgb.models.adapt` says."""
    check_network(model, options.how)
    _check_is_original(model)
    if takes_image_list(model) and not preprocessing.normalization.equals(preprocessing.rescaling):
        transform: Any = model.transform
        raise ModelError(
            f"a {type(model).__name__} normalizes its images itself, by the mean "
            f"{transform.image_mean} and the std {transform.image_std}: leave stats out, "
            "adapt(model)"
        )
    check_half_range(model, preprocessing)
    options = replace(options, example=convert_arrays(options.example))
    check_range_of_integers(options.example, preprocessing)
    with plain_mode():
        if not options.inplace:
            model = copy_network(model)
        if options.how == "collapse":
            collapse(model, preprocessing, options)
        else:
            model = put_behind_layer(model, preprocessing, options)
    set_record(model, preprocessing)
    return model


def set_record(model: nn.Module, preprocessing: Preprocessing) -> None:
    """Make a network carry the statistics and the range of its gray, in its files too."""
    for owner in (model, getattr(model, "config", None)):
        if isinstance(owner, nn.Module) or hasattr(owner, "to_dict"):
            setattr(owner, PREPROCESSING, preprocessing.to_text())


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
    keys = None
    if options.layers is not None:
        keys = [n if n.endswith("weight") else f"{n}.weight" for n in options.layers]
    adapt_state_dict(source, preprocessing, key=keys, offset=options.offset, dst=target)


def find_input_size(model: nn.Module) -> InputSize:
    """Return the image size that a timm network states, or any size for other networks."""
    size = find_timm_size(model)
    if size is None:
        return InputSize((None, None), has_integers=False)
    config: Any = model.pretrained_cfg
    stated = tuple(size[1:])
    is_fixed = config.get("fixed_input_size", True)
    return InputSize(stated if is_fixed else (None, None), has_integers=False, usual=stated)


def check_network(model: nn.Module, how: str = "collapse") -> None:
    """Check that a network can be adapted: its layers, or with how="expand" what is before it.

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
    if getattr(model, "_compiled_call_impl", None) is not None:
        raise ModelError(
            "this network is compiled in place, and its forward can't be changed: adapt it before "
            "model.compile()"
        )
    is_exported = isinstance(model, torch.fx.GraphModule) and hasattr(model, "_guards_fn")
    if is_exported and how == "collapse":
        raise make_collapse_error(
            "an exported network's operations can't be changed: adapt the network that it was made "
            "of, then export the adapted one"
        )
    if any(_OBSERVER in {kind.__name__ for kind in type(m).__mro__} for m in model.modules()):
        raise ModelError(
            "this network is prepared for quantization: adapt the float network, then quantize it"
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


def _check_is_original(model: nn.Module) -> None:
    """Check that a network isn't made again with adapted weights.

    Raises
    ------
    ModelError
        If its configuration says so.
    """
    if hasattr(getattr(model, "config", None), PREPROCESSING) and not is_adapted(model):
        raise ModelError(
            "this network was made again with adapted weights, and its configuration says so: "
            "graytorgb.models.restore_input(model) gives it its gray input back"
        )
