"""Planes that are appended to gray in the graph of a ``torch.fx.GraphModule``.

Such a network has a class of its own, whose ``forward`` is written anew from the graph. So the
graph itself gets the operation.
"""

from typing import Any

from torch import fx

from . import planes
from .calls import CALL
from .gray_class import PlaneInput, make_own_transform
from .reversible_changes import ReversibleChanges
from .runner import PREPROCESSING

_GRAPHS = ("graph", "train_graph", "eval_graph")  # create_feature_extractor makes the latter two


def append_planes_in_graph(
    model: fx.GraphModule, inputs: tuple[PlaneInput, ...], changes: ReversibleChanges
) -> None:
    """Make a network's graph append planes to its gray images."""
    graphs = {name: vars(model).get(name, getattr(model, name, None)) for name in _GRAPHS}
    written = {id(graph): _append(graph, inputs) for graph in graphs.values() if graph is not None}
    training = model.training
    for name, graph in graphs.items():
        if graph is not None:
            changes.set(model, name, written[id(graph)])
    model.training = training


def _append(graph: fx.Graph, inputs: tuple[PlaneInput, ...]) -> fx.Graph:
    """Return a copy of a graph in which planes are appended."""
    copy = fx.Graph(tracer_cls=graph._tracer_cls)
    copy.output(copy.graph_copy(graph, {}))
    images = [node for node in copy.nodes if node.op == "placeholder"]
    for each in inputs:
        [image] = [node for node in images if node.target == each.parameter]
        with copy.inserting_before(image.next):
            rest = each[3:]
            if each.path:
                appended = copy.call_function(planes.append_planes_at, (image, each.path, *rest))
            else:
                appended = copy.call_function(planes.append_planes, (image, *rest))
            appended.meta["is_wrapped"] = True  # one operation also when the graph is traced again
        image.replace_all_uses_with(appended)
        appended.args = (image, *appended.args[1:])
    return copy


def give_graph_methods(model: fx.GraphModule) -> None:
    """Give a network's class the method ``transform``, and copies that keep what it carries.

    Each ``GraphModule`` has a class of its own, which its copies don't have.
    """
    methods: dict[str, Any] = {"__copy__": _copy, "__deepcopy__": _copy}
    if not hasattr(model, "transform"):
        methods["transform"] = make_own_transform
    for name, method in methods.items():
        setattr(type(model), name, method)


def take_graph_methods(model: fx.GraphModule) -> None:
    """Take back what :func:`give_graph_methods` gives."""
    for name, method in list(vars(type(model)).items()):
        if method in (_copy, make_own_transform):
            delattr(type(model), name)


def _copy(self: Any, memo: dict[int, Any] | None = None) -> fx.GraphModule:
    """Return a copy of a network with its record and its call; a deep one if a `memo` is given."""
    parent: Any = super(type(self), self)
    copied: fx.GraphModule = parent.__copy__() if memo is None else parent.__deepcopy__(memo)
    for name in (PREPROCESSING, CALL):
        if name in vars(self):
            setattr(copied, name, vars(self)[name])
    give_graph_methods(copied)
    return copied
