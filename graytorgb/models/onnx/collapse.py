"""how="collapse" for ONNX: the nodes that the image meets, followed to its convolutions."""

from typing import Any

import onnx.inliner
from numpy.typing import NDArray
from onnx import helper

from ...errors import ModelError
from ..channel_map import ChannelMap
from ..preprocessing import Preprocessing
from ..stem import (
    check_layer_names,
    check_stem_outputs,
    check_takes_normalized,
    make_gray_noise,
    quote_names,
    refuse,
    repeat_and_normalize,
)
from ..weights import Normalization
from .edit import Edit
from .graph import Graph, names
from .inputs import ImageInput, image_inputs
from .operations import operate
from .operator_rules import Refused
from .runtime import evaluate

_SIZES = (64, 224, 512)


def collapse(
    graph: Graph,
    preprocessing: Preprocessing,
    layers: list[str] | None,
    size: tuple[int | None, ...] | None,
) -> Edit:
    """Return the edit that makes the model's convolutions see gray, proven on a small image.

    Raises
    ------
    ModelError
        If it can't be done exactly.
    """
    normalization = preprocessing.normalization
    images = choose_images(graph, normalization, layers)
    edit, problems = trace_images(graph, images, normalization)
    if problems and graph.functions:
        inlined = onnx.inliner.inline_local_functions(graph.model)
        return collapse(Graph(inlined, graph.folder), preprocessing, layers, size)
    if problems:
        also = f", beside the convolution(s) {quote_names(edit.stems)}" if edit.stems else ""
        raise refuse(f"the image {'; '.join(dict.fromkeys(problems))}{also}")
    if not edit.stems:
        raise refuse("the image reaches no convolution")
    if layers is not None:
        known = [node.name for node in graph.nodes if node.name]
        check_layer_names(layers, edit.stems, known, kind="node")
    if not edit.folds:
        preprocessing.require_stats()
    _prove(graph, edit, images, preprocessing, size)
    return edit


def choose_images(
    graph: Graph, normalization: Normalization, layers: list[str] | None = None
) -> list[ImageInput]:
    """Return the image inputs, each with the axis of its channels.

    If `layers` are named, these are the inputs that lead to one of them.

    Raises
    ------
    ModelError
        If there is none, or nothing tells where its channels are.
    """
    chosen = []
    for readings in image_inputs(graph):
        edits = [trace_images(graph, [r], normalization)
            for r in readings if len(readings) > 1 or layers]  # fmt: skip
        leading = [r for r, (edit, problems) in zip(readings, edits, strict=False)
            if edit.stems and not problems]  # fmt: skip
        if len(readings) > 1 and len(leading) != 1:
            axes = " or ".join(str(reading.axis) for reading in readings)
            raise ModelError(
                f"the input {readings[0].name!r} doesn't say where its channels are, on axis "
                f"{axes}: state their number, "
                "onnx.tools.update_model_dims.update_inputs_outputs_dims(...)"
            )
        stems = {name for edit, _ in edits for name in edit.stems}
        if layers is None or stems & set(layers):
            chosen.append((leading or readings)[0])
    return chosen or [readings[0] for readings in image_inputs(graph)]


def trace_images(
    graph: Graph, images: list[ImageInput], normalization: Normalization
) -> tuple[Edit, list[str]]:
    """Trace images through every node; return the edit, and what can't be passed."""
    edit, problems = Edit(graph), []
    for image in images:
        check_takes_normalized(image.name, normalization, has_integers=image.has_integers)
        planes = ChannelMap.from_input(
            image.name, normalization, image.axis, image.rank, image.dtype
        )
        edit.made(image.name, planes)
    for node in graph.nodes:
        if not any(name in edit.images for name in names(node)):
            edit.keep(node)
            continue
        try:
            operate(edit, node)
        except Refused as refused:
            problems.append(str(refused))
    returned = [v.name for v in graph.model.graph.output if v.name in edit.images]
    problems += [f"is returned as the output {name!r}" for name in returned]
    return edit, problems


def _prove(
    graph: Graph,
    edit: Edit,
    images: list[ImageInput],
    preprocessing: Preprocessing,
    asked: tuple[int | None, ...] | None,
) -> None:
    """Run the stems before and after, on a small image, and compare."""
    outputs = list(edit.stems.values())
    before, after = graph.cut(outputs), edit.preview().cut(outputs)
    refused: Exception | None = None
    for size in [asked] if asked is not None else _SIZES:
        grays = {image.name: _make_noise(image, size, preprocessing.rescaling, place)
            for place, image in enumerate(images)}  # fmt: skip
        planes = {i.name: repeat_and_normalize(grays[i.name], i.axis, preprocessing.normalization)
            for i in images}  # fmt: skip
        try:
            expected = evaluate(before, planes)
        except Exception as error:  # whatever an operator raises at a size it doesn't take
            refused = refused or error
            continue
        if all(output.size for output in expected):
            break
    else:
        why = f"{type(refused).__name__}: {refused}" if refused else "nothing is left of it"
        raise refuse(
            f"the first layers can't be run, {why}. State an input that the network takes, "
            "example=(height, width)",
            remedies=("example",),
        ) from refused
    try:
        given = evaluate(after, grays)
    except Exception as error:
        raise refuse(
            f"with one channel the first layers raise {type(error).__name__}: {error}"
        ) from error
    for name, e, g in zip(edit.stems, expected, given, strict=True):
        check_stem_outputs(name, e, g, e.dtype.name)


def _make_noise(image: ImageInput, size: Any, rescaling: Normalization, seed: int) -> NDArray[Any]:
    """Return gray noise for an input, of a size that it takes."""
    sides = size if isinstance(size, tuple) else (size,) * len(image.spatial)
    if len(sides) != len(image.spatial):
        raise ModelError(f"example is {len(image.spatial)} sides of an image here, not {size}")
    spatial = [n or side or _SIZES[0] for n, side in zip(image.spatial, sides, strict=True)]
    batch = [image.shape[0] or 1] if image.is_batch else []
    shape = [*batch, *spatial]
    shape.insert(image.axis, 1)
    dtype = helper.tensor_dtype_to_np_dtype(image.dtype)
    return make_gray_noise(shape, rescaling, dtype, has_integers=image.has_integers, seed=seed)
