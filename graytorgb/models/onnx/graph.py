"""An ONNX model's main graph, indexed: who makes a value, who uses it, what is constant."""

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
from .runtime import evaluate

_STANDARD = ("", "ai.onnx")
_RANDOM = ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
    "RandomUniformLike")  # fmt: skip


class Graph:
    """A model to look things up in; it isn't changed here.

    Parameters
    ----------
    model : ModelProto
    folder : Path or None
        Where the files are that its external tensors name.

    Attributes
    ----------
    nodes : list of NodeProto
        In an order in which they can be run, as ONNX wants it and some converters don't write it.
    """

    def __init__(self, model: ModelProto, folder: Path | None = None) -> None:
        self.model = model
        self.folder = folder
        self.initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        self.nodes = _in_order(list(model.graph.node))
        self.producers = {name: node for node in self.nodes for name in node.output if name}
        self.functions = {(function.domain, function.name) for function in model.functions}
        self._constants: dict[str, NDArray[Any] | None] = {}

    @property
    def inputs(self) -> list[ValueInfoProto]:
        """What the model is given; weights that old models list among it are left out."""
        return [value for value in self.model.graph.input if value.name not in self.initializers]

    @property
    def opset(self) -> int:
        """The version of the standard operators."""
        imports = self.model.opset_import
        return int(next((o.version for o in imports if o.domain in _STANDARD), 1))

    def is_standard(self, node: NodeProto) -> bool:
        """Whether a node is an operator of ONNX itself."""
        return node.domain in _STANDARD and (node.domain, node.op_type) not in self.functions

    def constant(self, name: str) -> NDArray[Any] | None:
        """The value of what doesn't depend on the model's inputs; None for what does.

        Raises
        ------
        ModelError
            If it is in a file that can't be read.
        """
        if name not in self._constants:
            self._constants[name] = self._evaluate(name)
        return self._constants[name]

    def _evaluate(self, name: str) -> NDArray[Any] | None:
        if name in self.initializers:
            return onnx.numpy_helper.to_array(self._loaded(self.initializers[name]))
        if name not in self.producers:
            return None
        part = self.cut([name])
        if any(value.name not in self.initializers for value in part.graph.input):
            return None
        if any(node.op_type in _RANDOM for node in part.graph.node):
            return None
        try:
            return np.asarray(evaluate(part, {})[0])
        except Exception:  # an operator that the evaluator doesn't have
            return None

    def cut(self, outputs: list[str]) -> ModelProto:
        """The part of the model that these values depend on, with its tensors in memory."""
        wanted, nodes = list(outputs), []
        seen: set[str] = set()
        while wanted:
            name = wanted.pop()
            node = self.producers.get(name)
            if name and name not in seen:
                seen.add(name)
                wanted += names(node) if node is not None else []
        nodes = [n for n in self.nodes if any(name in seen for name in n.output)]
        part = ModelProto(ir_version=self.model.ir_version, functions=self.model.functions)
        part.opset_import.extend(self.model.opset_import)
        part.graph.name = self.model.graph.name or "part"
        part.graph.node.extend(nodes)
        part.graph.input.extend(v for v in self.model.graph.input if v.name in seen)
        part.graph.output.extend(ValueInfoProto(name=name) for name in outputs)
        part.graph.initializer.extend(
            self._loaded(t) for name, t in self.initializers.items() if name in seen
        )
        return part

    def _loaded(self, tensor: TensorProto) -> TensorProto:
        """With its data, from its file if it is there."""
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


def _in_order(nodes: list[NodeProto]) -> list[NodeProto]:
    """Each node behind those that it depends on; as they are if they are so."""
    makers = {name: k for k, node in enumerate(nodes) for name in node.output if name}
    needs = {k: {makers[n] for n in names(node) if n in makers} for k, node in enumerate(nodes)}
    if all(k > other for k, others in needs.items() for other in others):
        return nodes
    try:
        return [nodes[k] for k in TopologicalSorter(needs).static_order()]
    except CycleError as error:
        cycle = ", ".join(repr(title(nodes[k])) for k in error.args[1])
        raise ModelError(f"this is no valid ONNX: nodes need each other, {cycle}") from error


def names(node: NodeProto) -> list[str]:
    """The values that a node uses, those that its branches and loops capture among them."""
    return [*node.input, *(name for graph in subgraphs(node) for name in _used(graph))]


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs of a branch or a loop."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def all_names(graph: GraphProto) -> Iterator[str]:
    """Yield every name that a graph gives: to values and nodes, in its branches and loops too."""
    for value in (*graph.input, *graph.initializer):
        yield value.name
    for sparse in graph.sparse_initializer:
        yield sparse.values.name
    for node in graph.node:
        yield from (node.name, *node.output)
        for inner in subgraphs(node):
            yield from all_names(inner)


def _used(graph: GraphProto) -> Iterator[str]:
    for node in graph.node:
        yield from names(node)
    for value in graph.output:
        yield value.name


def tensors(graph: GraphProto | FunctionProto) -> Iterator[TensorProto]:
    """Every tensor: weights, constants, and those of branches and loops."""
    if isinstance(graph, GraphProto):
        yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
        for inner in subgraphs(node):
            yield from tensors(inner)


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """The value of a node's attribute."""
    found = (a for a in node.attribute if a.name == name)
    value = next((onnx.helper.get_attribute_value(a) for a in found), default)
    return value.decode() if isinstance(value, bytes) else value


def title(node: NodeProto) -> str:
    """What a node is called: its name, or that of its output if it has none."""
    return str(node.name or node.output[0])
