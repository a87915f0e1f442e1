"""Read the images of a file as gray from 0 to 1, in one size, for the proof of a network."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageFileError
from ..extras import require
from ..functional.prepare import prepare
from ..io import ImageFile, read

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601


def read_gray(
    path: Path, size: tuple[int, int], value_range: tuple[float, float] | None
) -> Iterator[NDArray[np.float32]]:
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
    image = read(path, value_range=value_range)
    resize = require("PIL.Image", "PIL", "pillow")
    for plane in _scale(image):
        small = resize.fromarray(plane).resize(size[::-1], resize.Resampling.BICUBIC)
        yield np.asarray(small, np.float32).clip(0, 1)  # bicubic overshoots at edges


def _scale(image: ImageFile) -> NDArray[np.float32]:
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
    gray: NDArray[np.float32] = unit @ _LUMA if is_color else unit[..., 0]
    return gray.reshape(-1, *gray.shape[-2:])
