"""Networks of torchvision and timm, built by name for files that hold weights alone."""

import inspect
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from ...errors import ModelError
from ...extras import require
from .checkpoints import find_state_dicts, match_names
from .state_dicts import read_checkpoint

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


def build_for_weights(arch: str, classes: int | None, path: Path) -> tuple[nn.Module, list[str]]:
    """Build the network that a name stands for, and fill it with the weights in a file.

    Without `classes`, the file's last layer tells their number.

    Returns
    -------
    model : nn.Module
        In eval mode.
    prefixes : list of str
        What comes before the network's own names in the file, such as ``module.``; one for each
        state dict in the file that holds the network.

    Raises
    ------
    ModelError
        If there is no network with that name, or the weights are those of another one.
    BackendUnavailable
        If torchvision or timm is missing.
    """
    model = build_network(arch, classes)
    found = _find_classes(model, path) if classes is None else None
    if found is not None:
        with suppress(ModelError):  # some networks take no number of classes, or have other layers
            other = build_network(arch, found)
            load_weights(other, path, arch)
            model = other
    load_weights(model, path, arch)
    own, held = model.state_dict(), find_state_dicts(read_checkpoint(path)[0])
    matches = [match_names(state.tensors, own) for state in held]
    first = next(iter(own))
    return model, [match[first].removesuffix(first) for match in matches if match]


def load_weights(model: nn.Module, path: Path, arch: str) -> None:
    """Fill a network with the weights in a file, of a checkpoint with the first that fit it.

    Raises
    ------
    ModelError
        If they are the weights of another network.
    """
    held, own = find_state_dicts(read_checkpoint(path)[0]), model.state_dict()
    for state in held:
        names = match_names(state.tensors, own)
        if names is None:
            continue
        try:
            model.load_state_dict({name: state.tensors[given] for name, given in names.items()})
        except RuntimeError as error:
            weights = {name: state.tensors[given] for name, given in names.items()}
            reason, needs_classes = _describe_misfit(own, weights)
            raise ModelError(
                f"the weights in {path} don't fit {arch}: {reason}",
                remedies=("classes",) if needs_classes else (),
            ) from error
        return
    nearest = max(held, key=lambda state: len(own.keys() & state.tensors.keys()))
    raise ModelError(
        f"the weights in {path} don't fit {arch}: {_describe_misfit(own, nearest.tensors)[0]}"
    )


def _find_classes(model: nn.Module, path: Path) -> int | None:
    """Return how many classes the weights in a file are for, if not as many as the network's."""
    own = model.state_dict()
    for state in find_state_dicts(read_checkpoint(path)[0]):
        names = match_names(state.tensors, own)
        if names is None:
            continue
        sizes = {state.tensors[given].shape[0] for name, given in names.items()
            if _is_head(own[name], state.tensors[given])}  # fmt: skip
        return min(sizes, default=None)
    return None


def _is_head(own: Tensor, given: Any) -> bool:
    """Whether two tensors differ in the number of outputs alone, as those of a last layer may."""
    return bool(given.ndim > 0 and own.shape != given.shape and own.shape[1:] == given.shape[1:])


def _describe_misfit(own: dict[str, Tensor], weights: Mapping[str, Any]) -> tuple[str, bool]:
    """Say in one line why weights don't fit, and whether the number of classes may help."""
    missing, unknown = own.keys() - weights.keys(), weights.keys() - own.keys()
    shapes = [f"{name!r} is {tuple(t.shape)} and not {tuple(own[name].shape)}"
        for name, t in weights.items()
        if name in own and isinstance(t, Tensor) and t.shape != own[name].shape]  # fmt: skip
    parts = [f"missing {_quote_first(missing)}"] if missing else []
    parts += [f"unknown {_quote_first(unknown)}"] if unknown else []
    if len(shapes) > _QUOTED:
        shapes[_QUOTED:] = [f"{len(shapes) - _QUOTED} more differ"]
    return "; ".join([*parts, *shapes]), bool(shapes)


def _quote_first(names: set[Any]) -> str:
    """Quote the first names, and say how many more there are."""
    few = ", ".join(map(repr, sorted(names, key=str)[:_QUOTED]))
    return f"{few} and {len(names) - _QUOTED} more" if len(names) > _QUOTED else few


def find_changed_weights(original: nn.Module, adapted: nn.Module) -> tuple[list[str], str]:
    """Return which weights of a network were adapted, and where the effect of the means went.

    Returns
    -------
    keys : list of str
    offset : str
        Arguments of :func:`graytorgb.models.adapt_state_dict` that adapt the weights in the same
        way.

    Raises
    ------
    ModelError
        If no weight was adapted, or not all of them in one way.
    """
    before, after = original.state_dict(), adapted.state_dict()
    keys = [k for k in after if k in before and after[k].shape != before[k].shape]
    offsets = {"plane" if after[key].shape[1] == 2 else "bias" for key in keys}
    if len(offsets) != 1:
        raise ModelError(
            "a file's weights can be adapted if all stems take the means in one way, and here are "
            f"{keys or 'none'}: adapt the network in Python, graytorgb.models.adapt, and save its "
            "state dict"
        )
    return keys, offsets.pop()
