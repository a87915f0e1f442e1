"""Networks by name, for weights that come without one."""

import inspect
from pathlib import Path

from torch import nn

from ...errors import ModelError
from ...registry import require
from .files import read


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
            timm = require("timm", "timm", "timm")
            return _module(timm.create_model(name, pretrained=False, **options))
    except (ValueError, RuntimeError, TypeError) as error:
        raise ModelError(f"{source} can't make {name!r}: {error}") from error
    raise ModelError(f'the network is "torchvision:NAME" or "timm:NAME", not {arch!r}')


def _of_torchvision(name: str, options: dict[str, int]) -> nn.Module:
    models = require("torchvision.models", "torchvision", "torchvision")
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
    try:
        model.load_state_dict(read(path)[0])
    except RuntimeError as error:
        raise ModelError(f"the weights in {path} don't fit {arch}: {error}") from error


def change(original: nn.Module, adapted: nn.Module) -> tuple[str, str]:
    """Which weight of a network was adapted, and where the share of the means went.

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
