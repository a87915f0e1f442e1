"""Networks of torchvision and timm, built by name for files that hold weights alone."""

import inspect
from pathlib import Path
from typing import Any, cast

from torch import nn

from ...errors import ModelError
from ...extras import require
from .state_dicts import read_state_dict

_QUOTED = 4  # how many names a message quotes


def build_network(arch: str, classes: int | None) -> nn.Module:
    """Build the network that a name stands for, with random weights, in eval mode.

    Parameters
    ----------
    arch : str
        ``"torchvision:NAME"`` or ``"timm:NAME"``.
    classes : int or None
        How many classes the network has, or None for the usual number.

    Raises
    ------
    ModelError
        If there is no network with that name.
    BackendUnavailable
        If torchvision or timm is missing.
    """
    source, _, name = arch.partition(":")
    options: dict[str, Any] = {} if classes is None else {"num_classes": classes}
    try:
        if source == "torchvision":
            builder = require("torchvision.models").get_model_builder(name)
            if "weights_backbone" in inspect.signature(builder).parameters:
                options["weights_backbone"] = None
            return cast(nn.Module, builder(weights=None, **options)).eval()
        if source == "timm":
            timm = require("timm")
            return cast(nn.Module, timm.create_model(name, pretrained=False, **options)).eval()
    except (ValueError, RuntimeError, TypeError) as error:
        raise ModelError(f"{source} can't make {name!r}: {error}") from error
    raise ModelError(f'a network is named "torchvision:NAME" or "timm:NAME", not {arch!r}')


def load_weights(model: nn.Module, path: Path, arch: str) -> None:
    """Fill a network with the weights in a file.

    Raises
    ------
    ModelError
        If they are the weights of another network.
    """
    weights = read_state_dict(path)[0]
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = _describe_misfit(model, weights, str(path))
        raise ModelError(f"the weights in {path} don't fit {arch}: {reason}") from error


def _describe_misfit(model: nn.Module, weights: dict[str, Any], path: str) -> str:
    """Say in one line why weights don't fit a network."""
    own = model.state_dict()
    for prefix in {name.partition(".")[0] + "." for name in weights}:  # of DataParallel or compile
        if {name.removeprefix(prefix) for name in weights} == own.keys():
            return (
                f"their names begin with {prefix!r}. Without this they fit: torch.save({{name."
                f"removeprefix({prefix!r}): t for name, t in torch.load({path!r}).items()}}, "
                "'weights.pt')"
            )
    missing, unknown = own.keys() - weights.keys(), weights.keys() - own.keys()
    shapes = [f"{name!r} is {tuple(t.shape)} and not {tuple(own[name].shape)}"
        for name, t in weights.items() if name in own and t.shape != own[name].shape]  # fmt: skip
    parts = [f"missing {_quote_first(missing)}"] if missing else []
    parts += [f"unknown {_quote_first(unknown)}"] if unknown else []
    return "; ".join([*parts, *shapes[:_QUOTED]])


def _quote_first(names: set[str]) -> str:
    """Quote the first names, and say how many more there are."""
    few = ", ".join(map(repr, sorted(names)[:_QUOTED]))
    return f"{few} and {len(names) - _QUOTED} more" if len(names) > _QUOTED else few


def find_changed_weight(original: nn.Module, adapted: nn.Module) -> tuple[str, str]:
    """Return which weight of a network was adapted, and where the effect of the means went.

    Returns
    -------
    key, offset : str
        Arguments of :func:`graytorgb.models.adapt_state_dict` that adapt the weight in the same
        way.

    Raises
    ------
    ModelError
        If not exactly one weight was adapted.
    """
    before, after = original.state_dict(), adapted.state_dict()
    keys = [k for k in after if k in before and after[k].shape != before[k].shape]
    if len(keys) != 1:
        raise ModelError(
            f"one weight alone can be adapted in a file, but here it is {keys or 'none'}: "
            "adapt it in Python, graytorgb.models.adapt, and save its state dict"
        )
    return keys[0], "plane" if after[keys[0]].shape[1] == 2 else "bias"
