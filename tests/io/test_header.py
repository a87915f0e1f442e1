"""What `read_header` tells is what `read` tells, for every format; and both read from memory."""

import dataclasses
import struct
import warnings
from io import BytesIO

import numpy as np
import PIL.Image
import pytest
import tifffile

import graytorgb as g2r
from graytorgb.io import ImageHeader, read, read_header
from graytorgb.io.request import Request

from .images import CAMERA, COLOR, DEEP, save
from .samples import NAMES
from .scans import scan, write

FIELDS = {field.name for field in dataclasses.fields(ImageHeader)} - {"shape", "dtype", "notes"}


def call(function, path, **options):
    """Return what a function reads, or its error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(path, **options)
    except (g2r.GrayToRGBError, OSError) as error:
        return error


def assert_same(path, **options):
    """Check that the header tells what reading the file does, and return the header."""
    header, image = read_header(path, **options), call(read, path, **options)
    assert (header.shape, header.dtype) == (image.array.shape, image.array.dtype)
    for name in FIELDS:
        assert getattr(header, name) == getattr(image, name), name
    assert set(header.notes) <= set(image.notes)
    return header


def fields_of(image):
    return {
        field.name: getattr(image, field.name)
        for field in dataclasses.fields(image)
        if field.name != "array"
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_header_is_what_is_read(files, name):
    header = assert_same(files[name])
    assert_same(files[name], data=files[name].read_bytes())
    if header.frames > 1 and header.format != "NumPy":
        assert assert_same(files[name], index=1).frames == header.frames


@pytest.mark.parametrize("name", NAMES)
def test_bytes_are_read_as_the_file(files, name, tmp_path):
    image = call(read, files[name])
    data = files[name].read_bytes()
    absent = tmp_path / files[name].name  # only the name counts
    found = call(read, absent, data=data)
    assert fields_of(found) | {"path": None} == fields_of(image) | {"path": None}
    np.testing.assert_array_equal(found.array, image.array)
    assert found.path == absent
    assert found.array.flags.writeable == image.array.flags.writeable
    assert read_header(absent, data=data) == dataclasses.replace(
        read_header(files[name]), path=absent
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_header_is_refused_by_both(files, name, tmp_path):
    """A cut header is an error that names the file, from the file and from memory."""
    whole = files[name].read_bytes()
    path = tmp_path / files[name].name
    for size in (0, 3, 9):
        path.write_bytes(whole[:size])
        for function in (read, read_header):
            for options in ({}, {"data": whole[:size]}):
                with pytest.raises(g2r.ImageFileError) as caught:
                    function(path, **options)
                assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("name", NAMES)
def test_no_damage_is_a_wrong_header(files, name, tmp_path):
    """Wherever a changed file is read after all, its header tells the same."""
    whole = files[name].read_bytes()
    path = tmp_path / files[name].name
    rng = np.random.default_rng(0)
    agreed = 0
    for _ in range(25):
        changed = bytearray(whole)
        for place in rng.integers(0, min(len(whole), 700), 2):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        header, image = call(read_header, path), call(read, path)
        assert isinstance(header, ImageHeader | g2r.ImageFileError | g2r.BackendUnavailable)
        if isinstance(header, Exception):
            assert isinstance(image, type(header))  # what the header tells is told by both
        elif not isinstance(image, Exception):
            assert header.shape == image.array.shape
            assert header.dtype == image.array.dtype
            agreed += 1
    assert agreed or name in ("png", "deep png", "npz")  # these have checksums


def test_few_bytes_are_read(tmp_path, monkeypatch):
    """Of a large file a small part is read, whatever the format."""
    noise = np.random.default_rng(0).integers(0, 256, (700, 800), np.uint8)
    paths = [save(tmp_path / name, noise) for name in ("a.png", "b.jpg", "c.bmp", "d.pgm")]
    np.save(tmp_path / "e.npy", noise)
    tifffile.imwrite(tmp_path / "f.tif", noise, photometric="minisblack", compression="zlib")
    paths += [tmp_path / "e.npy", tmp_path / "f.tif"]
    read_bytes = []

    class Counted(BytesIO):
        def read(self, *size):
            found = super().read(*size)
            read_bytes.append(len(found))
            return found

    def enter(request):
        request.file, request.size = Counted(request.data), len(request.data)
        request.start = request.data[: 16 << 10]
        return request

    monkeypatch.setattr(Request, "__enter__", enter)
    monkeypatch.setattr(Request, "open", lambda request: Counted(request.data))
    for path in paths:
        read_bytes.clear()
        data = path.read_bytes()
        assert read_header(path, data=data).shape == (700, 800)
        assert sum(read_bytes) < 64 << 10 < len(data) / 2, path


def test_compressed_dicom_is_not_read_to_its_end(tmp_path, monkeypatch):
    """The pixels are cut off, which only reading them shows."""
    path = scan("MR_small_jp2klossless.dcm")
    whole = path.read_bytes()
    start = whole.index(b"\xe0\x7f\x10\x00")
    cut = tmp_path / "x.dcm"
    cut.write_bytes(whole[: start + 20])
    assert read_header(cut) == dataclasses.replace(read_header(path), path=cut)
    assert isinstance(call(read, cut), g2r.ImageFileError)


def with_alpha(picture):
    picture.putalpha(PIL.Image.linear_gradient("L").resize(picture.size))
    return picture


@pytest.mark.parametrize(
    ("make", "color_type"),
    [
        (lambda: PIL.Image.fromarray(CAMERA), "gray"),
        (lambda: PIL.Image.fromarray(CAMERA).convert("1"), "gray"),
        (lambda: with_alpha(PIL.Image.fromarray(CAMERA)), "gray+alpha"),
        (lambda: PIL.Image.fromarray(COLOR).convert("P"), "palette"),
        (lambda: PIL.Image.fromarray(CAMERA).convert("RGB").quantize(64), "palette"),
        (lambda: PIL.Image.fromarray(COLOR), "RGB"),
        (lambda: with_alpha(PIL.Image.fromarray(COLOR)), "RGBA"),
    ],
)
@pytest.mark.parametrize("suffix", ["png", "tif", "gif", "bmp", "webp"])
def test_color_types(tmp_path, suffix, make, color_type):
    picture, path = make(), tmp_path / f"x.{suffix}"
    if suffix == "webp":  # stores no gray and no palettes
        color_type = "RGBA" if picture.mode in ("LA", "RGBA") else "RGB"
    elif suffix == "gif":  # stores palettes, and this one has the gray level k at index k
        color_type = "gray" if picture.mode == "1" else "palette"
    elif suffix == "bmp" and picture.mode in ("LA", "RGBA"):  # stores no alpha
        picture, color_type = picture.convert("RGB"), "RGB"
    picture.save(path)
    assert assert_same(path).color_type == color_type


def test_a_palette_with_transparency_is_a_palette(tmp_path):
    PIL.Image.fromarray(COLOR).convert("P").save(tmp_path / "x.png", transparency=3)
    header = assert_same(tmp_path / "x.png")
    assert (header.color_type, header.shape[-1]) == ("palette", 4)


def test_inverted_files(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", CAMERA, photometric="miniswhite")
    assert assert_same(tmp_path / "x.tif").is_inverted
    write(tmp_path / "x.dcm", DEEP, PhotometricInterpretation="MONOCHROME1")
    assert assert_same(tmp_path / "x.dcm").is_inverted
    assert not read_header(scan("CT_small.dcm")).is_inverted


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("profile", [None, bytes(200), bytes(300_000)])
def test_color_profiles(tmp_path, suffix, profile):
    path = tmp_path / f"x.{suffix}"
    rng = np.random.default_rng(0)
    profile = profile and rng.integers(0, 256, len(profile), np.uint8).tobytes()
    PIL.Image.fromarray(COLOR).save(path, **({"icc_profile": profile} if profile else {}))
    assert assert_same(path).has_icc == (profile is not None)


def test_profiles_of_bmp_and_gif(tmp_path):
    """In BMP a header of version 5 names one, and in GIF an application extension holds one."""
    path = tmp_path / "x.bmp"
    pixels = bytes(4 * 4 * 3)
    for kind, has_icc in ((b"DEBM", True), (b"KNIL", True), (b"BGRs", False)):
        header = struct.pack("<IiiHHIIiiII", 124, 4, 4, 1, 24, 0, len(pixels), 0, 0, 0, 0)
        header = (header + bytes(16) + kind).ljust(124, b"\0")
        head = b"BM" + struct.pack("<IHHI", 138 + len(pixels), 0, 0, 138)
        path.write_bytes(head + header + pixels)
        assert assert_same(path).has_icc == has_icc
    path = save(tmp_path / "x.gif", CAMERA)
    assert not assert_same(path).has_icc
    data = path.read_bytes()
    start = 13 + (3 << (data[10] & 7) + 1)  # after the palette
    path.write_bytes(data[:start] + b"\x21\xff\x0bICCRGBG1012\x02ab\0" + data[start:])
    assert assert_same(path).has_icc


def test_animations_tell_their_frames(tmp_path):
    frames = [PIL.Image.fromarray(COLOR[k:30, k:40]).resize((40, 30)) for k in range(3)]
    for suffix in ("gif", "png", "webp"):
        path = tmp_path / f"x.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=90)
        for index in (None, 0, 2):
            assert assert_same(path, index=index).frames == 3
        with pytest.raises(g2r.ImageFileError, match="3 frames"):
            read_header(path, index=3)


def test_orientation_is_told(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    for suffix in ("jpg", "png", "webp", "tif"):
        path = tmp_path / f"x.{suffix}"
        PIL.Image.fromarray(COLOR).save(path, exif=exif)
        header = assert_same(path)
        assert header.orientation == 6
        assert "turned by 90 degrees clockwise" in " ".join(header.notes)


@pytest.mark.parametrize("elements", [{}, {"RescaleIntercept": -1024, "RescaleSlope": 1},
                                      {"RescaleSlope": 0.5, "RescaleIntercept": 0},
                                      {"WindowCenter": 40, "WindowWidth": 400}])  # fmt: skip
def test_dicom(ct, elements):
    assert_same(ct(**elements))


def test_the_limit_and_the_options(tmp_path):
    path = save(tmp_path / "x.png", CAMERA)
    with pytest.raises(g2r.ImageFileError, match="the limit is 10"):
        read_header(path, limit=10)
    for function in (read, read_header):
        with pytest.raises(g2r.OptionError, match="not of type bytearray"):
            function(path, data=bytearray(path.read_bytes()))
