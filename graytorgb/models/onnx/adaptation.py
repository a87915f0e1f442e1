"""``adapt`` for ONNX models. how="collapse" is in collapse.py, "expand" in input_planes.py."""

import os
from pathlib import Path

from onnx import ModelProto

from ...errors import ModelError
from ..frameworks import AdaptOptions, InputSize
from ..preprocessing import Preprocessing
from ..stem import read_size
from .collapse import choose_image_inputs, collapse
from .edit import Edit
from .files import open_graph, write_model
from .graph import Graph
from .input_planes import prepend_planes
from .inputs import find_image_inputs
from .runner import PREPROCESSING


def adapt(
    model: ModelProto | str | os.PathLike[str], preprocessing: Preprocessing, options: AdaptOptions
) -> ModelProto:
    """Return an ONNX model adapted as :func:`graytorgb.models.adapt` says."""
    if options.inplace and not isinstance(model, ModelProto):
        raise ModelError(
            "inplace=True changes a model in memory; to change a file, call adapt_file(src, dst)"
        )
    with open_graph(model, in_memory=True) as graph:
        edit = _make_edit(graph, preprocessing, options)
    adapted = edit.graph.model
    if adapted is model and not options.inplace:
        adapted = ModelProto()
        adapted.CopyFrom(model)
    _finish_model(edit, adapted, preprocessing)
    if options.inplace and isinstance(model, ModelProto) and adapted is not model:
        model.CopyFrom(adapted)  # functions were inlined, into another model
        return model
    return adapted


def adapt_file(
    source: Path, target: Path, preprocessing: Preprocessing, options: AdaptOptions
) -> None:
    """Adapt the model in a file and write it to another file, without loading its tensors."""
    with open_graph(source) as graph:
        edit = _make_edit(graph, preprocessing, options)
    _finish_model(edit, edit.graph.model, preprocessing)
    write_model(edit.graph.model, target, source.parent)


def _make_edit(graph: Graph, preprocessing: Preprocessing, options: AdaptOptions) -> Edit:
    """Return the edit that adapts a graph."""
    if options.how == "learned":
        raise ModelError(
            'how="learned" is for training, and ONNX models are for inference: adapt the network '
            "in its framework, train it, then export it"
        )
    size = read_size(options.example)
    if options.how == "collapse":
        return collapse(graph, preprocessing, options.layers, size)
    normalization = preprocessing.require_stats(options.how)
    return prepend_planes(graph, choose_image_inputs(graph, normalization), normalization)


def _finish_model(edit: Edit, model: ModelProto, preprocessing: Preprocessing) -> None:
    """Apply the edit to the model, and correct what the metadata say about its input."""
    edit.apply_to(model)
    is_changed = preprocessing.is_stated or not preprocessing.rescaling.is_identity
    for entry in list(model.metadata_props):
        if entry.key == "Image.BitmapPixelFormat":
            entry.value = "Gray8"
        if entry.key == "Image.NominalPixelRange" and is_changed:
            named_range = _RANGES.get(preprocessing.limits)
            if named_range is None:
                model.metadata_props.remove(entry)
            else:
                entry.value = named_range
    model.metadata_props.add(key=PREPROCESSING, value=preprocessing.to_text())


# The ranges of values that have a name in a model's metadata (onnx, docs/MetadataProps.md).
_RANGES = {(0.0, 1.0): "Normalized_0_1", (-1.0, 1.0): "Normalized_1_1",
    (0.0, 255.0): "NominalRange_0_255"}  # fmt: skip


def find_input_size(model: ModelProto | str | os.PathLike[str]) -> InputSize:
    """Return the size of the images that a model, or the one in a file, takes.

    Raises
    ------
    ModelError
        If the model takes no images of three channels.
    """
    with open_graph(model) as graph:
        image = find_image_inputs(graph)[0][0]
    return InputSize(image.sides, image.has_integers)
