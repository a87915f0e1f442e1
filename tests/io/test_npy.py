""".npy and .npz: read no further than their headers allow."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb.io import read

from .images import CAMERA, COLOR, DEEP, assert_read

PIXELS = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)


def encode(array, version=None):
    memory = io.BytesIO()
    np.lib.format.write_array(memory, array, version)
    return memory.getvalue()


def write_zip(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions(tmp_path, version):
    (tmp_path / "x.npy").write_bytes(encode(PIXELS, version))
    np.testing.assert_array_equal(read(tmp_path / "x.npy").array, PIXELS)
    write_zip(tmp_path / "x.npz", {"a.npy": encode(PIXELS, version)})
    np.testing.assert_array_equal(read(tmp_path / "x.npz").array, PIXELS)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_a_header_of_a_length_that_lies(tmp_path, suffix):
    """A header claims 1.5 GB, or has it; no more than numpy's own bound is read."""
    size = 200 << 20
    head = b"\x93NUMPY\2\0" + struct.pack("<I", 1_500_000_000)
    path = tmp_path / f"x.{suffix}"
    data = head + b"{" + b" " * size
    path.write_bytes(data) if suffix == "npy" else write_zip(path, {"a.npy": data})
    del data
    tracemalloc.start()
    with pytest.raises(g2r.ImageFileError, match=f"x.{suffix}: "):
        read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 50


def test_fewer_bytes_than_the_header_states(tmp_path):
    data = encode(PIXELS)
    (tmp_path / "x.npy").write_bytes(data[:-1])
    with pytest.raises(g2r.ImageFileError, match=r"states 4,128 bytes, and it has 4,127"):
        read(tmp_path / "x.npy")
    write_zip(tmp_path / "x.npz", {"a.npy": data[:-1]})
    with pytest.raises(g2r.ImageFileError, match=r"states 4,128 bytes, and it has 4,127"):
        read(tmp_path / "x.npz")


def test_more_bytes_than_the_header_states_are_told(tmp_path):
    """np.save to an open file appends a second array."""
    (tmp_path / "x.npy").write_bytes(encode(PIXELS) + encode(PIXELS))
    image = read(tmp_path / "x.npy")
    np.testing.assert_array_equal(image.array, PIXELS)
    assert image.notes == ("4,128 bytes after the array are left out",)


@pytest.mark.parametrize("stated", [200, 1 << 40])
def test_a_member_of_a_size_that_lies(tmp_path, stated):
    """The zip's directory states less than there is, or more."""
    path = write_zip(tmp_path / "x.npz", {"a.npy": encode(PIXELS)}, zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2") + 24
    data[at : at + 4] = struct.pack("<I", min(stated, 2**32 - 2))
    path.write_bytes(data)
    try:
        array = read(path).array
    except g2r.ImageFileError:
        return
    np.testing.assert_array_equal(array, PIXELS)


def test_a_member_that_inflates_to_more_than_the_limit(tmp_path):
    path = write_zip(tmp_path / "x.npz", {"a.npy": encode(np.zeros((8000, 8000), np.uint8))})
    assert path.stat().st_size < 100_000
    with pytest.raises(g2r.ImageFileError, match=r"the limit is 1,000,000"):
        read(path, limit=1_000_000)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_that_numpy_does_not_write(tmp_path, method):
    path = write_zip(tmp_path / "x.npz", {"a.npy": encode(PIXELS)}, method)
    with pytest.raises(g2r.ImageFileError, match="compressed as numpy doesn't"):
        read(path)


def test_an_archive_in_an_archive(tmp_path):
    inner = write_zip(tmp_path / "inner.npz", {"a.npy": encode(PIXELS)}).read_bytes()
    for name, says in (("a.npz", "without arrays"), ("a.npy", "can't be read")):
        with pytest.raises(g2r.ImageFileError, match=says):
            read(write_zip(tmp_path / "x.npz", {name: inner}))


@pytest.mark.parametrize(
    "shape", ["(-1, 5)", "(0, 5)", "(99999999999, 99999999999)", "(2, True)", "(2.0, 3)", "5", "()"]
)
def test_shapes_that_cannot_be(tmp_path, shape):
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    data = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode() + bytes(20)
    (tmp_path / "x.npy").write_bytes(data)
    with pytest.raises(g2r.ImageFileError, match=r"x\.npy: "):
        read(tmp_path / "x.npy")


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
