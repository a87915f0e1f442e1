"""TIFF with CCITT's fax compressions: libtiff's pixels, and an error where data is cut."""

import struct

import numpy as np
import PIL.Image
import pytest
import tifffile

import graytorgb as g2r
from graytorgb.io import read

from ..support import ROOT

ODD = ROOT / "tests" / "data" / "odd_files"
HOPPER = ODD / "hopper_g4.tif"
FAXES = {
    "rle": {"compression": "tiff_ccitt"},
    "g3 1d": {"compression": "group3"},
    "g3 2d": {"compression": "group3", "tiffinfo": {292: 1}},
    "g3 2d aligned": {"compression": "group3", "tiffinfo": {292: 5}},
    "g4": {"compression": "group4"},
}


def by_pillow(path):
    with PIL.Image.open(path) as image:
        return np.asarray(image)


def save(path, pixels, fill_order=1, **options):
    PIL.Image.fromarray(pixels).save(path, **options)
    if (
        fill_order == 2
    ):  # the bits of each byte of the data, and the tag's value, in the other order
        data = bytearray(path.read_bytes())
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            for start, size in zip(page.dataoffsets, page.databytecounts, strict=True):
                part = data[start : start + size]
                data[start : start + size] = bytes(int(f"{b:08b}"[::-1], 2) for b in part)
            orders = page.tags[266].valueoffset if 266 in page.tags else None
        assert orders is not None
        struct.pack_into("<H", data, orders, 2)
        path.write_bytes(data)
    return path


def with_strip_cut(source, path, size):
    """Return the file with the last strip cut to so many bytes, and all else in its place."""
    path.write_bytes(source.read_bytes())
    with tifffile.TiffFile(path, mode="r+b") as file:
        counts = [*file.pages[0].databytecounts]
        file.pages[0].tags["StripByteCounts"].overwrite([*counts[:-1], size])
    return path


@pytest.mark.parametrize("fill_order", [1, 2])
@pytest.mark.parametrize("fax", FAXES)
@pytest.mark.parametrize("width", [1, 31, 64, 2700])
def test_faxes_are_as_libtiff_reads_them(tmp_path, fax, width, fill_order):
    rng = np.random.default_rng(width)
    pixels = np.cumsum(rng.random((40, width)) < 0.02, axis=1) % 2 == 1
    options = {**FAXES[fax]}
    options["tiffinfo"] = {**options.get("tiffinfo", {}), 266: 1}
    path = save(tmp_path / "x.tif", pixels, fill_order, **options)
    np.testing.assert_array_equal(read(path).array, pixels)
    np.testing.assert_array_equal(by_pillow(path), pixels)


@pytest.mark.parametrize("photometric", [0, 1])
def test_both_polarities(tmp_path, photometric):
    pixels = by_pillow(HOPPER)
    path = save(tmp_path / "x.tif", pixels, compression="group4", tiffinfo={262: photometric})
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].photometric in (0, 1)
    np.testing.assert_array_equal(read(path).array, by_pillow(path))


def test_a_group_4_strip_cut_after_any_byte(tmp_path):
    """Cut the strip by its stated length, and by the end of the file."""
    with tifffile.TiffFile(HOPPER) as file:
        page = file.pages[0]
        (start,), (size,) = page.dataoffsets, page.databytecounts
        place = page.tags["StripByteCounts"].valueoffset
    data = bytearray(HOPPER.read_bytes())
    path = tmp_path / "cut.tif"
    for left in (*range(1, size - 100, 7), *range(size - 100, size)):
        struct.pack_into("<H", data, place, left)
        path.write_bytes(data)
        with pytest.raises(g2r.ImageFileError, match="cut"):
            read(path)
        if left % 10 == 0:  # as if what is missing were zeros
            path.write_bytes(data[: start + left] + bytes(size - left) + data[start + size :])
            with pytest.raises(g2r.ImageFileError, match="cut"):
                read(path)


@pytest.mark.parametrize("fax", FAXES)
def test_faxes_that_are_cut(tmp_path, fax):
    pixels = by_pillow(HOPPER)
    path = save(tmp_path / "x.tif", pixels, **FAXES[fax])
    with tifffile.TiffFile(path) as file:
        size = file.pages[0].databytecounts[-1]
    errors = 0
    cuts = range(1, size, max(1, size // 60))
    for left in cuts:
        try:
            image = read(with_strip_cut(path, tmp_path / "cut.tif", left))
        except g2r.ImageFileError:
            errors += 1
        else:
            np.testing.assert_array_equal(image.array, pixels)
    assert errors >= 0.9 * len(cuts)


@pytest.mark.parametrize("fax", FAXES)
def test_faxes_of_fewer_rows_than_stated(tmp_path, fax):
    path = save(tmp_path / "x.tif", by_pillow(HOPPER), **FAXES[fax])
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name in ("ImageLength", "RowsPerStrip"):
            file.pages[0].tags[name].overwrite(file.pages[0].tags[name].value + 60)
    with pytest.raises(g2r.ImageFileError):
        read(path)


def test_pages_of_a_fax(tmp_path):
    first = by_pillow(HOPPER)
    pages = [PIL.Image.fromarray(pixels) for pixels in (first, ~first, first[::-1])]
    pages[0].save(tmp_path / "x.tif", compression="group4", save_all=True, append_images=pages[1:])
    image = read(tmp_path / "x.tif")
    assert image.layout == "NHW"
    np.testing.assert_array_equal(image.array, np.stack([first, ~first, first[::-1]]))
    np.testing.assert_array_equal(read(tmp_path / "x.tif", index=2).array, first[::-1])
