"""Which arguments of a torch network's ``forward`` are images, and get planes."""

from torch import fx, nn

from .calls import Call
from .gray_class import PlaneInput, give_gray_input
from .gray_graph import append_planes_in_graph, give_graph_methods, take_graph_methods
from .planes import PlaneForm
from .reversible_changes import ReversibleChanges


def find_plane_inputs(model: nn.Module, call: Call, form: PlaneForm) -> tuple[PlaneInput, ...]:
    """Return the arguments that get planes in a call of a network: its images, or none."""
    if form.planes == 1:
        return ()
    zeros = form.planes - 2
    return tuple(
        PlaneInput(i.name, i.position, i.path, i.axis, form.center, form.scale, form.level, zeros)
        for i in call.images
    )


def set_gray_input(
    model: nn.Module, inputs: tuple[PlaneInput, ...], changes: ReversibleChanges
) -> None:
    """Make a network's ``forward`` append planes to its gray images."""
    if isinstance(model, fx.GraphModule):  # its class is its own, and made anew from the graph
        append_planes_in_graph(model, inputs, changes)
        give_graph_methods(model)
        changes.add_undo(lambda: take_graph_methods(model))
        return
    before = type(model)
    give_gray_input(model, inputs)
    changes.add_undo(lambda: setattr(model, "__class__", before))
