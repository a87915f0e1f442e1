"""Every reader's result is held against what the file's header stated."""

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb.core.image_file import ImageFile
from graytorgb.io import npy as reader
from graytorgb.io import read


@pytest.fixture
def read_as(tmp_path, monkeypatch):
    """Return a function that reads a file whose reader checks one shape and gives an array."""

    def read_with(array, layout, stated, **options):
        def lie(request):
            if stated is not None:
                request.check_size(stated, array.itemsize)
            return ImageFile(request.path, array, layout, (0, 255), "a test", "NumPy", "a test")

        np.save(tmp_path / "x.npy", np.zeros((2, 2)))
        monkeypatch.setattr(reader, "read", lie)
        return read(tmp_path / "x.npy", **options)

    return read_with


@pytest.mark.parametrize(
    ("shape", "layout", "stated", "says"),
    [
        ((2, 64, 64), "HW", (2, 64, 64), "states the axes 'HW', and 2x64x64 samples were decoded"),
        ((5, 32, 40, 1), "QHWQ", (5, 32, 40, 1), "states the axes 'QHWQ'"),
        ((2, 64, 64), "NHW", (64, 64), "states 64x64 samples, and 2x64x64 were decoded"),
        ((64, 64), "HW", (64, 64, 1), "states 64x64x1 samples, and 64x64 were decoded"),
        ((64, 63), "HW", (64, 64), "states 64x64 samples, and 64x63 were decoded"),
        ((64, 64), "HW", None, "64x64 samples were decoded, and no size was checked before"),
        ((0, 64), "HW", (0, 64), "states 0x64 samples, so it has no pixels"),
        ((64, 64), "HW", (-1, 64), "states -1x64 samples, so it has no pixels"),
    ],
)
def test_what_contradicts_the_header_is_refused(read_as, shape, layout, stated, says):
    with pytest.raises(g2r.ImageFileError, match=says) as caught:
        read_as(np.zeros(shape, np.uint8), layout, stated)
    assert "x.npy: " in str(caught.value)


def test_what_agrees_with_the_header_is_read(read_as):
    assert read_as(np.zeros((4, 6, 5), np.uint8), None, (4, 6, 5)).array.shape == (4, 6, 5)
    assert read_as(np.zeros((4, 6), np.uint8), "HW", (4, 6), limit=24).layout == "HW"


def test_a_result_of_more_bytes_than_were_checked_is_refused(tmp_path, monkeypatch):
    def widen(request):
        request.check_size((2, 5), 1)
        array = np.zeros((2, 5))
        return ImageFile(request.path, array, "HW", (0, 1), "a test", "NumPy", "a test")

    np.save(tmp_path / "x.npy", np.zeros((2, 2)))
    monkeypatch.setattr(reader, "read", widen)
    assert read(tmp_path / "x.npy", limit=80).array.nbytes == 80
    with pytest.raises(g2r.ImageFileError, match=r"80 in all, and the limit is 79: .*limit=80\)"):
        read(tmp_path / "x.npy", limit=79)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (3, 0, 4)])
def test_an_npy_without_pixels(tmp_path, shape):
    np.save(tmp_path / "x.npy", np.zeros(shape, np.uint8))
    with pytest.raises(g2r.ImageFileError, match="has no pixels"):
        read(tmp_path / "x.npy")


@pytest.mark.parametrize("limit", [None, "2GB", 0, -1, True, float("nan"), (1, 2)])
def test_a_limit_that_is_no_number_of_bytes(tmp_path, limit):
    np.save(tmp_path / "x.npy", np.zeros((3, 4)))
    with pytest.raises(g2r.OptionError, match=r"limit is a number of bytes, such as \d+, not "):
        read(tmp_path / "x.npy", limit=limit)
    assert read(tmp_path / "x.npy", limit=1e9).array.shape == (3, 4)
