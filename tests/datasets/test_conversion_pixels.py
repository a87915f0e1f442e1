"""The pixels of one image: every option against NumPy, and what can't be converted."""

import itertools
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graytorgb as g2r
from graytorgb.core.image_file import ImageFile
from graytorgb.datasets.conversions.options import Options
from graytorgb.datasets.conversions.pixels import convert_image
from graytorgb.errors import ChannelError, LayoutError, LevelsError
from graytorgb.functional.resizing import find_size, resize

from ..support import needs

needs("pillow")

DTYPES = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


def image(array, layout, value_range=None, orientation=1):
    return ImageFile(
        Path("x"), array, layout, value_range, "a test", "PNG", "gray", orientation=orientation
    )


def example(dtype, shape):
    rng = np.random.default_rng(0)
    if dtype == "bool":
        return rng.random(shape) > 0.5
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


@pytest.mark.parametrize(("dtype", "layout"), list(itertools.product(DTYPES, ("HW", "HWC", "CHW"))))
def test_keep(dtype, layout):
    shape = {"HW": (5, 6), "HWC": (5, 6, 3), "CHW": (3, 5, 6)}[layout]
    array = example(dtype, shape)
    rgb = convert_image(image(array, layout), Options())
    last = array if layout != "CHW" else np.moveaxis(array, 0, -1)
    assert np.array_equal(rgb, last if last.ndim == 3 else np.stack([last] * 3, -1))
    assert rgb.dtype == array.dtype
    assert rgb.flags.c_contiguous
    gray = convert_image(image(array, layout), Options(to="gray"))
    assert np.array_equal(gray, array if layout == "HW" else g2r.to_gray(last, "HWC->HW"))
    assert gray.shape == (5, 6)
    assert gray.dtype == array.dtype


def test_the_order_of_the_steps():
    """Turned, composited, resized in full depth, and only then 8 bits."""
    rng = np.random.default_rng(0)
    array = rng.integers(0, 4096, (8, 10, 4), dtype=np.uint16)
    array[..., 3] = rng.integers(0, 65536, (8, 10))
    options = Options(bits=8, value_range=(0, 4095), alpha=(0, 9, 4000), size=(4, 3))
    result = convert_image(image(array, "HWC", orientation=6), options)
    upright = np.rot90(array, -1)
    flat = g2r.to_rgb(np.ascontiguousarray(upright), "HWC", alpha=(0, 9, 4000))
    assert np.array_equal(result, g2r.to_uint8(resize(flat, (4, 3)), (0, 4095)))


@pytest.mark.parametrize(("layout", "shape"), [(None, (3, 4, 5)), ("NHW", (3, 4, 5))])
def test_axes_that_are_not_one_image(layout, shape):
    with pytest.raises(LayoutError, match="one image of"):
        convert_image(image(np.zeros(shape, np.uint8), layout), Options())


def test_what_is_refused():
    with pytest.raises(ChannelError):
        convert_image(image(np.zeros((3, 4, 2), np.uint8), "HWC"), Options())
    deep = image(np.zeros((3, 4), np.uint16), "HW")
    with pytest.raises(LevelsError):
        convert_image(deep, Options(bits=8))
    with pytest.raises(LevelsError):
        convert_image(image(np.full((3, 4), np.nan), "HW"), Options(bits=8, value_range=(0, 1)))


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 500))
def test_the_shorter_side(height, width, size):
    result = find_size((height, width), size)
    assert result[int(width < height)] == size
    longer = max(height, width) * size // min(height, width)
    assert result[int(width >= height)] == longer


class TestResize:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
    @pytest.mark.parametrize("size", [(3, 4), (7, 5), (24, 30)])
    def test_it_is_pillows_antialiasing_in_full_depth(self, dtype, size):
        array = example(dtype, (12, 15, 3))
        result = resize(array, size)
        assert (result.shape, result.dtype) == ((*size, 3), array.dtype)
        for channel in range(3):
            plane = PIL.Image.fromarray(array[..., channel].astype(np.float32))
            expected = np.asarray(plane.resize(size[::-1], PIL.Image.Resampling.BILINEAR))
            if np.dtype(dtype).kind != "f":
                expected = np.rint(expected)
            assert np.array_equal(result[..., channel], expected)

    @pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64", "int64"])
    def test_the_largest_values_stay_within_the_dtype(self, dtype):
        array = np.full((4, 4), np.iinfo(dtype).max, dtype)
        assert (resize(array, (2, 2)) == np.iinfo(dtype).max).all()

    def test_antialiasing_means(self):
        """Each of the pixels that become one counts, unlike with plain interpolation."""
        array = np.zeros((8, 8), np.uint16)
        array[1::4] = array[2::4] = 60000  # the rows that plain interpolation would look at
        assert np.abs(resize(array, (2, 2)).astype(int) - 30000).max() < 10000

    def test_it_never_goes_beyond_the_extremes(self):
        array = np.where(np.add.outer(np.arange(20), np.arange(20)) % 7 < 3, 100, 4000)
        result = resize(array.astype(np.uint16), (13, 9))
        assert (result.min() >= 100, result.max() <= 4000) == (True, True)

    def test_equal_planes_stay_equal(self):
        result = resize(np.stack([example("uint16", (9, 8))] * 3, -1), (4, 5))
        assert (result == result[..., :1]).all()

    def test_bool_gets_levels(self):
        result = resize(example("bool", (8, 8)), (3, 3))
        assert result.dtype == np.uint8
        assert len(np.unique(result)) > 2

    def test_the_same_size_is_the_same_array(self):
        array = example("float64", (3, 4))
        assert np.array_equal(resize(array, (3, 4)), array)

    def test_floats_beyond_float32(self):
        with pytest.raises(LevelsError, match="beyond float32"):
            resize(np.full((4, 4), 1e300), (2, 2))
