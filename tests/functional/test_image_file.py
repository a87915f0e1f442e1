"""Tests of the verbs on an ``ImageFile``, which brings its layout and its range."""

from pathlib import Path

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb.core.image_file import ImageFile

from ..support import assert_same_bits, needs

SCAN = np.random.default_rng(0).integers(0, 4096, (6, 8), dtype=np.uint16)
SCAN[0, :2] = 0, 4095
COLOR = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
IMAGENET = g2r.stats("imagenet")


def file_of(array, layout="HW", value_range=(0, 4095)):
    return ImageFile(Path("x.png"), array, layout, value_range, "a test", "PNG", "gray")


def test_the_repr_tells_the_range_or_why_there_is_none():
    assert repr(file_of(SCAN)).endswith("layout 'HW', value_range (0, 4095) from a test)")
    assert repr(file_of(SCAN, value_range=None)).endswith("layout 'HW', no value_range: a test)")


class TestToRGB:
    def test_the_layout_is_the_files(self):
        assert_same_bits(g2r.to_rgb(file_of(SCAN)), g2r.to_rgb(SCAN, "HW"))
        batch = np.stack([SCAN] * 3)  # whose shape alone could be a color image's
        assert_same_bits(g2r.to_rgb(file_of(batch, "NHW")), g2r.to_rgb(batch, "NHW"))
        assert_same_bits(g2r.to_rgb(file_of(COLOR, "HWC", (0, 255))), COLOR)

    def test_a_layout_says_the_axes_of_the_result(self):
        assert_same_bits(g2r.to_rgb(file_of(SCAN), "HW->CHW"), g2r.to_rgb(SCAN, "HW->CHW"))
        assert_same_bits(g2r.to_rgb(file_of(SCAN), " HW "), g2r.to_rgb(SCAN, "HW"))
        for layout in ("NHW->NCHW", "WH->HWC", "HWC"):
            with pytest.raises(
                g2r.LayoutError, match=r"axes of x.png are 'HW'.*\"HW->...\""
            ) as told:
                g2r.to_rgb(file_of(SCAN), layout)
            assert "given: ImageFile('x.png'" in str(told.value)

    def test_a_file_that_does_not_say_its_layout(self):
        assert_same_bits(g2r.to_rgb(file_of(SCAN, None)), g2r.to_rgb(SCAN))
        batch = np.stack([SCAN] * 4)
        assert_same_bits(g2r.to_rgb(file_of(batch, None), "NHW"), g2r.to_rgb(batch, "NHW"))
        with pytest.raises(g2r.LayoutError, match="say the layout"):
            g2r.to_rgb(file_of(batch, None))

    def test_options(self):
        out = np.empty((6, 8, 3), np.uint16)
        assert g2r.to_rgb(file_of(SCAN), out=out) is out
        assert np.shares_memory(g2r.to_rgb(file_of(SCAN), copy=False), SCAN)
        rgba = np.dstack([COLOR, COLOR[..., :1]])
        with pytest.raises(g2r.ChannelError, match='alpha="drop"'):
            g2r.to_rgb(file_of(rgba, "HWC"))
        assert_same_bits(g2r.to_rgb(file_of(rgba, "HWC"), alpha="drop"), COLOR)

    def test_a_range_is_not_needed(self):
        assert g2r.to_rgb(file_of(SCAN, value_range=None)).shape == (6, 8, 3)


class TestToUint8:
    def test_the_range_is_the_files(self):
        for value_range in ((0, 4095), "dtype", "minmax", ("percentile", 1, 99)):
            file = file_of(SCAN, value_range=value_range)
            assert_same_bits(g2r.to_uint8(file), g2r.to_uint8(SCAN, value_range))

    def test_another_range_is_stated(self):
        result = g2r.to_uint8(file_of(SCAN), (0, 8191))
        assert_same_bits(result, g2r.to_uint8(SCAN, (0, 8191)))
        out = np.empty(SCAN.shape, np.uint8)
        assert g2r.to_uint8(file_of(SCAN), out=out) is out

    def test_a_file_that_does_not_say_its_range(self):
        """Floats have no known range either: a file of floats may hold any values."""
        for array in (SCAN, (SCAN / 4095).astype(np.float32)):
            file = file_of(array, value_range=None)
            with pytest.raises(g2r.LevelsError, match="black and white have to be stated"):
                g2r.to_uint8(file)
            assert_same_bits(g2r.to_uint8(file, "minmax"), g2r.to_uint8(array, "minmax"))


class TestPrepare:
    def test_range_and_layout_are_the_files(self):
        batch = np.stack([SCAN] * 3)
        stated = {"value_range": (0, 4095)}
        result = g2r.prepare(file_of(batch, "NHW"), IMAGENET, "NHW->NCHW")
        assert_same_bits(result, g2r.prepare(batch, IMAGENET, "NHW->NCHW", **stated))
        result = g2r.prepare(file_of(SCAN), IMAGENET)
        assert_same_bits(result, g2r.prepare(SCAN, IMAGENET, "HW", **stated))

    def test_another_range_is_stated(self):
        stated = {"value_range": "minmax"}
        result = g2r.prepare(file_of(SCAN), IMAGENET, **stated)
        assert_same_bits(result, g2r.prepare(SCAN, IMAGENET, "HW", **stated))

    def test_what_is_refused(self):
        with pytest.raises(g2r.LayoutError, match=r"axes of x.png are 'HW'"):
            g2r.prepare(file_of(SCAN), IMAGENET, "NHW->NCHW")
        with pytest.raises(g2r.LevelsError, match="have to be stated") as told:
            g2r.prepare(file_of(SCAN, value_range=None), IMAGENET)
        assert "given: ImageFile('x.png'" in str(told.value)


def test_a_file_that_was_read(tmp_path):
    needs("pillow")
    from PIL import Image

    Image.fromarray(SCAN).save(tmp_path / "scan.png")
    file = g2r.io.read(tmp_path / "scan.png", value_range=(0, 4095))
    assert_same_bits(g2r.to_rgb(file, "HW->CHW"), g2r.to_rgb(SCAN, "HW->CHW"))
    assert_same_bits(g2r.to_uint8(file), g2r.to_uint8(SCAN, (0, 4095)))
    expected = g2r.prepare(SCAN, IMAGENET, "HW", value_range=(0, 4095))
    assert_same_bits(g2r.prepare(file, IMAGENET), expected)
