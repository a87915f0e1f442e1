"""``Specimen``: a Keras network for a trial."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, Self

import keras
import numpy as np

from graytorgb.models import adapt

from .cases import IMAGENET
from .results import Outputs
from .trial import Array, make_noise


class Specimen(NamedTuple):
    """A Keras network, and how it is called.

    Attributes
    ----------
    make : callable
        ``make()`` builds the network anew.
    model : keras.Model
    shape : tuple of int
        The shape of the batch of color images, the channels last.
    normalizes : bool
        Whether the network normalizes values from 0 to 255 itself.
    dtype : numpy dtype
    """

    make: Callable[[], Any]
    model: Any
    shape: tuple[int, ...]
    normalizes: bool
    dtype: Any = np.float32

    def make_gray(self, seed: int = 0) -> Array:
        """Return random gray images, in the range that the adapted network takes."""
        noise = make_noise((*self.shape[:-1], 1), seed).astype(self.dtype)
        return noise * self.dtype(255) if self.normalizes else noise

    def make_color(self, gray: Array) -> Array:
        """Return what the original takes for gray images."""
        color = np.broadcast_to(gray, self.shape)
        if self.normalizes:
            return color
        mean, std = (np.array(values) for values in IMAGENET)
        return ((color - mean) / std).astype(self.dtype)

    def set_weights(self) -> None:
        """Make the fresh weights realistic, in place, as torch_trial.py does."""
        rng = np.random.default_rng(0)
        for layer in _list_layers(self.model):
            if isinstance(layer, keras.layers.Normalization):
                _set_normalization(layer)
            else:
                layer.set_weights([_randomize(values, rng) for values in layer.get_weights()])
        set_statistics(self.model, self.make_color(self.make_gray(seed=1)))

    def adapt(self, how: Literal["collapse", "expand"]) -> Any:
        """Return the adapted network."""
        stats: Any = IMAGENET
        if self.normalizes:
            stats = "0..1" if how == "expand" else None
        return adapt(self.model, stats, how=how)

    def run_original(self) -> Outputs:
        """Return what the original returns for gray images and for their negatives."""
        gray = self.make_gray()
        images = (self.make_color(each) for each in (gray, gray.max() - gray))
        return Outputs(*(run(self.model, each) for each in images))

    def run_adapted(self, adapted: Any) -> list[Array]:
        """Return what the adapted network returns for the gray images."""
        return run(adapted, self.make_gray())

    def describe_stems(self, adapted: Any) -> str:
        """Say what became of the layers whose weights have changed, each kind once."""
        before = {layer.name: layer for layer in _list_layers(self.model)}
        texts = {}
        for layer in _list_layers(adapted):
            old = before.get(layer.name)
            if old is None or not layer.weights:
                continue
            if [w.shape for w in old.weights] != [w.shape for w in layer.weights]:
                planes = layer.input.shape[-1]
                text = f"{planes} {'channel' if planes == 1 else 'planes'}"
                texts[text + " + bias" * getattr(layer, "use_bias", False)] = None
        return ", ".join(texts) or "unchanged"

    def to_float64(self) -> Self:
        """Return the specimen with a copy of the network in float64."""
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")  # made once, of the first floatx
        if keras.backend.backend() == "jax":
            import jax

            jax.config.update("jax_enable_x64", val=True)
        model = self.make()
        model.set_weights(self.model.get_weights())
        return self._replace(model=model, dtype=np.float64)


def run(model: Any, images: Array) -> list[Array]:
    """Return a network's outputs as arrays of NumPy."""
    if images.dtype == np.float64:
        set_exact_normalization(model)
    outputs = model(keras.ops.convert_to_tensor(images), training=False)
    return [keras.ops.convert_to_numpy(each) for each in keras.tree.flatten(outputs)]


def _list_layers(model: Any) -> list[Any]:
    """Return the layers of a network and of the networks inside it."""
    found = []
    for layer in model.layers:
        found += _list_layers(layer) if isinstance(layer, keras.Model) else [layer]
    return found


def _set_normalization(layer: Any) -> None:
    """Give a Normalization the statistics of bytes, where a fresh one has none."""
    if layer.get_weights():
        mean, std = (255 * np.array(values) for values in IMAGENET)
        layer.set_weights([mean, std**2, layer.get_weights()[2]])
        layer.finalize_state()  # which the layer calculates with


def set_exact_normalization(model: Any) -> None:
    """Make a network normalize with numbers of float64.

    Keras rounds the numbers of Rescaling and Normalization to float32, in layers of float64 too.
    """
    for layer in _list_layers(model):
        if isinstance(layer, keras.layers.Rescaling):
            numbers = np.asarray(layer.scale, np.float64), np.asarray(layer.offset, np.float64)
        elif isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # set_weights doesn't
            mean, variance = (
                np.asarray(keras.ops.convert_to_numpy(values), np.float64)
                for values in (layer.mean, layer.variance)
            )
            numbers = 1 / np.sqrt(variance), -mean / np.sqrt(variance)
        else:
            continue
        layer.call = partial(_call_linear, *numbers)


def _call_linear(scale: Array, offset: Array, inputs: Any, **options: Any) -> Any:
    return inputs * scale + offset


def _randomize(values: Array, rng: np.random.Generator) -> Array:
    """Return weights with random numbers in the place of a constant."""
    is_random = not np.issubdtype(values.dtype, np.floating) or values.size == 0
    if not is_random and (values == values.flat[0]).all():
        return np.asarray(values + 0.1 * rng.standard_normal(values.shape))
    return values


def set_statistics(model: Any, color: Array) -> None:
    """Give each BatchNormalization the statistics of its input for a batch, as training would."""
    layers = [
        layer for layer in _list_layers(model) if isinstance(layer, keras.layers.BatchNormalization)
    ]
    for layer in layers:
        layer.call = partial(_call_with_statistics, layer, layer.call)
    run(model, color)
    for layer in layers:
        del layer.call


def _call_with_statistics(layer: Any, call: Callable[..., Any], inputs: Any, **options: Any) -> Any:
    """Set the statistics of a BatchNormalization to those of its input, and call it."""
    values = keras.ops.convert_to_numpy(inputs)
    axes = tuple(axis for axis in range(values.ndim) if axis != layer.axis % values.ndim)
    *rest, _, _ = layer.get_weights()
    variance = np.maximum(values.var(axes), 0.1 * np.square(values).mean(axes) + 1e-12)
    if layer.scale:
        # where the variance is less than epsilon, as with fresh weights, the output would vanish
        rest[0] = rest[0] * np.sqrt(1 + layer.epsilon / variance)
    layer.set_weights([*rest, values.mean(axes), variance])
    return call(inputs, **options)
