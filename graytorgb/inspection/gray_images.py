"""Image files as gray for a network: any depth, each in its own range."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.value_range import get_limits, resolve_array_range
from ..errors import ImageFileError
from ..extras import require

if TYPE_CHECKING:
    from ..io import ImageFile

Gray = NDArray[np.float32]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601


def image_files(path: Path) -> list[Path]:
    """The file itself, or every image file in a folder and its folders, by name.

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
    """Each image of a file, from 0 to 1, resized.

    Parameters
    ----------
    size : (height, width)
    limits : (lo, hi) or None
        What is black and white; None: what the file states.

    Yields
    ------
    ndarray of shape (height, width), float32
        Black is 0 and white is 1, saturated. Of color, the luma of Rec. 601; alpha is left out.
    """
    image = require("graytorgb.io", "numpy", "io").read(path, value_range=limits)
    array, stated = image
    array, stated = resolve_array_range(array, stated)  # 8 bits under 12 would prove nothing
    lo, hi = get_limits(array.dtype, stated)
    lo, span = float(lo), float(hi) - float(lo)
    resize = require("PIL.Image", "PIL", "pillow")
    for plane in _planes(image, array):
        unit = ((plane - np.float32(lo)) / np.float32(span)).clip(0, 1)
        small = resize.fromarray(unit).resize(size[::-1], resize.Resampling.BICUBIC)
        yield np.asarray(small, np.float32).clip(0, 1)  # bicubic overshoots at edges


def _planes(image: "ImageFile", array: Any) -> Gray:
    """Every image of a file, (N, H, W)."""
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
