"""``adapt`` for Keras networks: how="collapse" is in collapse.py, the other ways are here."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ...core.writing import replacing
from ...errors import ModelError
from ..frameworks import AdaptOptions, InputSize
from ..preprocessing import Preprocessing
from ..stem import CHANNELS, check_takes_normalized, read_size
from ..weights import Normalization
from .collapse import collapse, structure
from .files import read_network
from .graph_copy import is_graph, make_mark, resized
from .inputs import ImageInput, has_inputs, image_inputs, input_like, inputs_of


def adapt(
    model: keras.Model | str | os.PathLike[str],
    preprocessing: Preprocessing,
    options: AdaptOptions,
) -> keras.Model:
    """Return a Keras network adapted as :func:`graytorgb.models.adapt` says."""
    if options.inplace and (options.how == "collapse" or not isinstance(model, keras.Model)):
        raise ModelError(
            "a Keras network's graph can't be changed, so there is no inplace=True here: "
            "model = adapt(model, ...) leaves one of them"
        )
    network, size = read_network(model), read_size(options.example)
    try:
        if options.how == "collapse":
            return collapse(network, preprocessing, options.layers, size)
        return _put_behind_layers(network, preprocessing, options, size)
    except ModelError:
        raise
    except Exception as error:  # whatever Keras raises, or a layer of the user's own
        raise ModelError(
            f"the network can't be copied: {type(error).__name__}: {error}\n"
            'how="expand" with inplace=True needs no copy',
            remedies=("how",),
        ) from error


def adapt_file(
    source: Path, target: Path, preprocessing: Preprocessing, options: AdaptOptions
) -> None:
    """Adapt the network in a .keras file and write it to another file."""
    adapted = adapt(source, preprocessing, options)
    with replacing(target) as written:
        adapted.save(written)


def find_input_size(model: keras.Model | str | os.PathLike[str]) -> InputSize:
    """Return the size of the images that a network, or the one in a file, takes.

    Raises
    ------
    ModelError
        If it takes no images of three channels.
    """
    image = image_inputs(read_network(model))[0]
    return InputSize(image.spatial, image.has_integers)


def _put_behind_layers(
    model: keras.Model,
    preprocessing: Preprocessing,
    options: AdaptOptions,
    size: tuple[int | None, ...] | None,
) -> keras.Model:
    """Return the network behind layers that make its planes of gray."""
    normalization = preprocessing.require_stats(options.how)
    images = [image.resized(size) for image in _images(model, size)]
    if has_inputs(model):
        shapes = {image.place: image.with_channels(1) for image in images}
        places = range(len(inputs_of(model)))
        inputs = [input_like(model, place, shapes.get(place)) for place in places]
    else:
        inputs = [keras.Input(batch_shape=images[0].with_channels(1))]
    planes: list[Any] = list(inputs)
    for image in images:
        check_takes_normalized(image.name, normalization, has_integers=image.has_integers)
        gray = inputs[image.place]
        if image is images[0]:
            gray = make_mark(preprocessing, gray.dtype)(gray)
        front = _repeat if options.how == "expand" else _learned
        suffix = f"_{image.place}" if len(images) > 1 else ""
        planes[image.place] = front(gray, image, normalization, model, suffix)
    inner = model if options.inplace else _copy(model, images)
    if options.freeze:
        inner.trainable = False
    pack = structure(model) if has_inputs(model) else inputs[0]
    given, taken = (keras.tree.pack_sequence_as(pack, values) for values in (inputs, planes))
    return keras.Model(given, inner(taken), name=f"{model.name}_gray")


def _images(model: keras.Model, size: tuple[int | None, ...] | None) -> list[ImageInput]:
    """The image inputs; for a network that doesn't know them, what the data format says."""
    if has_inputs(model):
        return image_inputs(model)
    sides = (None, None) if size is None else size
    first = keras.config.image_data_format() == "channels_first"
    shape = (None, CHANNELS, *sides) if first else (None, *sides, CHANNELS)
    return [ImageInput(0, shape, 1 if first else len(sides) + 1, keras.config.floatx())]


def _copy(model: keras.Model, images: list[ImageInput]) -> keras.Model:
    """A copy with its weights, for images of these sizes."""
    if is_graph(model) and has_inputs(model):
        return resized(model, images)
    copy = type(model).from_config(model.get_config())
    shape = [n or 64 for n in images[0].shape]
    for network in (copy, model):
        if isinstance(network, keras.Sequential) and not network.built:
            network.build(images[0].shape)  # a call would say how many images there are
        elif not network.built:
            network(np.zeros([1, *shape[1:]], np.float32))
    copy.set_weights(model.get_weights())
    for new, old in zip(copy._flatten_layers(), model._flatten_layers(), strict=True):
        if new.trainable != old.trainable:  # a layer sets those in it, which follow
            new.trainable = old.trainable
    return copy


def _repeat(
    gray: Any, image: ImageInput, normalization: Normalization, model: Any, suffix: str
) -> Any:
    """The gray three times, normalized, in the precision of the network's weights."""
    dtype = image.dtype if image.has_integers else model.variable_dtype
    layer = keras.layers.Concatenate(image.axis, dtype=dtype, name=f"gray_to_rgb{suffix}")
    planes = layer([gray] * CHANNELS)
    if normalization.is_identity:
        return planes
    mean, std = (v.tolist() for v in normalization)
    return keras.layers.Normalization(
        image.axis,
        mean,
        [s**2 for s in std],
        dtype=model.variable_dtype,
        name=f"normalized{suffix}",
    )(planes)


def _learned(
    gray: Any, image: ImageInput, normalization: Normalization, model: Any, suffix: str
) -> Any:
    """A trainable 1 to 3 convolution of size 1 that starts as :func:`_repeat`."""
    volume = len(image.spatial) == 3
    if image.has_integers:
        raise ModelError(
            f"the network takes whole numbers, {image.dtype}, and a trained layer gives others"
        )
    layer = (keras.layers.Conv3D if volume else keras.layers.Conv2D)(
        CHANNELS,
        1,
        data_format="channels_first" if image.axis == 1 else "channels_last",
        dtype=model.dtype_policy,
        name=f"gray_to_rgb{suffix}",
    )
    planes = layer(gray)
    mean, std = normalization
    layer.set_weights([(1 / std).reshape(*(1,) * (3 + volume), CHANNELS), -mean / std])
    return planes
