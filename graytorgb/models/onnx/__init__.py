"""``adapt`` for ONNX models: how="collapse" is in collapse.py, "expand" in expand.py."""

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from onnx import ModelProto

from ...errors import ModelError
from ..files import ONNX, reading
from ..weights import Normalization, unstated
from .collapse import choose, collapse
from .files import read, write
from .graph import Graph
from .input_planes import expand
from .inputs import image_inputs
from .runner import Runner

__all__ = ["Runner", "adapt", "input_size"]


def adapt(
    model: ModelProto | str | os.PathLike[str],
    stated: Normalization | None,
    plain: Normalization,
    *,
    how: str,
    layer: list[str] | None,
    example: Any,
    inplace: bool,
    out: Path | None,
    **_: Any,
) -> ModelProto:
    """:func:`graytorgb.models.adapt` for a model or the path of one."""
    if how == "learned":
        raise ModelError(
            'how="learned" starts a training, and ONNX models are for inference: adapt the network '
            "that is trained, then export it"
        )
    path = None if isinstance(model, ModelProto) else Path(model)
    if inplace and path is not None:
        raise ModelError("inplace=True changes a model in memory; for a file there is out=path")
    original = model if isinstance(model, ModelProto) else read(Path(model), in_memory=out is None)
    size = _size(example)
    # what can be read may be damaged even so
    with nullcontext() if path is None else reading(path, ONNX):
        graph = Graph(original, None if path is None else path.parent)
        if how == "collapse":
            edit = collapse(graph, stated, plain, layer=layer, example=size)
        elif stated is None:
            raise ModelError(unstated(how))
        else:
            edit = expand(graph, choose(graph, stated), stated)
    adapted = edit.graph.model
    if adapted is model and not inplace:
        adapted = ModelProto()
        adapted.CopyFrom(edit.graph.model)
    edit.apply(adapted)
    _describe(adapted, plain, changed=stated is not None or not plain.is_identity)
    if inplace and adapted is not model:  # functions were inlined, into another model
        original.CopyFrom(adapted)
        adapted = original
    if out is not None:
        write(adapted, out, graph.folder)
    return adapted


def input_size(path: Path) -> tuple[tuple[int | None, ...], bool]:
    """The sides of a model's images, None for those that aren't fixed; whether it takes integers.

    Raises
    ------
    ModelError
        If it takes no images of three channels.
    """
    model = read(path, in_memory=False)
    with reading(path, ONNX):
        image = image_inputs(Graph(model))[0][0]
        return image.spatial, image.has_integers


def _size(example: Any) -> tuple[int, ...] | None:
    """The sides of an image."""
    if example is None:
        return None
    size = (example, example) if isinstance(example, int) else example
    if isinstance(size, tuple | list) and all(isinstance(n, int) and n > 0 for n in size):
        return tuple(size)
    raise ModelError(f"example is the size of an image for ONNX, (H, W), not {example!r}")


# What metadata of images may say of the range (onnx, docs/MetadataProps.md).
_RANGES = {(0.0, 1.0): "Normalized_0_1", (-1.0, 1.0): "Normalized_1_1",
    (0.0, 255.0): "NominalRange_0_255"}  # fmt: skip


def _describe(model: ModelProto, plain: Normalization, *, changed: bool) -> None:
    """Correct what the model's metadata say of its input, if they do."""
    lo, span = float(plain.mean[0]), float(plain.std[0])
    for entry in list(model.metadata_props):
        if entry.key == "Image.BitmapPixelFormat":
            entry.value = "Gray8"
        if entry.key == "Image.NominalPixelRange" and changed:
            said = _RANGES.get((lo, lo + span))
            if said is None:
                model.metadata_props.remove(entry)
            else:
                entry.value = said
