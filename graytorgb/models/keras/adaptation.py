"""``adapt`` for Keras networks. how="collapse" is in collapse.py, the other ways are here."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ...core.writing import replacing
from ...errors import ModelError
from ..frameworks import AdaptOptions, InputSize
from ..image_input import ImageInput
from ..preprocessing import Preprocessing
from ..stem import CHANNELS, read_size
from ..weights import Normalization
from .collapse import collapse
from .files import read_network
from .graph_copy import is_graph, make_mark, resize_network
from .inputs import (
    copy_inputs,
    find_image_inputs,
    has_inputs,
    make_image_input,
    pack_inputs,
)


def adapt(
    model: keras.Model | str | os.PathLike[str],
    preprocessing: Preprocessing,
    options: AdaptOptions,
) -> keras.Model:
    """Return a Keras network adapted as :func:`graytorgb.models.adapt` says."""
    if options.inplace and (options.how == "collapse" or not isinstance(model, keras.Model)):
        raise ModelError(
            "a Keras network's graph can't be changed, so there is no inplace=True here: "
            "model = adapt(model, ...) keeps only the adapted network"
        )
    network, size = read_network(model), read_size(options.example)
    try:
        if options.how == "collapse":
            return collapse(network, preprocessing, options.layers, size)
        return _prepend_layers(network, preprocessing, options, size)
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
        If the network takes no images of three channels.
    """
    image = find_image_inputs(read_network(model))[0]
    return InputSize(image.sides, image.has_integers)


def _prepend_layers(
    model: keras.Model,
    preprocessing: Preprocessing,
    options: AdaptOptions,
    size: tuple[int | None, ...] | None,
) -> keras.Model:
    """Return a network that makes three planes of the gray and passes them to the original."""
    normalization = preprocessing.require_stats(options.how)
    images = [image.with_sides(size) for image in _find_images(model, size)]
    if has_inputs(model):
        inputs = copy_inputs(model, {image.place: image.gray_shape for image in images})
    else:
        inputs = [keras.Input(batch_shape=images[0].gray_shape)]
    planes: list[Any] = list(inputs)
    make_planes = _repeat_gray if options.how == "expand" else _learn_planes
    for image in images:
        image.check_takes_normalized(normalization)
        gray = inputs[image.place]
        if image is images[0]:
            gray = make_mark(preprocessing, gray.dtype)(gray)
        suffix = f"_{image.place}" if len(images) > 1 else ""
        planes[image.place] = make_planes(gray, image, normalization, model, suffix)
    inner = model if options.inplace else _copy_network(model, images)
    if options.freeze:
        inner.trainable = False
    outputs = inner(pack_inputs(model, planes))
    return keras.Model(pack_inputs(model, inputs), outputs, name=f"{model.name}_gray")


def _find_images(model: keras.Model, size: tuple[int | None, ...] | None) -> list[ImageInput]:
    """Return the image inputs, or one in Keras's data format if the network doesn't know them."""
    if has_inputs(model):
        return find_image_inputs(model)
    sides = (None, None) if size is None else size
    axis = 1 if keras.config.image_data_format() == "channels_first" else len(sides) + 1
    shape: list[int | None] = [None, *sides]
    shape.insert(axis, CHANNELS)
    return [make_image_input("", 0, shape, axis, keras.config.floatx())]


def _copy_network(model: keras.Model, images: list[ImageInput]) -> keras.Model:
    """Return a copy of a network, with its weights, that takes images of these shapes."""
    if is_graph(model) and has_inputs(model):
        return resize_network(model, images)
    copy = type(model).from_config(model.get_config())
    for network in (copy, model):
        if isinstance(network, keras.Sequential) and not network.built:
            network.build(images[0].shape)  # a call would fix the number of images
        elif not network.built:
            network(np.zeros([1, *(n or 64 for n in images[0].shape[1:])], np.float32))
    copy.set_weights(model.get_weights())
    for new, old in zip(copy._flatten_layers(), model._flatten_layers(), strict=True):
        if new.trainable != old.trainable:  # this sets the layers inside too, which come later here
            new.trainable = old.trainable
    return copy


def _repeat_gray(
    gray: Any, image: ImageInput, normalization: Normalization, model: Any, suffix: str
) -> Any:
    """Return the gray three times, normalized, calculated in the dtype of the network's weights."""
    dtype = image.dtype if image.has_integers else model.variable_dtype
    layer = keras.layers.Concatenate(image.axis, dtype=dtype, name=f"gray_to_rgb{suffix}")
    planes = layer([gray] * CHANNELS)
    if normalization.is_identity:
        return planes
    mean, variance = normalization.mean.tolist(), (normalization.std**2).tolist()
    return keras.layers.Normalization(
        image.axis, mean, variance, dtype=model.variable_dtype, name=f"normalized{suffix}"
    )(planes)


def _learn_planes(
    gray: Any, image: ImageInput, normalization: Normalization, model: Any, suffix: str
) -> Any:
    """Return the output of a trainable 1 to 3 convolution of size 1.

    Before training, it equals the output of :func:`_repeat_gray`.
    """
    if image.has_integers:
        raise ModelError(
            f"the network takes whole numbers, {image.dtype}, and a trained layer gives floats"
        )
    convolution = keras.layers.Conv3D if len(image.sides) == 3 else keras.layers.Conv2D
    layer = convolution(
        CHANNELS,
        1,
        data_format="channels_first" if image.axis == 1 else "channels_last",
        dtype=model.dtype_policy,
        name=f"gray_to_rgb{suffix}",
    )
    planes = layer(gray)
    mean, std = normalization
    layer.set_weights([(1 / std).reshape(layer.kernel.shape), -mean / std])
    return planes
