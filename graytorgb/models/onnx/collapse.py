"""how="collapse" for ONNX: trace the image to the stems and give these kernels for gray."""

import onnx.inliner

from ..channel_map import ChannelMap, TraceError
from ..image_input import ImageInput
from ..preprocessing import Preprocessing
from ..stem import check_stem_outputs, check_stems, make_collapse_error, make_trace_error
from ..weights import Normalization
from .edit import Edit
from .graph import Graph, list_used_values
from .inputs import find_image_inputs, make_axis_error
from .operations import trace_node
from .runtime import evaluate_model
from .shapes import make_other_inputs

_SIDES = (64, 224, 512)  # the sides to try if the model takes any size


def collapse(
    graph: Graph,
    preprocessing: Preprocessing,
    layers: list[str] | None,
    size: tuple[int | None, ...] | None,
) -> Edit:
    """Return the edit that makes the stems of a model see gray, tested on noise.

    Raises
    ------
    ModelError
        If the adapted outputs can't be exact.
    """
    normalization = preprocessing.normalization
    images = choose_image_inputs(graph, normalization, layers, size)
    edit, problems = trace_images(graph, images, normalization)
    if problems and graph.functions:
        inlined = onnx.inliner.inline_local_functions(graph.model)
        return collapse(Graph(inlined, graph.folder), preprocessing, layers, size)
    if problems:
        raise make_trace_error(problems, edit.stems)
    known = [node.name for node in graph.nodes if node.name]
    check_stems(layers, edit.stems, known, kind="node")
    if not edit.folds:
        preprocessing.require_stats()
    _check_outputs(edit, images, preprocessing)
    return edit


def choose_image_inputs(
    graph: Graph,
    normalization: Normalization,
    layers: list[str] | None = None,
    size: tuple[int | None, ...] | None = None,
) -> list[ImageInput]:
    """Return the image inputs, each with the axis of its channels.

    If `layers` are named, these are the inputs that lead to one of them. An input that may be
    something else, because it doesn't state its channels, has to lead to a stem.

    Raises
    ------
    ModelError
        If there is none, or nothing tells which axis has the channels.
    """
    chosen, unclear = [], []
    found = [[reading.with_sides(size, keep_fixed=True) for reading in readings]
        for readings in find_image_inputs(graph)]  # fmt: skip
    for readings in found:
        is_stated = readings[0].shape[readings[0].axis] is not None and len(readings) == 1
        edits = [] if is_stated and not layers else [
            trace_images(graph, [reading], normalization) for reading in readings]  # fmt: skip
        traced = [r for r, (edit, problems) in zip(readings, edits, strict=False)
            if edit.stems and not problems]  # fmt: skip
        if len(traced) != 1:  # perhaps one that has to be refused
            traced = [r for r, (edit, _) in zip(readings, edits, strict=False) if edit.stems]
        if not is_stated and len(traced) != 1:
            unclear.append(readings)
            continue
        stems = {name for edit, _ in edits for name in edit.stems}
        if layers is None or stems & set(layers):
            chosen.append((traced or readings)[0])
    if unclear and not chosen:
        raise make_axis_error(graph, unclear[0])
    return chosen or [readings[0] for readings in found]


def trace_images(
    graph: Graph,
    images: list[ImageInput],
    normalization: Normalization,
) -> tuple[Edit, list[str]]:
    """Trace images through every node.

    Parameters
    ----------
    graph : Graph
    images : list of ImageInput
    normalization : Normalization

    Returns
    -------
    edit : Edit
    problems : list of str
        Messages about nodes that the images can't pass, and about images that are returned.
    """
    edit, problems = Edit(graph, images), []
    for image in images:
        image.check_takes_normalized(normalization)
        found = ChannelMap.from_input(image.name, image, normalization)
        edit.record_image(image.name, found)
    for node in graph.nodes:
        if not any(name in edit.images for name in list_used_values(node)):
            edit.keep_node(node)
            continue
        try:
            trace_node(edit, node)
        except TraceError as error:
            problems.append(str(error))
    returned = [v.name for v in graph.model.graph.output if v.name in edit.images]
    problems += [f"is returned as the output {name!r}" for name in returned]
    return edit, problems


def _check_outputs(edit: Edit, images: list[ImageInput], preprocessing: Preprocessing) -> None:
    """Run both graphs on noise up to the stems, and compare the stems' outputs.

    Raises
    ------
    ModelError
        If the outputs differ, or the stems can't be run.
    """
    outputs = list(edit.stems.values())
    before, after = edit.graph.extract(outputs), edit.preview_graph().extract(outputs)
    cause: Exception | None = None
    for side in _SIDES:
        grays = {i.name: i.make_noise(side, preprocessing.rescaling) for i in images}
        planes = {i.name: i.make_planes(grays[i.name], preprocessing.normalization) for i in images}
        others = make_other_inputs(edit.graph, planes)
        others = {v.name: others[v.name] for v in before.graph.input if v.name in others}
        try:
            expected = evaluate_model(before, planes | others)
        except Exception as error:  # whatever an operator raises at a size it doesn't take
            cause = cause or error
            continue
        if all(output.size for output in expected):
            break
    else:
        why = f"{type(cause).__name__}: {cause}" if cause else "no pixel is left"
        raise make_collapse_error(
            f"the first layers can't be run: {why}. State an input that the network takes, "
            "example=(height, width)",
            remedies=("example",),
        ) from cause
    try:
        given = evaluate_model(after, grays | others)
    except Exception as error:
        raise make_collapse_error(
            f"with one channel the first layers raise {type(error).__name__}: {error}"
        ) from error
    for name, e, g in zip(edit.stems, expected, given, strict=True):
        check_stem_outputs(name, e, g, e.dtype.name)
