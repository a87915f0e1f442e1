"""how="collapse" for Keras: the image followed to the layers whose kernels see it."""

import difflib
from typing import Any

import keras

from ...errors import ModelError
from ..channel_map import Planes, planes_of
from ..stem import OTHERWISE, check_stem
from ..weights import Normalization, unstated
from .graph_copy import Copy, is_graph, resized
from .inputs import ImageInput, find_layer, image_inputs, input_like, layers_of
from .runner import at_layers, noise

# times weights around 0.05 this ends where float16 has 10 bits, and gray of 65535 is infinite
_LARGEST_IN_FLOAT16 = 1024


def collapse(
    model: keras.Model,
    stated: Normalization | None,
    plain: Normalization,
    *,
    layer: list[str] | None,
    size: tuple[int | None, ...] | None,
) -> keras.Model:
    """A copy of a network whose stems see one plane of gray, proven on noise.

    Raises
    ------
    ModelError
        If it can't be done exactly.
    """
    if not is_graph(model):
        raise ModelError(
            f"a {type(model).__name__} isn't made of a graph of layers, or has a call() of its "
            f"own, so its image can't be followed; {OTHERWISE}"
        )
    normalization = stated or plain
    images = [image.resized(size) for image in image_inputs(model)]
    for image in images:
        check_range(image, normalization)
    if layer is not None and len(images) > 1:
        images = [image for image in images if _leads(model, image, normalization, layer)]
    copy, adapted = follow(model, images, normalization)
    if layer is not None:
        _check_names(model, layer, copy.stems)
    if stated is None and not copy.folds:
        raise ModelError(unstated("collapse"))
    _check_precision(adapted, normalization, copy.stems)
    original = model if size is None else resized(model, images)
    _prove(original, adapted, images, normalization, plain, copy.stems)
    return adapted


def check_range(image: ImageInput, normalization: Normalization) -> None:
    """ModelError where normalized values would go into an input of integers."""
    if image.has_integers and not normalization.is_identity:
        raise ModelError(
            f"the input is {image.dtype} and takes whole numbers, so nothing is normalized before "
            "it: leave mean, std and value_range out"
        )


def _check_precision(model: keras.Model, normalization: Normalization, stems: list[str]) -> None:
    """ModelError where numbers or weights of the gray's range don't fit into float16."""
    halves = [name for name in stems if find_layer(model, name).compute_dtype == "float16"]
    if halves and normalization.std.max() > _LARGEST_IN_FLOAT16:
        raise ModelError(
            f"{halves[0]!r} calculates in float16, which gray in such a range doesn't fit into: "
            f"leave value_range out and give it gray from 0 to 1, or {OTHERWISE}"
        )


def follow(
    model: keras.Model, images: list[ImageInput], normalization: Normalization
) -> tuple[Copy, keras.Model]:
    """The network copied, with these of its inputs gray."""
    copy, given = Copy(), {}
    for image in images:
        shape = image.with_channels(1)
        tensor = input_like(model, image.place, shape)
        planes = Planes.of_input(tensor, normalization, image.axis, len(shape), image.dtype)
        given[image.place] = copy.image(tensor, planes)
    adapted, outputs = copy.network(model, given)
    names = [model.layers[-1].name] if isinstance(model, keras.Sequential) else model.output_names
    returned = [name for name, p in zip(names, outputs, strict=True) if p is not None]
    if returned:
        raise ModelError(f"the image is returned, as the output {returned[0]!r}; {OTHERWISE}")
    if not copy.stems:
        raise ModelError(f"the image reaches no convolution; {OTHERWISE}")
    return copy, adapted


def _leads(model: Any, image: ImageInput, normalization: Normalization, layer: list[str]) -> bool:
    """Whether an input alone leads to one of these layers."""
    try:
        stems = follow(model, [image], normalization)[0].stems
    except ModelError:
        return False
    return any(_is(name, stem) for name in layer for stem in stems)


def _is(name: str, path: str) -> bool:
    return path == name or path.endswith(f"/{name}")


def _check_names(model: keras.Model, layer: list[str], stems: list[str]) -> None:
    """ModelError unless these are the layers that see the image."""
    known = [path for path, _ in layers_of(model)]
    listed = ", ".join(map(repr, stems))
    for name in layer:
        if not any(_is(name, stem) for stem in stems):
            there = any(_is(name, path) for path in known)
            near = difflib.get_close_matches(name, [*stems, *known], n=1)
            hint = f", did you mean {near[0]!r}?" if near and not there else ""
            why = "isn't a convolution that sees the image" if there else "isn't there"
            raise ModelError(
                f"the layer {name!r} {why}{hint} (layer=); the image goes into {listed}"
            )
    others = [stem for stem in stems if not any(_is(name, stem) for name in layer)]
    if others:
        raise ModelError(
            f"the image goes into {', '.join(map(repr, others))} too, which have to change with "
            f"{', '.join(map(repr, layer))}: leave layer out"
        )


def _prove(
    model: keras.Model,
    adapted: keras.Model,
    images: list[ImageInput],
    normalization: Normalization,
    plain: Normalization,
    stems: list[str],
) -> None:
    """Run both as far as the stems, on noise, and compare what comes out of those."""
    gray = noise(model, images, plain)
    color = list(gray)
    for image in images:
        color[image.place] = planes_of(gray[image.place], image.axis, normalization)
    try:
        expected, given = (
            at_layers(network, stems, keras.tree.pack_sequence_as(structure(network), values))
            for network, values in ((model, color), (adapted, gray))
        )
    except Exception as error:  # whatever a layer raises for noise of this size
        raise ModelError(
            f"the first layers can't be run on noise ({type(error).__name__}: {error}). State an "
            f"input that the network takes, example=(height, width); {OTHERWISE}"
        ) from error
    for name in stems:
        dtype = find_layer(adapted, name).compute_dtype
        # numbers in Keras's own layers are float32, whatever their dtype is
        precision = "float32" if dtype == "float64" else dtype
        check_stem(name, expected[name][1], given[name][1], precision)


def structure(model: Any) -> Any:
    """How a network wants its inputs."""
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input
