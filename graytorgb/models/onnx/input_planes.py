"""how="expand" for ONNX: nodes before the model that normalize and repeat the gray."""

from onnx import NodeProto, TensorProto

from ...errors import ModelError
from ..image_input import ImageInput
from ..stem import CHANNELS
from ..weights import Normalization
from .edit import Edit
from .graph import Graph, list_subgraphs

_SMALL_FLOATS = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


def prepend_planes(graph: Graph, images: list[ImageInput], normalization: Normalization) -> Edit:
    """Return the edit that puts nodes between each image and the nodes that use it."""
    edit = Edit(graph)
    planes = {image.name: _add_planes(edit, image, normalization) for image in images}
    for node in graph.nodes:
        copy = NodeProto()
        copy.CopyFrom(node)
        _replace_inputs(copy, planes)
        edit.keep_node(copy)
    return edit


def _add_planes(edit: Edit, image: ImageInput, normalization: Normalization) -> str:
    """Add the nodes that make three planes of the gray, and return the planes' name.

    ``(gray - mean) / std`` broadcasts to three planes; without statistics the gray is repeated.
    """
    image.check_takes_normalized(normalization)
    edit.set_plane_count(image.name, image.axis, 1)
    name = edit.make_name(f"{image.name}_planes")
    if normalization.is_identity:
        return edit.add_node("Concat", [image.name] * CHANNELS, name, axis=image.axis)
    if edit.graph.opset < 7:
        raise ModelError(
            f"the model's opset is {edit.graph.opset}, and normalizing takes opset 7 or more: "
            "onnx.version_converter.convert_version(model, 13)"
        )
    is_small = image.dtype in _SMALL_FLOATS  # they are rounded once, at the end
    dtype = TensorProto.FLOAT if is_small else image.dtype
    value = image.name
    if is_small:
        value = edit.add_node("Cast", [value], edit.make_name(f"{image.name}_float"), to=dtype)
    shape = [-1 if k == image.axis else 1 for k in range(image.rank)]
    for operator, numbers, neutral in (
        ("Sub", normalization.mean, 0), ("Div", normalization.std, 1)
    ):  # fmt: skip
        if (numbers != neutral).any():
            hint = f"{name}_{operator.lower()}"
            constant = edit.add_constant(numbers.reshape(shape), hint, dtype)
            value = edit.add_node(operator, [value, constant], edit.make_name(hint))
    return edit.add_node("Cast", [value], name, to=image.dtype) if is_small else value


def _replace_inputs(node: NodeProto, new: dict[str, str]) -> None:
    """Give a node, and the nodes in its subgraphs, other values for some of its inputs."""
    for place, name in enumerate(node.input):
        node.input[place] = new.get(name, name)
    for graph in list_subgraphs(node):
        for inner in graph.node:
            _replace_inputs(inner, new)
        for value in graph.output:
            value.name = new.get(value.name, value.name)
