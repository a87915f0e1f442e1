"""``Edit``: the nodes and tensors of an adapted ONNX graph, collected beside the original."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from ..channel_map import ChannelMap
from ..image_input import ImageInput
from .graph import Graph, list_defined_names, list_used_values
from .inputs import FLOATS
from .shapes import ShapeProbe

FIRST_OPSET_WITH_NUMPY_BROADCASTING = 7
_FIRST_IR_WITHOUT_WEIGHTS_AMONG_INPUTS = 4


class Edit:
    """The nodes and tensors of an adapted graph; only :meth:`apply_to` changes the model.

    Parameters
    ----------
    graph : Graph
    images : sequence of ImageInput
        The inputs whose images are traced, for runs that tell shapes.

    Attributes
    ----------
    images : dict of str to ChannelMap
        The maps of the values in the original graph that are images.
    stems : dict of str to str
        The output of each convolution that sees the image, by the name of its node.
    folds : bool
        Whether the network's own arithmetic is folded into the stems.
    """

    def __init__(self, graph: Graph, images: Sequence[ImageInput] = ()) -> None:
        self.graph = graph
        self.probe = ShapeProbe(graph, images)
        self.images: dict[str, ChannelMap] = {}
        self.stems: dict[str, str] = {}
        self.folds = False
        self._nodes: list[NodeProto] = []
        self._tensors: list[onnx.TensorProto] = []
        self._constants: dict[Any, str] = {}
        self._added: set[str] = set()  # outputs of nodes that the original doesn't have
        self._planes: dict[str, tuple[int, int]] = {}
        self._prepared: dict[tuple[str, float, float], str] = {}
        self._names = set(list_defined_names(graph.model.graph))

    def make_name(self, hint: str) -> str:
        """Return a name that isn't in use."""
        name, count = hint, 1
        while name in self._names:
            name, count = f"{hint}_{count}", count + 1
        self._names.add(name)
        return name

    def add_constant(self, values: NDArray[Any], hint: str, dtype: int | None = None) -> str:
        """Add a tensor, or find one of the same values, and return its name."""
        if dtype is not None:
            with np.errstate(over="ignore"):  # the comparison of outputs raises an error for it
                values = values.astype(helper.tensor_dtype_to_np_dtype(dtype))
        values = np.asarray(values, order="C")
        key = values.dtype, values.shape, sha256(values.tobytes()).digest()
        if key not in self._constants:
            self._constants[key] = self.make_name(hint)
            self._tensors.append(numpy_helper.from_array(values, self._constants[key]))
        return self._constants[key]

    def add_node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = self.make_name(f"{output}_node")
        self._added.add(output)
        self._nodes.append(helper.make_node(operator, inputs, [output], name, **attributes))
        return output

    def replace_size(self, sizes: str, place: int, size: int, count: int, hint: str) -> str:
        """Return the name of sizes computed at each run, with another number at one place.

        Parameters
        ----------
        sizes : str
            The name of the value that has the sizes.
        place, size : int
            The place in it, and the number that goes there.
        count : int
            How many sizes there are.
        hint : str
            A name for the result.
        """
        is_other = np.arange(count) != place
        factor = self.add_constant(is_other.astype(np.int64), f"{hint}_kept")
        others = self.add_node("Mul", [sizes, factor], self.make_name(f"{hint}_of_others"))
        added = self.add_constant(np.where(is_other, 0, size), f"{hint}_planes")
        return self.add_node("Add", [others, added], self.make_name(hint))

    def keep_node(
        self,
        node: NodeProto,
        inputs: dict[int, str] | None = None,
        *,
        outputs: list[str] | None = None,
        **attributes: Any,
    ) -> None:
        """Copy a node, with other inputs, outputs and attributes where they are given."""
        copy = NodeProto()
        copy.CopyFrom(node)
        if outputs is not None:
            copy.output[:] = outputs
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

    def prepare_for_zeros(self, image: ChannelMap) -> ChannelMap:
        """Add the nodes that prepare the image's base for zeros, and return its new map.

        A Sub node subtracts the center. If a constant is left, since the means differ, a Pad node
        appends the constant plane: it pads the channel axis by 1. Pad works for every size,
        symbolic ones too, for every opset from 2 on and for every float dtype. TensorRT takes it
        from version 8 on (onnx-tensorrt, docs/operators.md), where ConstantOfShape has to be
        float32. On ONNX Runtime it is at least as fast as Shape, ConstantOfShape and Concat.
        """
        if self.graph.opset < FIRST_OPSET_WITH_NUMPY_BROADCASTING or image.dtype not in FLOATS:
            image = replace(image, is_gray=False)  # without a center
        center, level = image.center, image.ones_level
        key = image.base, center, level
        if key not in self._prepared:
            name = image.base
            if center:
                name = self.make_name(f"{image.base}_centered")
                value = self.add_constant(np.array(center), f"{name}_by", image.dtype)
                self.add_node("Sub", [image.base, value], name)
            if image.needs_ones:
                name = self._pad_channels(name, image, level)
            self._prepared[key] = name
        return image.prepare_for_zeros(self._prepared[key])

    def _pad_channels(self, base: str, image: ChannelMap, level: float) -> str:
        """Add the node that pads the channel axis by a plane of this level."""
        name = self.make_name(f"{base}_and_ones")
        pads = np.zeros(2 * image.rank, np.int64)
        pads[image.rank + image.axis] = 1
        if self.graph.opset < 11:
            return self.add_node("Pad", [base], name, pads=pads.tolist(), value=level)
        widths = self.add_constant(pads, f"{name}_pads")
        value = self.add_constant(np.array(level), f"{name}_value", image.dtype)
        return self.add_node("Pad", [base, widths, value], name)

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
        before = {name for node in graph.node for name in list_used_values(node)} | self._added
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
        tensors = [tensor for tensor in self._tensors if tensor.name in used]
        graph.initializer.extend(tensors)
        if model.ir_version < _FIRST_IR_WITHOUT_WEIGHTS_AMONG_INPUTS:
            graph.input.extend(
                helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors
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
