"""``adapt`` for ONNX models: how="collapse" is in collapse.py, "expand" in input_planes.py."""

import os
from contextlib import nullcontext
from pathlib import Path

from onnx import ModelProto

from ...errors import ModelError
from ..files import ONNX, explain_read_errors
from ..frameworks import AdaptOptions, InputSize
from ..preprocessing import Preprocessing
from ..stem import read_size
from .collapse import choose_images, collapse
from .edit import Edit
from .files import read, write
from .graph import Graph
from .input_planes import prepend_planes
from .inputs import image_inputs
from .runner import PREPROCESSING


def adapt(
    model: ModelProto | str | os.PathLike[str], preprocessing: Preprocessing, options: AdaptOptions
) -> ModelProto:
    """Return an ONNX model adapted as :func:`graytorgb.models.adapt` says."""
    path = None
    if not isinstance(model, ModelProto):
        path = Path(model)
        if options.inplace:
            raise ModelError(
                "inplace=True changes a model in memory; for a file there is adapt_file(src, dst)"
            )
        model = read(path, in_memory=True)
    edit = _edit(model, path, preprocessing, options)
    adapted = edit.graph.model
    if adapted is model and path is None and not options.inplace:
        adapted = ModelProto()
        adapted.CopyFrom(edit.graph.model)
    _finish(edit, adapted, preprocessing)
    if options.inplace and adapted is not model:  # functions were inlined, into another model
        model.CopyFrom(adapted)
        adapted = model
    return adapted


def adapt_file(
    source: Path, target: Path, preprocessing: Preprocessing, options: AdaptOptions
) -> None:
    """Adapt the model in a file and write it to another, with no tensor in memory."""
    edit = _edit(read(source, in_memory=False), source, preprocessing, options)
    _finish(edit, edit.graph.model, preprocessing)
    write(edit.graph.model, target, source.parent)


def _edit(
    model: ModelProto, path: Path | None, preprocessing: Preprocessing, options: AdaptOptions
) -> Edit:
    """Return the edit that adapts a model, which may be the one in a file."""
    if options.how == "learned":
        raise ModelError(
            'how="learned" starts a training, and ONNX models are for inference: adapt the network '
            "that is trained, then export it"
        )
    size = read_size(options.example)
    # what can be read may be damaged even so
    with nullcontext() if path is None else explain_read_errors(path, ONNX):
        graph = Graph(model, None if path is None else path.parent)
        if options.how == "collapse":
            return collapse(graph, preprocessing, options.layers, size)
        normalization = preprocessing.require_stats(options.how)
        return prepend_planes(graph, choose_images(graph, normalization), normalization)


def _finish(edit: Edit, model: ModelProto, preprocessing: Preprocessing) -> None:
    """Carry out the edit, and correct what the model's metadata say of its input."""
    edit.apply(model)
    is_changed = preprocessing.is_stated or not preprocessing.rescaling.is_identity
    for entry in list(model.metadata_props):
        if entry.key == "Image.BitmapPixelFormat":
            entry.value = "Gray8"
        if entry.key == "Image.NominalPixelRange" and is_changed:
            said = _RANGES.get(preprocessing.limits)
            if said is None:
                model.metadata_props.remove(entry)
            else:
                entry.value = said
    model.metadata_props.add(key=PREPROCESSING, value=preprocessing.to_text())


# What metadata of images may say of the range (onnx, docs/MetadataProps.md).
_RANGES = {(0.0, 1.0): "Normalized_0_1", (-1.0, 1.0): "Normalized_1_1",
    (0.0, 255.0): "NominalRange_0_255"}  # fmt: skip


def find_input_size(model: ModelProto | str | os.PathLike[str]) -> InputSize:
    """Return the size of the images that a model, or the one in a file, takes.

    Raises
    ------
    ModelError
        If it takes no images of three channels.
    """
    if isinstance(model, ModelProto):
        image = image_inputs(Graph(model))[0][0]
    else:
        path = Path(model)
        proto = read(path, in_memory=False)
        with explain_read_errors(path, ONNX):
            image = image_inputs(Graph(proto))[0][0]
    return InputSize(image.spatial, image.has_integers)
