"""Tests of Pillow images: every mode, from memory and from files."""

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb.backends.registry import BACKENDS

from ..support import needs, random_bits

needs("pillow")

from PIL import Image  # noqa: E402

LEVELS = random_bits((5, 6), np.uint8)
COLORS = random_bits((5, 6, 3), np.uint8, seed=1)
OPACITY = random_bits((5, 6), np.uint8, seed=2)


def gray():
    return Image.fromarray(LEVELS)


def palette():
    image = Image.new("P", (6, 5))
    image.putpalette(random_bits((256, 3), np.uint8, seed=3).tobytes())
    image.putdata(LEVELS.ravel().tolist())
    return image


def with_alpha(mode):
    if mode == "LA":
        return Image.merge("LA", (gray(), Image.fromarray(OPACITY)))
    if mode == "PA":
        image = palette().convert("PA")
        image.putalpha(Image.fromarray(OPACITY))
        return image
    return Image.merge("RGBA", (*Image.fromarray(COLORS).split(), Image.fromarray(OPACITY)))


@pytest.mark.parametrize("backend", ["auto", *(b for b in BACKENDS if b != "broadcast")])
def test_gray_becomes_three_equal_channels(backend):
    needs(*({backend} - {"auto"}))
    result = g2r.to_rgb(gray(), backend=backend)
    assert isinstance(result, Image.Image)
    assert result.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(result), np.stack([LEVELS] * 3, -1))


@pytest.mark.parametrize("backend", ["auto", "fill", "pillow"])
def test_bilevel_is_0_and_255(backend):
    image = gray().convert("1")
    expected = np.where(np.asarray(image)[..., None], 255, 0).repeat(3, -1)
    np.testing.assert_array_equal(np.asarray(g2r.to_rgb(image, backend=backend)), expected)


def test_palette_gives_its_colors():
    table = np.array(palette().getpalette()).reshape(-1, 3)
    np.testing.assert_array_equal(np.asarray(g2r.to_rgb(palette())), table[LEVELS])


def test_rgb_passes_through():
    image = Image.fromarray(COLORS)
    result = g2r.to_rgb(image)
    assert result is not image
    result.putpixel((0, 0), (1, 2, 3))
    np.testing.assert_array_equal(np.asarray(image), COLORS)  # no memory in common
    assert g2r.to_rgb(image, copy=False) is image


@pytest.mark.parametrize("mode", ["LA", "PA", "RGBA"])
class TestAlpha:
    def test_is_an_error_unless_told(self, mode):
        with pytest.raises(g2r.ChannelError, match='alpha="drop"') as caught:
            g2r.to_rgb(with_alpha(mode))
        assert f"mode {mode}" in str(caught.value)

    def test_drop(self, mode):
        table = np.array(palette().getpalette()).reshape(-1, 3)
        expected = {"LA": np.stack([LEVELS] * 3, -1), "PA": table[LEVELS], "RGBA": COLORS}[mode]
        result = g2r.to_rgb(with_alpha(mode), alpha="drop")
        np.testing.assert_array_equal(np.asarray(result), expected)

    def test_composite_as_arrays_do(self, mode):
        image = with_alpha(mode)
        array = np.asarray(image if mode != "PA" else image.convert("RGBA"))
        result = g2r.to_rgb(image, alpha=(10, 200, 0))
        assert result.mode == "RGB"
        expected = g2r.to_rgb(array, "HWC", alpha=(10, 200, 0))
        np.testing.assert_array_equal(np.asarray(result), expected)


@pytest.mark.parametrize("make", [palette, gray, lambda: Image.fromarray(COLORS)])
def test_a_transparent_color_is_alpha(make, tmp_path):
    path = tmp_path / "x.png"
    image = make()
    color = image.getpixel((0, 0))
    image.save(path, transparency=color)
    with Image.open(path) as image:
        with pytest.raises(g2r.ChannelError):
            g2r.to_rgb(image)
        dropped = g2r.to_rgb(image, alpha="drop")
        mixed = g2r.to_rgb(image, alpha=(1, 2, 3))
    np.testing.assert_array_equal(np.asarray(dropped), np.asarray(g2r.to_rgb(make())))
    assert mixed.getpixel((0, 0)) == (1, 2, 3)
    assert "transparency" not in mixed.info


DEEP = {
    "I;16": np.arange(30, dtype="<u2").reshape(5, 6) * 2000,
    "I;16B": (np.arange(30).reshape(5, 6) * 2000).astype(">u2"),
    "I": np.arange(30, dtype=np.int32).reshape(5, 6) * 70000 - 10**6,
    "F": np.arange(30, dtype=np.float32).reshape(5, 6) / 29,
}


def deep_image(mode):
    if mode == "I;16B":
        return Image.frombytes("I;16B", (6, 5), DEEP[mode].tobytes())
    image = Image.fromarray(DEEP[mode])
    assert image.mode == mode
    return image


@pytest.mark.parametrize("mode", DEEP)
class TestDeep:
    def test_raises_and_the_calls_it_names_work(self, mode):
        image = deep_image(mode)
        with pytest.raises(g2r.DtypeError, match="to_uint8") as caught:
            g2r.to_rgb(image)
        assert mode in str(caught.value)
        assert g2r.to_rgb(g2r.to_uint8(image, "minmax")).mode == "RGB"
        np.testing.assert_array_equal(g2r.to_rgb(np.asarray(image)), np.stack([DEEP[mode]] * 3, -1))

    @pytest.mark.filterwarnings("ignore:more than half of an image is above")
    @pytest.mark.parametrize("policy", [(0, 4095), "dtype", "minmax", ("percentile", 5, 95)])
    def test_to_uint8_as_arrays_do(self, mode, policy):
        result = g2r.to_uint8(deep_image(mode), policy)
        assert result.mode == "L"
        np.testing.assert_array_equal(np.asarray(result), g2r.to_uint8(DEEP[mode], policy))

    def test_from_a_file(self, mode, tmp_path):
        path = tmp_path / "x.tif"
        deep_image(mode).save(path)
        with Image.open(path) as image:
            levels = g2r.to_uint8(image, "minmax")
        np.testing.assert_array_equal(np.asarray(levels), g2r.to_uint8(DEEP[mode], "minmax"))


def test_16_bit_png_from_a_file(tmp_path):
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    path = tmp_path / "ramp.png"
    Image.fromarray(ramp).save(path)
    with Image.open(path) as image, pytest.raises(g2r.DtypeError):
        g2r.to_rgb(image)
    with Image.open(path) as image:
        levels = g2r.to_uint8(image, "dtype")
    assert len(np.unique(np.asarray(levels))) == 256
    with Image.open(path) as image:  # the bug this package exists for
        naive = np.asarray(image.convert("RGB"))
    assert (naive == 255).mean() > 0.99


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB", "HSV", "La", "RGBa", "RGBX"])
def test_other_color_spaces_are_refused_by_name(mode):
    image = Image.new(mode, (6, 5))
    for call in (g2r.to_rgb, lambda v: g2r.to_uint8(v, (0, 1))):
        with pytest.raises(g2r.ChannelError, match=mode):
            call(image)


class TestToUint8:
    @pytest.mark.filterwarnings("ignore:more than half of an image is above")
    def test_8_bit_modes(self):
        for image in (gray(), Image.fromarray(COLORS)):
            np.testing.assert_array_equal(
                np.asarray(g2r.to_uint8(image, (50, 100))),
                g2r.to_uint8(np.asarray(image), (50, 100)),
            )

    def test_bilevel_by_its_own_range(self):
        image = gray().convert("1")
        result = g2r.to_uint8(image, "dtype")
        np.testing.assert_array_equal(np.asarray(result), np.asarray(image) * 255)

    def test_palette_by_its_colors(self):
        result = g2r.to_uint8(palette(), (0, 255))
        assert result.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(result), np.asarray(palette().convert("RGB")))

    def test_a_range_beyond_8_bits_means_that_the_depth_is_lost(self):
        with pytest.raises(g2r.LevelsError, match=r"loader=PIL\.Image\.open"):
            g2r.to_uint8(Image.fromarray(COLORS), (0, 4095))

    def test_transparent_values_of_16_bits_become_alpha(self, tmp_path):
        path = tmp_path / "x.png"
        deep_image("I;16").save(path, transparency=2000)
        with Image.open(path) as image:
            assert image.mode == "I;16"
            result = g2r.to_uint8(image, "dtype")
        assert result.mode == "LA"
        np.testing.assert_array_equal(np.asarray(result.getchannel("A")) == 0, DEEP["I;16"] == 2000)

    def test_bilevel_with_a_transparent_value(self, tmp_path):
        path = tmp_path / "x.png"
        gray().convert("1").save(path, transparency=0)
        with Image.open(path) as image:
            assert image.mode == "1"
            result = g2r.to_uint8(image, "dtype")
            dropped = g2r.to_rgb(image, alpha="drop")
        assert set(np.unique(result.getchannel("L"))) == {0, 255}
        assert dropped.mode == "RGB"
        assert "transparency" not in dropped.info
        assert set(np.unique(dropped)) == {0, 255}

    @pytest.mark.filterwarnings("ignore:more than half of an image is above")
    @pytest.mark.parametrize("mode", ["LA", "PA", "RGBA"])
    def test_alpha_is_kept_as_it_is(self, mode):
        image = with_alpha(mode)
        result = g2r.to_uint8(image, (0, 100))
        assert result.mode == {"PA": "RGBA"}.get(mode, mode)
        np.testing.assert_array_equal(np.asarray(result.getchannel("A")), OPACITY)
        colors = np.asarray(image.convert("RGBA"))[..., :3]
        np.testing.assert_array_equal(
            np.asarray(result.convert("RGBA"))[..., :3], g2r.to_uint8(colors, (0, 100))
        )

    def test_nan(self):
        image = Image.fromarray(np.full((5, 6), np.nan, np.float32))
        with pytest.raises(g2r.LevelsError, match="NaN"):
            g2r.to_uint8(image, (0, 1))


class TestOptions:
    @pytest.mark.parametrize("layout", ["HW", "HWC", "HW->HWC"])
    def test_its_own_layout_may_be_said(self, layout):
        assert g2r.to_rgb(gray(), layout).mode == "RGB"

    @pytest.mark.parametrize("layout", ["CHW", "HW->CHW", "NHW", "WH"])
    def test_another_is_an_error(self, layout):
        with pytest.raises(g2r.LayoutError, match=r"np\.asarray\(image\)"):
            g2r.to_rgb(gray(), layout)

    def test_out(self):
        for call in (g2r.to_rgb, lambda v, out: g2r.to_uint8(v, (0, 1), out=out)):
            with pytest.raises(g2r.DtypeError, match=r"np\.asarray\(image\)"):
                call(gray(), out=np.empty((5, 6, 3), np.uint8))

    @pytest.mark.parametrize("options", [{"copy": False}, {"backend": "broadcast"}])
    def test_views(self, options):
        with pytest.raises(g2r.LayoutError, match="can't share"):
            g2r.to_rgb(gray(), **options)

    def test_broadcast_copied(self):
        assert g2r.to_rgb(gray(), backend="broadcast", copy=True).mode == "RGB"

    def test_metadata_stays(self):
        image = gray()
        image.info["dpi"] = (300, 300)
        for backend in ("auto", "fill"):
            assert g2r.to_rgb(image, backend=backend).info["dpi"] == (300, 300)
        assert g2r.to_uint8(image, (0, 255)).info["dpi"] == (300, 300)

    @pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0), (1, 1)])
    def test_sizes(self, size):
        for backend in ("auto", "fill"):
            assert g2r.to_rgb(Image.new("L", size), backend=backend).size == size
