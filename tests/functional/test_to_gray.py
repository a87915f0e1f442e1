"""Tests of ``to_gray`` on numpy arrays: the arithmetic, `out`, files, strides and messages."""

import itertools
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graytorgb as g2r
from graytorgb.core import gray_planes

from ..support import NUMBERS, assert_own_memory, assert_same_bits, needs, random_bits
from .test_image_file import COLOR, SCAN, file_of

PARTS = {"luma": (299, 587, 114), "equal": (1, 1, 1)}
INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


def exact_mean(pixel, weights):
    """Return the weighted mean of three integers, rounded to nearest, ties to even."""
    parts = PARTS[weights]
    total = sum(part * int(value) for part, value in zip(parts, pixel, strict=True))
    return round(Fraction(total, sum(parts)))


def pixels_of(dtype, count=600):
    """Return colors of an integer dtype, (1, count, 3): its ends, near them, small and random."""
    info, rng = np.iinfo(dtype), np.random.default_rng(0)
    least, most = int(info.min), int(info.max)
    corners = np.array(list(itertools.product([least, 0, most], repeat=3)), dtype)
    small = rng.integers(max(least, -40), 40, (count, 3)).astype(dtype)
    low = (least + rng.integers(0, 30, (count, 3)).astype(dtype)).astype(dtype)
    high = (most - rng.integers(0, 30, (count, 3)).astype(dtype)).astype(dtype)
    every = rng.integers(least, most, (count, 3), dtype, endpoint=True)
    return np.concatenate([corners, small, low, high, every])[None]


class TestIntegers:
    def test_bytes_are_pillows(self):
        """Every color of a lattice of steps of 5, 255 among them, and as many random ones."""
        needs("pillow")
        from PIL import Image

        lattice = np.array(list(itertools.product(range(0, 256, 5), repeat=3)), np.uint8)
        random = random_bits(lattice.shape, np.uint8)
        colors = np.concatenate([lattice, random])[None]
        expected = np.asarray(Image.fromarray(colors).convert("L"))
        assert_same_bits(g2r.to_gray(colors, "HWC->HW"), expected)
        planar = np.moveaxis(colors, -1, 0).copy()  # which takes another way
        assert_same_bits(g2r.to_gray(planar, "CHW->HW"), expected)
        red, green, blue = colors[0].astype(np.int64).T
        formula = 19595 * red + 38470 * green + 7471 * blue + 32768 >> 16
        assert_same_bits(g2r.to_gray(colors, "HWC->HW")[0], formula.astype(np.uint8))

    @pytest.mark.parametrize("layout", ["HWC->HW", "CHW->HW"])
    @pytest.mark.parametrize("weights", PARTS)
    @pytest.mark.parametrize("dtype", INTEGERS)
    def test_the_exact_sum_is_rounded_to_nearest(self, dtype, weights, layout):
        if (dtype, weights) == ("uint8", "luma"):
            return  # Pillow's
        colors = pixels_of(dtype)
        expected = np.array([[exact_mean(pixel, weights) for pixel in colors[0]]], dtype)
        given = colors if layout == "HWC->HW" else np.moveaxis(colors, -1, 0).copy()
        assert_same_bits(g2r.to_gray(given, layout, weights=weights), expected)

    def test_ties_go_to_even(self):
        ties = np.array([[[0, 500, 0], [500, 1000, 0], [0, 0, 250], [0, 0, 750]]], np.uint16)
        sums = ties[0].astype(int) @ [299, 587, 114] / 1000  # 293.5, 736.5, 28.5, 85.5
        assert (sums % 1 == 0.5).all()
        assert g2r.to_gray(ties, "HWC->HW").tolist() == [[294, 736, 28, 86]]
        signed = -ties.astype(np.int16)
        assert g2r.to_gray(signed, "HWC->HW").tolist() == [[-294, -736, -28, -86]]
        wide = ties.astype(np.uint64) + 2**63
        assert (g2r.to_gray(wide, "HWC->HW") - np.uint64(2**63)).tolist() == [[294, 736, 28, 86]]

    @pytest.mark.parametrize("weights", PARTS)
    def test_bool_is_0_and_1(self, weights):
        colors = np.array([list(itertools.product([False, True], repeat=3))])
        white = {"luma": [2, 3, 6, 7], "equal": [3, 5, 6, 7]}[weights]  # green, or two of three
        expected = np.isin(np.arange(8), white)[None]
        assert_same_bits(g2r.to_gray(colors, "HWC->HW", weights=weights), expected)


class TestFloats:
    @pytest.mark.parametrize(
        ("dtype", "error"),
        [("float16", 2**-11), ("float32", 2**-22), ("float64", 2**-51)],
    )
    @pytest.mark.parametrize("weights", PARTS)
    def test_the_weighted_sum_unrounded(self, weights, dtype, error):
        colors = np.random.default_rng(0).normal(size=(40, 50, 3)).astype(dtype)
        parts = np.array(PARTS[weights], np.longdouble) / sum(PARTS[weights])
        exact = colors.astype(np.longdouble) @ parts
        result = g2r.to_gray(colors, "HWC->HW", weights=weights)
        size = np.abs(colors).max(-1).astype(np.longdouble)
        assert (np.abs(result - exact) <= 2 * error * size).all()

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
    def test_no_overflow(self, dtype):
        most = np.finfo(dtype).max
        colors = np.array([[[most, -most, 0], [most, most, most], [-most, most, -most]]], dtype)
        result = g2r.to_gray(colors, "HWC->HW").astype(np.longdouble) / np.longdouble(most)
        np.testing.assert_allclose(result.astype(float), [[-0.288, 1, 0.174]], rtol=2e-3)

    def test_what_is_not_finite(self):
        inf, nan = np.inf, np.nan
        colors = np.array([[[inf, 1, 2], [1, -inf, 2], [inf, -inf, 0], [nan, 1, 1]]], np.float32)
        result = g2r.to_gray(colors, "HWC->HW")[0]
        assert result[:2].tolist() == [inf, -inf]
        assert np.isnan(result[2:]).all()

    def test_far_from_zero(self):
        colors = np.float32(1e6) + np.arange(12, dtype=np.float32).reshape(1, 4, 3) / 16
        result = g2r.to_gray(colors, "HWC->HW")
        assert ((colors.min(-1) <= result) & (result <= colors.max(-1))).all()


class TestGrayComesBack:
    @pytest.mark.parametrize("weights", ["luma", "equal", "any"])
    @pytest.mark.parametrize("layout", ["NHW->NHWC", "NHW->NCHW"])
    @pytest.mark.parametrize("dtype", [d for d in NUMBERS if d.kind != "c"], ids=str)
    def test_from_rgb(self, dtype, layout, weights):
        gray = random_bits((3, 50, 61), np.uint8).astype(dtype)
        if dtype.kind == "f":
            gray = np.random.default_rng(0).normal(0, 1000, gray.shape).astype(dtype)
            gray[0, 0, :4] = np.inf, -np.inf, -0.0, np.finfo(dtype).max
            gray[0, 0, 4:6] = np.finfo(dtype).smallest_subnormal, -np.finfo(dtype).max
        elif dtype.kind in "iu":
            gray[0, 0, :2] = np.iinfo(dtype).min, np.iinfo(dtype).max
        source = layout.partition("->")[2]
        back = g2r.to_gray(g2r.to_rgb(gray, layout), f"{source}->NHW", weights=weights)
        if dtype.itemsize > 8:  # whose bytes aren't all used
            assert (back == gray).all()
            return
        assert_same_bits(back, gray)
        assert_same_bits(g2r.to_gray(gray, "NHW", weights=weights), gray)

    def test_byte_order_and_nan(self):
        gray = np.arange(30, dtype=">u2").reshape(5, 6)
        assert g2r.to_gray(g2r.to_rgb(gray)).dtype == gray.dtype
        assert_same_bits(g2r.to_gray(g2r.to_rgb(gray)), gray)
        odd = np.full((4, 4), np.nan, np.float32)
        assert np.isnan(g2r.to_gray(g2r.to_rgb(odd), "HWC")).all()
        assert_same_bits(g2r.to_gray(g2r.to_rgb(odd), "HWC", weights="any"), odd)


class TestAny:
    def refused(self, colors, told, layout="NHWC->NHW"):
        with pytest.raises(g2r.ChannelError, match=told) as caught:
            g2r.to_gray(colors, layout, weights="any")
        assert "weights='any'" in str(caught.value).splitlines()[1]

    @pytest.mark.parametrize("dtype", [d for d in NUMBERS if d.kind in "iuf"], ids=str)
    def test_the_largest_difference_and_its_place(self, dtype):
        colors = np.full((3, 200, 300, 3), 20, dtype)
        colors[1, 7, 9] = 20, 20, 22
        colors[2, 150, 288] = 20, 10, 17
        self.refused(colors, r"by 10(\.0)? at most, in \(20.* at N=2, H=150, W=288")
        moved = np.moveaxis(colors, -1, 0).copy()
        self.refused(moved, r"by 10(\.0)? at most, in \(20.* at N=2, H=150, W=288", "CNHW->NHW")

    def test_differences_of_64_bits_are_exact(self):
        colors = np.zeros((1, 2, 3, 3), np.int64)
        colors[0, 1, 2] = -(2**63), 2**63 - 1, 0
        self.refused(colors, f"by {2**64 - 1} at most, in ")
        colors = np.full((1, 2, 3, 3), 2**64 - 1, np.uint64)
        colors[0, 0, 0, 1] -= np.uint64(1)
        self.refused(colors, "by 1 at most, in ")

    def test_nan_and_infinity(self):
        colors = np.full((1, 2, 3, 3), np.nan, np.float32)
        assert np.isnan(g2r.to_gray(colors, "NHWC->NHW", weights="any")).all()
        colors[0, 1, 1] = 1, np.nan, 1
        self.refused(colors, r"by nan at most, in \(1.0, nan, 1.0\) at N=0, H=1, W=1")
        colors[...] = np.inf
        assert np.isinf(g2r.to_gray(colors, "NHWC->NHW", weights="any")).all()
        colors[0, 0, 2] = 1, 1, np.inf
        self.refused(colors, "by inf at most")

    def test_bool_and_complex(self):
        colors = np.zeros((1, 2, 3, 3), bool)
        colors[0, 0, 1, 2] = True
        self.refused(colors, r"by 1 at most, in \(False, False, True\)")
        colors = np.ones((1, 2, 3, 3), np.complex64)
        assert g2r.to_gray(colors, "NHWC->NHW", weights="any").dtype == np.complex64
        colors[0, 0, 1, 2] = 1 + 2j
        self.refused(colors, r"by 2.0 at most")

    def test_it_names_a_call_that_works(self):
        colors = random_bits((5, 6, 3), np.uint8)
        with pytest.raises(g2r.ChannelError, match='weights="luma"'):
            g2r.to_gray(colors, weights="any")
        assert g2r.to_gray(colors, weights="luma").shape == (5, 6)


class TestOut:
    colors = random_bits((4, 5, 6, 3), np.uint16)

    @pytest.mark.parametrize("layout", ["NHWC->NHW", "NHWC->NCHW", "NHWC->NHWC", "NHWC->WNH"])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_filled_and_returned(self, layout, channels):
        colors = self.colors[..., :channels]
        expected = g2r.to_gray(colors, layout)
        out = np.empty(expected.shape, np.uint16)
        assert g2r.to_gray(colors, layout, out=out) is out
        assert_same_bits(out, expected)

    def test_refused(self):
        x = self.colors
        cases = [
            (np.empty((4, 5, 6, 1), np.uint16), g2r.LayoutError, "the result (4, 5, 6)"),
            (np.empty((4, 5, 6), np.uint8), g2r.DtypeError, "the result uint16"),
            (np.empty((4, 5, 6), np.uint16, order="F"), g2r.LayoutError, "C-contiguous"),
            (x.reshape(-1)[:120].reshape(4, 5, 6), g2r.LayoutError, "overlaps"),
            ([0], g2r.DtypeError, "out must be of the input's kind, not list"),
        ]
        for out, error, told in cases:
            with pytest.raises(error) as caught:
                g2r.to_gray(x, "NHWC", out=out)
            assert told in str(caught.value)
            assert "given: numpy.ndarray, shape (4, 5, 6, 3)" in str(caught.value)


class TestLayouts:
    @pytest.mark.parametrize(
        ("shape", "layout", "result"),
        [((5, 6), None, (5, 6)), ((5, 6, 3), None, (5, 6)), ((5, 6, 1), None, (5, 6)),
         ((1, 5, 6), None, (5, 6)), ((7, 3, 5, 6), None, (7, 5, 6)),
         ((7, 5, 6, 3), None, (7, 5, 6)), ((7, 5, 6), "NHW", (7, 5, 6)), ((3, 5, 6), "CHW", (5, 6)),
         ((5, 6), "HW->HWC", (5, 6, 1)),
         ((5, 6, 3), "HWC->CHW", (1, 5, 6)), ((2, 3, 5, 6), "NCHW -> NHWC", (2, 5, 6, 1))],
    )  # fmt: skip
    def test_the_result_has_a_channel_where_it_is_stated(self, shape, layout, result):
        gray = g2r.to_gray(np.zeros(shape, np.uint8), layout)
        assert gray.shape == result
        assert gray.flags.c_contiguous
        assert gray.flags.writeable

    @pytest.mark.parametrize("shape", [(64, 8, 8), (3, 8, 8), (8, 8, 4), (2, 1, 8, 3)])
    def test_a_shape_with_two_readings(self, shape):
        with pytest.raises(g2r.LayoutError, match=r'say the layout: to_gray\(x, "N') as caught:
            g2r.to_gray(np.zeros(shape, np.uint8))
        assert ", or to_rgb" not in str(caught.value)

    @pytest.mark.parametrize(
        ("layout", "told"),
        [("HWC->WC", "needs both H and W"), ("NHWC->HW", 'lacks N. Write "NHWC->NHW"'),
         ("HWC->NHW", 'adds N. Write "HWC->HW"'), ("NTHWC->THWC", "axes with C or without"),
         ("hwc", 'Did you mean "HWC"')],
    )  # fmt: skip
    def test_a_wrong_layout(self, layout, told):
        with pytest.raises(g2r.LayoutError) as caught:
            g2r.to_gray(np.zeros((5, 6, 3), np.uint8), layout)
        assert told in str(caught.value)

    def test_a_gray_layout_is_none_of_rgb(self):
        with pytest.raises(g2r.LayoutError, match="lacks C"):
            g2r.to_rgb(np.zeros((5, 6, 3), np.uint8), "HWC->HW")

    @pytest.mark.parametrize("call", ["HWC", "CHW"])
    def test_the_suggested_call_for_alpha_works(self, call):
        x = np.zeros((4, 8, 4) if call == "CHW" else (9, 8, 4), np.uint8)
        with pytest.raises(g2r.LayoutError) as caught:
            g2r.to_gray(x)
        suggested = f'to_gray(to_rgb(x, "{call}", alpha="drop"), "{call}")'
        assert suggested in str(caught.value)
        scope = {"x": x, "to_gray": g2r.to_gray, "to_rgb": g2r.to_rgb}
        assert eval(suggested, scope).shape == ((8, 4) if call == "CHW" else (9, 8))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([d for d in NUMBERS if d.kind in "iu" and d != np.uint8]),
    st.sampled_from(["NHWC->NHW", "NCHW->WHN", "HWCN->NHWC", "CHWN->HNW"]),
    st.lists(st.integers(0, 7), min_size=3, max_size=3),
    st.sampled_from([1, -1, 2]),
    st.sampled_from(["luma", "equal"]),
)
def test_any_strides(dtype, layout, sizes, step, weights):
    source, target = layout.split("->")
    size = dict(zip("NHW", sizes, strict=True), C=3)
    shape = tuple(size[a] for a in source)
    whole = random_bits((*shape[:-1], shape[-1] * 2 * dtype.itemsize), np.uint8).view(dtype)
    colors = whole[..., ::step][..., : shape[-1]]
    colors.flags.writeable = False
    result = g2r.to_gray(colors, layout, weights=weights)
    axes = [source.index(a) for a in target if a != "C"]
    pixels = colors.transpose(*axes, source.index("C"))
    means = [exact_mean(pixel, weights) for pixel in pixels.reshape(-1, 3)]
    expected = np.array(means, dtype).reshape(pixels.shape[:-1])
    if "C" in target:
        expected = np.expand_dims(expected, target.index("C"))
    assert_same_bits(result, expected)
    assert_own_memory(result, colors)


@pytest.mark.parametrize("extra", [-1, 0, 1, 1023, 1024])
def test_sizes_around_a_block(extra):
    colors = random_bits((1, gray_planes._BLOCK + extra, 3), np.uint8)
    planar = np.moveaxis(colors, -1, 0)
    assert_same_bits(g2r.to_gray(colors, "HWC"), g2r.to_gray(planar, "CHW"))


class TestFiles:
    def test_the_layout_is_the_files(self):
        assert_same_bits(g2r.to_gray(file_of(SCAN)), SCAN)
        assert_same_bits(g2r.to_gray(file_of(COLOR, "HWC")), g2r.to_gray(COLOR))
        assert g2r.to_gray(file_of(COLOR, "HWC"), "HWC->CHW").shape == (1, 6, 8)
        with pytest.raises(g2r.LayoutError, match=r"axes of x.png are 'HW'"):
            g2r.to_gray(file_of(SCAN), "HWC->HW")


class Held:
    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


def test_other_objects():
    colors = random_bits((5, 6, 3), np.uint8)
    assert_same_bits(g2r.to_gray(Held(colors)), g2r.to_gray(colors))
    for wrong in ("x.png", [colors], None, np.ma.masked_array(colors), np.array(["a"])):
        with pytest.raises(g2r.DtypeError, match="given: "):
            g2r.to_gray(wrong)
    with pytest.raises(g2r.OptionError, match="weights is"):
        g2r.to_gray(colors, weights=np.array([0.3, 0.6, 0.1]))


@pytest.mark.parametrize("layout", ["NHWC->NHW", "NCHW->NHW", "NHWC->NCHW"])
@pytest.mark.parametrize(
    ("dtype", "weights"),
    [("uint8", "luma"), ("uint8", "any"), ("uint16", "equal"), ("int64", "luma"),
     ("float32", "luma"), ("float64", "equal")],
)  # fmt: skip
def test_memory_beside_the_result(dtype, weights, layout):
    x = np.ones((9, 3, 400, 400) if layout[1] == "C" else (9, 400, 400, 3), dtype)
    tracemalloc.start()
    try:
        result = g2r.to_gray(x, layout, weights=weights)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - result.nbytes < 1.5e6


def test_the_result_shares_no_memory_with_a_gray_input():
    gray = np.zeros((5, 6), np.uint8)
    assert_own_memory(g2r.to_gray(gray), gray)
    assert_own_memory(g2r.to_gray(gray[..., None], "HWC->HWC"), gray)
