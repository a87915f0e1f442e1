"""Which arguments of a torch network's ``forward`` are images, and get planes."""

import inspect

from torch import fx, nn

from .example import Call
from .gray_class import PlaneInput, give_gray_input
from .gray_graph import append_planes_in_graph
from .planes import PlaneForm
from .reversible_changes import ReversibleChanges


def find_plane_inputs(model: nn.Module, call: Call, form: PlaneForm) -> tuple[PlaneInput, ...]:
    """Return the arguments that are images in a call of a network."""
    parameters = list(inspect.signature(type(model).forward).parameters.values())[1:]
    name, index = call.keyword, None
    if name is None:
        index, first = 0, parameters[0]
        name = None if first.kind == first.VAR_POSITIONAL else first.name
    return (PlaneInput(name, index, call.as_list, -len(call.shape), form.white, form.planes - 2),)


def set_gray_input(
    model: nn.Module, inputs: tuple[PlaneInput, ...], changes: ReversibleChanges
) -> None:
    """Make a network's ``forward`` append planes to its gray images."""
    if isinstance(model, fx.GraphModule):
        append_planes_in_graph(model, inputs, changes)
        return
    before = type(model)
    give_gray_input(model, inputs)
    changes.add_undo(lambda: setattr(model, "__class__", before))
