"""Which inputs of a Keras network are images, and their axes."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras

from ...errors import ModelError
from ..stem import CHANNELS


class ImageInput(NamedTuple):
    """An input that is a batch of images or volumes.

    Attributes
    ----------
    place : int
        Its place among the network's inputs.
    shape : tuple of int or None
    axis : int
        Where its channels are.
    dtype : str
    name : str
    """

    place: int
    shape: tuple[int | None, ...]
    axis: int
    dtype: str
    name: str = "image"

    @property
    def spatial(self) -> tuple[int | None, ...]:
        """Its sides."""
        return tuple(n for k, n in enumerate(self.shape) if k not in (0, self.axis))

    @property
    def has_integers(self) -> bool:
        """Whether it takes whole numbers."""
        return not keras.backend.is_float_dtype(self.dtype)

    def with_channels(self, channels: int) -> tuple[int | None, ...]:
        """Its shape for as many channels."""
        return tuple(channels if k == self.axis else n for k, n in enumerate(self.shape))

    def resized(self, size: tuple[int | None, ...] | None) -> "ImageInput":
        """With other sides, if any are stated."""
        if size is None:
            return self
        if len(size) != len(self.spatial):
            raise ModelError(f"example is {len(self.spatial)} sides of an image here, not {size}")
        shape = list(size)
        shape.insert(self.axis - 1, self.shape[self.axis])
        return self._replace(shape=(self.shape[0], *shape))


def image_inputs(model: keras.Model, channels: int = CHANNELS) -> list[ImageInput]:
    """The inputs that are images of so many channels.

    Raises
    ------
    ModelError
        If there are none.
    """
    images = []
    tensors = inputs_of(model)
    for place, tensor in enumerate(tensors):
        axes = _axes(tensor.shape, channels)
        if axes:
            axis = axes[0] if len(axes) == 1 else _stated_axis(model, len(tensor.shape))
            images.append(ImageInput(place, tuple(tensor.shape), axis, tensor.dtype, tensor.name))
    if not images:
        raise ModelError(
            f"the network takes no images of {channels} channel(s), (N, H, W, {channels}) or "
            f"(N, {channels}, H, W): its inputs are {[tuple(t.shape) for t in tensors]}"
        )
    return images


def inputs_of(model: keras.Model) -> list[Any]:
    """The symbolic inputs of a network.

    Raises
    ------
    ModelError
        If it has none yet.
    """
    try:
        tensors = model.inputs
    except (AttributeError, ValueError):  # Sequential, and a network that isn't a graph
        tensors = None
    if not tensors:
        raise ModelError(
            "the network doesn't know the shape of its input yet: model.build((None, 224, 224, 3)) "
            'first, or adapt(model, ..., example=(height, width), how="expand")'
        )
    return list(tensors)


def input_like(model: keras.Model, place: int, shape: tuple[int | None, ...] | None = None) -> Any:
    """A new input as the network's is, of the same name; of another shape, if one is given."""
    tensor = inputs_of(model)[place]
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.InputLayer)]
    # a tensor without a name has another than its layer; a Sequential doesn't show its own
    layer = next((layer for layer in layers if layer.output is tensor), tensor)
    return keras.Input(
        batch_shape=tensor.shape if shape is None else shape,
        dtype=tensor.dtype,
        sparse=tensor.sparse,
        optional=getattr(layer, "optional", False),
        name=layer.name,
    )


def has_inputs(model: keras.Model) -> bool:
    """Whether a network knows its inputs: one that is subclassed or not built doesn't."""
    try:
        return bool(inputs_of(model))
    except ModelError:
        return False


def layers_of(model: keras.Model, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every layer with its path, those of inner networks too: ``"mobilenet/conv1"``."""
    for layer in model.layers:
        name = f"{path}{layer.name}"
        yield name, layer
        if isinstance(layer, keras.Model):
            yield from layers_of(layer, f"{name}/")


def find_layer(model: keras.Model, name: str) -> Any:
    """The layer of this path, or whose path ends so; None if there is none."""
    found = dict(layers_of(model))
    ends = [layer for path, layer in found.items() if path.endswith(f"/{name}")]
    return found.get(name, ends[0] if ends else None)


def _axes(shape: Any, channels: int) -> list[int]:
    if shape is None or len(shape) not in (4, 5):
        return []
    return [axis for axis in (len(shape) - 1, 1) if shape[axis] == channels]


def _stated_axis(model: keras.Model, rank: int) -> int:
    """Where its layers have their channels."""
    formats = (getattr(layer, "data_format", None) for _, layer in layers_of(model))
    first = next(filter(None, formats), keras.config.image_data_format())
    return 1 if first == "channels_first" else rank - 1
