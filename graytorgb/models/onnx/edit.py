"""The adapted graph, as it is made beside the original."""

from collections import Counter
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from ..channel_map import ChannelMap
from .graph import Graph, all_names, names

_FIRST_IR_WITHOUT_WEIGHTS_AMONG_INPUTS = 4


class Edit:
    """New nodes and tensors; the original changes in :meth:`apply` alone.

    Attributes
    ----------
    images : dict of str to ChannelMap
        What the values of the original graph are that come from the image.
    stems : dict of str to str
        The convolutions that see the image, and their outputs.
    folds : bool
        Whether the network's own arithmetic is folded away.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.images: dict[str, ChannelMap] = {}
        self.stems: dict[str, str] = {}
        self.folds = False
        self._nodes: list[NodeProto] = []
        self._tensors: list[onnx.TensorProto] = []
        self._planes: dict[str, tuple[int, int]] = {}
        self._with_ones: dict[str, str] = {}
        self._taken = set(all_names(graph.model.graph))

    def fresh(self, hint: str) -> str:
        """A name that isn't in use."""
        name, count = hint, 1
        while name in self._taken:
            name, count = f"{hint}_{count}", count + 1
        self._taken.add(name)
        return name

    def tensor(self, values: NDArray[Any], hint: str, dtype: int | None = None) -> str:
        """The name of a new constant."""
        if dtype is not None:
            values = values.astype(helper.tensor_dtype_to_np_dtype(dtype))
        name = self.fresh(hint)
        self._tensors.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """A new node; the name of its output."""
        name = self.fresh(f"{output}_node")
        self._nodes.append(helper.make_node(operator, inputs, [output], name, **attributes))
        return output

    def keep(
        self, node: NodeProto, inputs: dict[int, str] | None = None, **attributes: Any
    ) -> None:
        """A node of the original, with other inputs and attributes where these are given."""
        copy = NodeProto()
        copy.CopyFrom(node)
        for place, name in (inputs or {}).items():
            copy.input.extend([""] * (place + 1 - len(copy.input)))
            copy.input[place] = name
        for key in attributes:
            for old in [a for a in copy.attribute if a.name == key]:
                copy.attribute.remove(old)
        copy.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
        self._nodes.append(copy)

    def made(self, name: str, image: ChannelMap) -> None:
        """A value of the original is now `image`, on a base of its own name."""
        self.images[name] = image
        self.set_planes(name, image.axis, image.planes)

    def set_planes(self, name: str, axis: int, planes: int) -> None:
        """How many planes a value has now, to be corrected in what the model says of it."""
        self._planes[name] = (axis, planes)

    def with_ones(self, image: ChannelMap) -> ChannelMap:
        """The image with its constant as a plane of ones, appended to its base.

        One Pad, along the channels, by 1: it takes every size, symbolic ones too, every opset
        from 2 on and every float. On ONNX Runtime it is as fast as Shape, ConstantOfShape and
        Concat or faster.
        """
        if image.base not in self._with_ones:
            name = self.fresh(f"{image.base}_and_ones")
            self._with_ones[image.base] = name
            pads = np.zeros(2 * image.rank, np.int64)
            pads[image.rank + image.axis] = 1
            if self.graph.opset < 11:
                self.add("Pad", [image.base], name, pads=pads.tolist(), value=1.0)
            else:
                places = self.tensor(pads, f"{name}_pads")
                value = self.tensor(np.array(1), f"{name}_value", image.dtype)
                self.add("Pad", [image.base, places, value], name)
        return image.with_ones(self._with_ones[image.base])

    def preview(self) -> Graph:
        """The adapted graph, to look things up in; weights are the original's, not copied."""
        model = ModelProto(ir_version=self.graph.model.ir_version)
        model.opset_import.extend(self.graph.model.opset_import)
        model.graph.node.extend(self._nodes)
        model.graph.input.extend(self.graph.inputs)
        model.functions.extend(self.graph.model.functions)
        self._correct_shapes(model)
        preview = Graph(model, self.graph.folder)
        preview.initializers = {**self.graph.initializers, **{t.name: t for t in self._tensors}}
        return preview

    def apply(self, model: ModelProto) -> None:
        """Make the model, the original or a copy of it, the adapted one."""
        graph = model.graph
        before = _uses(graph)
        nodes = list(self._nodes)
        while True:  # what only the removed nodes used goes with them
            used = {name for node in nodes for name in names(node)}
            used |= {value.name for value in graph.output}
            orphans = before.keys() - used
            kept = [n for n in nodes if not all(name in orphans or not name for name in n.output)]
            if len(kept) == len(nodes):
                break
            nodes = kept
        del graph.node[:]
        graph.node.extend(nodes)
        gone = orphans & {tensor.name for tensor in graph.initializer}
        _remove(graph.initializer, gone)
        _remove(graph.input, gone)
        graph.initializer.extend(self._tensors)
        if model.ir_version < _FIRST_IR_WITHOUT_WEIGHTS_AMONG_INPUTS:
            graph.input.extend(
                helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in self._tensors
            )
        self._correct_shapes(model)

    def _correct_shapes(self, model: ModelProto) -> None:
        """What the model says of the values that have other channels now, or are gone."""
        graph = model.graph
        here = {name for node in graph.node for name in node.output}
        here |= {item.name for field in (graph.input, graph.initializer) for item in field}
        _remove(graph.value_info, {value.name for value in graph.value_info} - here)
        for value in [*graph.input, *graph.value_info]:
            axis, planes = self._planes.get(value.name, (0, 0))
            dims = value.type.tensor_type.shape.dim
            if planes and axis < len(dims):  # none if nothing is said; too few if that is stale
                dims[axis].dim_value = planes


def _remove(field: Any, gone: set[str]) -> None:
    """Take what has one of these names out of a repeated field."""
    for place in reversed(range(len(field))):
        if field[place].name in gone:
            del field[place]


def _uses(graph: onnx.GraphProto) -> Counter[str]:
    """How often each value is used."""
    return Counter(name for node in graph.node for name in names(node))
