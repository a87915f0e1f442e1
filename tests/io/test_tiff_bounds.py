"""TIFF: nothing is decoded that its tags don't state, nothing cut is read, nothing is endless."""

import io
import json
import lzma
import struct
import zlib

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile

import graytorgb as g2r
from graytorgb.io import read

from ..support import ROOT, run_python

ODD = ROOT / "tests" / "data" / "odd_files"
RNG = np.random.default_rng(0)
SMOOTH = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
COLOR = np.dstack([SMOOTH, SMOOTH.T // 2, SMOOTH[::-1]])
DEEP = SMOOTH.astype(np.uint16) * 257


def write_encoded(path, data, page, *, compression, **options):
    """Write a TIFF with the tags of `page`, and with `data` as its one tile or strip."""
    defaults = {"photometric": "rgb" if page.shape[-1] in (3, 4) else "minisblack"}
    tifffile.imwrite(
        path, iter([bytes(data)]), shape=page.shape, dtype=page.dtype, compression=compression,
        metadata=None, **{**defaults, **options},
    )  # fmt: skip
    return path


def encode(codec, pixels):
    options = {
        "jpeg2k": {"level": 0, "reversible": True, "codecformat": "j2k"},
        "webp": {"lossless": True},
    }.get(codec, {})
    return bytes(getattr(imagecodecs, f"{codec}_encode")(pixels, **options))


# codec, TIFF's compression
CODECS = {"jpeg8": "jpeg", "jpeg2k": "jpeg2000", "lerc": "lerc", "png": "png", "webp": "webp",
          "jpegxr": "jpegxr", "jpegxl": "jpegxl"}  # fmt: skip


@pytest.mark.parametrize("tile", [None, (64, 64)])
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", ["gray", "color", "deep", "larger", "other samples", "other bits"])
def test_a_codestream_is_what_the_tags_say(tmp_path, codec, kind, tile):
    """A tile that is, is read; one of another size, samples or bits is refused before decoding."""
    page = {"color": COLOR, "deep": DEEP, "other bits": DEEP}.get(kind, SMOOTH)
    if codec == "webp":
        page = COLOR
    if kind == "deep" and codec in ("jpeg8", "webp"):
        return  # 8 bits
    data = page
    if kind == "larger":
        data = np.tile(page, (2, 2) if page.ndim == 2 else (2, 2, 1))
    elif kind == "other samples":
        data = np.dstack([COLOR, SMOOTH]) if codec == "webp" else COLOR
    elif kind == "other bits":
        data = SMOOTH
        if codec == "webp":
            page = np.dstack([DEEP] * 3)
            data = COLOR
    options = {} if tile is None else {"tile": tile}
    if codec == "jpeg8" and page.ndim == 3:
        options["photometric"] = "ycbcr"
    path = write_encoded(
        tmp_path / "x.tif", encode(codec, data), page, compression=CODECS[codec], **options
    )
    if kind in ("gray", "color", "deep"):
        np.testing.assert_array_equal(read(path).array, tifffile.imread(path))
        return
    with pytest.raises(g2r.ImageFileError, match=r"its data states .*, and its tags"):
        read(path)


@pytest.mark.parametrize("codec", CODECS)
def test_a_codestream_that_is_cut(tmp_path, codec):
    page = COLOR if codec == "webp" else SMOOTH
    data = encode(codec, page)
    options = {"photometric": "minisblack"} if codec == "jpeg8" else {}
    errors = 0
    cuts = [*range(1, len(data), max(1, len(data) // 30)), len(data) - 1]
    for cut in cuts:
        path = write_encoded(
            tmp_path / "x.tif", data[:cut], page, compression=CODECS[codec], **options
        )
        try:
            array = read(path).array
        except g2r.ImageFileError:
            errors += 1
        else:  # what is lost at its end held no pixels
            np.testing.assert_array_equal(array, tifffile.imread(path))
            np.testing.assert_array_equal(array, page)
    assert errors >= 0.8 * len(cuts)


def lerc_of(shape, pixels):
    """Return a blob that states so many rows and columns, with the data of `pixels`."""
    data = bytearray(imagecodecs.lerc_encode(pixels))
    (version,) = struct.unpack_from("<i", data, 6)
    struct.pack_into("<ii", data, 10 if version < 3 else 14, *shape)
    return data


def jpeg2000_of(shape, pixels):
    data = bytearray(encode("jpeg2k", pixels))
    struct.pack_into(">II", data, 8, shape[1], shape[0])  # the image
    struct.pack_into(">II", data, 24, shape[1], shape[0])  # its one tile
    return data


def jpegxl_of(shape):
    """Change only the stated size, which is what a decoder allocates."""
    bits = f"{shape[1] - 1:030b}11000{shape[0] - 1:030b}110"  # read from its end
    return b"\xff\x0a" + int(bits, 2).to_bytes(20, "little") + b"\xff\xd9"


def test_bombs_of_codestreams(tmp_path):
    """Tiles of 64x64 that ask for gigabytes: refused in little memory, and at once."""
    jpeg = bytearray(encode("jpeg8", SMOOTH))
    start = jpeg.index(b"\xff\xc0") + 5
    struct.pack_into(">HH", jpeg, start, 65_000, 65_000)
    png = bytearray(encode("png", SMOOTH))
    struct.pack_into(">II", png, 16, 60_000, 60_000)
    struct.pack_into(">I", png, 29, zlib.crc32(png[12:29]))
    webp = bytearray(encode("webp", COLOR))
    assert webp[12:16] == b"VP8L"
    struct.pack_into("<I", webp, 21, 16_382 << 14 | 16_382)
    bombs = {
        "lerc": (lerc_of((20_000, 20_000), SMOOTH), SMOOTH),
        "jpeg2000": (jpeg2000_of((30_000, 30_000), SMOOTH), SMOOTH),
        "jpegxl": (jpegxl_of((40_000, 40_000)), SMOOTH),
        "jpeg": (jpeg, SMOOTH), "png": (png, SMOOTH), "webp": (webp, COLOR),
    }  # fmt: skip
    paths = []
    for name, (data, page) in bombs.items():
        for k, options in enumerate([{}, {"tile": (64, 64)}]):
            paths.append(tmp_path / f"{name}{k}.tif")
            write_encoded(paths[-1], data, page, compression=name, **options)
    small = tmp_path / "small.tif"
    tifffile.imwrite(small, SMOOTH, compression="zlib")
    for line in read_in_a_child([small], paths):
        assert "its data states" in line, line


def read_in_a_child(whole, paths):
    """Return the error of each file, read in one process that may take little memory."""
    code = f"""
import json, resource
import graytorgb as g2r
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
for path in {[str(path) for path in whole]!r}:
    g2r.io.read(path)
before = peak()
for path in {[str(path) for path in paths]!r}:
    try:
        print(g2r.io.read(path))
    except g2r.ImageFileError as error:
        print(json.dumps(str(error)))
print(peak() - before)
"""
    *lines, peak = run_python(code).splitlines()
    assert int(peak) < 100
    assert len(lines) == len(paths)
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("compression", ["zlib", "zstd", "packbits", "lzma"])
def test_bombs_of_bytes(tmp_path, compression):
    """A strip inflates to 256 MB where 4 kB are stated."""
    zeros = bytes(1 << 28)
    data = {
        "zlib": lambda: zlib.compress(zeros),
        "zstd": lambda: imagecodecs.zstd_encode(zeros),
        "packbits": lambda: b"\x81\x00" * (1 << 21),
        "lzma": lambda: lzma.compress(zeros, preset=0),
    }[compression]()
    path = write_encoded(tmp_path / "x.tif", data, SMOOTH, compression=compression)
    code = f"""
import resource
import graytorgb as g2r
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
try:
    assert g2r.io.read({str(path)!r}).array.shape == (64, 64)
except g2r.ImageFileError:
    pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10) - before)
"""
    assert int(run_python(code)) < 150  # the libraries themselves


def test_a_tile_larger_than_the_limit(tmp_path):
    path = write_encoded(
        tmp_path / "x.tif", zlib.compress(bytes(64)), SMOOTH, compression="zlib", tile=(64, 64)
    )
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name in ("TileWidth", "TileLength"):
            file.pages[0].tags[name].overwrite(60_000)
    with pytest.raises(g2r.ImageFileError, match=r"a tile of 60000x60000 samples, 3,600,000,000"):
        read(path)


def test_many_scans(tmp_path):
    """A progressive JPEG can repeat a scan, and each takes as long as an image."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(SMOOTH).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    start = data.rindex(b"\xff\xda")
    bomb = data[:start] + data[start:-2] * 400 + data[-2:]
    path = write_encoded(
        tmp_path / "x.tif", data, SMOOTH, compression="jpeg", photometric="minisblack"
    )
    assert read(path).array.shape == (64, 64)
    write_encoded(path, bomb, SMOOTH, compression="jpeg", photometric="minisblack")
    with pytest.raises(g2r.ImageFileError, match="more than 100 scans"):
        read(path)


# Directories


def directories(offsets_of_next, *, tags=()):
    """Return a TIFF of directories without images, each with the offset of the next."""
    body = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    size = 2 + len(body) + 4
    nexts = offsets_of_next(size)
    return b"II*\0" + struct.pack("<I", 8) + b"".join(
        struct.pack("<H", len(tags)) + body + struct.pack("<I", offset) for offset in nexts
    )  # fmt: skip


PAGE = [(256, 3, 1, 1), (257, 3, 1, 1), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8),
        (279, 4, 1, 1)]  # fmt: skip


@pytest.mark.parametrize("index", [None, 0])
def test_a_million_pages(tmp_path, index):
    path = tmp_path / "x.tif"
    count = 1_000_000
    path.write_bytes(
        directories(lambda size: [8 + size * (k + 1) for k in range(count - 1)] + [0], tags=PAGE)
    )
    with pytest.raises(g2r.ImageFileError, match="it has more than 65,536 pages"):
        read(path, index=index)


@pytest.mark.parametrize(("pages", "back"), [(1, 0), (2, 0), (3, 1), (500, 250)])
def test_a_loop_of_pages(tmp_path, pages, back):
    path = tmp_path / "x.tif"
    path.write_bytes(
        directories(
            lambda size: [8 + size * (k + 1) for k in range(pages - 1)] + [8 + size * back],
            tags=PAGE,
        )
    )
    for index in (None, 0):
        with pytest.raises(g2r.ImageFileError, match="where an earlier page is"):
            read(path, index=index)


@pytest.mark.parametrize("code", [270, 273, 320, 330])
def test_a_value_that_all_pages_share(tmp_path, code):
    """Each of 1000 pages has a megabyte of tags, in a file of 1 MB."""
    path = tmp_path / "x.tif"
    kind, count = (2, 1 << 20) if code == 270 else (4, 1 << 18)
    shared = [tag for tag in PAGE if tag[0] != code] + [(code, kind, count, 8)]
    data = directories(
        lambda size: [8 + size * (k + 1) for k in range(999)] + [0], tags=sorted(shared)
    )
    path.write_bytes(data + bytes(1 << 20))
    with pytest.raises(g2r.ImageFileError, match=r"damaged: the tags|more than 65,536 pages"):
        read(path)


def test_more_samples_than_a_file_can_hold(tmp_path):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, SMOOTH, imagej=True, metadata={"axes": "YX"})
    text = b"ImageJ=1.11a\nimages=1\nslices=200000000\nframes=9\nhyperstack=true\nloop=false\n"
    for options in ({}, {"compression": "zlib"}):
        tifffile.imwrite(path, SMOOTH, metadata=None, description=text, **options)
        try:
            array = read(path).array
        except g2r.ImageFileError:
            continue
        np.testing.assert_array_equal(array, SMOOTH)
    shape = json.dumps({"shape": [2_000_000_000, 64, 64]})
    tifffile.imwrite(path, SMOOTH, metadata=None, description=shape)
    with pytest.raises(g2r.ImageFileError):
        read(path)


@pytest.mark.parametrize("tile", [None, (64, 64)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_jpeg_xr_with_alpha(tmp_path, dtype, tile):
    """jxrlib counts the bytes of its alpha plane from the start of the file."""
    pixels = np.dstack([COLOR, SMOOTH]).astype(dtype)
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, pixels, compression="jpegxr", tile=tile, extrasamples=["unassalpha"],
        photometric="rgb")  # fmt: skip
    np.testing.assert_array_equal(read(path, value_range=(0, 255)).array, pixels)
    data = bytes(imagecodecs.jpegxr_encode(pixels))
    for cut in (1, 20, len(data) // 3):
        write_encoded(path, data[:-cut], pixels, compression="jpegxr", photometric="rgb")
        with pytest.raises(g2r.ImageFileError):
            read(path)
