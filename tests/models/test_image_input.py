"""The description of an image input: sides, noise and batches."""

import numpy as np
import pytest

from graytorgb import ModelError
from graytorgb.models.image_input import ImageInput
from graytorgb.models.weights import Normalization


def make_input(shape, axis, dtype="float32", name="photo"):
    """Return the description of an input."""
    has_integers = np.dtype(dtype).kind in "iu"
    return ImageInput(name, 0, shape, axis, dtype, np.dtype(dtype), has_integers)


def test_other_sides():
    image = make_input((None, 5, 6, 3), 3)
    assert image.with_sides(None) is image
    assert image.with_sides((7, None)).shape == (None, 7, None, 3)
    assert image.with_sides((7, 8), keep_fixed=True).shape == (None, 5, 6, 3)
    with pytest.raises(ModelError, match="example is 2 sides of an image here, not"):
        image.with_sides((7, 8, 9))


def test_one_image_without_an_axis_for_the_batch():
    one = make_input((3, None, 9), 0)
    assert one.sides == (None, 9)
    assert one.gray_shape == (1, None, 9)
    assert one.with_sides((7, 8), keep_fixed=True).shape == (3, 7, 9)
    assert one.make_noise(64, Normalization.identity()).shape == (1, 64, 9)
    assert one.fit_batch(np.zeros((2, 1, 4, 9))).shape == (2, 1, 4, 9)


def test_whole_numbers():
    image = make_input((None, None, None, 3), 3, "uint8")
    noise = image.make_noise(8, Normalization.identity())
    assert (noise.dtype, noise.shape) == (np.uint8, (1, 8, 8, 1))
    assert noise.max() <= 127
    with pytest.raises(ModelError, match="takes whole numbers, uint8, and these images aren't"):
        image.fit_batch(np.full((1, 1, 8, 8), 0.5))
    normalization = Normalization.from_stats(0.5, 0.5)
    for name, words in (("photo", "the input 'photo' takes"), ("", "the input takes")):
        with pytest.raises(ModelError, match=f"^{words} whole numbers"):
            make_input(image.shape, 3, "uint8", name).check_takes_normalized(normalization)


@pytest.mark.parametrize("axis", [1, 3])
def test_planes_are_normalized_and_rounded_once(axis):
    image = make_input((None, None, None, None), axis, "float16")
    gray = np.random.default_rng(0).random((2, 4, 4, 4)).astype(np.float16)
    gray = gray[:, :1] if axis == 1 else gray[..., :1]
    normalization = Normalization.from_stats((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
    planes = np.moveaxis(image.make_planes(gray, normalization), axis, -1)
    exact = (np.moveaxis(gray, axis, -1).astype(float) - normalization.mean) / normalization.std
    assert planes.dtype == np.float16
    assert np.allclose(planes, exact, rtol=2**-11, atol=1e-4)
    assert image.make_planes(gray, None) is gray
