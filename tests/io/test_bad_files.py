"""Files that are damaged, truncated, too large or no images: an error that names the file."""

import struct
import warnings
import zipfile
import zlib

import imagecodecs
import numpy as np
import PIL.Image
import pydicom
import pydicom.data
import pytest
import tifffile

import graytorgb as g2r
from graytorgb.io import FORMATS, read

from ..support import ROOT
from .images import (
    CAMERA,
    DEEP,
    assert_read,
    by_pillow,
    odd,
    save,
    write_tiff,
)
from .samples import NAMES
from .scans import scan


def lenient(path):
    """Read without the warnings of pydicom and of this package, of which a cut file has many."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read(path, value_range="dtype", window=None)


@pytest.mark.parametrize("name", NAMES)
def test_a_truncated_file_is_an_error_or_whole(files, tmp_path, name):
    """A file cut anywhere never gives another shape or other values."""
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
    """A file may be both, by PS3.10, 7.1: the pixels that DICOM describes count."""
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
    """OME can keep planes in other files; tifffile fills the missing ones with zeros."""
    path = tmp_path / "x.ome.tif"
    stack = np.stack([DEEP, DEEP])
    write_tiff(path, stack, ome=True, photometric="minisblack", metadata={"axes": "ZYX"})
    data = path.read_bytes()
    assert data.count(b'SizeZ="2"') == 1
    path.write_bytes(data.replace(b'SizeZ="2"', b'SizeZ="3"'))
    with pytest.raises(g2r.ImageFileError, match="planes are missing"):
        read(path)


def png_of_zeros(width, height):
    """Return a gray PNG whose header and data agree, of a thousandth of its image's size."""
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
    """pydicom inflates a whole data set at once, so its size is counted first."""
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
