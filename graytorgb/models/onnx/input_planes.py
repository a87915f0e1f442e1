"""how="expand" for ONNX: nodes in front that normalize and repeat the gray."""

from onnx import NodeProto, TensorProto

from ...errors import ModelError
from ..stem import CHANNELS, check_takes_normalized
from ..weights import Normalization
from .edit import Edit
from .graph import Graph, subgraphs
from .inputs import ImageInput

_SMALL_FLOATS = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


def prepend_planes(graph: Graph, images: list[ImageInput], normalization: Normalization) -> Edit:
    """Return the edit that puts the nodes in front; the network stays as it is."""
    edit = Edit(graph)
    planes = {image.name: _front(edit, image, normalization) for image in images}
    for node in graph.nodes:
        copy = NodeProto()
        copy.CopyFrom(node)
        _redirect(copy, planes)
        edit.keep(copy)
    return edit


def _front(edit: Edit, image: ImageInput, normalization: Normalization) -> str:
    """``(x - mean) / std``, which broadcasts to the planes, or x three times; its name."""
    check_takes_normalized(image.name, normalization, has_integers=image.has_integers)
    edit.set_planes(image.name, image.axis, 1)
    name = edit.fresh(f"{image.name}_planes")
    if normalization.is_identity:
        return edit.add("Concat", [image.name] * CHANNELS, name, axis=image.axis)
    if edit.graph.opset < 7:
        raise ModelError(
            f"the model's opset is {edit.graph.opset}, and from 7 on it can be normalized in "
            "front: onnx.version_converter.convert_version(model, 13)"
        )
    small = image.dtype in _SMALL_FLOATS  # to be rounded once, at the end
    dtype = TensorProto.FLOAT if small else image.dtype
    value = image.name
    if small:
        value = edit.add("Cast", [value], edit.fresh(f"{image.name}_float"), to=dtype)
    shape = [-1 if k == image.axis else 1 for k in range(image.rank)]
    for operator, numbers, neutral in (
        ("Sub", normalization.mean, 0), ("Div", normalization.std, 1)
    ):  # fmt: skip
        if (numbers != neutral).any():
            constant = edit.tensor(numbers.reshape(shape), f"{name}_{operator.lower()}", dtype)
            value = edit.add(operator, [value, constant], edit.fresh(f"{name}_{operator.lower()}"))
    if small:
        value = edit.add("Cast", [value], name, to=image.dtype)
    return value


def _redirect(node: NodeProto, new: dict[str, str]) -> None:
    """Other values for its inputs, in its branches and loops too."""
    for place, name in enumerate(node.input):
        node.input[place] = new.get(name, name)
    for graph in subgraphs(node):
        for inner in graph.node:
            _redirect(inner, new)
        for value in graph.output:
            value.name = new.get(value.name, value.name)
