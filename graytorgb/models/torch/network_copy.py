"""``copy_network``: a complete copy of a torch network.

``deepcopy`` alone isn't enough, because a class may have its own ``__deepcopy__``. That of
``torch.fx.GraphModule`` returns a network in training mode, and loses hooks, attributes and the
layers that no node uses. Others call their constructor again. Parameters lose their attributes.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import ModelError

_CONTENTS = ("_parameters", "_buffers", "_modules")
_HOOKS = ("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called",
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_backward_hooks",
    "_backward_pre_hooks", "_state_dict_hooks", "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks")  # fmt: skip


def copy_network(model: nn.Module) -> nn.Module:
    """Return an equal copy that shares no layer and no tensor with `model`.

    Raises
    ------
    ModelError
        If the network can't be copied.
    """
    try:
        memo: dict[int, Any] = {}
        copy = deepcopy(model, memo)
        _Repair(model, memo).repair_layer(model, copy, "")
    except ModelError:
        raise
    except Exception as error:  # whatever a layer of the user's own raises
        for name, module in model.named_modules():
            if _computes_weight(module):
                raise ModelError(
                    f"layer {name!r} has a weight that is computed at each call: torch.nn.utils."
                    "remove_weight_norm, remove_spectral_norm or prune.remove first"
                ) from error
        raise ModelError(
            f"this network can't be copied ({type(error).__name__}: {error}): "
            "adapt(..., inplace=True) changes the network itself"
        ) from error
    return copy


def _computes_weight(module: nn.Module) -> bool:
    """Whether a hook computes a layer's weight, by weight_norm, spectral_norm or prune."""
    computed = [n for n, v in vars(module).items() if isinstance(v, Tensor) and not v.is_leaf]
    return any(f"{n}_{part}" in module._parameters for n in computed for part in ("orig", "g"))


class _Repair:
    """A repair that makes each layer of a ``deepcopy`` equal to the original layer.

    Parameters
    ----------
    model : nn.Module
        The original.
    memo : dict
        The memo of deepcopy. By it, a hook of a copied object becomes a hook of the copy.
    """

    def __init__(self, model: nn.Module, memo: dict[int, Any]) -> None:
        self._memo = memo
        self._originals = {id(module) for module in model.modules()}
        # a copied layer has other weights only if its class has its own __deepcopy__
        self._has_own = any(hasattr(type(module), "__deepcopy__") for module in model.modules())
        # copies by the original's id, so that layers and tensors with several names stay one
        self._copies: dict[int, Any] = {}

    def repair_layer(self, original: nn.Module, copy: Any, name: str) -> Any:
        """Make the copy of a layer equal to it, and return the copy."""
        if id(original) in self._copies:
            return self._copies[id(original)]
        if id(copy) in self._originals:
            raise ModelError(
                f"{f'layer {name!r}' if name else 'this network'}, a {type(original).__name__}, "
                "isn't copied by deepcopy but shared, so a copy can't be changed alone: "
                "adapt(..., inplace=True) changes the network itself"
            )
        self._copies[id(original)] = copy
        if isinstance(original, torch.jit.ScriptModule):
            return copy
        self._repair_attributes(original, copy)
        for kind in _CONTENTS:
            before, after = getattr(original, kind), getattr(copy, kind)
            for key in after.keys() - before.keys():
                del after[key]
            for key, value in before.items():
                after[key] = self._repair_value(value, after.get(key), f"{name}.{key}".lstrip("."))
        return copy

    def _repair_value(self, original: Any, copy: Any, name: str) -> Any:
        """Make the copy of a layer, a parameter or a buffer equal to it, and return the copy."""
        if original is None:
            return None
        if isinstance(original, nn.Module):
            if not isinstance(copy, nn.Module):
                copy = deepcopy(original, self._memo)
            return self.repair_layer(original, copy, name)
        return self._copies.setdefault(id(original), self._repair_tensor(original, copy))

    def _repair_tensor(self, original: Tensor, copy: Tensor | None) -> Tensor:
        """Return the copy of a tensor, with a parameter's attributes."""
        if copy is None or copy is original or (self._has_own and not _is_equal(original, copy)):
            copy = deepcopy(original, {})
        if isinstance(original, nn.Parameter):
            copy.requires_grad_(original.requires_grad)
            for key, value in vars(original).items():
                setattr(copy, key, deepcopy(value, self._memo))
        return copy

    def _repair_attributes(self, original: nn.Module, copy: nn.Module) -> None:
        """Set the attributes that the class's own ``__deepcopy__`` left out or made anew."""
        attributes = vars(copy)
        # a graph's code and tables belong to the graph, which was copied with it
        is_made_anew = hasattr(type(original), "__deepcopy__") and not isinstance(
            original, torch.fx.GraphModule
        )
        for key, value in vars(original).items():
            if key in _CONTENTS:
                continue
            known = attributes.get(key)
            if key in _HOOKS:
                differs = known is None or known.keys() != value.keys()
            elif key == "training" or isinstance(value, bool | int | float | str | None):
                differs = key not in attributes or type(known) is not type(value) or known != value
            else:
                differs = key not in attributes or is_made_anew
            if differs:
                try:
                    attributes[key] = deepcopy(value, self._memo)
                except Exception:  # a lock or a file can't be copied; the copy may have its own
                    attributes[key] = known
        copy._non_persistent_buffers_set = set(original._non_persistent_buffers_set)


def _is_equal(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors have the same values in the same memory layout."""
    return (
        a.shape == b.shape
        and (a.dtype, a.device, a.layout) == (b.dtype, b.device, b.layout)
        and (a.layout != torch.strided or a.stride() == b.stride())
        and torch.equal(a, b)
    )
