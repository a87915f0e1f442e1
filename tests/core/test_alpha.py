"""Tests of images with 2 and 4 channels: gray and RGB with alpha."""

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

import graytorgb as g2r

from ..support import assert_same_bits, random_bits


def over(color, alpha, ground, opaque):
    """Return the formula's result in exact arithmetic, rounded to nearest, ties to even."""
    weight = Fraction(int(alpha), opaque)
    return round(Fraction(int(color)) * weight + Fraction(ground) * (1 - weight))


@pytest.mark.parametrize(("dtype", "opaque"), [(np.uint8, 255), (np.uint16, 65535)])
@pytest.mark.parametrize("channels", [2, 4])
def test_composite_is_the_exact_formula(dtype, opaque, channels):
    image = random_bits((9, 11, channels), dtype, seed=channels)
    image[0, 0, -1], image[0, 1, -1] = 0, opaque
    background = (0.5, opaque / 2, 3.25)  # among them exact ties
    result = g2r.to_rgb(image, "HWC", alpha=background)
    assert result.dtype == dtype
    for y, x, c in np.ndindex(result.shape):
        color = image[y, x, c if channels == 4 else 0]
        assert result[y, x, c] == over(color, image[y, x, -1], background[c], opaque)


@pytest.mark.parametrize("layout", ["HWC", "HWC->CHW"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_composite_of_floats(dtype, layout):
    rng = np.random.default_rng(0)
    image = rng.random((300, 400, 4)).astype(dtype)
    wide = image.astype(np.float64)
    expected = wide[..., :3] * wide[..., 3:] + np.array([1, 0, 0.5]) * (1 - wide[..., 3:])
    expected = expected.astype(dtype)
    result = g2r.to_rgb(image, layout, alpha=(1, 0, 0.5))
    if layout.endswith("CHW"):
        result = result.transpose(1, 2, 0)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("layout", "axis"), [("NHWC", 3), ("NCHW", 1), ("NHWC->NCHW", 3), ("NCHW->NHWC", 1)]
)
@pytest.mark.parametrize("channels", [2, 4])
def test_drop_keeps_the_colors(layout, axis, channels):
    shape = [4, 5, 6]
    shape.insert(axis, channels)
    image = random_bits(tuple(shape), np.uint16)
    result = g2r.to_rgb(image, layout, alpha="drop")
    colors = np.take(image, [0, 0, 0] if channels == 2 else [0, 1, 2], axis)
    target = layout.split("->")[-1]
    expected = np.ascontiguousarray(np.moveaxis(colors, axis, target.index("C")))
    assert_same_bits(result, expected)


def test_drop_can_be_a_view():
    image = random_bits((5, 6, 4), np.uint8)
    result = g2r.to_rgb(image, "HWC", alpha="drop", copy=False)
    assert np.shares_memory(result, image)
    assert_same_bits(np.ascontiguousarray(result), np.ascontiguousarray(image[..., :3]))


def test_composite_into_out_and_not_as_a_view():
    image = random_bits((5, 6, 4), np.uint8)
    out = np.empty((5, 6, 3), np.uint8)
    assert g2r.to_rgb(image, "HWC", alpha=(0, 0, 0), out=out) is out
    assert_same_bits(out, g2r.to_rgb(image, "HWC", alpha=(0, 0, 0)))
    with pytest.raises(g2r.LayoutError, match="a view can't hold"):
        g2r.to_rgb(image, "HWC", alpha=(0, 0, 0), copy=False)


@pytest.mark.parametrize(
    "alpha",
    ["keep", None, 0, (1, 2), [1, 2, 3, 4], "abc", (0, 0, np.nan), (10**400, 0, 0), np.zeros(2)],
)
def test_unknown_policies(alpha):
    with pytest.raises(g2r.ChannelError, match='alpha is "error", "drop"'):
        g2r.to_rgb(np.zeros((5, 6), np.uint8), alpha=alpha)


def test_background_outside_of_the_dtype():
    with pytest.raises(g2r.ChannelError, match="outside of uint8: 0 to 255"):
        g2r.to_rgb(np.zeros((5, 6, 4), np.uint8), "HWC", alpha=(0, 0, 256))


@pytest.mark.parametrize("value", [1.5, -0.1, np.nan])
def test_float_alpha_outside_of_0_to_1(value):
    image = np.zeros((5, 6, 4), np.float32)
    image[2, 3, 3] = value
    with pytest.raises(g2r.ChannelError, match="from 0 to 1"):
        g2r.to_rgb(image, "HWC", alpha=(0, 0, 0))


def test_the_color_of_nothing_does_not_count():
    image = np.array([[[np.nan, np.inf, 0.5, 0], [0.1, 0.2, 0.3, 1]]], np.float32)
    result = g2r.to_rgb(image, "HWC", alpha=[1, 2, 3])
    assert result.tolist() == [[[1, 2, 3], image[0, 1, :3].tolist()]]


@pytest.mark.parametrize("dtype", [bool, np.int16, np.uint64, np.longdouble, np.complex64])
def test_composite_needs_fractions(dtype):
    with pytest.raises(g2r.DtypeError, match="fraction"):
        g2r.to_rgb(np.zeros((5, 6, 4), dtype), "HWC", alpha=(0, 0, 0))


@pytest.mark.parametrize("shape", [(4000, 3000, 4), (1, 4000, 3000, 4), (4, 4000, 3000)])
def test_memory(shape):
    image = random_bits(shape, np.uint8)
    layout = {4: "NHWC", 3: "HWC" if shape[-1] == 4 else "CHW"}[len(shape)]
    tracemalloc.start()
    try:
        result = g2r.to_rgb(image, layout, alpha=(1, 2, 3))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - result.nbytes <= 0.015 * result.nbytes  # blocks, whatever the size
    assert result.flags.c_contiguous


def test_zero_size():
    for shape in [(0, 6, 4), (5, 0, 4), (5, 0, 2)]:
        image = np.zeros(shape, np.uint8)
        assert g2r.to_rgb(image, "HWC", alpha=(1, 2, 3)).shape == (*shape[:2], 3)
