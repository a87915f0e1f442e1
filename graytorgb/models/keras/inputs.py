"""Inputs and layers of a Keras network: list them, copy them, find the images among them."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from ...errors import ModelError
from ..image_input import ImageInput
from ..stem import CHANNELS


def find_image_inputs(model: keras.Model, channels: int = CHANNELS) -> list[ImageInput]:
    """Return the inputs that are images.

    Parameters
    ----------
    model : keras.Model
    channels : int
        The number of channels that the images have.

    Raises
    ------
    ModelError
        If there are none.
    """
    images = []
    tensors = list_inputs(model)
    for place, tensor in enumerate(tensors):
        rank = 0 if tensor.shape is None else len(tensor.shape)
        possible = {4: (3, 1), 5: (4, 1, 2)}.get(rank, ())  # (N, T, C, H, W) too
        axes = [axis for axis in possible if tensor.shape[axis] == channels]
        if axes:
            axis = axes[0] if len(axes) == 1 else _find_stated_axis(model, rank)
            # a name that Keras made up, because the user gave none
            name = "" if tensor.name.startswith("keras_tensor") else tensor.name
            images.append(make_image_input(name, place, tensor.shape, axis, tensor.dtype))
    if not images:
        raise ModelError(
            f"the network takes no images of {channels} channel(s), (N, H, W, {channels}) or "
            f"(N, {channels}, H, W): its inputs are {[tuple(t.shape) for t in tensors]}"
        )
    return images


def make_image_input(name: str, place: int, shape: Any, axis: int, dtype: str) -> ImageInput:
    """Return an ImageInput; its arrays are float32, unless it takes whole numbers."""
    has_integers = not keras.backend.is_float_dtype(dtype)
    array_dtype = np.dtype(dtype if has_integers else np.float32)
    return ImageInput(name, place, tuple(shape), axis, dtype, array_dtype, has_integers)


def has_inputs(model: keras.Model) -> bool:
    """Whether a network knows its inputs. Subclassed networks and unbuilt ones don't."""
    try:
        return bool(model.inputs)
    except (AttributeError, ValueError):  # Sequential, and a network that isn't a graph
        return False


def list_inputs(model: keras.Model) -> list[Any]:
    """Return the symbolic inputs of a network.

    Raises
    ------
    ModelError
        If the network doesn't know its inputs yet.
    """
    if not has_inputs(model):
        raise ModelError(
            "the network doesn't know the shape of its input yet: model.build((None, 224, 224, 3)) "
            'first, or adapt(model, ..., example=(height, width), how="expand")'
        )
    return list(model.inputs)


def pack_inputs(model: keras.Model, values: list[Any]) -> Any:
    """Return values, one for each input, in the structure that the network takes."""
    if isinstance(model, keras.Sequential) or not has_inputs(model):
        return values[0]
    return keras.tree.pack_sequence_as(model.input, values)


def copy_inputs(model: keras.Model, shapes: Mapping[int, Any]) -> list[Any]:
    """Return new symbolic inputs with the names and the dtypes of a network's inputs.

    Parameters
    ----------
    model : keras.Model
    shapes : mapping of int to tuple
        The new shapes, by the index of the input. Other inputs keep their shape.
    """
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.InputLayer)]
    copies = []
    for place, tensor in enumerate(list_inputs(model)):
        # the layer has the name that the user gave; a Sequential doesn't show its layer
        layer = next((layer for layer in layers if layer.output is tensor), tensor)
        copies.append(
            keras.Input(
                batch_shape=shapes.get(place, tensor.shape),
                dtype=tensor.dtype,
                sparse=tensor.sparse,
                optional=getattr(layer, "optional", False),
                name=layer.name,
            )
        )
    return copies


def list_layers(model: keras.Model, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every layer with its path, in inner networks too: ``"mobilenet/conv1"``."""
    for layer in model.layers:
        name = f"{path}{layer.name}"
        yield name, layer
        if isinstance(layer, keras.layers.TimeDistributed):
            layer = layer.layer  # the layer that sees each frame
            name = f"{name}/{layer.name}"
            yield name, layer
        if isinstance(layer, keras.Model):
            yield from list_layers(layer, f"{name}/")


def find_layer(model: keras.Model, name: str) -> Any:
    """Return the layer with a path, or the first whose path ends with `name`, or None."""
    found = dict(list_layers(model))
    ends = (layer for path, layer in found.items() if path.endswith(f"/{name}"))
    return found.get(name, next(ends, None))


def _find_stated_axis(model: keras.Model, rank: int) -> int:
    """Return the axis of the channels in the network's layers."""
    formats = (getattr(layer, "data_format", None) for _, layer in list_layers(model))
    first = next(filter(None, formats), keras.config.image_data_format())
    return 1 if first == "channels_first" else rank - 1
