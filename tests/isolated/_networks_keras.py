"""Small Keras networks and the helpers of their tests; not a suite, hence the underscore."""

import keras
import numpy as np
from keras import layers

from . import hide_tensorflow

BACKEND = keras.backend.backend()
if BACKEND == "torch":
    hide_tensorflow()
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE = np.array([103.939, 116.779, 123.68]) / 255  # BGR


def gray(*shape, seed=0):
    """Return random gray images of values from 0 to 1."""
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def planes(x, mean=MEAN, std=STD, axis=-1):
    """Return the gray three times, normalized."""
    shape = [1] * x.ndim
    shape[axis] = -1
    mean, std = (np.broadcast_to(np.array(v, float), 3).reshape(shape) for v in (mean, std))
    return ((x.astype(float) - mean) / std).astype(np.float32)


def run(model, x):
    """Return a network's outputs as arrays of NumPy."""
    return keras.tree.map_structure(keras.ops.convert_to_numpy, model(x, training=False))


def read_planes(network):
    """Return what a network of planes subtracts from the gray, and the level of the ones."""
    gray, ones = run(network, np.zeros((1, *network.input_shape[1:]), np.float32))[0, 0, 0]
    return -gray, ones


def assert_same(given, expected, tolerance=2e-6):
    """Check that outputs are equal up to rounding, relative to the largest value."""
    given, expected = keras.tree.flatten(given), keras.tree.flatten(expected)
    for g, e in zip(given, expected, strict=True):
        assert g.shape == e.shape
        assert np.abs(g - e).max() <= tolerance * max(1, np.abs(e).max())


def fill_statistics(model):
    """Give normalizations realistic statistics, so that they change the values."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            fill_statistics(layer)
        elif isinstance(layer, layers.BatchNormalization):
            *rest, mean, variance = layer.get_weights()
            rest = [rng.uniform(0.5, 1, w.shape) for w in rest]
            layer.set_weights(
                [
                    *rest,
                    0.1 * rng.standard_normal(mean.shape),
                    rng.uniform(0.5, 1.5, variance.shape),
                ]
            )
        elif isinstance(layer, layers.Normalization) and layer.get_weights():
            count = layer.get_weights()[2]
            layer.set_weights([np.array([0.4, 0.5, 0.6]), np.array([0.05, 0.06, 0.07]), count])
    return model


def save_and_load(model, tmp_path):
    """Check that a network has no class of this package, save it, and load it again."""
    assert "graytorgb" not in model.to_json()
    model.save(tmp_path / "model.keras")
    return keras.models.load_model(tmp_path / "model.keras")


def functional(*body, shape=(12, 13, 3), dtype="float32"):
    """Return a network of layers or functions, one after the other."""
    x = image = keras.Input(shape, dtype=dtype)
    for part in body:
        x = part(x)
    return fill_statistics(keras.Model(image, x))


def shared_rescaling(image):
    """Rescale the image and the flipped image by one layer, and sum the stems' outputs."""
    rescaled = layers.Rescaling(1 / 255)
    return conv()(rescaled(image)) + conv()(rescaled(keras.ops.flip(image, 1)))


def small(**options):
    """Return a network of one convolution."""
    return functional(layers.Conv2D(4, 3, padding="same", name="stem", **options))


def conv(**options):
    """Return a padded convolution with 4 channels."""
    return layers.Conv2D(4, 3, **{"padding": "same", **options})


def freeze(layer):
    """Return a layer that isn't trained."""
    layer.trainable = False
    return layer


class PlusIfAny(layers.Layer):
    """Add the sum of an input that may be left out."""

    def call(self, x, y=None):
        return x if y is None else x + keras.ops.sum(y)
