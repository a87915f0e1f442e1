"""``Graph``: lookups in an ONNX model, such as the node that makes a value, or its constants."""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto
from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

from ...errors import ModelError
from .runtime import evaluate_model

_STANDARD = ("", "ai.onnx")
_RANDOM = ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
    "RandomUniformLike")  # fmt: skip


class Graph:
    """A read-only index of a model's main graph.

    Parameters
    ----------
    model : ModelProto
    folder : Path or None
        The folder of the files that the model's external tensors name.

    Attributes
    ----------
    nodes : list of NodeProto
        The nodes in an order in which they can run. ONNX demands such an order, but some
        converters don't write it.
    """

    def __init__(self, model: ModelProto, folder: Path | None = None) -> None:
        self.model = model
        self.folder = folder
        self.initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        self.nodes = _sort_nodes(list(model.graph.node))
        self.producers = {name: node for node in self.nodes for name in node.output if name}
        self.functions = {(function.domain, function.name) for function in model.functions}
        self._constants: dict[str, NDArray[Any] | None] = {}

    @property
    def inputs(self) -> list[ValueInfoProto]:
        """Return the model's inputs, without the weights that old models list among the inputs."""
        return [value for value in self.model.graph.input if value.name not in self.initializers]

    @property
    def opset(self) -> int:
        """Return the version of the standard operators."""
        imports = self.model.opset_import
        return int(next((o.version for o in imports if o.domain in _STANDARD), 1))

    def is_standard(self, node: NodeProto) -> bool:
        """Whether a node is an operator of ONNX itself."""
        return node.domain in _STANDARD and (node.domain, node.op_type) not in self.functions

    def find_constant(self, name: str) -> NDArray[Any] | None:
        """Return a value that doesn't depend on the model's inputs, or None if it does.

        Raises
        ------
        ModelError
            If the value is in a file that can't be read.
        """
        if name not in self._constants:
            self._constants[name] = self._calculate_constant(name)
        return self._constants[name]

    def _calculate_constant(self, name: str) -> NDArray[Any] | None:
        """Return the value of a tensor or of nodes without inputs, or None if it isn't constant."""
        if name in self.initializers:
            return onnx.numpy_helper.to_array(self._load_tensor(self.initializers[name]))
        if name not in self.producers:
            return None
        part = self.extract([name])
        if any(value.name not in self.initializers for value in part.graph.input):
            return None
        if any(node.op_type in _RANDOM for node in part.graph.node):
            return None
        try:
            return np.asarray(evaluate_model(part, {})[0])
        except Exception:  # an operator that the evaluator doesn't have
            return None

    def extract(self, outputs: list[str]) -> ModelProto:
        """Return a model of the nodes that calculate these values, with its tensors loaded."""
        waiting = list(outputs)
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name and name not in seen:
                seen.add(name)
                waiting += list_used_values(self.producers[name]) if name in self.producers else []
        part = ModelProto(ir_version=self.model.ir_version, functions=self.model.functions)
        part.opset_import.extend(self.model.opset_import)
        part.graph.name = self.model.graph.name or "part"
        part.graph.node.extend(n for n in self.nodes if any(name in seen for name in n.output))
        part.graph.input.extend(v for v in self.model.graph.input if v.name in seen)
        part.graph.output.extend(ValueInfoProto(name=name) for name in outputs)
        part.graph.initializer.extend(
            self._load_tensor(t) for name, t in self.initializers.items() if name in seen
        )
        return part

    def _load_tensor(self, tensor: TensorProto) -> TensorProto:
        """Return a tensor with its data, which may be in a file."""
        if not uses_external_data(tensor):
            return tensor
        if self.folder is None:
            raise ModelError(
                f"the tensor {tensor.name!r} is in a file beside the model that wasn't loaded: "
                "onnx.load(path) loads it, or pass the model's path"
            )
        copy = TensorProto()
        copy.CopyFrom(tensor)
        try:
            load_external_data_for_tensor(copy, str(self.folder))
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            raise ModelError(f"the tensor {tensor.name!r} can't be read: {error}") from error
        return copy


def _sort_nodes(nodes: list[NodeProto]) -> list[NodeProto]:
    """Return nodes in an order in which each follows the nodes that it depends on.

    Nodes that are in such an order keep it.
    """
    makers = {name: k for k, node in enumerate(nodes) for name in node.output if name}
    needs = {
        k: {makers[name] for name in list_used_values(node) if name in makers}
        for k, node in enumerate(nodes)
    }
    if all(k > other for k, others in needs.items() for other in others):
        return nodes
    try:
        return [nodes[k] for k in TopologicalSorter(needs).static_order()]
    except CycleError as error:
        cycle = ", ".join(repr(get_title(nodes[k])) for k in error.args[1])
        raise ModelError(f"this is no valid ONNX: nodes need each other, {cycle}") from error


def list_used_values(node: NodeProto) -> list[str]:
    """Return the names of a node's inputs, and of the values that its subgraphs use."""
    names = [*node.input]
    for graph in list_subgraphs(node):
        names += [name for inner in graph.node for name in list_used_values(inner)]
        names += [value.name for value in graph.output]
    return names


def list_subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """Yield the graphs inside a node that is a branch or a loop."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def list_defined_names(graph: GraphProto) -> Iterator[str]:
    """Yield the name of every value and node of a graph, and of its subgraphs."""
    for value in (*graph.input, *graph.initializer):
        yield value.name
    for sparse in graph.sparse_initializer:
        yield sparse.values.name
    for node in graph.node:
        yield from (node.name, *node.output)
        for inner in list_subgraphs(node):
            yield from list_defined_names(inner)


def list_tensors(graph: GraphProto | FunctionProto) -> Iterator[TensorProto]:
    """Yield every tensor of a graph and its subgraphs: weights and constants."""
    if isinstance(graph, GraphProto):
        yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
        for inner in list_subgraphs(node):
            yield from list_tensors(inner)


def get_attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """Return the value of a node's attribute, or `default` if the node doesn't state it."""
    found = (a for a in node.attribute if a.name == name)
    value = next((onnx.helper.get_attribute_value(a) for a in found), default)
    return value.decode() if isinstance(value, bytes) else value


def get_title(node: NodeProto) -> str:
    """Return a node's name, or its output's name if the node has none."""
    return str(node.name or node.output[0])
