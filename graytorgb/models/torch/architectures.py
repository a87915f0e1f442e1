"""Networks by name, for weights that come without one."""

import inspect
from pathlib import Path
from typing import Any

from torch import nn

from ...errors import ModelError
from ...extras import require
from .state_dicts import read

_FIRST = 4  # names in a message


def build(arch: str, classes: int | None) -> nn.Module:
    """The network of a name, without weights.

    Parameters
    ----------
    arch : str
        ``"torchvision:NAME"`` or ``"timm:NAME"``.
    classes : int or None
        How many it tells apart; None for the usual number.

    Raises
    ------
    ModelError
        If there is none of that name.
    BackendUnavailable
        If torchvision or timm is missing.
    """
    source, _, name = arch.partition(":")
    options = {} if classes is None else {"num_classes": classes}
    try:
        if source == "torchvision":
            return _of_torchvision(name, options)
        if source == "timm":
            timm = require("timm")
            return _module(timm.create_model(name, pretrained=False, **options))
    except (ValueError, RuntimeError, TypeError) as error:
        raise ModelError(f"{source} can't make {name!r}: {error}") from error
    raise ModelError(f'the network is "torchvision:NAME" or "timm:NAME", not {arch!r}')


def _of_torchvision(name: str, options: dict[str, int]) -> nn.Module:
    models = require("torchvision.models")
    builder = models.get_model_builder(name)
    backbone = "weights_backbone" in inspect.signature(builder).parameters
    without = {"weights": None, **({"weights_backbone": None} if backbone else {})}
    return _module(builder(**without, **options))


def _module(made: object) -> nn.Module:
    assert isinstance(made, nn.Module)
    return made.eval()


def load(model: nn.Module, path: Path, arch: str) -> None:
    """Fill a network with the weights of a file.

    Raises
    ------
    ModelError
        If they are another network's.
    """
    weights = read(path)[0]
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelError(
            f"the weights in {path} don't fit {arch}: {_misfit(model, weights, str(path))}"
        ) from error


def _misfit(model: nn.Module, weights: dict[str, Any], path: str) -> str:
    """Why weights aren't a network's, in a line."""
    own = model.state_dict()
    for prefix in {name.partition(".")[0] + "." for name in weights}:  # of DataParallel, compile
        if {name.removeprefix(prefix) for name in weights} == own.keys():
            return (
                f"their names begin with {prefix!r}. Without that they are its: torch.save({{name."
                f"removeprefix({prefix!r}): t for name, t in torch.load({path!r}).items()}}, "
                "'weights.pt')"
            )
    shapes = [f"{name!r} is {tuple(t.shape)} and not {tuple(own[name].shape)}"
        for name, t in weights.items() if name in own and t.shape != own[name].shape]  # fmt: skip
    differences = [f"missing {_first(own.keys() - weights.keys())}",
        f"unknown {_first(weights.keys() - own.keys())}", *shapes[:_FIRST]]  # fmt: skip
    return "; ".join(d for d in differences if not d.endswith(" "))


def _first(names: set[str]) -> str:
    """The first of some names, and how many there are."""
    few = ", ".join(map(repr, sorted(names)[:_FIRST]))
    return f"{few} and {len(names) - _FIRST} more" if len(names) > _FIRST else few


def find_changed_weight(original: nn.Module, adapted: nn.Module) -> tuple[str, str]:
    """Return which weight of a network was adapted, and where the share of the means went.

    Returns
    -------
    key, offset : str
        As :func:`graytorgb.models.adapt_state_dict` takes them.

    Raises
    ------
    ModelError
        If it isn't one weight.
    """
    before, after = original.state_dict(), adapted.state_dict()
    changed = [name for name, tensor in after.items()
        if name not in before or tensor.shape != before[name].shape]  # fmt: skip
    keys = [name for name in changed if name in before]
    if len(keys) != 1:
        raise ModelError(
            f"one weight alone can be adapted in a file, and this network has {keys or 'none'}: "
            "adapt it in Python, graytorgb.models.adapt, and save its state dict"
        )
    return keys[0], "plane" if after[keys[0]].shape[1] == 2 else "bias"
