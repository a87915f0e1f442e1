"""Plain files are read in a quick way, and it gives what the full way gives."""

import dataclasses
import io
import warnings

import cv2
import numpy as np
import PIL.Image
import pytest
import tifffile
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

import graytorgb as g2r
from graytorgb.io import bmp, dicom_decode, npy, pnm, read, tiff

from .scans import write

RNG = np.random.default_rng(0)
PIXELS = {
    (dtype, color): RNG.integers(0, 256 ** np.dtype(dtype).itemsize, (37, 50, 3), dtype)[
        ..., slice(None) if color else 0
    ]
    for dtype in ("u1", "u2")
    for color in (False, True)
}


def outcome(path, **options):
    """Return every field of the image that is read, or the error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = read(path, **options)
    except g2r.GrayToRGBError as error:
        return type(error), str(error)
    fields = {field.name: getattr(image, field.name) for field in dataclasses.fields(image)}
    array = fields.pop("array")
    return fields, array.dtype, array.shape, array.tobytes()


def assert_same(path, monkeypatch, target, name, replacement, **options):
    """Check that the quick way gives what the full way gives, and return it."""
    quick = outcome(path, **options)
    with monkeypatch.context() as patched:
        patched.setattr(target, name, replacement)
        full = outcome(path, **options)
    assert quick == full
    return quick


# TIFF


def by_tifffile(path, pixels, **options):
    options = {"photometric": "rgb" if pixels.ndim == 3 else "minisblack"} | options
    tifffile.imwrite(path, pixels, **options)


def by_opencv(path, pixels):
    cv2.imwrite(str(path), pixels, [cv2.IMWRITE_TIFF_COMPRESSION, 1])


def by_pillow(path, pixels):
    PIL.Image.fromarray(pixels).save(path)


def assert_tiff_same(path, monkeypatch, **options):
    return assert_same(path, monkeypatch, tiff, "find_tags", lambda request: None, **options)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byteorder": ">"},
        {"rowsperstrip": 5},
        {"metadata": None, "software": "x"},
        {"description": "", "metadata": None},
        {"description": "a", "metadata": None},
        {"description": "abcdefgh", "metadata": None},
        {"metadata": {"axes": "YXS"}},
        {"imagej": True},
        {"ome": True},
        {"bigtiff": True},
        {"tile": (16, 16)},
        {"compression": "zlib"},
        {"compression": "zlib", "predictor": True, "rowsperstrip": 7},
        {"compression": "lzw"},
        {"planarconfig": "separate"},
        {"subfiletype": 1},
        {"subfiletype": 2},
        {"extratags": [(274, "H", 1, 6, True)]},
        {"extratags": [(266, "H", 1, 2, True)]},
        {"extratags": [(341, "H", 1, 4095, True)]},
        {"extratags": [(281, "H", 1, 255, True)]},
        {"extratags": [(65000, "H", 1, 1, True)]},
        {"resolution": (100, 100), "datetime": True},
    ],
)
def test_tiff(tmp_path, monkeypatch, dtype, color, options):
    pixels = PIXELS[dtype, color]
    if color and options.get("imagej") and dtype == "u2":
        pixels = pixels[..., 0]
    if options.get("planarconfig") and color:
        pixels = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    elif options.get("planarconfig"):
        options = {}
    by_tifffile(tmp_path / "x.tif", pixels, **options)
    for index in (None, 0, -1, 1):
        assert_tiff_same(tmp_path / "x.tif", monkeypatch, index=index)
    assert_tiff_same(tmp_path / "x.tif", monkeypatch, limit=1000)
    (tmp_path / "x.ndpi").write_bytes((tmp_path / "x.tif").read_bytes())
    assert_tiff_same(tmp_path / "x.ndpi", monkeypatch)


@pytest.mark.parametrize("pixels", PIXELS.values(), ids=map(str, PIXELS))
@pytest.mark.parametrize("save", [by_opencv, by_pillow])
def test_tiff_of_other_writers(tmp_path, monkeypatch, save, pixels):
    if save is by_pillow and pixels.ndim == 3 and pixels.dtype == "u2":
        pixels = pixels[..., 0]
    save(tmp_path / "x.tif", pixels)
    assert_tiff_same(tmp_path / "x.tif", monkeypatch)


def test_a_tiff_whose_directory_is_at_its_end(tmp_path, monkeypatch):
    pixels = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    by_opencv(tmp_path / "x.tif", pixels)  # 128 KiB of pixels, then the tags
    assert_tiff_same(tmp_path / "x.tif", monkeypatch)
    np.testing.assert_array_equal(read(tmp_path / "x.tif").array, pixels)


@pytest.mark.parametrize(
    "shape",
    [(1, 40), (40, 1), (1, 1), (2, 3), (2, 30, 40), (1, 30, 40), (1, 1, 30, 40), (30, 40, 1)],
)
@pytest.mark.parametrize("described", [True, False])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_of_odd_shapes(tmp_path, monkeypatch, shape, described, compression):
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    options = {"photometric": "minisblack", "compression": compression}
    by_tifffile(tmp_path / "x.tif", pixels, **options, **({} if described else {"metadata": None}))
    assert_tiff_same(tmp_path / "x.tif", monkeypatch)
    assert_tiff_same(tmp_path / "x.tif", monkeypatch, index=0)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_damaged_tiff(tmp_path, monkeypatch, compression):
    """Change each byte of the directory, and cut the file, in a few ways each."""
    path = tmp_path / "x.tif"
    by_tifffile(path, PIXELS["u1", False][:8, :9], compression=compression, rowsperstrip=3)
    whole = path.read_bytes()
    start = int.from_bytes(whole[4:8], "little")
    end = start + 2 + 12 * int.from_bytes(whole[start : start + 2], "little") + 4
    read_in_full = 0
    for place in (*range(2, 8), *range(start, end)):
        for value in (0, whole[place] ^ 1, 255):
            changed = bytearray(whole)
            changed[place] = value
            path.write_bytes(changed)
            found = assert_tiff_same(path, monkeypatch)
            read_in_full += found[0] is not g2r.ImageFileError
    assert read_in_full > 50
    for size in (*range(8, len(whole), 7), len(whole) - 1):
        path.write_bytes(whole[:size])
        assert_tiff_same(path, monkeypatch)


# BMP


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (4, 3), (5, 3), (6, 7), (7, 2)])
def test_bmp(tmp_path, monkeypatch, mode, size):
    pixels = RNG.integers(0, 256, (size[1], size[0], 3), np.uint8)
    path = tmp_path / "x.bmp"
    PIL.Image.fromarray(pixels).convert(mode).save(path)
    whole = path.read_bytes()
    assert_same(path, monkeypatch, bmp, "_find_plain_shape", lambda *_: None)
    assert_same(path, monkeypatch, bmp, "_find_plain_shape", lambda *_: None, index=0)
    if mode not in ("L", "RGB"):
        return
    upside_down = bytearray(whole)
    upside_down[22:26] = (-size[1]).to_bytes(4, "little", signed=True)
    palette = bytearray(whole)
    if mode == "L":
        palette[54 + 40] ^= 1
    for data in (upside_down, palette, whole + bytes(10), whole[:-1], whole[:54]):
        path.write_bytes(data)
        assert_same(path, monkeypatch, bmp, "_find_plain_shape", lambda *_: None)


# .npy


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "<u2", ">u2", ">f4", "<f8", "f2", "<i8"])
@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 3), (1, 2, 3, 4), (100, 300)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path, dtype, shape, order):
    array = (np.arange(np.prod(shape)) % 7).reshape(shape).astype(dtype, order=order)
    np.save(tmp_path / "x.npy", array)
    image = read(tmp_path / "x.npy")
    assert image.array.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(image.array, array)
    assert image.array.flags.writeable


def test_headers_of_npy_are_read_as_numpy_reads_them():
    for dtype in ("?", "u1", "<u2", ">f4", "<i8"):
        for array in (np.zeros((3, 4), dtype), np.zeros((3, 4, 5), dtype, order="F")):
            file = io.BytesIO()
            np.save(file, array)
            assert npy._HEADER.match(file.getvalue())
            shape, is_transposed, found, start = npy.parse_header(file.getvalue())
            file.seek(8)
            assert (shape, is_transposed, found) == np.lib.format.read_array_header_1_0(file)
            assert start == file.tell()


# PNM


@pytest.mark.parametrize("comment", [0, 100, 20_000, 200_000])
@pytest.mark.parametrize(("kind", "largest"), [(5, 255), (5, 65535), (6, 255), (6, 4095)])
def test_a_header_of_any_length(tmp_path, comment, kind, largest):
    """The first bytes of a file are read first, and the header may be longer."""
    dtype = np.dtype("u1" if largest < 256 else ">u2")
    pixels = np.minimum(PIXELS["u2", kind == 6], largest)
    head = b"P%d\n#%s\n50 37\n%d\n" % (kind, b"x" * comment, largest)
    path = tmp_path / "x.pnm"
    path.write_bytes(head + pixels.astype(dtype).tobytes())
    image = read(path)
    np.testing.assert_array_equal(image.array, pixels)
    assert pnm._SIZE.match(head)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(g2r.ImageFileError, match="truncated"):
        read(path)


# DICOM


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
)
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("dtype", "stored"), [("u1", 8), ("u1", 5), ("u2", 16), ("u2", 12)])
@pytest.mark.parametrize("frames", [1, 3])
def test_dicom(tmp_path, monkeypatch, syntax, signed, dtype, stored, frames):
    """Gray is read from its place in the file, and its unused bits are cut off."""
    shape = (64, 100) if frames == 1 else (frames, 64, 100)
    pixels = RNG.integers(0, 256 ** np.dtype(dtype).itemsize, shape, dtype)
    pixels = pixels.view(dtype.replace("u", "i")) if signed else pixels
    if syntax == ExplicitVRBigEndian:
        pixels = pixels.astype(pixels.dtype.newbyteorder(">"))
    path = write(tmp_path / "x.dcm", pixels, syntax=syntax, BitsStored=stored)
    for index in (None, 0, frames - 1):
        options = {"index": index, "window": None}
        found = assert_same(
            path, monkeypatch, dicom_decode, "_read_plain", lambda s: None, **options
        )
        assert found[0] is not g2r.ImageFileError
    whole = path.read_bytes()
    for data in (whole[:-1], whole[:-5000], whole + bytes(64), whole[: len(whole) // 2]):
        path.write_bytes(data)
        assert_same(path, monkeypatch, dicom_decode, "_read_plain", lambda s: None)
