"""``SharedParameters``: the parameters that several layers of a torch network have in common."""

import torch
from torch import Tensor, nn

from ..stem import make_collapse_error, quote_names
from .reversible_changes import ReversibleChanges

_ROUNDING = 64  # so many machine epsilons of the largest weight are a difference by rounding


class SharedParameters:
    """The parameters that a network has in several layers, as they are before a change.

    Parameters
    ----------
    model : nn.Module
    """

    def __init__(self, model: nn.Module) -> None:
        # the parameters are kept, so that no new one gets the id of an old one
        owners: dict[int, tuple[nn.Parameter, list[tuple[str, nn.Module, str]]]] = {}
        for name, module in model.named_modules():
            if isinstance(module, torch.jit.ScriptModule):
                continue
            for key, parameter in module._parameters.items():
                if parameter is not None:
                    _, places = owners.setdefault(id(parameter), (parameter, []))
                    places.append((name, module, key))
        self._shared = [each for each in owners.values() if len(each[1]) > 1]

    def share_again(self, changes: ReversibleChanges) -> None:
        """Make the layers that had a parameter in common have its new values in common too.

        Raises
        ------
        ModelError
            If the layers don't have the same new values.
        """
        for original, places in self._shared:
            values = [module._parameters[key] for _, module, key in places]
            if all(value is original for value in values):
                continue
            first = values[0]
            assert first is not None
            if not all(value is not None and _is_same(first, value) for value in values):
                names = [f"{name}.{key}".lstrip(".") for name, _, key in places]
                raise make_collapse_error(
                    f"{quote_names(names)} are one parameter, which would need other values in "
                    "each of these layers"
                )
            for _, module, key in places[1:]:
                changes.set(module, key, first)


def _is_same(a: Tensor, b: Tensor) -> bool:
    """Whether two parameters have the same values but for rounding."""
    if a.shape != b.shape:
        return False
    first, second = a.detach().double(), b.detach().double()
    limit = _ROUNDING * torch.finfo(a.dtype).eps * float(first.abs().max())
    return float((first - second).abs().max()) <= limit
