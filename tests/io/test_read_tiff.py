"""TIFF: every way to store pixels, and the range that the tags state."""

import numpy as np
import pytest
import tifffile

import graytorgb as g2r
from graytorgb.io import read

from .images import (
    CAMERA,
    COLOR,
    DEEP,
    DEEP_RGB,
    assert_read,
    deep,
    write_tiff,
)


@pytest.mark.parametrize(
    "compression",
    [None, "zlib", "lzw", "zstd", "packbits", "lzma", "jpeg2000", "png", "lerc", "jpegxl"],
)
def test_tiff_compressions(tmp_path, compression):
    path = write_tiff(tmp_path / "x.tif", DEEP, compression=compression)
    np.testing.assert_array_equal(tifffile.imread(path), DEEP)
    assert_read(path, DEEP, "HW", (0, 65535))


@pytest.mark.parametrize("options", [{"tile": (16, 16)}, {"rowsperstrip": 7}, {"bigtiff": True},
                                     {"byteorder": ">"}, {"predictor": True, "compression": "lzw"}],
                         ids=str)  # fmt: skip
def test_tiff_ways_to_store(tmp_path, options):
    assert_read(write_tiff(tmp_path / "x.tif", DEEP, **options), DEEP, "HW", (0, 65535))


@pytest.mark.parametrize(
    ("dtype", "value_range"),
    [("bool", (0, 1)), ("uint8", (0, 255)), ("uint32", (0, 2**32 - 1)), ("uint64", (0, 2**64 - 1))],
)
def test_tiff_of_unsigned_integers_states_its_depth(tmp_path, dtype, value_range):
    top = min(value_range[1], 1 << 63)
    pixels = (DEEP / 65535 * top).astype(dtype)
    path = write_tiff(tmp_path / "x.tif", pixels, photometric="minisblack")
    assert_read(path, pixels, "HW", value_range)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float16", "float32", "float64"])
def test_tiff_of_signed_integers_and_floats_states_none(tmp_path, dtype):
    pixels = (DEEP % 100).astype(dtype) - 50
    path = write_tiff(tmp_path / "x.tif", pixels)
    image = read(path)
    np.testing.assert_array_equal(image.array, pixels)
    assert image.value_range is None
    with pytest.raises(g2r.LevelsError) as caught:
        g2r.to_uint8(*image)
    assert str(path) in str(caught.value)
    assert "read(path, value_range=(lo, hi))" in str(caught.value)
    array, value_range = read(path, value_range="minmax")
    np.testing.assert_array_equal(g2r.to_uint8(array, value_range), g2r.to_uint8(pixels, "minmax"))
    assert g2r.to_rgb(image.array, image.layout).shape == (40, 50, 3)


def test_sample_values_of_floats_are_the_range_if_they_hold(tmp_path):
    pixels = (DEEP / 65535).astype(np.float32)
    tags = [(340, "f", 1, 0.0, True), (341, "f", 1, 1.0, True)]
    assert_read(write_tiff(tmp_path / "x.tif", pixels, extratags=tags), pixels, "HW", (0, 1))
    lying = read(write_tiff(tmp_path / "y.tif", 2 * pixels, extratags=tags))
    assert lying.value_range is None
    assert "pixels lie outside" in lying.range_source


@deep
@pytest.mark.parametrize("tag", [281, 341])
def test_a_largest_sample_value_is_a_depth_if_it_is_one(tmp_path, tag):
    def of(pixels, value):
        tags = [(tag, "H", 1, value, True)]
        return read(write_tiff(tmp_path / "x.tif", pixels, extratags=tags)).value_range

    assert of(DEEP >> 4, 4095) == (0, 4095)
    assert of(DEEP, 4095) == (0, 65535)  # a pixel has more
    assert of(DEEP >> 1, 30_000) == (0, 65535)  # a statistic
    assert of(DEEP % 4, 3) == (0, 65535)  # less than any camera's depth


def test_ome_significant_bits(tmp_path):
    path = tmp_path / "x.ome.tif"
    metadata = {"axes": "CYX", "SignificantBits": 12}
    pixels = np.stack([DEEP >> 4, DEEP >> 5])
    write_tiff(path, pixels, photometric="minisblack", metadata=metadata)
    image = assert_read(path, pixels, "NHW", (0, 4095))
    assert image.range_source == "OME's significant bits, 12"


def test_12_bits_packed(tmp_path):
    """Two samples take three bytes, high bits first: TIFF 6.0, BitsPerSample."""
    twelve = (DEEP >> 4).astype(np.uint32)
    pair = (twelve[:, ::2] << 12) | twelve[:, 1::2]
    packed = np.stack([pair >> 16, pair >> 8, pair], -1).astype(np.uint8).reshape(40, 75)
    path = write_tiff(tmp_path / "x.tif", packed, metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["ImageWidth"].overwrite(50)
        file.pages[0].tags["BitsPerSample"].overwrite(12)
    image = assert_read(path, DEEP >> 4, "HW", (0, 4095))
    assert image.bits == 12


def test_tiff_with_white_as_0(tmp_path):
    path = write_tiff(tmp_path / "x.tif", DEEP, photometric="miniswhite")
    image = assert_read(path, 65535 - DEEP, "HW", (0, 65535))
    assert "inverted" in image.notes[0]
    bits = write_tiff(tmp_path / "y.tif", DEEP > 9999, photometric="miniswhite")
    assert_read(bits, DEEP <= 9999, "HW", (0, 1))
    wide = DEEP.astype(np.uint64) << 48
    path = write_tiff(tmp_path / "w.tif", wide, photometric="miniswhite")
    assert_read(path, ~wide, "HW", (0, 2**64 - 1))
    floats = write_tiff(tmp_path / "z.tif", DEEP / 1.0, photometric="miniswhite")
    with pytest.raises(g2r.ImageFileError, match="nothing tells what is black"):
        read(floats)


def test_white_as_0_among_values_that_are_not_finite(tmp_path):
    """The finite values change places, and the others stay what they are."""
    pixels = np.array([[1, 3], [np.inf, np.nan]], np.float32)
    path = write_tiff(tmp_path / "x.tif", pixels, photometric="miniswhite")
    found = read(path, value_range="minmax").array
    np.testing.assert_array_equal(found, np.array([[3, 1], [-np.inf, np.nan]], np.float32))


def test_tiff_colors(tmp_path):
    path = write_tiff(tmp_path / "rgb.tif", DEEP_RGB, photometric="rgb")
    assert_read(path, DEEP_RGB, "HWC", (0, 65535))
    planes = np.ascontiguousarray(DEEP_RGB.transpose(2, 0, 1))
    path = write_tiff(tmp_path / "planes.tif", planes, photometric="rgb", planarconfig="separate")
    assert_read(path, planes, "CHW", (0, 65535))
    palette = np.random.default_rng(0).integers(0, 65536, (3, 256), dtype=np.uint16)
    path = write_tiff(tmp_path / "p.tif", CAMERA, photometric="palette", colormap=palette)
    assert_read(path, palette.T[CAMERA], "HWC", (0, 65535))
    path = write_tiff(tmp_path / "p8.tif", CAMERA, photometric="palette", colormap=palette >> 8)
    assert_read(path, (palette >> 8).T[CAMERA], "HWC", (0, 255))
    for colors, options in [("rgb", {}), ("ycbcr", {"compression": "jpeg"})]:
        path = write_tiff(tmp_path / "c.tif", COLOR, photometric=colors, **options)
        assert_read(path, tifffile.imread(path), "HWC", (0, 255))
    four = np.dstack([COLOR, COLOR[..., 0]])
    path = write_tiff(tmp_path / "cmyk.tif", four, photometric="separated")
    with pytest.raises(g2r.ImageFileError, match="SEPARATED, neither gray nor RGB"):
        read(path)


def test_bands_of_a_microscope_are_not_colors(tmp_path):
    bands = np.stack([DEEP, DEEP // 2, DEEP // 3], -1)
    path = write_tiff(tmp_path / "x.tif", bands, photometric="minisblack", planarconfig="contig")
    image = assert_read(path, bands, "HWS", (0, 65535))
    rgb = g2r.to_rgb(image.array, image.layout)
    np.testing.assert_array_equal(rgb, np.stack([bands] * 3, -1))


def test_tiff_pages(tmp_path):
    stack = np.stack([DEEP, DEEP + 1, DEEP + 2])
    path = write_tiff(tmp_path / "x.tif", stack, photometric="minisblack", metadata=None)
    assert_read(path, stack, "NHW", (0, 65535))
    assert_read(path, stack[2], "HW", (0, 65535), index=2)
    assert_read(path, stack[2], "HW", (0, 65535), index=-1)
    for index in (3, -4, "a", 1.0):
        with pytest.raises(g2r.ImageFileError, match="it has 3 pages"):
            read(path, index=index)
    with tifffile.TiffWriter(tmp_path / "mixed.tif") as file:
        file.write(DEEP)
        file.write(CAMERA)
    with pytest.raises(g2r.ImageFileError, match=r"2 images of different shapes, 40x50, 128x100"):
        read(tmp_path / "mixed.tif")
    assert_read(tmp_path / "mixed.tif", CAMERA, "HW", (0, 255), index=1)


def test_smaller_copies_in_a_tiff_do_not_count(tmp_path):
    for options in ({"subifds": 1}, {}):
        with tifffile.TiffWriter(tmp_path / "x.tif") as file:
            file.write(DEEP, **options)
            file.write(DEEP[::2, ::2], subfiletype=1)
            file.write(DEEP > 99, subfiletype=4, photometric="mask" if options else None)
        assert_read(tmp_path / "x.tif", DEEP, "HW", (0, 65535))


def test_hyperstacks(tmp_path):
    stack = np.broadcast_to(DEEP, (2, 3, 4, 40, 50))
    path = write_tiff(tmp_path / "x.tif", stack, imagej=True, metadata={"axes": "TZCYX"})
    image = assert_read(path, stack, "TZDHW", (0, 65535))
    assert "D is channel" in image.notes[0]
    assert g2r.to_rgb(image.array, image.layout).shape == (*stack.shape, 3)
