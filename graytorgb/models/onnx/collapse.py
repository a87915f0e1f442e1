"""how="collapse" for ONNX: the nodes that the image meets, followed to its convolutions."""

import difflib
from typing import Any

import numpy as np
import onnx.inliner
from numpy.typing import NDArray
from onnx import helper

from ...errors import ModelError
from ..channel_map import Planes, planes_of
from ..stem import OTHERWISE, check_stem
from ..weights import Normalization, unstated
from .edit import Edit
from .graph import Graph, names
from .inputs import ImageInput, image_inputs
from .operations import Refused, operate
from .runtime import evaluate

_SIZES = (64, 224, 512)


def collapse(
    graph: Graph,
    stated: Normalization | None,
    plain: Normalization,
    *,
    layer: list[str] | None,
    example: tuple[int, ...] | None,
) -> Edit:
    """The edit that makes the model's convolutions see gray, proven on a small image.

    Raises
    ------
    ModelError
        If it can't be done exactly.
    """
    normalization = stated or plain
    images = choose(graph, normalization, layer)
    edit, problems = follow(graph, images, normalization)
    if problems and graph.functions:
        inlined = onnx.inliner.inline_local_functions(graph.model)
        return collapse(Graph(inlined, graph.folder), stated, plain, layer=layer, example=example)
    if problems:
        also = f", beside the convolution(s) {_list(edit.stems)}" if edit.stems else ""
        raise ModelError(f"the image {'; '.join(dict.fromkeys(problems))}{also}; {OTHERWISE}")
    if not edit.stems:
        raise ModelError(f"the image reaches no convolution; {OTHERWISE}")
    if layer is not None:
        _check_names(graph, layer, edit.stems)
    if stated is None and not edit.folds:
        raise ModelError(unstated("collapse"))
    _prove(graph, edit, images, normalization, plain, example)
    return edit


def choose(
    graph: Graph, normalization: Normalization, layer: list[str] | None = None
) -> list[ImageInput]:
    """The image inputs, each with the axis of its channels; those that lead to `layer` alone.

    Raises
    ------
    ModelError
        If there is none, or nothing tells where its channels are.
    """
    chosen = []
    for readings in image_inputs(graph):
        edits = [follow(graph, [r], normalization) for r in readings if len(readings) > 1 or layer]
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
        if layer is None or stems & set(layer):
            chosen.append((leading or readings)[0])
    return chosen or [readings[0] for readings in image_inputs(graph)]


def follow(
    graph: Graph, images: list[ImageInput], normalization: Normalization
) -> tuple[Edit, list[str]]:
    """Pass every node; the edit, and what the image meets that can't be passed."""
    edit, problems = Edit(graph), []
    for image in images:
        image.check(normalization)
        planes = Planes.of_input(image.name, normalization, image.axis, image.rank, image.dtype)
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


def _check_names(graph: Graph, layer: list[str], stems: dict[str, str]) -> None:
    """ModelError unless these are the convolutions that see the image."""
    for name in layer:
        if name not in stems:
            known = [node.name for node in graph.nodes if node.name]
            near = difflib.get_close_matches(name, [*stems, *known], n=1)
            there = "isn't a convolution that sees the image" if name in known else "isn't there"
            hint = f", did you mean {near[0]!r}?" if near and name not in known else ""
            raise ModelError(
                f"the node {name!r} {there}{hint} (layer=); the image goes into {_list(stems)}"
            )
    others = [name for name in stems if name not in layer]
    if others:
        raise ModelError(
            f"the image goes into {_list(others)} too, which have to change with {_list(layer)}: "
            "leave layer out"
        )


def _list(found: Any) -> str:
    return ", ".join(map(repr, found))


def _prove(
    graph: Graph,
    edit: Edit,
    images: list[ImageInput],
    normalization: Normalization,
    plain: Normalization,
    example: tuple[int, ...] | None,
) -> None:
    """Run the stems before and after, on a small image, and compare."""
    outputs = list(edit.stems.values())
    before, after = graph.cut(outputs), edit.preview().cut(outputs)
    refused: Exception | None = None
    for size in [example] if example is not None else _SIZES:
        grays = {image.name: _noise(image, size, plain) for image in images}
        planes = {i.name: planes_of(grays[i.name], i.axis, normalization) for i in images}
        try:
            expected = evaluate(before, planes)
        except Exception as error:  # whatever an operator raises at a size it doesn't take
            refused = refused or error
            continue
        if all(output.size for output in expected):
            break
    else:
        why = f"{type(refused).__name__}: {refused}" if refused else "nothing is left of it"
        raise ModelError(
            f"the first layers can't be run, {why}. State an input "
            f"that the network takes, example=(height, width); {OTHERWISE}"
        ) from refused
    try:
        given = evaluate(after, grays)
    except Exception as error:
        raise ModelError(
            f"with one channel the first layers raise {type(error).__name__}: {error}; {OTHERWISE}"
        ) from error
    for name, e, g in zip(edit.stems, expected, given, strict=True):
        check_stem(name, e, g)


def _noise(image: ImageInput, size: Any, plain: Normalization) -> NDArray[Any]:
    """Gray in the range that the adapted network takes, always the same."""
    sides = size if isinstance(size, tuple) else (size,) * len(image.spatial)
    if len(sides) != len(image.spatial):
        raise ModelError(f"example is {len(image.spatial)} sides of an image here, not {size}")
    spatial = [n or side for n, side in zip(image.spatial, sides, strict=True)]
    batch = [image.shape[0] or 1] if image.is_batch else []
    shape = [*batch, *spatial]
    shape.insert(image.axis, 1)
    rng = np.random.default_rng(0)
    dtype = helper.tensor_dtype_to_np_dtype(image.dtype)
    if image.has_integers:
        return rng.integers(0, 128, shape, np.int64).astype(dtype)
    return np.asarray(rng.random(shape) * plain.std[0] + plain.mean[0], dtype)
