"""how="collapse" for Keras: trace the image through the layers and fold it into the stems."""

from typing import Any

import keras

from ...errors import ModelError
from ..channel_map import ChannelMap
from ..image_input import ImageInput
from ..preprocessing import Preprocessing
from ..stem import check_stem_outputs, check_stems, make_collapse_error
from .graph_copy import GraphCopy, is_graph, resize_network
from .inputs import copy_inputs, find_image_inputs, find_layer, list_layers, pack_inputs
from .runner import make_inputs, record_layers

# beyond this, weights around 0.05 become too small for float16's 10 bits; 65535 is infinite there
_LARGEST_IN_FLOAT16 = 1024


def collapse(
    model: keras.Model,
    preprocessing: Preprocessing,
    names: list[str] | None,
    size: tuple[int | None, ...] | None,
) -> keras.Model:
    """Return a copy of a network whose stems see one plane of gray, tested on noise.

    Raises
    ------
    ModelError
        If the copy's outputs can't be exact.
    """
    if not is_graph(model):
        raise make_collapse_error(
            f"a {type(model).__name__} isn't a graph of layers, or has a call() of its own, so its "
            "image can't be traced"
        )
    images = [image.with_sides(size) for image in find_image_inputs(model)]
    for image in images:
        image.check_takes_normalized(preprocessing.normalization)
    if names is not None and len(images) > 1:
        images = [i for i in images if _leads_to_layers(model, i, preprocessing, names)]
    copy, adapted = trace_images(model, images, preprocessing)
    known = [path for path, _ in list_layers(model)]
    check_stems(names, copy.stems, known, kind="layer", is_name_of=_is_name_of)
    if not copy.folds:
        preprocessing.require_stats()
    original = model if size is None else resize_network(model, images)
    _check_precision(adapted, preprocessing, copy.stems)
    _check_outputs(original, adapted, images, preprocessing, copy.stems)
    return adapted


def trace_images(
    model: keras.Model, images: list[ImageInput], preprocessing: Preprocessing
) -> tuple[GraphCopy, keras.Model]:
    """Copy a network with these inputs made gray, and trace the images to the stems.

    Returns
    -------
    copy : GraphCopy
        The record of the stems that the images reach.
    adapted : keras.Model

    Raises
    ------
    ModelError
        If an image can't be traced, or is returned.
    """
    copy = GraphCopy(preprocessing)
    limits = preprocessing.limits if preprocessing.has_range else None
    inputs = copy_inputs(model, {image.place: image.gray_shape for image in images})
    for image in images:
        base = inputs[image.place]
        normalization = preprocessing.normalization
        copy.record_image(base, ChannelMap.from_input(base, image, normalization, limits))
    adapted, outputs = copy.copy_network(model, inputs)
    names = [model.layers[-1].name] if isinstance(model, keras.Sequential) else model.output_names
    returned = [name for name, o in zip(names, outputs, strict=True) if o is not None]
    if returned:
        raise make_collapse_error(f"the image is returned, as the output {returned[0]!r}")
    return copy, adapted


def _leads_to_layers(
    model: Any, image: ImageInput, preprocessing: Preprocessing, names: list[str]
) -> bool:
    """Whether an image in this input alone reaches one of these layers."""
    try:
        stems = trace_images(model, [image], preprocessing)[0].stems
    except ModelError:
        return False
    return any(_is_name_of(name, stem) for name in names for stem in stems)


def _is_name_of(name: str, path: str) -> bool:
    """Whether a name is a layer's path, or the end of it."""
    return path == name or path.endswith(f"/{name}")


def _check_precision(model: keras.Model, preprocessing: Preprocessing, stems: list[str]) -> None:
    """Check that gray in its range, and the weights for it, fit into the float16 of a stem."""
    halves = [name for name in stems if find_layer(model, name).compute_dtype == "float16"]
    if halves and preprocessing.normalization.std.max() > _LARGEST_IN_FLOAT16:
        raise make_collapse_error(
            f"{halves[0]!r} calculates in float16, and gray in such a range doesn't fit into it: "
            "leave value_range out, and give the network gray from 0 to 1"
        )


def _check_outputs(
    model: keras.Model,
    adapted: keras.Model,
    images: list[ImageInput],
    preprocessing: Preprocessing,
    stems: list[str],
) -> None:
    """Run both networks on noise up to the stems, and compare the stems' outputs.

    Raises
    ------
    ModelError
        If the outputs differ, or the stems can't be run.
    """
    gray = make_inputs(model, images, preprocessing.rescaling)
    color = list(gray)
    for image in images:
        color[image.place] = image.make_planes(gray[image.place], preprocessing.normalization)
    try:
        expected = record_layers(model, stems, pack_inputs(model, color))
        given = record_layers(adapted, stems, pack_inputs(adapted, gray))
    except Exception as error:  # whatever a layer raises for noise of this size
        raise make_collapse_error(
            f"the first layers can't be run on noise ({type(error).__name__}: {error}). State an "
            "input that the network takes, example=(height, width)",
            remedies=("example",),
        ) from error
    for name in stems:
        dtype = find_layer(adapted, name).compute_dtype
        # Keras's own layers calculate with float32 numbers even where their dtype is float64
        precision = "float32" if dtype == "float64" else dtype
        check_stem_outputs(name, expected[name][1], given[name][1], precision)
