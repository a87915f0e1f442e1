"""how="collapse" for Keras: the image followed to the layers whose kernels see it."""

from typing import Any

import keras

from ...errors import ModelError
from ..channel_map import ChannelMap
from ..preprocessing import Preprocessing
from ..stem import (
    check_layer_names,
    check_stem_outputs,
    check_takes_normalized,
    refuse,
    repeat_and_normalize,
)
from ..weights import Normalization
from .graph_copy import Copy, is_graph, resized
from .inputs import ImageInput, find_layer, image_inputs, input_like, layers_of
from .runner import at_layers, make_noise

# times weights around 0.05 this ends where float16 has 10 bits, and gray of 65535 is infinite
_LARGEST_IN_FLOAT16 = 1024


def collapse(
    model: keras.Model,
    preprocessing: Preprocessing,
    names: list[str] | None,
    size: tuple[int | None, ...] | None,
) -> keras.Model:
    """Return a copy of a network whose stems see one plane of gray, proven on noise.

    Raises
    ------
    ModelError
        If it can't be done exactly.
    """
    if not is_graph(model):
        raise refuse(
            f"a {type(model).__name__} isn't made of a graph of layers, or has a call() of its "
            "own, so its image can't be followed"
        )
    normalization = preprocessing.normalization
    images = [image.resized(size) for image in image_inputs(model)]
    for image in images:
        check_takes_normalized(image.name, normalization, has_integers=image.has_integers)
    if names is not None and len(images) > 1:
        images = [image for image in images if _leads(model, image, preprocessing, names)]
    copy, adapted = trace_images(model, images, preprocessing)
    if names is not None:
        known = [path for path, _ in layers_of(model)]
        check_layer_names(names, copy.stems, known, kind="layer", is_name_of=_is_name_of)
    if not copy.folds:
        preprocessing.require_stats()
    _check_precision(adapted, normalization, copy.stems)
    original = model if size is None else resized(model, images)
    _prove(original, adapted, images, preprocessing, copy.stems)
    return adapted


def _check_precision(model: keras.Model, normalization: Normalization, stems: list[str]) -> None:
    """ModelError where numbers or weights of the gray's range don't fit into float16."""
    halves = [name for name in stems if find_layer(model, name).compute_dtype == "float16"]
    if halves and normalization.std.max() > _LARGEST_IN_FLOAT16:
        raise refuse(
            f"{halves[0]!r} calculates in float16, which gray in such a range doesn't fit into: "
            "leave value_range out and give it gray from 0 to 1"
        )


def trace_images(
    model: keras.Model, images: list[ImageInput], preprocessing: Preprocessing
) -> tuple[Copy, keras.Model]:
    """Copy the network with these of its inputs gray, and trace them to the stems."""
    copy, given = Copy(preprocessing), {}
    for image in images:
        shape = image.with_channels(1)
        tensor = input_like(model, image.place, shape)
        planes = ChannelMap.from_input(
            tensor, preprocessing.normalization, image.axis, len(shape), image.dtype
        )
        given[image.place] = copy.image(tensor, planes)
    adapted, outputs = copy.network(model, given)
    names = [model.layers[-1].name] if isinstance(model, keras.Sequential) else model.output_names
    returned = [name for name, p in zip(names, outputs, strict=True) if p is not None]
    if returned:
        raise refuse(f"the image is returned, as the output {returned[0]!r}")
    if not copy.stems:
        raise refuse("the image reaches no convolution")
    return copy, adapted


def _leads(model: Any, image: ImageInput, preprocessing: Preprocessing, names: list[str]) -> bool:
    """Whether an input alone leads to one of these layers."""
    try:
        stems = trace_images(model, [image], preprocessing)[0].stems
    except ModelError:
        return False
    return any(_is_name_of(name, stem) for name in names for stem in stems)


def _is_name_of(name: str, path: str) -> bool:
    """Whether a name is a layer's path, or its end."""
    return path == name or path.endswith(f"/{name}")


def _prove(
    model: keras.Model,
    adapted: keras.Model,
    images: list[ImageInput],
    preprocessing: Preprocessing,
    stems: list[str],
) -> None:
    """Run both as far as the stems, on noise, and compare what comes out of those."""
    gray = make_noise(model, images, preprocessing.rescaling)
    color = list(gray)
    for image in images:
        color[image.place] = repeat_and_normalize(
            gray[image.place], image.axis, preprocessing.normalization
        )
    try:
        expected, given = (
            at_layers(network, stems, keras.tree.pack_sequence_as(structure(network), values))
            for network, values in ((model, color), (adapted, gray))
        )
    except Exception as error:  # whatever a layer raises for noise of this size
        raise refuse(
            f"the first layers can't be run on noise ({type(error).__name__}: {error}). State an "
            "input that the network takes, example=(height, width)",
            remedies=("example",),
        ) from error
    for name in stems:
        dtype = find_layer(adapted, name).compute_dtype
        # numbers in Keras's own layers are float32, whatever their dtype is
        precision = "float32" if dtype == "float64" else dtype
        check_stem_outputs(name, expected[name][1], given[name][1], precision)


def structure(model: Any) -> Any:
    """How a network wants its inputs."""
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input
