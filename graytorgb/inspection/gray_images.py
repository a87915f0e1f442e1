"""Gray images from 0 to 1 in one size, for the proof of a network: from files, or of noise."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageFileError, LevelsError
from ..extras import require
from ..functional.prepare import prepare
from ..io import ImageFile, find_image_files, read

Gray = NDArray[np.float32]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601


def read_gray(
    path: Path, size: tuple[int, int], value_range: tuple[float, float] | None
) -> Iterator[Gray]:
    """Read each image of a file, of any depth and kind, as gray from 0 to 1, resized.

    Parameters
    ----------
    path : Path
        The file, of a format that :func:`graytorgb.io.read` takes.
    size : (height, width)
        The size of the result; images are resized by bicubic interpolation.
    value_range : (lo, hi) or None
        The values that are black and white. None takes what the file states.

    Yields
    ------
    ndarray of shape (height, width), float32
        Black is 0 and white is 1; values beyond are saturated. Color becomes its luma by Rec. 601,
        and alpha is left out.

    Raises
    ------
    ImageFileError
        If the file can't be read, its axes aren't known, or a value isn't finite.
    LevelsError
        If neither the caller nor the file states a range, or 8 bits are under a range of more.
    """
    resize = require("PIL.Image")
    try:
        planes = _scale(read(path, value_range=value_range))
    except LevelsError as error:
        error.remedies = ("image_range",)
        raise
    for plane in planes:
        small = resize.fromarray(plane).resize(size[::-1], resize.Resampling.BICUBIC)
        yield np.asarray(small, np.float32).clip(0, 1)  # bicubic overshoots at edges


def read_grays(
    path: Path, size: tuple[int, int], value_range: tuple[float, float] | None, at_most: int
) -> tuple[list[Gray], bool]:
    """Read the first images of a file or a folder, as :func:`read_gray` reads them.

    Returns
    -------
    images : list of ndarray of shape (height, width), float32
    has_more : bool
        Whether there are more images than these.
    """
    files = find_image_files(path)
    every = (image for file in files for image in read_gray(file, size, value_range))
    images = list(islice(every, at_most))
    return images, next(every, None) is not None


def make_noise_images(size: tuple[int, ...], count: int) -> list[Gray]:
    """Return images of noise from 0 to 1, always the same."""
    rng = np.random.default_rng(0)
    return [rng.random(size).astype(np.float32) for _ in range(count)]


def _scale(image: ImageFile) -> Gray:
    """Return every image of a file, (N, H, W), from 0 to 1."""
    array, value_range = image
    layout = image.layout
    if layout is None:
        raise ImageFileError(f"{image.path}: nothing tells its axes, shape {array.shape}")
    if not np.isfinite(array).all():
        raise ImageFileError(f"{image.path}: it has values that aren't finite")
    is_color = False
    if "C" in layout:
        array = np.moveaxis(array, layout.index("C"), -1)
        layout = layout.replace("C", "") + "C"
        is_color = array.shape[-1] >= 3
        array = array[..., : 3 if is_color else 1]
    leading = "".join(axis for axis in layout if axis not in "HWC")
    unit = prepare(array, "0..1", f"{layout}->{leading}HWC", value_range=value_range)
    gray: Gray = unit @ _LUMA if is_color else unit[..., 0]
    return gray.reshape(-1, *gray.shape[-2:])
