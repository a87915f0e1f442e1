"""Keras networks adapted: those of keras.applications, every stem, and every way to it."""

import keras
import numpy as np
import pytest
from keras import layers

from graytorgb.models import adapt, verify

from ._networks_keras import (
    BACKEND,
    MEAN,
    STD,
    assert_same,
    conv,
    fill_statistics,
    freeze,
    functional,
    gray,
    planes,
    run,
    save_and_load,
)

# name: options, whether it normalizes by itself, side
APPLICATIONS = {
    "MobileNetV3Small": ({}, True, 64),
    "ResNet50": ({}, False, 64),
    "MobileNet": ({"alpha": 0.25}, False, 64),
    "ConvNeXtTiny": ({}, True, 64),
    "EfficientNetB0": ({}, True, 64),
}
# Only the first 16 layers of these: the others have the kinds of layers that follow.
BEGINNINGS = {
    "MobileNetV2": ({"alpha": 0.35}, False, 64),
    "EfficientNetV2B0": ({}, True, 64),
    "ResNet50V2": ({}, False, 64),
    "VGG16": ({"include_top": False}, False, 64),
    "DenseNet121": ({"include_top": False}, False, 65),
    "Xception": ({}, False, 96),
    "InceptionV3": ({"include_top": False, "input_shape": (None, None, 3)}, False, 96),
    "NASNetMobile": ({"include_top": False}, False, 64),
}
# The adapter is the same for each backend, and TensorFlow builds and runs networks fastest. JAX
# compiles every operation for every shape, which takes 11 s for one network.
SHARE = {
    "tensorflow": [*APPLICATIONS, *BEGINNINGS],
    "torch": ["MobileNetV3Small", "MobileNet", "VGG16"],
    "jax": ["MobileNet"],
}[BACKEND]
EVERY = 4 if BACKEND == "jax" else 1


def test_float64_stays_float64():
    """Keras subtracts a number in float32 on torch and JAX; the plane isn't made so."""
    if BACKEND == "jax":
        pytest.skip("JAX has float64 only if a process asks for it at its start")
    image = keras.Input((9, 8, 3), dtype="float64")
    stem = layers.Conv2D(4, 3, padding="same", dtype="float64")
    model = keras.Model(image, stem(image))
    adapted = adapt(model, (MEAN, STD))
    x = gray(2, 9, 8, 1).astype(np.float64)
    color = (np.repeat(x, 3, -1) - MEAN) / STD
    assert_same(run(adapted, x), run(model, color), tolerance=1e-14)


@pytest.mark.parametrize("name", SHARE)
def test_applications(name):
    options, normalizes, side = (APPLICATIONS | BEGINNINGS)[name]
    options = {"weights": None, "input_shape": (side, side, 3), "classes": 8, **options}
    if options.get("include_top", True):
        options["classifier_activation"] = None
    else:
        del options["classes"]
    model = getattr(keras.applications, name)(**options)
    if name in BEGINNINGS:
        model = keras.Model(model.input, model.layers[16].output, name=name)
    model = fill_statistics(model)
    x = gray(2, side, side, 1)
    if normalizes:  # these take values from 0 to 255
        adapted, x = adapt(model), 255 * x
        expected = run(model, np.repeat(x, 3, -1))
    else:
        adapted = adapt(model, (MEAN, STD))
        expected = run(model, planes(x))
    assert adapted.input_shape == (*model.input_shape[:-1], 1)
    assert adapted.name == model.name
    assert_same(run(adapted, x), expected, 1e-5)
    assert adapted.count_params() < model.count_params()


STEMS = {
    "same": layers.Conv2D(4, 3, padding="same"),
    "same, strided": layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False),
    "valid": layers.Conv2D(4, 3, use_bias=False, activation="relu"),
    "valid, biased": layers.Conv2D(4, (2, 3), bias_initializer="normal"),
    "dilated": layers.Conv2D(4, 3, dilation_rate=2, padding="same", bias_initializer="normal"),
    "grouped": layers.Conv2D(6, 3, groups=3, padding="same"),
    "depthwise": layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation="relu"),
    "depthwise, valid": layers.DepthwiseConv2D(3, bias_initializer="normal"),
    "separable": layers.SeparableConv2D(5, 3, depth_multiplier=2, padding="same",
                                        activation="relu", bias_initializer="normal"),
    "separable, valid": layers.SeparableConv2D(5, 3, strides=2, use_bias=False),
    "transposed": layers.Conv2DTranspose(4, 3, strides=2, padding="same"),
    "transposed, valid": layers.Conv2DTranspose(4, 3, bias_initializer="normal"),
    "dense": layers.Dense(4, activation="relu", bias_initializer="normal"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(STEMS)[::EVERY])
def test_stems(name, tmp_path):
    template = STEMS[name]
    model = functional(type(template).from_config(template.get_config()))
    x = gray(2, 12, 13, 1)
    adapted = adapt(model, (MEAN, STD))
    assert_same(run(adapted, x), run(model, planes(x)))
    assert_same(run(save_and_load(adapted, tmp_path), x), run(model, planes(x)))
    assert adapted.layers[-1].name == model.layers[-1].name
    padded = ("valid" not in name and name != "dense") or "transposed" in name
    # the input, the layer whose name says what is carried, and the stem
    assert len(adapted.layers) == 3 + padded + ("separable" in name)


@pytest.mark.skipif(
    BACKEND == "jax", reason="XLA's CPU is slow to compile these, and TensorFlow has them"
)
def test_volumes():
    model = functional(layers.Conv3D(4, 3, padding="same"), shape=(5, 6, 7, 3))
    x = gray(2, 5, 6, 7, 1)
    assert_same(run(adapt(model, (MEAN, STD)), x), run(model, planes(x)))


@pytest.mark.skipif(
    BACKEND == "jax", reason="XLA's CPU is slow to compile these, and TensorFlow has them"
)
@pytest.mark.parametrize("how", ["collapse", "expand", "learned"])
def test_channels_first(how):
    image = keras.Input((3, 12, 13))
    x = layers.ZeroPadding2D(1, data_format="channels_first")(image)
    model = keras.Model(image, layers.Conv2D(4, 3, data_format="channels_first")(x))
    x = gray(2, 1, 12, 13)
    adapted = adapt(model, (MEAN, STD), how=how)
    assert adapted.input_shape == (None, 1, 12, 13)
    assert_same(run(adapted, x), run(model, planes(x, axis=1)))
    proof = verify(model, adapted, x[:, 0], (MEAN, STD), seconds=0)
    assert proof.passed
    assert proof.stem_difference.shape == (12, 13)
    assert proof.border_difference <= 1e-5


# The layers between the image and its stem, made for each test, since layers keep their names.
WAYS = {
    "padded": lambda: [layers.ZeroPadding2D(((1, 2), (0, 3))), conv(padding="valid")],
    "padded twice": lambda: [layers.ZeroPadding2D(1), conv()],
    "rescaled": lambda: [layers.Rescaling(0.5, offset=-1), conv()],
    "rescaled by channel": lambda: [layers.Rescaling([1, 2, 3], [0.1, 0.2, 0.3]), conv()],
    "normalized": lambda: [layers.Normalization(), conv()],
    "normalized by numbers": lambda: [layers.Normalization(mean=MEAN, variance=STD), conv()],
    "inverted": lambda: [layers.Normalization(mean=MEAN, variance=STD, invert=True), conv()],
    "one mean": lambda: [layers.Normalization(axis=None, mean=0.3, variance=0.1), conv()],
    "frozen batch normalization": lambda: [freeze(layers.BatchNormalization()), conv()],
    "padded, calculated, padded": lambda: [
        layers.ZeroPadding2D(1), layers.Rescaling(2, 1), layers.ZeroPadding2D(1), conv()],
    "called as in inference": lambda: [lambda x: functional(conv(), layers.BatchNormalization())(
        x, training=False)],
    "operators": lambda: [lambda x: 1 - (x * 2 - 0.25) / 0.5 + np.array(MEAN, np.float32), conv()],
    "negative": lambda: [lambda x: -x, lambda x: keras.ops.cast(x, "float32"), conv()],
    "reversed": lambda: [lambda x: x[..., ::-1], conv()],
    "flipped": lambda: [lambda x: keras.ops.flip(x, -1), lambda x: keras.ops.flip(x, 1), conv()],
    "a map of equal numbers": lambda: [lambda x: x + 2 * np.ones((12, 13, 3), np.float32), conv()],
    "one channel": lambda: [lambda x: x[..., 1:2], conv()],
    "cropped by an index": lambda: [lambda x: x[:, 1:-2, 2:, ::2], conv()],
    "caffe": lambda: [keras.applications.resnet50.preprocess_input, conv()],
    "tf": lambda: [keras.applications.mobilenet.preprocess_input, conv()],
    "torch": lambda: [keras.applications.densenet.preprocess_input, conv()],
    "concatenated": lambda: [lambda x: layers.Concatenate()([x * 2, x + 1]), conv()],
    "focus": lambda: [lambda x: layers.Concatenate()([x[:, ::2, :12:2], x[:, 1::2, 1::2] + 1]),
                      conv()],
    "cropped": lambda: [layers.Cropping2D(((1, 2), (3, 0))), conv()],
    "resized": lambda: [layers.Rescaling(2, 1), layers.Resizing(16, 9), conv()],
    "made larger": lambda: [layers.UpSampling2D(2, interpolation="bilinear"), conv()],
    "averaged": lambda: [layers.Rescaling(2, 1), layers.AveragePooling2D(2), conv()],
    "largest": lambda: [layers.MaxPooling2D(2), layers.ReLU(), layers.Rescaling(2, 1), conv()],
    "augmented": lambda: [layers.RandomFlip(), layers.RandomRotation(0.1),
                          layers.RandomContrast(0.1), layers.Rescaling(2, 1), conv()],
    "permuted": lambda: [layers.Permute((2, 1, 3)), conv()],
    "sequential": lambda: [keras.Sequential([layers.Rescaling(2, 1), layers.ZeroPadding2D(1)]),
                           keras.Sequential([layers.Rescaling(2, 1), conv(), layers.ReLU()])],
    "all folded": lambda: [keras.Sequential([layers.Rescaling(2, 1)]), conv()],
    "nested": lambda: [layers.Rescaling(2, 1), functional(layers.ReLU(), conv()) and
                       functional(layers.ZeroPadding2D(1), conv(), layers.BatchNormalization())],
}  # fmt: skip


@pytest.mark.parametrize("name", list(WAYS)[::EVERY])
def test_ways_to_the_stem(name, tmp_path):
    if name == "reversed" and BACKEND == "torch":
        pytest.skip("torch has no negative steps, so the network itself doesn't run")
    model = functional(*WAYS[name]())
    x = gray(2, 12, 13, 1)
    # layers that aren't linear take three equal planes
    plain = name in ("largest", "augmented")
    mean, std = (0, 1) if plain else (MEAN, STD)
    adapted = adapt(model, (mean, std))
    expected = run(model, planes(x, mean, std))
    assert_same(run(adapted, x), expected)
    assert_same(run(save_and_load(adapted, tmp_path), x), expected)
