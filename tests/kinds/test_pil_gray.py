"""Tests of ``to_gray`` on Pillow images of every mode."""

import numpy as np
import pytest

import graytorgb as g2r

from ..support import needs, random_bits
from .test_pil import COLORS, DEEP, LEVELS, deep_image, gray, palette, with_alpha

needs("pillow")

from PIL import Image  # noqa: E402

WEIGHTS = ["luma", "equal", "any"]


@pytest.mark.parametrize("make", [palette, lambda: Image.fromarray(COLORS)])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_colors_are_weighed_as_arrays_are(make, weights):
    image = make()
    if weights == "any":
        with pytest.raises(g2r.ChannelError, match="channels differ: by") as caught:
            g2r.to_gray(image, weights=weights)
        assert f"mode {image.mode}" in str(caught.value)
        return
    result = g2r.to_gray(image, weights=weights)
    assert result.mode == "L"
    array = np.asarray(image.convert("RGB"))
    expected = g2r.to_gray(array, "HWC", weights=weights)
    np.testing.assert_array_equal(np.asarray(result), expected)
    if weights == "luma":
        np.testing.assert_array_equal(np.asarray(result), np.asarray(image.convert("L")))


@pytest.mark.parametrize("weights", WEIGHTS)
def test_gray_passes_as_a_copy(weights):
    image = gray()
    image.info["dpi"] = (300, 300)
    result = g2r.to_gray(image, weights=weights)
    assert result.mode == "L"
    assert result.info == image.info
    result.putpixel((0, 0), int(LEVELS[0, 0]) ^ 1)
    np.testing.assert_array_equal(np.asarray(image), LEVELS)
    back = g2r.to_gray(g2r.to_rgb(image), weights=weights)
    np.testing.assert_array_equal(np.asarray(back), LEVELS)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_bilevel_and_gray_palettes(weights):
    bilevel = gray().convert("1")
    result = g2r.to_gray(bilevel, weights=weights)
    np.testing.assert_array_equal(np.asarray(result), np.where(np.asarray(bilevel), 255, 0))
    image = palette()
    shades = random_bits((256, 1), np.uint8, seed=5)
    image.putpalette(np.repeat(shades, 3, 1).tobytes())
    result = g2r.to_gray(image, weights=weights)
    assert result.mode == "L"
    np.testing.assert_array_equal(np.asarray(result), shades[LEVELS, 0])


@pytest.mark.parametrize("mode", DEEP)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_deep_images_are_gray_and_keep_every_value(mode, weights):
    image = deep_image(mode)
    result = g2r.to_gray(image, weights=weights)
    assert result is not image
    assert result.mode == mode
    np.testing.assert_array_equal(np.asarray(result), DEEP[mode])


@pytest.mark.parametrize("mode", ["LA", "PA", "RGBA"])
def test_alpha_is_an_error_that_names_a_call(mode):
    image = with_alpha(mode)
    with pytest.raises(g2r.ChannelError, match=r'to_gray\(to_rgb\(x, ..., alpha="drop"\)\)'):
        g2r.to_gray(image)
    result = g2r.to_gray(g2r.to_rgb(image, alpha="drop"))
    assert result.mode == "L"
    opaque = image.convert("L" if mode == "LA" else "RGB").convert("L")
    np.testing.assert_array_equal(np.asarray(result), np.asarray(opaque))
    assert g2r.to_gray(g2r.to_rgb(image, alpha=(0, 0, 0))).mode == "L"


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "LAB", "RGBa", "La"])
def test_other_color_spaces(mode):
    with pytest.raises(g2r.ChannelError, match=f"{mode}.*neither gray nor RGB: image.convert"):
        g2r.to_gray(Image.new(mode, (6, 5)))


def test_a_transparent_color_is_alpha():
    image = palette()
    image.info["transparency"] = 3
    with pytest.raises(g2r.ChannelError, match="holds no alpha"):
        g2r.to_gray(image)


def test_layouts_and_out():
    image = Image.fromarray(COLORS)
    for layout in ("HWC", "HW", "HWC->HW", "HW->HW"):
        assert g2r.to_gray(image, layout).mode == "L"
    for layout in ("HWC->HWC", "CHW", "NHW"):
        with pytest.raises(g2r.LayoutError, match=r"to_gray\(np.asarray\(image\), layout\)"):
            g2r.to_gray(image, layout)
    with pytest.raises(g2r.DtypeError, match=r"to_gray\(np.asarray\(image\), out=...\)"):
        g2r.to_gray(image, out=np.empty((5, 6), np.uint8))
