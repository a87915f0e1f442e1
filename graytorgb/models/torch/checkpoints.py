"""Checkpoints: the state dicts that lie in a nested mapping, and the names of a network in them."""

import copy
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from torch import Tensor

_DEEPEST = 4  # how many mappings inside each other are looked into
_COMPILED = "_orig_mod."  # torch.compile puts it into names


class StateDict(NamedTuple):
    """A state dict in a checkpoint.

    Attributes
    ----------
    path : tuple of str
        The keys that lead to it; empty if it is the checkpoint itself.
    tensors : mapping of str to Tensor
        The state dict. Some values may be no tensors.
    """

    path: tuple[str, ...]
    tensors: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Return the keys as Python writes them, such as ``['model']['ema']``."""
        return "".join(f"[{key!r}]" for key in self.path)


def find_state_dicts(checkpoint: Mapping[Any, Any]) -> list[StateDict]:
    """Return every mapping of names to tensors in a checkpoint, apart from optimizers' states.

    Examples
    --------
    >>> import torch
    >>> weights = {"conv.weight": torch.ones(8, 3, 3, 3)}
    >>> [found.path for found in find_state_dicts({"model": weights, "epoch": 3})]
    [('model',)]
    """
    return list(_list_state_dicts(checkpoint, ()))


def _list_state_dicts(mapping: Mapping[Any, Any], path: tuple[str, ...]) -> Iterator[StateDict]:
    names = [name for name, value in mapping.items() if isinstance(value, Tensor)]
    if names and all(isinstance(name, str) for name in names):
        yield StateDict(path, mapping)
    for key, value in mapping.items():
        is_inside = isinstance(value, Mapping) and isinstance(key, str)
        if is_inside and not is_optimizer(key) and len(path) < _DEEPEST:
            yield from _list_state_dicts(value, (*path, key))


def is_optimizer(key: Any) -> bool:
    """Whether a checkpoint's key names the state of an optimizer or of a schedule."""
    return isinstance(key, str) and any(
        word in key.lower() for word in ("optim", "scheduler", "scaler")
    )


def replace_tensors(
    checkpoint: Mapping[Any, Any], path: tuple[str, ...], tensors: Mapping[str, Tensor]
) -> Any:
    """Return a checkpoint with other tensors in one of its state dicts.

    Parameters
    ----------
    checkpoint : mapping
        It stays as it is. The result shares all other values with it.
    path : tuple of str
        The keys that lead to the state dict.
    tensors : mapping of str to Tensor
        The tensors to replace or to add, by name.
    """
    changed: Any = copy.copy(checkpoint)  # an OrderedDict keeps its _metadata
    if path:
        changed[path[0]] = replace_tensors(checkpoint[path[0]], path[1:], tensors)
    else:
        changed.update(tensors)
    return changed


def match_names(names: Collection[str], own: Collection[str]) -> dict[str, str] | None:
    """Return the name in a state dict for each name of a network, or None if one is missing.

    A prefix that all have, such as ``module.`` of DataParallel or ``model.`` of Lightning, and
    ``_orig_mod.`` of torch.compile are looked over. Other names are left out.

    Examples
    --------
    >>> match_names(["model._orig_mod.fc.bias", "loss.bias"], ["fc.bias"])
    {'fc.bias': 'model._orig_mod.fc.bias'}
    """
    plain = {name.replace(_COMPILED, ""): name for name in names}
    if not own:
        return None
    longest = max(own, key=len)
    prefixes = {name.removesuffix(longest) for name in plain if name.endswith(longest)}
    for prefix in sorted(prefixes, key=lambda prefix: (len(prefix), prefix)):
        if prefix and not prefix.endswith("."):
            continue
        if all(f"{prefix}{name}" in plain for name in own):
            return {name: plain[f"{prefix}{name}"] for name in own}
    return None
