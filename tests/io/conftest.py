"""Files that several tests of reading share."""

import numpy as np
import pydicom
import pydicom.data
import pytest

from .images import (
    CAMERA,
    COLOR,
    DEEP,
    save,
    write_tiff,
)
from .scans import scan


@pytest.fixture
def ct(tmp_path):
    """Return a function that saves the small CT with changes, and returns its path."""

    def change(**elements):
        dataset = pydicom.dcmread(scan("CT_small.dcm"))
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        path = tmp_path / "changed.dcm"
        dataset.save_as(path)
        return path

    return change


def samples(folder):
    """Write a file of each kind, and return their paths by name."""
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


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.dcm"
