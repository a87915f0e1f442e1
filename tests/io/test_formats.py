"""The table of formats: which file is of which format, and what is said of any other."""

import re
from importlib import import_module

import pytest

import graytorgb as g2r
from graytorgb.io import FORMATS, read
from graytorgb.io.formats import SUFFIXES, find_format, name_format

from ..support import ROOT, needs_package
from .samples import SAMPLES
from .scans import scan

# The ways in which files begin, beside those of the samples
STARTS = {
    "DICOM": [bytes(128) + b"DICM", b"II*\0" + bytes(124) + b"DICM"],
    "PNG": [b"\x89PNG\r\n\x1a\n"],
    "JPEG": [b"\xff\xd8\xff\xe0"],
    "WebP": [b"RIFF\x24\0\0\0WEBPVP8 "],
    "GIF": [b"GIF87a", b"GIF89a"],
    "BMP": [b"BM\x36\0"],
    "PNM": [b"P%d\n" % k for k in range(1, 7)] + [b"P5#", b"P6 "],
    "TIFF": [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"],
    "NumPy": [b"\x93NUMPY", b"PK\x03\x04"],
}


def strip_preamble(name="CT_small.dcm"):
    """Return a DICOM file from where its data set begins, with group 0008."""
    whole = scan(name).read_bytes()
    start = whole.index(b"\x08\0\x05\0CS")
    return whole[start:]


@pytest.mark.parametrize("name", FORMATS)
def test_the_first_bytes_tell_the_format(files, name):
    heads = [files[sample].read_bytes()[:256] for sample in SAMPLES[name]]
    for start in (*heads, *STARTS.get(name, ())):
        for suffix in ("", *SUFFIXES):
            assert find_format(start, suffix) == name


@pytest.mark.parametrize("start", [b"", b"<html>", b"P7\n", b"GIF88a", b"RIFF....WAVE", bytes(200)])
def test_other_bytes_tell_none(start):
    assert find_format(start) is None
    for suffix in SUFFIXES - set(FORMATS["DICOM"].suffixes):
        assert find_format(start, suffix) is None


def test_a_suffix_belongs_to_one_format():
    assert len(SUFFIXES) == sum(len(entry.suffixes) for entry in FORMATS.values())
    assert {name_format(suffix.upper()) for suffix in SUFFIXES} == set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_a_module_and_a_line(name):
    """The reader is a module of the package, and setup.cfg has the extra."""
    entry = FORMATS[name]
    needs_package(entry.library)
    module = import_module(f"graytorgb.io.{entry.module}")
    assert module.read
    assert module.read_header
    assert f"\n{entry.extra} =" in (ROOT / "setup.cfg").read_text()


@pytest.mark.parametrize("suffix", [".dcm", ""])
def test_a_dicom_file_without_its_preamble(tmp_path, suffix):
    """The first data element tells the format, whatever the file's name."""
    path = tmp_path / f"IM0001{suffix}"
    path.write_bytes(strip_preamble())
    image = read(path, window=(40, 400))
    assert image.format == "DICOM"
    assert (image.array == read(scan("CT_small.dcm"), window=(40, 400)).array).all()


def test_the_suffix_makes_an_odd_first_element_count(tmp_path):
    """Group 0010 begins no ordinary file, and so needs the name beside it."""
    whole = strip_preamble()
    data = whole[whole.index(b"\x10\0\x10\0PN") :]
    (tmp_path / "x.dcm").write_bytes(data)
    (tmp_path / "x").write_bytes(data)
    assert read(tmp_path / "x.dcm", window=(40, 400)).array.shape == (128, 128)
    with pytest.raises(g2r.ImageFileError, match="not an image that can be read"):
        read(tmp_path / "x")


@pytest.mark.parametrize("suffix", [".dcm", ".png", ".tif", ""])
def test_an_unknown_file_is_not_taken_for_dicom(tmp_path, suffix):
    """The error tells the first bytes, what is read, and what to do."""
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"<!DOCTYPE html><html>404</html>" * 9)
    with pytest.raises(g2r.ImageFileError) as caught:
        read(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: not an image that can be read: it starts with b'<!DOCTYP'")
    assert ("though its name says" in said) == bool(suffix)
    assert f"These are read: {', '.join(FORMATS)}. " in said
    assert said.endswith("decode the file with its own library and give the array to to_rgb")


def test_a_dicom_name_over_damaged_elements_is_a_dicom_error(tmp_path):
    path = tmp_path / "x.dcm"
    path.write_bytes(strip_preamble()[:60])
    with pytest.raises(g2r.ImageFileError, match=re.escape(f"{path}: not DICOM, or DICOM")):
        read(path)
