"""A sample file of every format, and of what is read in a way of its own."""

from functools import partial

import imagecodecs
import numpy as np

from graytorgb.io import FORMATS

from .images import CAMERA, COLOR, DEEP, save, write_tiff
from .scans import scan


def _write_stack(name, options, folder):
    stack = np.stack([DEEP >> 4, DEEP >> 5])
    return write_tiff(folder / f"{name}.tif", stack, photometric="minisblack", **options)


def _write_numpy(name, write, folder):
    path = folder / name
    write(path, DEEP)
    return path


def _write_by_imagecodecs(suffix, folder):
    path = folder / f"x{suffix}"
    imagecodecs.imwrite(path, COLOR)
    return path


# Of each format, by name: what writes the file into a folder and returns its path
SAMPLES = {
    "PNG": {
        "png": lambda folder: save(folder / "a.png", CAMERA),
        "deep png": lambda folder: save(folder / "b.png", DEEP),
    },
    "JPEG": {
        "jpeg": lambda folder: save(folder / "c.jpg", CAMERA),
        "progressive": lambda folder: save(folder / "d.jpg", COLOR, progressive=True),
    },
    "WebP": {"webp": lambda folder: save(folder / "e.webp", COLOR)},
    "GIF": {"gif": lambda folder: save(folder / "f.gif", CAMERA)},
    "BMP": {"bmp": lambda folder: save(folder / "g.bmp", CAMERA)},
    "PNM": {"pgm": lambda folder: save(folder / "h.pgm", CAMERA)},
    "DICOM": {
        "ct": lambda folder: scan("CT_small.dcm"),
        "j2k": lambda folder: scan("MR_small_jp2klossless.dcm"),
        "jls": lambda folder: scan("MR_small_jpeg_ls_lossless.dcm"),
        "rle": lambda folder: scan("MR_small_RLE.dcm"),
        "deflated": lambda folder: scan("image_dfl.dcm"),
        "jpeg dicom": lambda folder: scan("SC_rgb_jpeg_gdcm.dcm"),
        "frames": lambda folder: scan("SC_rgb_rle_2frame.dcm"),
    },
    "TIFF": {
        name: partial(_write_stack, name, options)
        for name, options in {
            "tiff": {}, "zlib": {"compression": "zlib"}, "lzw": {"compression": "lzw"},
            "packbits": {"compression": "packbits"}, "tiles": {"tile": (16, 16)},
            "strips": {"rowsperstrip": 7}, "pages": {"metadata": None}, "imagej": {"imagej": True},
            "ome": {"ome": True}, "bigtiff": {"bigtiff": True},
        }.items()
    },
    "NumPy": {
        "npy": partial(_write_numpy, "x.npy", np.save),
        "npz": partial(_write_numpy, "x.npz", np.savez_compressed),
    },
}  # fmt: skip
# A format that has none above is tried with what imagecodecs writes under its first suffix.
for name, entry in FORMATS.items():
    if name not in SAMPLES:
        SAMPLES[name] = {name.lower(): partial(_write_by_imagecodecs, entry.suffixes[0])}
NAMES = [sample for writers in SAMPLES.values() for sample in writers]


def write_samples(folder):
    """Write every sample, and return the paths by name."""
    found = {}
    for writers in SAMPLES.values():
        for name, write in writers.items():
            found[name] = write(folder)
    return found
