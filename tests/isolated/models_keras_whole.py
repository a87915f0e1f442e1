"""Keras networks: flags that adapt keeps, proofs that prove something, and damaged files."""

import os

import keras
import numpy as np
import pytest
from keras import layers

from graytorgb import ModelError
from graytorgb.models import adapt, verify

from . import hide_tensorflow

if keras.backend.backend() == "torch":
    hide_tensorflow()
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def images(*shape):
    return np.random.default_rng(0).random(shape).astype(np.float32)


def network(*end):
    image = x = keras.Input((12, 12, 3))
    for layer in (layers.Conv2D(4, 3, name="stem"), layers.GlobalAveragePooling2D(), *end):
        x = layer(x)
    return keras.Model(image, x)


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.stem = layers.Conv2D(4, 3)
        self.block = keras.Sequential([layers.BatchNormalization(), layers.Conv2D(2, 1)])

    def call(self, x, training=None):
        return self.block(self.stem(x), training=training)


@pytest.mark.parametrize("how", ["expand", "learned"])
@pytest.mark.parametrize("inplace", [False, True])
def test_frozen_layers_of_a_class_of_ones_own(how, inplace):
    model = Subclassed()
    model(np.zeros((1, 12, 12, 3), np.float32))
    model.block.trainable = False
    model.block.layers[1].trainable = True
    expected = [layer.trainable for layer in model._flatten_layers()]
    inner = adapt(model, (MEAN, STD), how=how, example=12, inplace=inplace).layers[-1]
    assert [layer.trainable for layer in inner._flatten_layers()] == expected
    assert [layer.trainable for layer in model._flatten_layers()] == expected


def test_a_call_that_is_set_on_a_layer_stays():
    model = network()
    stem = model.get_layer("stem")
    call = stem.call

    def own(inputs, *args, **kwargs):
        return call(inputs, *args, **kwargs)

    stem.call = own
    verify(
        model, adapt(model, (MEAN, STD), how="expand"), images(2, 12, 12), (MEAN, STD), seconds=0
    )
    assert stem.call is own


def test_what_a_network_does_beyond_its_stem():
    """A number of channels in the graph stays; a network that returns the image is refused."""
    image = keras.Input((12, 12, 3))
    stem = layers.Conv2D(4, 3)(image)
    model = keras.Model(image, stem / image.shape[-1])
    x = images(2, 12, 12, 1)
    expected = model.predict_on_batch((x - MEAN) / STD)
    given = adapt(model, (MEAN, STD)).predict_on_batch(x)
    assert np.abs(given - expected).max() < 1e-5
    for other in (image, layers.Identity()(image), image[:, 1:]):
        with pytest.raises(ModelError, match="is returned"):
            adapt(keras.Model(image, [stem, other]), (MEAN, STD))


def test_no_layer_is_named():
    for layer, message in (([], "names no layer"), ([3], "a list of names")):
        with pytest.raises(ModelError, match=message):
            adapt(network(), (MEAN, STD), layer=layer)


def test_outputs_that_do_not_depend_on_the_image():
    model = network(layers.Dense(5, kernel_initializer="zeros", activation="softmax"))
    for given in (images(3, 12, 12), images(1, 12, 12), np.zeros((1, 12, 12))):
        with pytest.raises(ModelError, match="don't depend on these images"):
            verify(model, adapt(model, (MEAN, STD)), given, (MEAN, STD), seconds=0)
    model = network(layers.Dense(5))
    assert verify(
        model, adapt(model, (MEAN, STD)), images(1, 12, 12), (MEAN, STD), seconds=0
    ).passed


def test_which_tolerance_rounding_explains():
    model = network(layers.Dense(5), layers.Rescaling(1e6))
    adapted = adapt(model, (MEAN, STD))
    proof = verify(model, adapted, images(3, 12, 12), (MEAN, STD), seconds=0)
    assert proof.max_difference <= proof.rounding
    assert verify(model, adapted, images(3, 12, 12), (MEAN, STD), seconds=0,
        tolerance=proof.sufficient_tolerance).passed  # fmt: skip


def test_damage_anywhere(tmp_path):
    path = tmp_path / "net.keras"
    network(layers.Dense(2)).save(path)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    refused = 0
    for count, end in enumerate(np.linspace(0, len(content) - 1, 16).astype(int)):
        changed = content.copy()
        changed[rng.integers(0, len(content), 4)] = rng.integers(0, 256, 4)
        path.write_bytes((content[:end] if count % 2 else changed).tobytes())
        message = find_refusal(path)
        refused += message is not None
        assert path.name in (message or path.name)
    assert refused >= 8


def find_refusal(path):
    """Return the error's message, or None if the damage left a valid file."""
    try:
        adapt(path, (MEAN, STD))
    except ModelError as error:
        return str(error)
    return None


def test_paths_that_are_no_file(tmp_path):
    path = tmp_path / "net.keras"
    with pytest.raises(FileNotFoundError):
        adapt(path, (MEAN, STD))
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        adapt(path, (MEAN, STD))
    path.rmdir()
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    with pytest.raises(ModelError, match=r"net\.keras: it is an HDF5 file"):
        adapt(path, (MEAN, STD))
    if hasattr(os, "mkfifo"):
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(ModelError, match="is a pipe"):
            adapt(path, (MEAN, STD))
