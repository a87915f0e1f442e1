"""Adapted Keras networks in training, and networks behind layers that make three planes."""

import keras
import numpy as np
import pytest
from keras import layers

from graytorgb import ModelError
from graytorgb.models import adapt

from ._networks_keras import (
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


class TestTraining:
    def test_gradients_are_those_of_three_channels(self):
        """A step of gradient descent moves the stem and the other layers as in the original."""
        model = functional(conv(), layers.BatchNormalization(), layers.Flatten(), layers.Dense(3))
        adapted = adapt(model, (MEAN, STD))
        stems = model.layers[1], adapted.get_layer(model.layers[1].name)
        before = [stem.get_weights()[0] for stem in stems]
        x, y = gray(8, 12, 13, 1), gray(8, 3)
        for network, given in ((model, planes(x)), (adapted, x)):
            network.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
            network.train_on_batch(given, y)
        for a, b in zip(model.layers[2:], adapted.layers[4:], strict=True):
            assert_same(a.get_weights(), b.get_weights(), 1e-5)
        color, ours = (stem.get_weights()[0] - w for stem, w in zip(stems, before, strict=True))
        assert np.abs(ours).max() > 1e-3
        center, level = read_planes(adapted.get_layer(f"{stems[0].name}_planes"))
        for c in range(3):
            mean = (MEAN[c] - center) / level
            assert_same(color[:, :, c], (ours[:, :, 0] - mean * ours[:, :, 1]) / STD[c], 1e-4)

    def test_learned(self, tmp_path):
        model = functional(conv(), layers.Flatten(), layers.Dense(3))
        adapted = adapt(model, (MEAN, STD), how="learned", freeze=True)
        x = gray(4, 12, 13, 1)
        assert_same(run(adapted, x), run(model, planes(x)))
        assert [w.path for w in adapted.trainable_weights] == [
            "gray_to_rgb/kernel",
            "gray_to_rgb/bias",
        ]
        assert model.trainable
        adapted.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
        before = adapted.get_weights()
        adapted.fit(x, np.zeros((4, 3)), verbose=0)
        moved = [(a != b).any() for a, b in zip(before, adapted.get_weights(), strict=True)]
        assert moved == [True, True, False, False, False, False]
        assert_same(run(save_and_load(adapted, tmp_path), x), run(adapted, x))


class TestInFront:
    @pytest.mark.parametrize("statistics", [(MEAN, STD), (0, 1)])
    def test_expand(self, statistics, tmp_path):
        model = functional(layers.Flatten(), layers.Dense(3))  # no convolution
        adapted = adapt(model, statistics, how="expand")
        x = gray(2, 12, 13, 1)
        for it in (adapted, save_and_load(adapted, tmp_path)):
            assert_same(run(it, x), run(model, planes(x, *statistics)))
        assert adapted.get_layer(model.name) is not model
        shared = adapt(model, statistics, how="expand", inplace=True)
        assert shared.get_layer(model.name) is model

    def test_a_network_that_is_no_graph(self):
        @keras.saving.register_keras_serializable("tests")
        class Own(keras.Model):
            def __init__(self, **options):
                super().__init__(**options)
                self.conv = conv()

            def call(self, x):
                return self.conv(x)

        model = Own()
        x = gray(2, 12, 13, 1)
        expected = run(model, planes(x))
        for how in ("expand", "learned"):
            for inplace in (False, True):
                adapted = adapt(model, (MEAN, STD), how=how, example=(12, 13), inplace=inplace)
                assert_same(run(adapted, x), expected)
        with pytest.raises(ModelError, match=r"Own isn't a graph of layers.*expand"):
            adapt(model, (MEAN, STD))
