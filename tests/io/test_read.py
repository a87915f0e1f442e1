"""What graytorgb.io.read does for every format."""

import io
import warnings

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb.io import FORMATS, read

from ..support import ROOT, run_python
from .images import (
    CAMERA,
    DEEP,
    save,
)
from .samples import SAMPLES
from .scans import scan


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


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_library_is_a_hint_whose_extra_exists(files, name):
    entry = FORMATS[name]
    if entry.library == "numpy":
        return
    sample = next(iter(SAMPLES[name]))
    code = f"""
import sys
sys.modules[{entry.library!r}] = None
import graytorgb as g2r
try:
    g2r.io.read({str(files[sample])!r})
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
