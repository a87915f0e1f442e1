"""What batches have to hold: Pillow's result, in levels of 0 to 255; and how far a batch is off."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import pydicom
from numpy.typing import NDArray

from .job import MEAN, RESIZE, SIZE, STD, Form, Job

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
BOUND = 1.01  # levels; with the rounding of normalizing in float32, and undoing it
# An average beyond this means wrong values. Another filter, no antialiasing or a shift by a pixel
# makes up to 5 levels on these photos; 16 bits that are clipped to 8 make 147.
WRONG = 10

Levels = NDArray[np.float32]


class Difference(NamedTuple):
    """How far batches are off, in levels: at most, and on average; and the bytes of an image."""

    largest: float
    mean: float
    image_bytes: int


def make_reference(paths: Sequence[Path], white: int, *, stored_luma: bool = False) -> Levels:
    """Return the expected levels (N, 224, 224) of image files.

    An image becomes gray (Pillow's ``convert("L")``), its shorter side 256 (``BILINEAR``, which is
    antialiased), and its center is taken. Deep values are resized in float32, then scaled and
    rounded.

    Parameters
    ----------
    paths : sequence of Path
    white : int
        The value that becomes 255.
    stored_luma : bool
        Whether the gray of a color JPEG is the luma that it stores, as Pillow's ``draft("L")``
        decodes it. It differs from that of the RGB values where a color was cut off at 0 or 255.
    """
    centers = [_take_center(_resize(_open_gray(path, stored_luma))) for path in paths]
    return np.rint(np.stack(centers) * np.float32(255 / white))


def _open_gray(path: Path, stored_luma: bool) -> PIL.Image.Image:
    if path.suffix == ".dcm":
        return PIL.Image.fromarray(pydicom.dcmread(path).pixel_array.astype(np.float32))
    with PIL.Image.open(path) as image:
        if image.mode.startswith("I"):
            return PIL.Image.fromarray(np.asarray(image).astype(np.float32))
        if stored_luma:
            image.draft("L", image.size)
        return image.convert("L")


def _resize(image: PIL.Image.Image) -> PIL.Image.Image:
    short = min(image.size)
    size = (RESIZE * image.width // short, RESIZE * image.height // short)
    return image.resize(size, PIL.Image.Resampling.BILINEAR)


def _take_center(image: PIL.Image.Image) -> Levels:
    left, top = round((image.width - SIZE) / 2), round((image.height - SIZE) / 2)
    return np.asarray(image.crop((left, top, left + SIZE, top + SIZE)), np.float32)


def to_levels(batch: Any, form: Form, layout: str, *, is_color: bool) -> Levels:
    """Return the levels (N, 224, 224, C) that a batch stands for; the luma of color files."""
    array = np.asarray(batch, np.float32)
    if layout == "NCHW":
        array = np.moveaxis(array, 1, -1)
    if form is Form.RGB:
        array = (array * np.float32(STD) + np.float32(MEAN)) * 255
        return (array @ LUMA)[..., None] if is_color else array
    return array if form is Form.BYTES else array * 255


def compare(
    batches: Iterable[Any], job: Job, form: Form, layout: str, expected: Levels
) -> Difference:
    """Return how far the batches of a job are off.

    Raises
    ------
    ValueError
        If there are fewer or more images than expected, or they have another size.
    """
    seen, largest, total, image_bytes = 0, 0.0, 0.0, 0
    for batch in batches:
        levels = to_levels(batch, form, layout, is_color=job.kind.is_color)
        wanted = expected[seen : seen + len(levels), ..., None]
        if levels.shape[:3] != wanted.shape[:3]:
            raise ValueError(
                f"a batch is {levels.shape[:3]} after {seen} images; expected {wanted.shape[:3]}"
            )
        off = np.abs(levels - wanted).max(axis=-1)
        largest = float(np.maximum(largest, off.max()))  # which keeps NaN, as max doesn't
        total += float(off.mean()) * len(levels)
        image_bytes = np.asarray(batch).nbytes // len(levels)
        seen += len(levels)
    if seen != len(expected):
        raise ValueError(f"there are {seen} images; expected {len(expected)}")
    return Difference(largest, total / seen, image_bytes)
