"""graytorgb.io.read: every value, the layout and the range that the file states."""

import io
import struct
import warnings
import zipfile
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import PIL.Image
import pydicom
import pydicom.data
import pytest
import skimage.data
import tifffile
from pydicom.pixels import apply_color_lut, apply_rescale, apply_voi_lut, apply_windowing
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

import graytorgb as g2r
from graytorgb.io import FORMATS, read

from ..support import ROOT, needs_package, run_python

CAMERA = skimage.data.camera()[100:228, 200:300]
COLOR = skimage.data.astronaut()[:64, 100:200]
DEEP = np.random.default_rng(0).integers(0, 65536, (40, 50), dtype=np.uint16)
DEEP_RGB = np.random.default_rng(1).integers(0, 65536, (20, 30, 3), dtype=np.uint16)
SCANS = Path(pydicom.data.__file__).parent

# pydicom and its files: odd values are warned of, and these files are full of them
odd = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
# where a test asks for the whole depth of a file that doesn't use it
deep = pytest.mark.filterwarnings("ignore:the file states its depth alone")


def scan(name):
    return Path(pydicom.data.get_testdata_file(name, download=False))


def save(path, image, **options):
    PIL.Image.fromarray(image).save(path, **options)
    return path


def by_pillow(path, mode=None):
    with PIL.Image.open(path) as image:
        return np.asarray(image.convert(mode or image.mode))


def assert_read(path, expected, layout, value_range, **options):
    image = read(path, **options)
    assert image.array.dtype == expected.dtype
    np.testing.assert_array_equal(image.array, expected)
    assert image.layout == layout
    assert image.value_range == value_range
    array, unpacked = image
    assert array is image.array
    assert unpacked == value_range
    assert image.array.dtype.isnative
    assert g2r.to_uint8(*image).shape == expected.shape
    return image


# PNG, JPEG, WebP and the others that Pillow opens


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
    """The same PNG with a chunk after its header."""
    body = name + data
    return (
        png[:33]
        + struct.pack(">I", len(data))
        + body
        + struct.pack(">I", zlib.crc32(body))
        + (png[33:])
    )


def test_significant_bits_of_a_png_are_the_upper_ones(tmp_path):
    """As the specification has it: samples are scaled to the full depth."""
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


# TIFF


def write_tiff(path, pixels, **options):
    tifffile.imwrite(path, pixels, **options)
    return path


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
    """Two samples in three bytes, big end first: TIFF 6.0, BitsPerSample."""
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


# DICOM


def test_every_dicom_file_of_pydicoms_against_pydicom():
    """Rescaled or with its palette, as pydicom does it; what it can't read names the file."""
    needs_package("gdcm")  # with which pydicom decodes all that is read here
    read_, refused = [], []
    for path in sorted(SCANS.rglob("*")):
        if not path.is_file() or path.read_bytes()[128:132] != b"DICM":
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = pydicom_values(path)
            except Exception:
                if path.name in ("JPEG-lossy.dcm", "JPGExtended.dcm"):
                    continue  # JPEG of 12 bits, which pydicom lacks: tests/io/test_dicom_frames.py
                with pytest.raises(g2r.ImageFileError, match=path.name.replace("+", r"\+")):
                    read(path)
                refused.append(path.name)
                continue
            image = read(path, window=None)
        np.testing.assert_array_equal(image.array, expected, err_msg=str(path))
        shape = "N" * ("frames" in image.mode) + "HW" + "C" * (expected.shape[-1] == 3)
        assert image.layout == shape
        lo, hi = image.value_range
        assert lo <= image.array.min() <= image.array.max() <= hi
        read_.append(path.name)
    assert len(read_) >= 95, refused
    assert "MR_truncated.dcm" in refused


def pydicom_values(path):
    dataset = pydicom.dcmread(path)
    colors = dataset.PhotometricInterpretation
    if colors == "PALETTE COLOR":
        return apply_color_lut(dataset.pixel_array, dataset)
    if not colors.startswith("MONO"):
        return dataset.pixel_array
    values = apply_rescale(dataset.pixel_array, dataset)
    if colors == "MONOCHROME1":
        ends = apply_rescale(np.array([0, (1 << dataset.BitsStored) - 1]), dataset)
        values = ends.sum() - values
    return values


def shown_by_pydicom(path, **changes):
    """0 to 1, as pydicom windows it."""
    dataset = pydicom.dcmread(path)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    values = apply_rescale(dataset.pixel_array, dataset)
    full = apply_rescale(limits(dataset), dataset)
    shown = (apply_windowing(values, dataset) - full[0]) / (full[1] - full[0])
    return 1 - shown if dataset.PhotometricInterpretation == "MONOCHROME1" else shown


def limits(dataset):
    span = 1 << dataset.BitsStored
    return np.array([0, span - 1]) - (span // 2 if dataset.PixelRepresentation else 0)


WINDOWED = ["MR_small.dcm", "examples_overlay.dcm", "693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm"]


def assert_shown(image, expected):
    """Within half a level of to_uint8's rounding."""
    result = g2r.to_uint8(*image)
    assert np.abs(result - 255 * expected).max() <= 0.5 + 1e-6
    assert len(np.unique(result)) > 8


@odd
@deep
@pytest.mark.parametrize("name", WINDOWED)
def test_the_window_in_the_file(name):
    image = read(scan(name))
    np.testing.assert_array_equal(image.array, read(scan(name), window=None).array)
    assert "the window in the file" in image.range_source
    assert_shown(image, shown_by_pydicom(scan(name)))


@odd
def test_monochrome1_is_inverted_window_and_all():
    paths = [p for p in SCANS.rglob("*") if p.name in ("6154", "6247", "6278")]
    assert len(paths) == 3
    for path in paths:
        assert pydicom.dcmread(path).PhotometricInterpretation == "MONOCHROME1"
        image = read(path)
        assert "MONOCHROME1" in image.notes[0]
        assert_shown(image, shown_by_pydicom(path))


@odd
@pytest.mark.filterwarnings("ignore:more than half of an image is above")
@pytest.mark.parametrize("window", [(40, 400), (0, 1), (-600.5, 1500.25), (50.5, 1)])
def test_a_window_of_ones_own(window):
    center, width = window
    expected = shown_by_pydicom(scan("CT_small.dcm"), WindowCenter=center, WindowWidth=width)
    image = read(scan("CT_small.dcm"), window=window)
    result = g2r.to_uint8(*image)
    assert np.abs(result - 255 * expected).max() <= 0.5 + 1e-6
    assert image.array.min() == -896
    assert image.array.max() == 1167  # nothing is clipped but by to_uint8


@pytest.fixture
def ct(tmp_path):
    """A function that saves the small CT with changes, and gives its path and data set."""

    def change(**elements):
        dataset = pydicom.dcmread(scan("CT_small.dcm"))
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        path = tmp_path / "changed.dcm"
        dataset.save_as(path)
        return path

    return change


@pytest.mark.parametrize("colors", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("function", ["LINEAR_EXACT", "SIGMOID"])
def test_other_functions_of_a_window(ct, function, colors):
    changes = {"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": function}
    changes["PhotometricInterpretation"] = colors
    image = read(ct(**changes))
    assert function in image.range_source
    assert_shown(image, shown_by_pydicom(scan("CT_small.dcm"), **changes))


def test_windows_that_cannot_be(ct):
    for changes, says in [
        ({"WindowCenter": 40, "WindowWidth": 0}, "width 0 is void"),
        ({"WindowCenter": 40, "WindowWidth": 0.5}, "width 0.5 is void"),
        ({"WindowCenter": None, "WindowWidth": None}, "16 bits stored"),
    ]:
        with pytest.warns(UserWarning, match="its depth alone"):
            image = read(ct(**changes))
        assert image.range_source.endswith(says)
        assert image.value_range == (-33792, 31743)
    with pytest.raises(g2r.ImageFileError, match="'CUBIC' is unknown"):
        read(ct(WindowCenter=40, WindowWidth=400, VOILUTFunction="CUBIC"))


def lut(entries, first, bits):
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "US" if first >= 0 else "SS", [len(entries), first, bits])
    item.add_new("LUTData", "US", [int(v) for v in entries])
    item.LUTExplanation = "ours"
    return pydicom.Sequence([item])


@deep
@pytest.mark.parametrize(("bits", "entries"), [(16, 4096), (12, 4096), (8, 256), (8, 4096)])
def test_voi_lut(ct, bits, entries):
    rng = np.random.default_rng(bits)
    table = np.sort(rng.integers(0, 1 << bits, entries))
    path = ct(VOILUTSequence=lut(table, 0, bits), WindowCenter=40, WindowWidth=400)
    image = read(path)
    values = read(path, window=None).array
    np.testing.assert_array_equal(image.array, table[np.clip(values, 0, entries - 1)])
    assert image.value_range == (0, (1 << bits) - 1)
    assert image.range_source == "the VOI LUT in the file, ours"
    path = ct(VOILUTSequence=lut(table, 0, bits), PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read(path).array, (1 << bits) - 1 - image.array)
    path = ct(VOILUTSequence=lut(table, 0, bits))
    if bits > 8:  # in 8 bits the indices of pydicom wrap round
        np.testing.assert_array_equal(image.array, apply_voi_lut(values, pydicom.dcmread(path)))


@deep
@pytest.mark.parametrize("first", [0, 200, -100])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_modality_lut(ct, bits, first):
    table = np.sort(np.random.default_rng(bits).integers(0, 1 << bits, 4096))
    path = ct(ModalityLUTSequence=lut(table, first, bits))
    image = read(path, window=(100, 200))
    stored = pydicom.dcmread(path).pixel_array.astype(int)
    np.testing.assert_array_equal(image.array, table[np.clip(stored - first, 0, 4095)])
    assert image.value_range == (0, 199)
    assert read(path, window=None).value_range == (0, (1 << bits) - 1)


def test_a_lut_of_words(ct):
    """LUTData as OW: bytes, in the file's order."""
    table = np.arange(4096, dtype="<u2") * 16
    sequence = lut([0], 0, 16)
    sequence[0].LUTDescriptor = [4096, 0, 16]
    sequence[0]["LUTData"] = pydicom.DataElement("LUTData", "OW", table.tobytes())
    image = read(ct(VOILUTSequence=sequence))
    values = read(scan("CT_small.dcm"), window=(0, 400)).array
    np.testing.assert_array_equal(image.array, table[np.clip(values, 0, 4095)])


def test_rescale_keeps_integers_and_is_exact_with_fractions(ct):
    whole = read(ct(RescaleSlope=2, RescaleIntercept=-1024), window=(0, 400))
    assert whole.array.dtype == np.int32
    path = ct(RescaleSlope="0.37", RescaleIntercept="-3.5")
    with pytest.warns(UserWarning, match="its depth alone"):
        image = read(path)
    dataset = pydicom.dcmread(path)
    np.testing.assert_array_equal(image.array, apply_rescale(dataset.pixel_array, dataset))
    np.testing.assert_allclose(image.value_range, np.array([-32768, 32767]) * 0.37 - 3.5)
    negative = read(ct(RescaleSlope=-1, RescaleIntercept=0), window=None, value_range="minmax")
    np.testing.assert_array_equal(negative.array, -dataset.pixel_array.astype(int))
    with pytest.raises(g2r.ImageFileError, match="RescaleSlope is 0"):
        read(ct(RescaleSlope=0, RescaleIntercept=0))


def enhanced(tmp_path, *, slopes=(1, 1), windows=((40, 400), (40, 400)), shared=False):
    """A CT of two frames that keeps rescale and window in functional groups."""
    dataset = pydicom.dcmread(scan("CT_small.dcm"))
    stored = dataset.pixel_array
    dataset.NumberOfFrames = 2
    dataset.PixelData = np.stack([stored, stored[::-1]]).tobytes()
    del dataset.RescaleSlope, dataset.RescaleIntercept
    groups = []
    for slope, (center, width) in zip(slopes, windows, strict=True):
        rescale, window, group = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept = slope, -1024
        window.WindowCenter, window.WindowWidth = center, width
        group.PixelValueTransformationSequence = pydicom.Sequence([rescale])
        group.FrameVOILUTSequence = pydicom.Sequence([window])
        groups.append(group)
    if shared:
        dataset.SharedFunctionalGroupsSequence = pydicom.Sequence(groups[:1])
    else:
        dataset.PerFrameFunctionalGroupsSequence = pydicom.Sequence(groups)
    dataset.save_as(tmp_path / "enhanced.dcm")
    return tmp_path / "enhanced.dcm", np.stack([stored, stored[::-1]]), groups


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("slopes", [(1, 1), (0.5, 2)])
def test_functional_groups(tmp_path, slopes, shared):
    path, stored, groups = enhanced(tmp_path, slopes=slopes, shared=shared)
    items = [group.PixelValueTransformationSequence[0] for group in groups]
    if shared:
        items = [items[0]] * 2
    expected = np.stack([apply_rescale(s, i) for s, i in zip(stored, items, strict=True)])
    image = read(path)
    np.testing.assert_array_equal(image.array, expected)
    assert image.layout == "NHW"
    assert image.value_range == (-160, 239)
    for index in (0, 1):
        one = read(path, index=index)
        np.testing.assert_array_equal(one.array, expected[index])
        assert one.layout == "HW"


def test_frames_with_different_windows(tmp_path):
    path, _, _ = enhanced(tmp_path, windows=((40, 400), (-600, 1500)))
    image = read(path)
    assert image.value_range is None
    with pytest.raises(g2r.LevelsError, match="the frames have different windows"):
        g2r.to_uint8(*image)
    assert read(path, index=0).value_range == (-160, 239)
    assert read(path, index=1).value_range == (-1350, 149)
    assert read(path, window=(0, 101)).value_range == (-50.5, 49.5)


def test_floats(ct):
    """Parametric maps: FloatPixelData, 32 bits."""
    dataset = pydicom.dcmread(scan("CT_small.dcm"))
    pixels = np.linspace(-1, 1, 128 * 128, dtype=np.float32).reshape(128, 128)
    for keyword in ("PixelData", "BitsStored", "HighBit", "RescaleSlope", "RescaleIntercept"):
        del dataset[keyword]
    dataset.BitsAllocated = 32
    dataset.FloatPixelData = pixels.tobytes()
    path = ct()
    dataset.save_as(path)
    image = read(path)
    np.testing.assert_array_equal(image.array, pixels)
    assert image.value_range is None
    assert read(path, window=(0, 2)).value_range == (-1, 0)


def test_frames_of_which_some_have_a_window(tmp_path):
    path, _, _ = enhanced(tmp_path)
    dataset = pydicom.dcmread(path)
    del dataset.PerFrameFunctionalGroupsSequence[1].FrameVOILUTSequence
    dataset.save_as(path)
    assert read(path).value_range is None
    assert read(path, index=0).value_range == (-160, 239)


def test_a_window_is_for_dicom(tmp_path):
    with pytest.raises(g2r.LevelsError, match=r"x\.png: a window is DICOM's, and this is PNG"):
        read(save(tmp_path / "x.png", CAMERA), window=(40, 400))


def test_a_window_is_for_gray():
    with pytest.raises(g2r.ImageFileError, match="a window is for gray, and this is RGB"):
        read(scan("examples_rgb_color.dcm"), window=(40, 400))


@odd
def test_several_windows_are_told():
    image = read(scan("examples_overlay.dcm"))
    assert image.value_range == (55, 844)
    assert image.notes == ("windows in the file: (450, 790) WINDOW1; (200, 443) WINDOW2",)
    assert read(scan("examples_overlay.dcm"), window=(200, 443)).value_range == (-21.5, 420.5)


def test_deflated_dicom():
    path = scan("image_dfl.dcm")
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
    assert_read(path, pydicom.dcmread(path).pixel_array, "HW", (0, 255))


def test_dicom_from_before_the_preamble(tmp_path):
    whole = scan("CT_small.dcm").read_bytes()
    dataset = pydicom.dcmread(scan("CT_small.dcm"))
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    start = 132 + 12 + dataset.file_meta.FileMetaInformationGroupLength
    path = tmp_path / "old.dcm"
    path.write_bytes(whole[start:])
    expected = read(scan("CT_small.dcm"), window=(40, 400))
    np.testing.assert_array_equal(read(path, window=(40, 400)).array, expected.array)


def test_a_missing_codec_is_a_hint(tmp_path):
    code = f"""
import sys
for name in ("gdcm", "openjpeg", "pylibjpeg", "jpeg_ls", "PIL"):
    sys.modules[name] = None
import graytorgb as g2r
try:
    g2r.io.read({str(scan("MR_small_jp2klossless.dcm"))!r})
except g2r.BackendUnavailable as error:
    print(error.missing, error)
"""
    output = run_python(code)
    assert output.startswith("True ")
    assert "MR_small_jp2klossless.dcm: JPEG 2000" in output
    assert "pip install 'graytorgb[dicom]'" in output


# NumPy


def test_npy_and_npz(tmp_path):
    np.save(tmp_path / "x.npy", CAMERA)
    assert_read(tmp_path / "x.npy", CAMERA, "HW", (0, 255))
    np.save(tmp_path / "b.npy", np.asfortranarray(CAMERA > 99))
    assert_read(tmp_path / "b.npy", CAMERA > 99, "HW", (0, 1))
    np.savez_compressed(tmp_path / "one.npz", pixels=COLOR)
    assert_read(tmp_path / "one.npz", COLOR, "HWC", (0, 255))
    np.savez(tmp_path / "two.npz", a=CAMERA, b=COLOR)
    assert_read(tmp_path / "two.npz", COLOR, "HWC", (0, 255), index="b")
    for index in (None, "c", 0):
        with pytest.raises(g2r.ImageFileError, match=r"an \.npz of 'a', 'b': read"):
            read(tmp_path / "two.npz", index=index)
    with pytest.raises(g2r.ImageFileError, match=r"read\(path\)\.array\[index\]"):
        read(tmp_path / "x.npy", index=0)


def test_npy_states_no_range_and_no_batch(tmp_path):
    np.save(tmp_path / "x.npy", DEEP.astype(">u2"))
    image = read(tmp_path / "x.npy")
    np.testing.assert_array_equal(image.array, DEEP)
    assert image.array.dtype == np.uint16
    with pytest.raises(g2r.LevelsError, match="an array of uint16 states no range"):
        g2r.to_uint8(*image)
    assert read(tmp_path / "x.npy", value_range=(0, 4095)).range_source == "the caller"
    np.save(tmp_path / "y.npy", np.zeros((3, 20, 30), np.uint8))
    image = read(tmp_path / "y.npy")
    assert image.layout is None
    with pytest.raises(g2r.LayoutError, match="more than one way"):
        g2r.to_rgb(image.array, image.layout)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.array([{}, {}]), "dtype object"),
        (np.array(["a"]), "dtype <U1"),
        (np.zeros((2, 2), complex), "dtype complex128"),
        (np.zeros(3), r"shape \(3,\)"),
    ],
)
def test_arrays_that_are_no_images(tmp_path, array, says):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(g2r.ImageFileError, match=says):
        read(tmp_path / "x.npy")


# Ranges of one's own, and the depth alone


def test_depth_alone_is_warned_of(tmp_path):
    path = save(tmp_path / "dark.png", DEEP >> 5)
    with pytest.warns(UserWarning, match=r"16 bits.*value_range=\(0, 4095\)") as caught:
        image = read(path)
    assert caught[0].filename == __file__
    assert str(caught[0].message) in image.notes
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(path, value_range=(0, 4095))
        read(save(tmp_path / "full.png", DEEP))
        read(save(tmp_path / "black.png", np.zeros_like(DEEP)))
        read(save(tmp_path / "half.png", DEEP >> 3))
        read(save(tmp_path / "eight.png", CAMERA // 32))


@pytest.mark.parametrize("window", ["dicom", (1,), (40, 0), (40, "x"), (0, np.inf), 400], ids=str)
def test_bad_windows(window):
    with pytest.raises(g2r.LevelsError, match="window is"):
        read(scan("CT_small.dcm"), window=window)


def test_bad_ranges(tmp_path):
    with pytest.raises(g2r.LevelsError, match="the range is empty"):
        read(save(tmp_path / "x.png", CAMERA), value_range=(1, 1))


def test_it_says_what_it_is(tmp_path):
    path = save(tmp_path / "x.png", DEEP)
    assert repr(read(path)) == (
        "ImageFile('x.png', PNG: gray, 16 bits; shape (40, 50), dtype uint16, layout 'HW', "
        "value_range (0, 65535) from PNG's depth, 16 bits)"
    )
    with pytest.raises(AttributeError):
        read(path).array = None


# Bad files


def samples(folder):
    """A file of each format, with the values it holds."""
    stack = np.stack([DEEP >> 4, DEEP >> 5])
    paths = {
        "png": save(folder / "a.png", CAMERA),
        "deep png": save(folder / "b.png", DEEP),
        "jpeg": save(folder / "c.jpg", CAMERA),
        "progressive": save(folder / "d.jpg", COLOR, progressive=True),
        "webp": save(folder / "e.webp", COLOR),
        "gif": save(folder / "f.gif", CAMERA),
        "bmp": save(folder / "g.bmp", CAMERA),
        "pgm": save(folder / "h.pgm", CAMERA),
        "ct": scan("CT_small.dcm"),
        "j2k": scan("MR_small_jp2klossless.dcm"),
        "jls": scan("MR_small_jpeg_ls_lossless.dcm"),
        "rle": scan("MR_small_RLE.dcm"),
        "deflated": scan("image_dfl.dcm"),
        "jpeg dicom": scan("SC_rgb_jpeg_gdcm.dcm"),
        "frames": scan("SC_rgb_rle_2frame.dcm"),
    }
    for name, options in {
        "tiff": {}, "zlib": {"compression": "zlib"}, "lzw": {"compression": "lzw"},
        "packbits": {"compression": "packbits"}, "tiles": {"tile": (16, 16)},
        "strips": {"rowsperstrip": 7}, "pages": {"metadata": None}, "imagej": {"imagej": True},
        "ome": {"ome": True}, "bigtiff": {"bigtiff": True},
    }.items():  # fmt: skip
        paths[name] = write_tiff(folder / f"{name}.tif", stack, photometric="minisblack", **options)
    np.save(folder / "x.npy", DEEP)
    np.savez_compressed(folder / "x.npz", DEEP)
    return {**paths, "npy": folder / "x.npy", "npz": folder / "x.npz"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return samples(tmp_path_factory.mktemp("files"))


NAMES = ["png", "deep png", "jpeg", "progressive", "webp", "gif", "bmp", "pgm", "ct", "j2k", "jls",
         "rle", "deflated", "jpeg dicom", "frames", "tiff", "zlib", "lzw", "packbits", "tiles",
         "strips", "pages", "imagej", "ome", "bigtiff", "npy", "npz"]  # fmt: skip


def lenient(path):
    """Read without pydicom's and our warnings, which a cut file has many of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read(path, value_range="dtype", window=None)


@pytest.mark.parametrize("name", NAMES)
def test_a_truncated_file_is_an_error_or_whole(files, tmp_path, name):
    """Cut anywhere: never another shape, never other values."""
    assert set(NAMES) == set(files)
    data = files[name].read_bytes()
    whole = lenient(files[name]).array
    path = tmp_path / f"cut{files[name].suffix}"
    cuts = sorted({*range(0, len(data), max(1, len(data) // 60)), len(data) - 1})
    errors = []
    for cut in cuts:
        path.write_bytes(data[:cut])
        try:
            image = lenient(path)
        except g2r.ImageFileError as error:
            errors.append(str(error))
        else:
            np.testing.assert_array_equal(image.array, whole, err_msg=f"cut at {cut}")
    assert len(errors) >= len(cuts) * 0.9
    assert all(error.startswith(f"{path}: ") for error in errors)


@odd
@pytest.mark.parametrize("suffix", [s for entry in FORMATS.values() for s in entry.suffixes])
def test_files_of_nothing(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"")
    with pytest.raises(g2r.ImageFileError, match=r"is empty \(0 bytes\), though its name says"):
        read(path)
    path.write_bytes(b"<!DOCTYPE html><html><body>404 Not Found</body></html>" * 9)
    with pytest.raises(g2r.ImageFileError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, OSError)


def test_the_content_decides_not_the_name(tmp_path):
    path = save(tmp_path / "photo.tif", CAMERA, format="PNG")
    image = assert_read(path, CAMERA, "HW", (0, 255))
    assert image.format == "PNG"
    assert image.notes == ("the name says TIFF, the content is PNG",)
    path = tmp_path / "scan.png"
    path.write_bytes(scan("MR_small.dcm").read_bytes())
    assert read(path).format == "DICOM"
    path = tmp_path / "nameless"
    path.write_bytes(scan("MR_small.dcm").read_bytes())
    assert read(path).notes == ()
    with pytest.raises(
        g2r.ImageFileError, match=r"starts with b'\[metadat'.*These are read: .*PNG"
    ):
        read(ROOT / "setup.cfg")


def test_a_dicom_that_begins_as_a_tiff(tmp_path):
    """Both at once, as PS3.10 7.1 allows: the pixels that DICOM describes count."""
    path = tmp_path / "both.dcm"
    path.write_bytes(b"II*\0" + bytes(124) + scan("MR_small.dcm").read_bytes()[128:])
    assert read(path).format == "DICOM"


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read(tmp_path / "nowhere.png")
    with pytest.raises((IsADirectoryError, PermissionError), match=tmp_path.name):
        read(tmp_path)


def with_png_height(data, height):
    data = bytearray(data)
    data[20:24] = struct.pack(">I", height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def with_jpeg_height(data, height):
    start = data.index(b"\xff\xc0") + 5
    return data[:start] + struct.pack(">H", height) + data[start + 2 :]


@pytest.mark.parametrize("height", [129, 256, 2000])
@pytest.mark.parametrize(("suffix", "lie"), [("png", with_png_height), ("jpg", with_jpeg_height)])
def test_a_header_that_states_more_than_there_is(tmp_path, suffix, lie, height):
    path = save(tmp_path / f"x.{suffix}", CAMERA)
    path.write_bytes(lie(path.read_bytes(), height))
    assert by_pillow(path).shape[0] == height  # Pillow makes up the rest
    with pytest.raises(g2r.ImageFileError, match=path.name):
        read(path)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
@pytest.mark.parametrize("tags", ["ImageLength", "ImageWidth", "ImageLength RowsPerStrip"])
def test_a_tiff_that_states_more_than_there_is(tmp_path, compression, tags):
    path = write_tiff(
        tmp_path / "x.tif", np.stack([CAMERA, CAMERA]), photometric="minisblack",
        compression=compression, metadata=None,
    )  # fmt: skip
    with tifffile.TiffFile(path, mode="r+b") as file:
        for page in file.pages:
            for tag in tags.split():
                page.aspage().tags[tag].overwrite(256)
    with pytest.raises(g2r.ImageFileError, match=path.name):
        read(path, index=0)


def test_a_dicom_that_states_more_than_there_is(ct):
    for changes in ({"Rows": 256}, {"NumberOfFrames": 3}, {"BitsAllocated": 32}):
        with pytest.raises(g2r.ImageFileError, match=r"changed\.dcm"):
            read(ct(**changes), window=None)


def test_a_truncated_set_of_ome_planes(tmp_path):
    """OME can keep planes in files beside this one; tifffile fills lost ones with zeros."""
    path = tmp_path / "x.ome.tif"
    stack = np.stack([DEEP, DEEP])
    write_tiff(path, stack, ome=True, photometric="minisblack", metadata={"axes": "ZYX"})
    data = path.read_bytes()
    assert data.count(b'SizeZ="2"') == 1
    path.write_bytes(data.replace(b'SizeZ="2"', b'SizeZ="3"'))
    with pytest.raises(g2r.ImageFileError, match="planes are missing"):
        read(path)


def png_of_zeros(width, height):
    """A gray PNG whose header and data agree: a bomb of a thousandth of its size."""
    data = zlib.compress(bytes((width + 1) * 64)) if height > 64 else b""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n"
    for name, body in [(b"IHDR", head), (b"IDAT", data), (b"IEND", b"")]:
        png += struct.pack(">I", len(body)) + name + body
        png += struct.pack(">I", zlib.crc32(name + body))
    return png


def test_bombs_are_refused_by_their_header(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_of_zeros(60_000, 60_000))
    with pytest.raises(g2r.ImageFileError) as caught:
        read(path)
    assert "60000x60000 samples of 1 bytes, 3,600,000,000 in all" in str(caught.value)
    assert "read(path, limit=3600000000) if you trust it" in str(caught.value)


@odd
@pytest.mark.parametrize("name", NAMES)
def test_the_limit(files, name):
    size = lenient(files[name]).array.nbytes
    options = {"window": None, "value_range": "dtype"}
    assert read(files[name], limit=4 * size, **options).array.nbytes == size
    with pytest.raises(g2r.ImageFileError, match=r"limit"):
        read(files[name], limit=size - 1, **options)


def test_a_deflated_bomb(tmp_path):
    """pydicom inflates a data set whole, so its size is counted first."""
    whole = scan("image_dfl.dcm").read_bytes()
    meta = pydicom.dcmread(scan("image_dfl.dcm")).file_meta
    start = 132 + 12 + meta.FileMetaInformationGroupLength
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    path = tmp_path / "bomb.dcm"
    path.write_bytes(whole[:start] + squeeze.compress(bytes(1 << 27)) + squeeze.flush())
    assert path.stat().st_size < 200_000
    with pytest.raises(g2r.ImageFileError, match="its deflated data takes more than the limit"):
        read(path, limit=1 << 26)


@pytest.mark.parametrize("name", ["MR_small_jp2klossless.dcm", "SC_rgb_dcmtk_+eb+cr.dcm"])
def test_a_frame_that_is_larger_than_its_file_says(tmp_path, name):
    dataset = pydicom.dcmread(scan(name))
    zeros = np.zeros((3000, 4000), np.uint8)
    if "jp2k" in name:
        frame = imagecodecs.jpeg2k_encode(zeros, level=0, reversible=True, codecformat="j2k")
    else:
        frame = imagecodecs.jpeg8_encode(zeros)
    dataset.PixelData = pydicom.encaps.encapsulate([frame])
    dataset.save_as(tmp_path / "bomb.dcm")
    with pytest.raises(g2r.ImageFileError, match=r"pixels, and a frame has 4000x3000"):
        read(tmp_path / "bomb.dcm")


def test_pillows_own_limit_is_not_in_the_way(tmp_path, monkeypatch):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1000)
    for name in ("x.png", "x.jpg", "x.bmp", "x.pgm"):
        assert read(save(tmp_path / name, CAMERA)).array.shape == CAMERA.shape


def test_a_zip_file_that_is_no_npz(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(g2r.ImageFileError, match=r"no \.npz"):
        read(tmp_path / "x.npz")


def test_noise_after_a_signature(tmp_path):
    rng = np.random.default_rng(0)
    starts = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF....WEBP", b"GIF89a", b"BM", b"P5 ",
              b"II*\0", b"MM\0*", b"II+\0", b"\x93NUMPY", b"PK\x03\x04",
              bytes(128) + b"DICM"]  # fmt: skip
    for start in starts:
        for k in range(20):
            path = tmp_path / f"x{k}"
            path.write_bytes(start + rng.bytes(300))
            with pytest.raises(g2r.ImageFileError, match=path.name):
                lenient(path)


# The house


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_library_is_a_hint_whose_extra_exists(files, name):
    entry = FORMATS[name]
    if entry.library == "numpy":
        return
    kinds = {"PNG": "png", "JPEG": "jpeg", "WebP": "webp", "GIF": "gif", "BMP": "bmp",
             "PNM": "pgm", "TIFF": "tiff", "DICOM": "ct"}  # fmt: skip
    code = f"""
import sys
sys.modules[{entry.library!r}] = None
import graytorgb as g2r
try:
    g2r.io.read({str(files[kinds[name]])!r})
except g2r.BackendUnavailable as error:
    print(error)
"""
    assert f"needs {entry.library}: pip install 'graytorgb[{entry.extra}]'" in run_python(code)
    assert f"\n{entry.extra} =" in (ROOT / "setup.cfg").read_text()


def test_reading_one_format_imports_no_other(files):
    code = f"""
import sys
import graytorgb as g2r
g2r.io.read({str(files["npy"])!r})
before = {{"PIL", "tifffile", "pydicom", "imagecodecs", "simplejpeg"}} & set(sys.modules)
g2r.io.read({str(files["tiff"])!r}, value_range="dtype")
print(before, *sorted({{"PIL", "pydicom", "simplejpeg", "torch"}} & set(sys.modules)))
"""
    assert run_python(code) == "set()"


def test_bytes_in_memory_are_not_a_path():
    with pytest.raises(TypeError):
        read(io.BytesIO(b""))
