"""Parameters of a torch network's ``forward``, by name and place."""

import inspect
from typing import NamedTuple

from torch import nn


class Parameter(NamedTuple):
    """A parameter of ``forward``.

    Attributes
    ----------
    name : str
    position : int or None
        The place among the positional arguments; None if it is passed by name only.
    is_required : bool
    """

    name: str
    position: int | None
    is_required: bool


class Signature(NamedTuple):
    """The parameters of a network's ``forward``.

    Attributes
    ----------
    parameters : dict of str to Parameter
    takes_any_place, takes_any_name : bool
        Whether it takes other positional arguments and keywords too: ``*args`` and ``**kwargs``.
    """

    parameters: dict[str, Parameter]
    takes_any_place: bool = False
    takes_any_name: bool = False

    def find_name(self, position: int) -> str | None:
        """Return the name of the positional parameter at a place, or None if it has none."""
        names = (p.name for p in self.parameters.values() if p.position == position)
        return next(names, None)

    def takes_names(self, names: set[str]) -> bool:
        """Whether these are names of parameters, and no required parameter is left out."""
        required = {p.name for p in self.parameters.values() if p.is_required}
        return required <= names and (self.takes_any_name or names <= self.parameters.keys())


def read_signature(model: nn.Module) -> Signature:
    """Return the parameters of a network's ``forward``.

    Of a wrapper with ``forward(*args, **kwargs)``, such as DataParallel, they are those of the
    network inside it.
    """
    try:
        found = inspect.signature(model.forward)
    except (TypeError, ValueError):  # a function of C++
        return Signature({}, takes_any_place=True, takes_any_name=True)
    parameters: dict[str, Parameter] = {}
    kinds = {p.kind for p in found.parameters.values()}
    for index, (name, p) in enumerate(found.parameters.items()):
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        place = None if p.kind == p.KEYWORD_ONLY else index
        parameters[name] = Parameter(name, place, p.default is p.empty)
    if not parameters:
        for attribute in ("module", "base_model", "model"):
            inner = getattr(model, attribute, None)
            if isinstance(inner, nn.Module):
                return read_signature(inner)
    return Signature(
        parameters,
        inspect.Parameter.VAR_POSITIONAL in kinds,
        inspect.Parameter.VAR_KEYWORD in kinds,
    )
