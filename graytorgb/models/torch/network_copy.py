"""A torch network copied with everything its layers say of themselves.

``deepcopy`` alone isn't enough: a class may have a ``__deepcopy__`` of its own. The one of
``torch.fx.GraphModule`` makes the containers anew, in training mode, and loses hooks, layers that
no node uses and attributes; others call their constructor again. Parameters lose their attributes.
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


def copied(model: nn.Module) -> nn.Module:
    """Return a copy that shares no layer and no tensor with `model` and is equal in all else.

    Raises
    ------
    ModelError
        If the network can't be copied.
    """
    try:
        memo: dict[int, Any] = {}
        copy = deepcopy(model, memo)
        _Match(model, memo).module(model, copy, "")
    except ModelError:
        raise
    except Exception as error:  # whatever a layer of the user's own raises
        raise ModelError(
            f"this network can't be copied ({type(error).__name__}: {error}): "
            "adapt(..., inplace=True) changes the one that is given"
        ) from error
    return copy


class _Match:
    """Makes the layers of a copy equal to the original's, one after the other.

    Parameters
    ----------
    model : nn.Module
        The original.
    memo : dict
        What deepcopy has copied, so that a hook of a copied object stays that object's.
    """

    def __init__(self, model: nn.Module, memo: dict[int, Any]) -> None:
        self._memo = memo
        self._originals = {id(module) for module in model.modules()}
        # only a __deepcopy__ of their own gives layers other weights
        self._has_own = any(hasattr(type(module), "__deepcopy__") for module in model.modules())
        self._done: dict[int, Any] = {}  # copies by the original's id, so that what is shared stays

    def module(self, original: nn.Module, copy: Any, name: str) -> Any:
        """Return the layer that stands for `original` in the copy, made equal to it."""
        if id(original) in self._done:
            return self._done[id(original)]
        if id(copy) in self._originals:
            raise ModelError(
                f"{f'layer {name!r}' if name else 'this network'}, a {type(original).__name__}, "
                "isn't copied by deepcopy but shared, so a copy can't be changed alone: "
                "adapt(..., inplace=True) changes the one that is given"
            )
        self._done[id(original)] = copy
        if isinstance(original, torch.jit.ScriptModule):
            return copy
        self._attributes(original, copy)
        for kind in _CONTENTS:
            before, after = getattr(original, kind), getattr(copy, kind)
            for key in after.keys() - before.keys():
                del after[key]
            for key, value in before.items():
                after[key] = self._value(value, after.get(key), f"{name}.{key}".lstrip("."))
        return copy

    def _value(self, original: Any, copy: Any, name: str) -> Any:
        if original is None:
            return None
        if isinstance(original, nn.Module):
            if not isinstance(copy, nn.Module):
                copy = deepcopy(original, self._memo)
            return self.module(original, copy, name)
        return self._done.setdefault(id(original), self._tensor(original, copy))

    def _tensor(self, original: Tensor, copy: Tensor | None) -> Tensor:
        if copy is None or copy is original or (self._has_own and not _equal(original, copy)):
            copy = deepcopy(original, {})
        if isinstance(original, nn.Parameter):
            copy.requires_grad_(original.requires_grad)
            for key, value in vars(original).items():
                setattr(copy, key, deepcopy(value, self._memo))
        return copy

    def _attributes(self, original: nn.Module, copy: nn.Module) -> None:
        """Set what the class's own ``__deepcopy__`` left out or made anew."""
        here, there = vars(original), vars(copy)
        # a graph's code and tables belong to the graph, which was copied with it
        is_made_anew = hasattr(type(original), "__deepcopy__") and not isinstance(
            original, torch.fx.GraphModule
        )
        for key, value in here.items():
            if key in _CONTENTS:
                continue
            known = there.get(key)
            if key in _HOOKS:
                differs = known is None or known.keys() != value.keys()
            elif key == "training" or isinstance(value, bool | int | float | str | None):
                differs = key not in there or type(known) is not type(value) or known != value
            else:
                differs = key not in there or is_made_anew
            if differs:
                there[key] = self._attribute(value, known)
        copy._non_persistent_buffers_set = set(original._non_persistent_buffers_set)

    def _attribute(self, value: Any, known: Any) -> Any:
        try:
            return deepcopy(value, self._memo)
        except Exception:  # a lock or a file: the class made its own, or does without it
            return known


def _equal(a: Tensor, b: Tensor) -> bool:
    return (
        a.shape == b.shape
        and (a.dtype, a.device, a.layout) == (b.dtype, b.device, b.layout)
        and (a.layout != torch.strided or a.stride() == b.stride())
        and torch.equal(a, b)
    )
