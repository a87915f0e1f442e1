"""The stem's arithmetic, against convolution written out."""

import itertools

import numpy as np
import pytest

from graytorgb import ModelError
from graytorgb.models.weights import Normalization, collapse_kernel

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def convolve(planes, kernel, padding):
    """Planes (I, H, W) with a kernel (O, I, h, w), zero padding, by its definition."""
    padded = np.pad(planes, ((0, 0), (padding, padding), (padding, padding)))
    outputs, _, h, w = kernel.shape
    height, width = padded.shape[1] - h + 1, padded.shape[2] - w + 1
    result = np.empty((outputs, height, width))
    for o, y, x in itertools.product(range(outputs), range(height), range(width)):
        result[o, y, x] = (padded[:, y : y + h, x : x + w] * kernel[o]).sum()
    return result


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_gray_and_ones_are_the_three_planes(rng, padding):
    kernel, gray = rng.normal(size=(4, 3, 3, 3)), rng.random((1, 6, 7))
    planes = (gray - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1))
    both = np.concatenate(collapse_kernel(kernel, Normalization.from_stats(MEAN, STD)), 1)
    given = convolve(np.concatenate((gray, np.ones_like(gray))), both, padding)
    np.testing.assert_allclose(given, convolve(planes, kernel, padding), atol=1e-12)


def test_a_constant_bias_is_wrong_at_a_padded_border_alone(rng):
    """The reason for the plane of ones."""
    kernel, gray = rng.normal(size=(4, 3, 3, 3)), rng.random((1, 8, 8))
    planes = (gray - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1))
    weights, ones = collapse_kernel(kernel, Normalization.from_stats(MEAN, STD))
    given = convolve(gray, weights, 1) + ones.sum((1, 2, 3))[:, None, None]
    off = np.abs(given - convolve(planes, kernel, 1)) > 1e-9
    assert not off[:, 1:-1, 1:-1].any()
    assert off[:, [0, -1]].all()
    assert off[:, :, [0, -1]].all()


@pytest.mark.parametrize("axes", ["HWIO", "IOHW", "OHWI"])
def test_the_order_of_the_axes(rng, axes):
    kernel, norm = rng.normal(size=(5, 3, 2, 4)), Normalization.from_stats(MEAN, STD)
    moved = np.einsum(f"OIHW->{axes}", kernel)
    for result, expected in zip(
        collapse_kernel(moved, norm, axes), collapse_kernel(kernel, norm), strict=True
    ):
        np.testing.assert_allclose(result, np.einsum(f"OIHW->{axes}", expected), atol=1e-12)


def test_clips_and_volumes(rng):
    kernel = rng.normal(size=(5, 3, 2, 3, 4))
    gray, ones = collapse_kernel(kernel, Normalization.from_stats(MEAN, STD), "OIDHW")
    np.testing.assert_allclose(gray[:, 0], sum(kernel[:, c] / STD[c] for c in range(3)))
    np.testing.assert_allclose(ones[:, 0], sum(-kernel[:, c] * MEAN[c] / STD[c] for c in range(3)))


@pytest.mark.parametrize(("axes", "shape"), [("OIHW", (6, 1, 2, 2)), ("IOHW", (3, 2, 2, 2))])
def test_one_group_for_each_channel(rng, axes, shape):
    """torch's grouped kernels count the groups on either axis."""
    kernel = rng.normal(size=shape)
    gray, ones = collapse_kernel(kernel, Normalization.from_stats(MEAN, STD), axes, groups=3)
    flat = kernel.reshape(6, 2, 2)
    for o in range(6):
        mine = (o, 0) if axes == "OIHW" else (0, o)
        np.testing.assert_allclose(gray[mine], flat[o] / STD[o // 2])
        np.testing.assert_allclose(ones[mine], -flat[o] * MEAN[o // 2] / STD[o // 2])


def test_sums_are_made_in_float64(rng):
    kernel = np.array([1, 1e-4, -1], np.float16).reshape(1, 3, 1, 1)
    gray, ones = collapse_kernel(kernel, Normalization.identity())
    assert gray.dtype == np.float64
    assert gray.item() == kernel[0, 1, 0, 0]  # a sum in float16 gives 0
    assert ones.item() == 0


class TestNormalization:
    def test_the_values_that_stand_for_0_and_1(self):
        norm = Normalization.from_stats(MEAN, STD, value_range=(-1, 1))
        x = 2 * 0.3 - 1
        np.testing.assert_allclose((x - norm.mean) / norm.std, (0.3 - np.array(MEAN)) / STD)

    def test_bytes(self):
        norm = Normalization.from_stats(MEAN, STD, value_range=(0, 255))
        np.testing.assert_allclose(norm.mean, 255 * np.array(MEAN))
        np.testing.assert_allclose(norm.std, 255 * np.array(STD))

    def test_gray_that_is_normalized_already(self):
        norm = Normalization.from_stats(MEAN, STD, normalized=(0.45, 0.226))
        x = (0.3 - 0.45) / 0.226
        np.testing.assert_allclose((x - norm.mean) / norm.std, (0.3 - np.array(MEAN)) / STD)

    def test_normalized_as_the_network_wants_it_is_the_plain_sum(self):
        norm = Normalization.from_stats(0.5, 0.25, normalized=(0.5, 0.25))
        assert not norm.has_offset
        np.testing.assert_allclose(norm.std, 1)

    def test_followed_by_the_networks_own_arithmetic(self):
        scale, offset = np.array([0.5, 2, -1]), np.array([0.1, -3, 0])
        norm = Normalization.from_stats(MEAN, STD).append_arithmetic(scale, offset)
        planes = (0.3 - np.array(MEAN)) / STD * scale + offset
        np.testing.assert_allclose((0.3 - norm.mean) / norm.std, planes)

    def test_what_cancels_has_no_offset(self):
        norm = Normalization.from_stats(MEAN, STD).append_arithmetic(STD, MEAN)
        assert not norm.has_offset
        assert Normalization.from_stats(MEAN, STD).has_offset

    @pytest.mark.parametrize(
        ("mean", "std", "rest", "message"),
        [
            ((0.5, 0.5), 1, {}, "mean is one number, or 3 numbers"),
            ("imagenet", 1, {}, "mean is one number, or 3 numbers"),
            (0.5, (1, 0, 1), {}, "std is above 0"),
            (0.5, (1, float("nan"), 1), {}, "std is one number, or 3"),
            (0, 1, {"value_range": (1, 1)}, "lo < hi"),
            (0, 1, {"value_range": "dtype"}, "value_range is two numbers"),
            (0, 1, {"value_range": (0, "x")}, "each half of value_range is a number, not 'x'"),
            (0, 1, {"normalized": (0.5, 0)}, "a std above 0"),
            (0, 1, {"normalized": 0.5}, "normalized is two numbers"),
            (0, 1, {"normalized": (0, 1), "value_range": (0, 1)}, "not both"),
        ],
    )
    def test_what_cannot_be_meant(self, mean, std, rest, message):
        with pytest.raises(ModelError, match=message):
            Normalization.from_stats(mean, std, **rest)


@pytest.mark.parametrize(
    ("shape", "groups"), [((8, 4, 3, 3), 1), ((8, 3, 3), 1), ((8, 1, 3, 3), 2), ((8, 1, 3, 3), 1)]
)
def test_a_kernel_of_other_channels(shape, groups):
    with pytest.raises(ModelError, match=r"a kernel of shape"):
        collapse_kernel(np.zeros(shape), Normalization.from_stats(MEAN, STD), groups=groups)
