"""The channels of a traced image, compared with NumPy's own arithmetic."""

import operator

import numpy as np
import pytest

from graytorgb.models.channel_map import ChannelMap, TraceError, concatenate_channels
from graytorgb.models.image_input import ImageInput
from graytorgb.models.weights import Normalization

GRAY = np.random.default_rng(0).random((2, 5, 6, 1))
IMAGE = ImageInput("x", 0, (None, 5, 6, 3), 3, "float64", np.dtype("float64"), has_integers=False)
STATS = Normalization.from_stats((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))


@pytest.fixture
def channels():
    return ChannelMap.from_input("gray", IMAGE, STATS)


def calculate_values(channels):
    """Return the values of the original image, from the gray."""
    values = GRAY @ channels.matrix.T + channels.constant
    return values if channels.has_axis else values[..., 0]


COLOR = IMAGE.make_planes(GRAY, STATS)
NUMBERS = np.array([2.0, -3.0, 0.5])


@pytest.mark.parametrize("operand", [0.25, NUMBERS, NUMBERS[None, None], np.full((6, 1), 4.0)])
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide"])
@pytest.mark.parametrize("is_left", [True, False])
def test_arithmetic_is_numpys(channels, name, operand, is_left):
    function = operator.truediv if name == "divide" else getattr(np, name)
    if name == "divide" and not is_left:
        with pytest.raises(TraceError, match="is what node 'a' divides by"):
            channels.calculate(name, operand, "node 'a'", is_left=is_left)
        return
    given = channels.calculate(name, operand, "node 'a'", is_left=is_left)
    expected = function(COLOR, operand) if is_left else function(operand, COLOR)
    assert np.allclose(calculate_values(given), expected)


def test_one_channel_without_an_axis(channels):
    one = channels.pick(np.array(1))
    assert np.allclose(calculate_values(one), COLOR[..., 1])
    assert np.allclose(calculate_values(one.calculate("add", 2, "a")), COLOR[..., 1] + 2)
    with pytest.raises(TraceError, match="meets other numbers at each pixel in a"):
        one.calculate("add", np.arange(6), "a")
    with pytest.raises(TraceError, match="gets another axis in a"):
        one.calculate("add", np.ones((1, 2, 5, 6)), "a")


def test_numbers_that_do_not_fit(channels):
    with pytest.raises(TraceError, match="has 3 channels and meets 4 numbers in a"):
        channels.calculate("add", np.arange(4), "a")
    for stats in (STATS, Normalization.identity()):
        with pytest.raises(TraceError, match="becomes infinite in a"):
            ChannelMap.from_input("gray", IMAGE, stats).calculate("divide", 0, "a")


def test_concatenated_channels(channels):
    other = channels.scale(np.full(1, 2.0)).with_ones("gray and ones")
    joined, bases = concatenate_channels([channels, other, channels], -1, "a")
    assert bases == ["gray", "gray and ones"]
    planes = np.concatenate([GRAY, GRAY, np.ones_like(GRAY)], -1)
    values = planes @ joined.matrix.T + joined.constant
    assert np.allclose(values, np.concatenate([COLOR, 2 * COLOR, COLOR], -1))
    with pytest.raises(TraceError, match="with something else in a"):
        concatenate_channels([channels, None], -1, "a")
    with pytest.raises(TraceError, match="along another axis"):
        concatenate_channels([channels, channels], 1, "a")


@pytest.mark.parametrize("factor", [1, 255])
def test_a_base_for_zeros(channels, factor):
    """Zeros in the prepared base are zeros in the original image."""
    channels = channels.calculate("divide", factor, "a")
    prepared = channels.prepare_for_zeros("planes")
    assert not prepared.has_constant()
    planes = np.concatenate([GRAY - channels.center, channels.ones_level + 0 * GRAY], -1)
    assert np.allclose(planes @ prepared.matrix.T, COLOR / factor)
    weights = np.abs(prepared.matrix).max(0)
    assert 0.2 < weights[1] / weights[0] <= 1
    again = prepared.prepare_for_zeros("planes")
    assert np.array_equal(again.matrix, prepared.matrix)


def test_equal_means_need_no_ones():
    channels = ChannelMap.from_input("gray", IMAGE, Normalization.from_stats(0.4, (0.1, 0.2, 0.3)))
    assert channels.center == pytest.approx(0.4)
    assert not channels.needs_ones
    prepared = channels.prepare_for_zeros("centered")
    assert prepared.plane_count == 1
    assert np.allclose((GRAY - 0.4) @ prepared.matrix.T, (GRAY - 0.4) / [0.1, 0.2, 0.3])


@pytest.mark.parametrize("axes", ["OI", "IO"])
def test_kernel_and_bias(channels, axes):
    kernel = np.random.default_rng(1).random((4, 3) if axes == "OI" else (3, 4))
    folded, added = channels.fold_into_stem(kernel, None, axes, 1)
    matrix = kernel.T if axes == "OI" else kernel
    given = GRAY @ (folded.T if axes == "OI" else folded) + added
    assert np.allclose(given, COLOR @ matrix)
