"""Keras networks with weights that aren't finite, arguments, and the transform of a network."""

import keras
import numpy as np
import pytest

from graytorgb import ModelError, OptionError
from graytorgb.models import adapt, make_transform

from ._networks_keras import MEAN, STD, conv, functional


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(value):
    model = functional(conv(), shape=(12, 13, 3))
    kernel, *rest = model.layers[1].get_weights()
    kernel[0, 1, 2, 1] = value
    model.layers[1].set_weights([kernel, *rest])
    with pytest.raises(ModelError, match=r"returns (NaN|infinite values) for an image") as caught:
        adapt(model, (MEAN, STD))
    assert model.layers[1].name in str(caught.value)
    assert "order of the channels" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [{"layer": 0}, {"example": np.zeros((1, 12, 13, 3))}, {"example": True}, {"freeze": 2},
     {"value_range": 3}],
)  # fmt: skip
def test_options(options):
    with pytest.raises(OptionError):
        adapt(functional(conv(), shape=(12, 13, 3)), (MEAN, STD), **options)


@pytest.mark.parametrize(("shape", "size"), [((12, 13, 3), (12, 13)), ((None, None, 3), (30, 40))])
def test_the_transform(shape, size):
    network = adapt(functional(conv(), shape=shape), (MEAN, STD), value_range=(0, 255))
    found = make_transform(network)(np.full((30, 40), 200, np.uint8))
    assert found.shape == (*size, 1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 200, rtol=1e-5)
    assert np.isfinite(keras.ops.convert_to_numpy(network(found[None]))).all()
