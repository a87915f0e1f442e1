"""Gray images from 0 to 1 for a network's proof: of files of any depth, or noise."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.value_range import settle
from ..errors import ImageFileError, LevelsError
from ..extras import require
from ..kinds import numpy as numpy_kind

if TYPE_CHECKING:
    from ..io import ImageFile

Gray = NDArray[np.float32]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601


def image_files(path: Path) -> list[Path]:
    """Return the file itself, or every image file in a folder and its folders, by name.

    Raises
    ------
    ImageFileError
        If there is none.
    """
    if not path.is_dir():
        return [path]
    formats = require("graytorgb.io", "numpy", "io").FORMATS.values()
    suffixes = {suffix for entry in formats for suffix in entry.suffixes}
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
    if not found:
        raise ImageFileError(f"{path}: no image file is in this folder")
    return found


def read_gray(
    path: Path, size: tuple[int, int], limits: tuple[float, float] | None
) -> Iterator[Gray]:
    """Yield each image of a file, from 0 to 1 and resized.

    Parameters
    ----------
    size : (height, width)
    limits : (lo, hi) or None
        The values of black and white, or None for those that the file states.

    Yields
    ------
    ndarray of shape (height, width), float32
        Black is 0 and white is 1, saturated. Of color, the luma of Rec. 601; alpha is left out.
    """
    read = require("graytorgb.io", "numpy", "io").read
    try:
        image = read(path, value_range=limits)
        array, stated = image
        array, (lo, hi) = settle(numpy_kind, array, stated)  # 8 bits under 12 would prove nothing
    except LevelsError as error:
        error.remedies = ("image_range",)
        raise
    lo, span = float(lo), float(hi) - float(lo)
    resize = require("PIL.Image", "PIL", "pillow")
    for plane in _planes(image, array):
        unit = ((plane - np.float32(lo)) / np.float32(span)).clip(0, 1)
        small = resize.fromarray(unit).resize(size[::-1], resize.Resampling.BICUBIC)
        yield np.asarray(small, np.float32).clip(0, 1)  # bicubic overshoots at edges


def read_grays(
    path: Path, size: tuple[int, int], limits: tuple[float, float] | None, at_most: int
) -> tuple[list[Gray], bool]:
    """Read the first images of a file or a folder, as :func:`read_gray` reads them.

    Returns
    -------
    images : list of ndarray of shape (height, width), float32
    has_more : bool
        Whether there are more images than these.
    """
    files = image_files(path)
    every = (image for file in files for image in read_gray(file, size, limits))
    images = list(islice(every, at_most))
    return images, next(every, None) is not None


def make_noise_images(size: tuple[int, ...], count: int) -> list[Gray]:
    """Return images of noise from 0 to 1, always the same."""
    rng = np.random.default_rng(0)
    return [rng.random(size).astype(np.float32) for _ in range(count)]


def _planes(image: "ImageFile", array: Any) -> Gray:
    """Return every image of a file, (N, H, W)."""
    layout = image.layout
    if layout is None:
        raise ImageFileError(f"{image.path}: nothing tells its axes, shape {array.shape}")
    if not np.isfinite(array).all():
        raise ImageFileError(f"{image.path}: it has values that aren't finite")
    values = array.astype(np.float32)
    if "C" in layout:
        values = np.moveaxis(values, layout.index("C"), -1)
        color = values.shape[-1] >= 3
        values = values[..., :3] @ _LUMA if color else values[..., 0]
    return np.asarray(values.reshape(-1, *values.shape[-2:]))
