"""Pictures: PNG, JPEG, WebP and the others that Pillow opens too."""

import struct
import zlib

import imagecodecs
import numpy as np
import PIL.Image
import pytest

import graytorgb as g2r
from graytorgb.io import read

from .images import (
    CAMERA,
    COLOR,
    DEEP,
    assert_read,
    by_pillow,
    save,
)


@pytest.mark.parametrize(
    ("mode", "layout"),
    [("1", "HW"), ("L", "HW"), ("LA", "HWC"), ("P", "HWC"), ("RGB", "HWC"), ("RGBA", "HWC")],
)
def test_8_bit_png(tmp_path, mode, layout):
    image = PIL.Image.fromarray(COLOR).convert(mode)
    image.save(tmp_path / "x.png")
    expected = np.asarray(image.convert({"1": "L", "P": "RGB"}.get(mode, mode)))
    assert_read(tmp_path / "x.png", expected, layout, (0, 255))


@pytest.mark.parametrize("bits", [2, 4])
def test_png_of_few_bits(tmp_path, bits):
    values = np.arange(64, dtype=np.uint8).reshape(8, 8) % (1 << bits)
    path = save(tmp_path / "x.png", values * (255 // ((1 << bits) - 1)), bits=bits)
    assert assert_read(path, by_pillow(path), "HW", (0, 255)).bits == bits


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_keeps_every_bit(tmp_path, channels):
    pixels = np.random.default_rng(channels).integers(0, 65536, (20, 30, channels), dtype=np.uint16)
    pixels = pixels[..., 0] if channels == 1 else pixels
    path = tmp_path / "x.png"
    path.write_bytes(imagecodecs.png_encode(pixels))
    image = assert_read(path, pixels, "HW" if channels == 1 else "HWC", (0, 65535))
    assert image.bits == 16


def add_chunk(png, name, data):
    """Return the PNG with a chunk added after its header."""
    body = name + data
    return (
        png[:33]
        + struct.pack(">I", len(data))
        + body
        + struct.pack(">I", zlib.crc32(body))
        + (png[33:])
    )


def test_significant_bits_of_a_png_are_the_upper_ones(tmp_path):
    """Samples are scaled to the full depth, as the PNG specification says."""
    twelve = DEEP >> 4
    scaled = (twelve << 4) | (twelve >> 8)
    path = tmp_path / "x.png"
    path.write_bytes(add_chunk(imagecodecs.png_encode(scaled), b"sBIT", b"\x0c"))
    image = assert_read(path, scaled, "HW", (0, 65535))
    assert image.range_source == "PNG's depth, 16 bits (12 significant, by sBIT)"
    np.testing.assert_array_equal(g2r.to_uint8(*image), g2r.to_uint8(twelve, (0, 4095)))


def test_a_transparent_color_becomes_alpha(tmp_path):
    path = save(tmp_path / "x.png", DEEP, transparency=int(DEEP[0, 0]))
    image = read(path)
    assert image.array.shape == (*DEEP.shape, 2)
    np.testing.assert_array_equal(image.array[..., 0], DEEP)
    np.testing.assert_array_equal(image.array[..., 1] == 0, DEEP[0, 0] == DEEP)
    with pytest.raises(g2r.ChannelError, match="alpha"):
        g2r.to_rgb(image.array, image.layout)


@pytest.mark.parametrize("suffix", ["png", "gif", "webp"])
def test_animations(tmp_path, suffix):
    frames = [PIL.Image.fromarray(np.roll(COLOR, k, 0)) for k in range(3)]
    path = tmp_path / f"x.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    with PIL.Image.open(path) as opened:
        modes, expected = [], []
        for k in range(3):
            opened.seek(k)
            modes.append(opened.mode)
            expected.append(np.asarray(opened.convert("RGB")))
    image = read(path)
    assert image.layout == "NHWC"
    np.testing.assert_array_equal(image.array[..., :3], np.stack(expected))
    one = read(path, index=1)
    assert one.layout == "HWC"
    np.testing.assert_array_equal(one.array[..., :3], expected[1])
    with pytest.raises(g2r.ImageFileError, match="3 frames, so index is None or 0 to 2, not 3"):
        read(path, index=3)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30}], ids=str)
@pytest.mark.parametrize(("pixels", "layout"), [(CAMERA, "HW"), (COLOR, "HWC")], ids=["L", "RGB"])
def test_jpeg(tmp_path, pixels, layout, options):
    path = save(tmp_path / "x.jpg", pixels, **options)
    assert_read(path, by_pillow(path), layout, (0, 255))


def test_orientation_is_told(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    for name in ("x.jpg", "x.png", "x.webp"):
        path = save(tmp_path / name, COLOR, exif=exif)
        image = read(path)
        assert "orientation 6 isn't applied" in image.notes[0]
        assert image.array.shape[:2] == COLOR.shape[:2]


@pytest.mark.parametrize("suffix", ["bmp", "ppm", "webp", "gif"])
def test_the_rest_of_pillow(tmp_path, suffix):
    path = save(tmp_path / f"x.{suffix}", COLOR, **({"lossless": True} if suffix == "webp" else {}))
    expected = by_pillow(path, "RGB")
    assert_read(path, expected, "HWC", (0, 255))


def test_deep_pgm(tmp_path):
    full = tmp_path / "full.pgm"
    full.write_bytes(b"P5 50 40 65535\n" + DEEP.astype(">u2").tobytes())
    assert_read(full, DEEP, "HW", (0, 65535))
    twelve = tmp_path / "twelve.pgm"
    twelve.write_bytes(b"P5 50 40 4095\n" + (DEEP >> 4).astype(">u2").tobytes())
    assert_read(twelve, DEEP >> 4, "HW", (0, 4095))


@pytest.mark.parametrize(("mode", "suffix"), [("CMYK", "jpg")])
def test_other_colors_are_refused(tmp_path, mode, suffix):
    PIL.Image.fromarray(COLOR).convert(mode).save(tmp_path / f"x.{suffix}")
    with pytest.raises(g2r.ImageFileError, match="CMYK, neither gray nor RGB"):
        read(tmp_path / f"x.{suffix}")
