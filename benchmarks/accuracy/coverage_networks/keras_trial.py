"""The trial of a Keras network: adapt it, and compare what it returns for gray images."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from graytorgb.errors import ModelError
from graytorgb.models import adapt

from .cases import IMAGENET, Case
from .results import BLIND, SINGLE, Outputs, Result, describe_error, describe_refusal

Array = NDArray[Any]


class Specimen(NamedTuple):
    """A network that was built, and how it is called.

    Attributes
    ----------
    model : keras.Model
    shape : tuple of int
        The shape of the batch of color images, the channels last.
    normalizes : bool
        Whether the network normalizes values from 0 to 255 itself.
    """

    model: Any
    shape: tuple[int, ...]
    normalizes: bool

    @property
    def stats(self) -> Any:
        """The argument ``stats`` of `adapt`."""
        return None if self.normalizes else IMAGENET

    def make_color(self, gray: Array) -> Array:
        """Return what the original takes for gray images."""
        color = np.broadcast_to(gray, self.shape)
        if self.normalizes:
            return color
        mean, std = (np.array(values) for values in IMAGENET)
        return ((color - mean) / std).astype(gray.dtype)


def randomize_constants(model: Any) -> None:
    """Put random numbers in the place of constants, as `torch_trial.randomize_constants` does."""
    rng = np.random.default_rng(0)
    for layer in _list_layers(model):
        if isinstance(layer, keras.layers.Normalization):
            _set_normalization(layer)
        else:
            layer.set_weights([_randomize(values, rng) for values in layer.get_weights()])


def _set_normalization(layer: Any) -> None:
    """Give a Normalization the statistics of bytes, where a fresh one has none."""
    if layer.get_weights():
        mean, std = (255 * np.array(values) for values in IMAGENET)
        layer.set_weights([mean, std**2, layer.get_weights()[2]])


def _randomize(values: Array, rng: np.random.Generator) -> Array:
    is_random = not np.issubdtype(values.dtype, np.floating) or values.size == 0
    if not is_random and (values == values.flat[0]).all():
        return values + 0.1 * rng.standard_normal(values.shape)
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


def try_network(build: Callable[[Case], Specimen], case: Case) -> Result:
    """Return what happens to a network when it is adapted."""
    keras.utils.set_random_seed(0)
    try:
        specimen = build(case)
        randomize_constants(specimen.model)
        rng = np.random.default_rng(0)
        gray, first = rng.random((2, *specimen.shape[:-1], 1), np.float32)
        gray *= 255 if specimen.normalizes else 1
        first *= 255 if specimen.normalizes else 1
        set_statistics(specimen.model, specimen.make_color(first))
        images = (gray, gray.max() - gray)
        expected = Outputs(*(run(specimen.model, specimen.make_color(each)) for each in images))
    except Exception as error:
        return Result.of_case(case, "not run", describe_error(error))
    expand = _try_expand(specimen, gray, expected)
    return _try_collapse(case, specimen, gray, expected)._replace(expand=expand)


def run(model: Any, images: Array) -> list[Array]:
    """Return a network's outputs as arrays of NumPy."""
    outputs = model(keras.ops.convert_to_tensor(images), training=False)
    return [keras.ops.convert_to_numpy(each) for each in keras.tree.flatten(outputs)]


def _try_expand(specimen: Specimen, gray: Array, expected: Outputs) -> str:
    """Say whether how="expand" gives the same outputs: ``"yes"``, or why it doesn't."""
    try:
        stats = specimen.stats or "0..1"
        adapted = adapt(specimen.model, stats, how="expand")
    except ModelError as error:
        return describe_refusal(error)
    except Exception as error:
        return f"error: {describe_error(error)}"
    try:
        difference = expected.compare(run(adapted, gray))
    except Exception as error:
        return f"error: {describe_error(error)}"
    return "yes" if difference.value <= SINGLE else f"differs: {difference}"


def _try_collapse(case: Case, specimen: Specimen, gray: Array, expected: Outputs) -> Result:
    """Return what how="collapse" does, compared in float32."""
    try:
        adapted = adapt(specimen.model, specimen.stats)
    except ModelError as error:
        return Result.of_case(case, "refused", describe_refusal(error))
    except Exception as error:
        return Result.of_case(case, "error", describe_error(error))
    stem = describe_stems(specimen.model, adapted)
    try:
        difference = expected.compare(run(adapted, gray))
    except Exception as error:
        reason = f"the adapted network fails: {describe_error(error)}"
        return Result.of_case(case, "error", reason)._replace(stem=stem)
    result = Result.of_case(case, "exact")._replace(stem=stem, float32=difference.value)
    if difference.value > SINGLE:
        return result._replace(verdict="differs", reason=f"{difference} in float32")
    if not expected.prove(difference):
        return result._replace(verdict="unproven", reason=BLIND)
    return result


def describe_stems(original: Any, adapted: Any) -> str:
    """Say what became of the layers whose weights have changed, each kind once."""
    before = {layer.name: layer for layer in _list_layers(original)}
    texts = {}
    for layer in _list_layers(adapted):
        if not layer.weights or layer.name not in before:
            continue
        shapes = [[tuple(w.shape) for w in each.weights] for each in (before[layer.name], layer)]
        if shapes[0] != shapes[1]:
            planes = layer.input.shape[-1]
            text = f"{planes} {'channel' if planes == 1 else 'planes'}"
            texts[text + " + bias" * getattr(layer, "use_bias", False)] = None
    return ", ".join(texts) or "unchanged"


def _list_layers(model: Any) -> list[Any]:
    """Return the layers of a network and of the networks inside it."""
    found = []
    for layer in model.layers:
        found += _list_layers(layer) if isinstance(layer, keras.Model) else [layer]
    return found
