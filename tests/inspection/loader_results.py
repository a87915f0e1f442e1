"""Compare this package's arithmetic for a loader with what the library gives."""

import re
import warnings

import numpy as np

from graytorgb.inspection.loaders import convert_like, find_losses
from graytorgb.inspection.values import find_values
from graytorgb.io import read
from graytorgb.io.orientation import orient

from .loader_files import WRITERS

# Where a library gives bytes that have nothing to do with the picture: torchvision unpacks no
# palette of fewer than 8 bits, and leaves the rest of each row as the memory was; TensorFlow writes
# an animated WebP without alpha beyond its memory, and crashes.
RUINED = {
    "torchvision": r"palette[124].*\.png",
    "tensorflow": r"rgb8animated\.webp",
}


def write_files(folder):
    """Write a file of every mode and depth."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, write in WRITERS.items():
            write(folder / name)
    return folder


def check_files(loader, load, paths, *, counts=True):
    """Check the pixels and the figures of each file, and that it is refused by both or neither.

    Returns how many files the loader reads.
    """
    checked = 0
    for path in sorted(paths):
        image = read(path)
        losses = find_losses(image, find_values(image))
        given = convert_like(loader, image)
        if re.fullmatch(RUINED.get(loader, "(?!)"), path.name):
            assert given is None, path.name
            assert losses[loader].levels_after == 0, path.name
            continue
        expected = load_or_none(load, path)
        if expected is None:
            assert given is None, path.name
            assert losses[loader] is None, path.name
            continue
        assert given is not None, path.name
        assert given.dtype == expected.dtype, path.name
        np.testing.assert_array_equal(given, expected, path.name)
        if counts:
            figures = count_loss(image, expected, is_turned=has_turned(loader, image))
            assert losses[loader] == figures, path.name
        checked += 1
    return checked


def load_or_none(load, path):
    """Return the pixels, or None if the library raises an error; each has its own classes."""
    try:
        return load(path)
    except Exception:
        return None


def has_turned(loader, image):
    """Return whether a loader turns an image upright, by its format."""
    turning = {"pillow": "TIFF", "keras": "TIFF", "opencv": "TIFF PNG JPEG WEBP",
               "torchcodec": "PNG JPEG WEBP"}  # fmt: skip
    return image.orientation != 1 and image.format in turning.get(loader, "")


def count_loss(image, pixels, *, is_turned):
    """Return the figures of a loss, from the pixels of the file and those of a library."""
    stored = list_colors(image)
    is_first = len(stored) > 1 and pixels.ndim == 3
    stored = stored[:1] if is_first else stored
    if is_turned:
        stored = orient(stored, "NHWC", int(image.orientation))
    after = pixels[..., : 1 if pixels.shape[-1] < 3 else 3]
    after = after.reshape(-1, *after.shape[-3:])
    is_white = (after == np.iinfo(after.dtype).max).all(-1)
    was_white = (stored == find_maximum(image)).all(-1)
    white = (is_white & ~was_white).mean()
    levels = len(np.unique(stored[np.isfinite(stored)]))
    return levels, len(np.unique(after)), white, 8 * pixels.itemsize


def list_colors(image):
    """Return the colors of every frame, (N, H, W, C), without alpha."""
    array, layout = image.array, image.layout or "HWC"
    if layout.endswith("CHW"):
        array = np.moveaxis(array, -3, -1)
    elif "C" not in layout:
        array = array[..., None]
    array = array.reshape(-1, *array.shape[-3:])
    return array[..., : 1 if array.shape[-1] < 3 else 3]


def find_maximum(image):
    """Return the largest value of the depth that a file states, NaN for floats."""
    dtype = image.array.dtype
    if dtype.kind == "f":
        return np.nan
    stated = re.match(r"(?:gray|rgb)(\d+)-p\d.pnm", image.path.name)
    if stated:
        return int(stated[1])
    if dtype.kind == "u" and image.format == "TIFF":
        return (1 << image.bits) - 1
    return 1 if dtype.kind == "b" else np.iinfo(dtype).max
