"""Keras networks whose first layers see patches, videos, masks or standardized weights."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from graytorgb import ModelError
from graytorgb.models import adapt

from ._networks_keras import (
    BACKEND,
    MEAN,
    STD,
    assert_same,
    conv,
    functional,
    gray,
    planes,
    read_planes,
    run,
    save_and_load,
)


class Standardized(layers.Conv2D):
    """A convolution that standardizes its kernel, in the place that Keras has for it."""

    def convolution_op(self, inputs, kernel):
        kernel = ops.convert_to_tensor(kernel)
        mean, variance = ops.moments(kernel, axes=[0, 1, 2], keepdims=True)
        return super().convolution_op(inputs, (kernel - mean) / ops.sqrt(variance + 1e-5))


class Centered(layers.Conv2D):
    """A convolution that subtracts its kernel's mean in a call of its own."""

    def call(self, inputs):
        kernel = self.kernel - ops.mean(self.kernel, axis=(0, 1, 2), keepdims=True)
        return ops.conv(inputs, kernel, strides=self.strides, padding=self.padding) + self.bias


class NotLinear(layers.Conv2D):
    """A convolution of a function of the image, which no kernel stands for."""

    def call(self, inputs):
        return super().call(ops.sin(3 * inputs))


def cut(x, side):
    """Return the patches of an image as rows of their pixels' channels."""
    height, width = (size // side for size in x.shape[1:3])
    x = ops.reshape(x, (-1, height, side, width, side, 3))
    return layers.Reshape((height * width, -1))(ops.transpose(x, (0, 1, 3, 2, 4, 5)))


def unshuffle(x):
    """Return an image of half the size, with the pixels of each block in the channels."""
    x = layers.Permute((1, 3, 2, 4, 5))(layers.Reshape((6, 2, 7, 2, 3))(x))
    return layers.Reshape((6, 7, 12))(x)


def focus(x):
    """Return every second pixel, four times, in the channels."""
    parts = x[:, ::2, ::2], x[:, 1::2, ::2], x[:, ::2, 1::2], x[:, 1::2, 1::2]
    return layers.Concatenate()(parts)


def frames():
    """Return a network for a frame."""
    return keras.Sequential([
        keras.Input((12, 14, 3)), layers.Rescaling(2.0, -1.0), conv(),
        layers.GlobalAveragePooling2D(),
    ])  # fmt: skip


IMAGE, VIDEO = (12, 14, 3), (3, 12, 14, 3)
# name: layers or functions, the input's shape
NETWORKS = {
    "patches": (lambda: [lambda x: cut(x, 2), layers.Dense(8)], IMAGE),
    "extracted patches": (
        lambda: [lambda x: ops.image.extract_patches(x, 2), layers.Dense(8)], IMAGE),
    "extracted patches, padded": (
        lambda: [lambda x: ops.image.extract_patches(x, 5, 4, padding="same"), layers.Dense(8)],
        IMAGE),
    "extracted patches of any size": (
        lambda: [lambda x: ops.image.extract_patches(x, 4), layers.Dense(8)], (None, None, 3)),
    "all pixels": (lambda: [layers.Flatten(), layers.Dense(8)], (5, 6, 3)),
    "space to depth": (lambda: [unshuffle, conv()], IMAGE),
    "focus": (lambda: [focus, conv()], IMAGE),
    "a matrix for the channels": (lambda: [layers.Dense(8)], IMAGE),
    "an equation": (
        lambda: [layers.EinsumDense("bhwc,cd->bhwd", (None, None, 8), bias_axes="d")], IMAGE),
    "an equation without a bias": (lambda: [layers.EinsumDense("...c,dc->...d", 8)], IMAGE),
    "standardized": (lambda: [Standardized(8, 3, strides=2, padding="same")], IMAGE),
    "standardized, dilated": (
        lambda: [Standardized(8, 3, dilation_rate=2, use_bias=False)], IMAGE),
    "centered": (lambda: [Centered(8, 3, padding="same", activation=None)], IMAGE),
    "padded by an operation": (
        lambda: [lambda x: ops.pad(x, [(0, 0), (1, 1), (0, 2), (0, 0)]), conv()], IMAGE),
    "taken": (lambda: [lambda x: ops.take(x, [2, 1, 0], axis=-1), conv()], IMAGE),
    "split": (
        lambda: [lambda x: ops.concatenate(ops.split(x, 3, axis=-1)[::-1], -1), conv()], IMAGE),
    "the sum of channels": (
        lambda: [lambda x: 0.3 * x[..., :1] + 0.6 * x[..., 1:2] - x[..., 2:], conv()], IMAGE),
    "frames as images": (lambda: [lambda x: ops.reshape(x, (-1, 12, 14, 3)), conv()], VIDEO),
    "a frame": (lambda: [lambda x: x[:, 1], conv()], VIDEO),
    "a layer for each frame": (
        lambda: [layers.TimeDistributed(layers.Rescaling(2.0, -1.0)),
                 layers.TimeDistributed(conv())], VIDEO),
    "a network for each frame": (lambda: [layers.TimeDistributed(frames())], VIDEO),
    "a layer for any number of frames": (
        lambda: [layers.TimeDistributed(conv())], (None, *VIDEO[1:])),
    "images after each other": (lambda: [lambda x: ops.concatenate([x, x], 0), conv()], IMAGE),
    "images as frames": (
        lambda: [lambda x: ops.stack([x, x], 1), layers.Conv3D(8, (1, 3, 3), padding="same")],
        IMAGE),
}  # fmt: skip
SAVED = ("patches", "standardized", "a network for each frame", "images as frames")
SHARE = list(NETWORKS)[:: {"tensorflow": 1, "torch": 3, "jax": 8}[BACKEND]]


@pytest.mark.parametrize("name", SHARE)
def test_every_network(name, tmp_path):
    """The adapted network has only layers of Keras, even where the original has others."""
    body, shape = NETWORKS[name]
    model = functional(*body(), shape=shape)
    x = gray(2, *[size or 8 for size in shape[:-1]], 1)
    expected = run(model, planes(x))
    adapted = adapt(model, (MEAN, STD))
    assert_same(run(adapted, x), expected)
    if name in SAVED:
        assert_same(run(save_and_load(adapted, tmp_path), x), expected)
        assert_same(run(adapt(model, (MEAN, STD), how="expand"), x), expected)


def test_a_mask_beside_the_image():
    image, mask = keras.Input(IMAGE, name="image"), keras.Input((12, 14, 1), name="mask")
    features = conv()(layers.Concatenate()([image, mask]))
    model = keras.Model({"image": image, "mask": mask}, features)
    x, m = gray(2, 12, 14, 1), gray(2, 12, 14, 1, seed=1)
    for how in ("collapse", "expand"):
        adapted = adapt(model, (MEAN, STD), how=how)
        assert_same(run(adapted, {"image": x, "mask": m}),
            run(model, {"image": planes(x), "mask": m}))  # fmt: skip


def test_tokens_beside_the_image():
    image, words = keras.Input(IMAGE), keras.Input((5,), dtype="int32")
    seen = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, padding="same")(image))
    read = layers.GlobalAveragePooling1D()(layers.Embedding(10, 8)(words))
    model = keras.Model([image, words], layers.Add()([seen, read]))
    x, w = gray(2, 12, 14, 1), np.arange(10).reshape(2, 5)
    for how in ("collapse", "expand"):
        adapted = adapt(model, (MEAN, STD), how=how)
        assert_same(run(adapted, [x, w]), run(model, [planes(x), w]))


@pytest.mark.parametrize("limits", [(0, 1), (0, 255), (-1024, 3071)])
def test_what_a_padded_stem_sees(limits):
    """The gray minus a center, and what the means differ from the center by at most.

    So the weights for both planes are of the same size.
    """
    model = functional(conv(name="stem"), shape=IMAGE)
    adapted = adapt(model, (MEAN, STD), value_range=limits)
    lo, span = limits[0], limits[1] - limits[0]
    center, level = read_planes(adapted.get_layer("stem_planes"))
    assert center == pytest.approx(lo + 0.4494 * span, abs=span / 1000)
    assert level == pytest.approx(0.0434 * span, abs=span / 1000)
    seen, ones = np.abs(adapted.get_layer("stem").get_weights()[0]).max((0, 1, 3))
    assert 0.2 < ones / seen < 2
    x = gray(2, 12, 14, 1)
    assert_same(run(adapted, lo + span * x), run(model, planes(x)), 1e-5)


def test_equal_means_leave_nothing_for_a_plane(tmp_path):
    model = functional(layers.Rescaling(1 / 127.5, -1), conv(name="stem"), shape=IMAGE)
    adapted = adapt(model)
    assert adapted.get_layer("stem").kernel.shape == (3, 3, 1, 4)
    x = 255 * gray(2, 12, 14, 1)
    for it in (adapted, save_and_load(adapted, tmp_path)):
        assert_same(run(it, x), run(model, np.repeat(x, 3, -1)))


def test_user_layers_stay_as_they_were():
    layer = Standardized(8, 3, padding="same", strides=2, activation="relu")
    model = functional(layer, shape=IMAGE)
    adapted = adapt(model, (MEAN, STD))
    assert (layer.strides, layer.padding) == ((2, 2), "same")
    assert type(adapted.get_layer(layer.name)) is layers.Conv2D
    x = gray(2, 12, 14, 1)
    assert_same(run(adapted, x), run(model, planes(x)))


@pytest.mark.parametrize(
    ("body", "shape", "message"),
    [
        (lambda: [NotLinear(8, 3)], IMAGE, "doesn't give for gray"),
        (lambda: [layers.ConvLSTM2D(8, 3)], VIDEO, "goes into ConvLSTM2D"),
        (lambda: [layers.Flatten(), layers.Dense(2)], (96, 96, 3), "flattened to 27648 channels"),
        (lambda: [layers.Reshape((-1, 4)), layers.Dense(2)], IMAGE, "is reshaped from"),
        (lambda: [layers.EinsumDense("bhwc,hd->bdwc", (2, None, 3))], IMAGE, "with the equation"),
        (lambda: [lambda x: ops.split(x, 2, axis=1)[0], conv()], IMAGE, "split along its sides"),
        (
            lambda: [lambda x: ops.concatenate([x, 2 * x], 1), conv()],
            IMAGE,
            "with an image of other channels",
        ),
    ],
)
def test_what_is_refused(body, shape, message):
    with pytest.raises(ModelError, match=f'{message}.*how="expand" works'):
        adapt(functional(*body(), shape=shape), (MEAN, STD))
