"""``Edit``: the nodes and tensors of an adapted ONNX graph, collected beside the original."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from ..channel_map import ChannelMap
from .graph import Graph, list_defined_names, list_used_values

_FIRST_IR_WITHOUT_WEIGHTS_AMONG_INPUTS = 4


class Edit:
    """The nodes and tensors of an adapted graph; only :meth:`apply_to` changes the model.

    Attributes
    ----------
    images : dict of str to ChannelMap
        The maps of the values in the original graph that are images.
    stems : dict of str to str
        The output of each convolution that sees the image, by the name of its node.
    folds : bool
        Whether the network's own arithmetic is folded into the stems.
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
        self._names = set(list_defined_names(graph.model.graph))

    def make_name(self, hint: str) -> str:
        """Return a name that isn't in use."""
        name, count = hint, 1
        while name in self._names:
            name, count = f"{hint}_{count}", count + 1
        self._names.add(name)
        return name

    def add_constant(self, values: NDArray[Any], hint: str, dtype: int | None = None) -> str:
        """Add a tensor and return its name."""
        if dtype is not None:
            with np.errstate(over="ignore"):  # the comparison of outputs raises an error for it
                values = values.astype(helper.tensor_dtype_to_np_dtype(dtype))
        name = self.make_name(hint)
        self._tensors.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add_node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = self.make_name(f"{output}_node")
        self._nodes.append(helper.make_node(operator, inputs, [output], name, **attributes))
        return output

    def keep_node(
        self, node: NodeProto, inputs: dict[int, str] | None = None, **attributes: Any
    ) -> None:
        """Copy a node of the original, with other inputs and attributes where they are given."""
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

    def record_image(self, name: str, image: ChannelMap) -> None:
        """Record the map of an image, a value of the original."""
        self.images[name] = image
        if image.base == name:
            self.set_plane_count(name, image.axis, image.plane_count)

    def set_plane_count(self, name: str, axis: int, count: int) -> None:
        """Set how many planes a value has now, so that its stated shape can be corrected."""
        self._planes[name] = (axis, count)

    def append_ones(self, image: ChannelMap) -> ChannelMap:
        """Append a plane of ones to the image's base, and let it carry the constant.

        One Pad node does this: it pads the channel axis by 1. It works for every size, also for
        symbolic ones, for every opset from 2 on and for every float dtype. On ONNX Runtime it is at
        least as fast as Shape, ConstantOfShape and Concat.
        """
        if image.base not in self._with_ones:
            name = self.make_name(f"{image.base}_and_ones")
            self._with_ones[image.base] = name
            pads = np.zeros(2 * image.rank, np.int64)
            pads[image.rank + image.axis] = 1
            if self.graph.opset < 11:
                self.add_node("Pad", [image.base], name, pads=pads.tolist(), value=1.0)
            else:
                widths = self.add_constant(pads, f"{name}_pads")
                value = self.add_constant(np.array(1), f"{name}_value", image.dtype)
                self.add_node("Pad", [image.base, widths, value], name)
        return image.with_ones(self._with_ones[image.base])

    def preview_graph(self) -> Graph:
        """Return the adapted graph for lookups and runs; it shares the original's weights."""
        model = ModelProto(ir_version=self.graph.model.ir_version)
        model.opset_import.extend(self.graph.model.opset_import)
        model.graph.node.extend(self._nodes)
        model.graph.input.extend(self.graph.inputs)
        model.functions.extend(self.graph.model.functions)
        self._correct_shapes(model)
        preview = Graph(model, self.graph.folder)
        preview.initializers = {**self.graph.initializers, **{t.name: t for t in self._tensors}}
        return preview

    def apply_to(self, model: ModelProto) -> None:
        """Change a model, the original or a copy of it, into the adapted one."""
        graph = model.graph
        before = {name for node in graph.node for name in list_used_values(node)}
        nodes = list(self._nodes)
        while True:  # drop nodes that only dropped nodes used, until none is left
            used = {name for node in nodes for name in list_used_values(node)}
            orphans = before - used - {value.name for value in graph.output}
            kept = [n for n in nodes if not all(name in orphans or not name for name in n.output)]
            if len(kept) == len(nodes):
                break
            nodes = kept
        del graph.node[:]
        graph.node.extend(nodes)
        unused = orphans & {tensor.name for tensor in graph.initializer}
        _remove_names(graph.initializer, unused)
        _remove_names(graph.input, unused)
        graph.initializer.extend(self._tensors)
        if model.ir_version < _FIRST_IR_WITHOUT_WEIGHTS_AMONG_INPUTS:
            graph.input.extend(
                helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in self._tensors
            )
        self._correct_shapes(model)

    def _correct_shapes(self, model: ModelProto) -> None:
        """Correct the stated shapes of values, and remove those of values that are gone."""
        graph = model.graph
        existing = {name for node in graph.node for name in node.output}
        existing |= {item.name for field in (graph.input, graph.initializer) for item in field}
        _remove_names(graph.value_info, {value.name for value in graph.value_info} - existing)
        for value in [*graph.input, *graph.value_info]:
            axis, count = self._planes.get(value.name, (0, 0))
            dims = value.type.tensor_type.shape.dim
            if count and axis < len(dims):  # no shape is stated, or an outdated one
                dims[axis].dim_value = count


def _remove_names(field: Any, names: set[str]) -> None:
    """Remove the items with these names from a repeated field."""
    for place in reversed(range(len(field))):
        if field[place].name in names:
            del field[place]
