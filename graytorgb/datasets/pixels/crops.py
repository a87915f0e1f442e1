"""Which part of an image becomes a sample: the center for evaluation, a random part for training.

Both follow torchvision's transforms, on one plane: ``Resize`` and ``CenterCrop``;
``RandomResizedCrop`` and ``RandomHorizontalFlip`` with their default parameters.
"""

import math
from typing import Any, NamedTuple, Protocol

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from .resizing import find_size, resize

Array = NDArray[Any]
Size = tuple[int, int]  # height and width

_SCALE = (0.08, 1.0)  # of the image's area that a random part has
_RATIO = (3 / 4, 4 / 3)  # of its width to its height
_ATTEMPTS = 10


class Draw(Protocol):
    """A source of random numbers."""

    def uniform(self, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        ...

    def integer(self, count: int) -> int:
        """Return an integer from 0 to ``count - 1``."""
        ...


class CenterView(NamedTuple):
    """The center of an image whose shorter side becomes `resize`: torchvision's evaluation.

    Attributes
    ----------
    size : (height, width)
        Of the result.
    resize : int
        The length of the shorter side before the center is taken, at least the larger of `size`.
    """

    size: Size
    resize: int

    def take(self, plane: Array, draw: Draw | None = None) -> Array:
        """Return the view of a plane (H, W): only the center is resized, from all pixels near it.

        Parameters
        ----------
        plane : ndarray, shape (H, W)
        draw : Draw
            Not used.
        """
        height, width = find_size(plane.shape, self.resize)
        top, left = round((height - self.size[0]) / 2), round((width - self.size[1]) / 2)
        tall, wide = plane.shape[0] / height, plane.shape[1] / width
        box = (
            left * wide, top * tall, (left + self.size[1]) * wide, (top + self.size[0]) * tall
        )  # fmt: skip
        return _resize_box(plane, box, self.size)


class RandomView(NamedTuple):
    """A random part of an image, resized, and mirrored every other time: torchvision's training.

    Attributes
    ----------
    size : (height, width)
        Of the result.
    """

    size: Size

    def take(self, plane: Array, draw: Draw) -> Array:
        """Return the view of a plane (H, W), which isn't contiguous if it is mirrored."""
        top, left, height, width = _draw_part(plane.shape, draw)
        part = plane[top : top + height, left : left + width]
        result = resize_plane(part, self.size)
        return result[:, ::-1] if draw.uniform(0.0, 1.0) < 0.5 else result


def resize_plane(plane: Array, size: Size) -> Array:
    """Return a plane (H, W) of another size; with antialiasing, and its dtype kept."""
    height, width = plane.shape
    return _resize_box(plane, (0.0, 0.0, float(width), float(height)), size)


def _resize_box(plane: Array, box: tuple[float, float, float, float], size: Size) -> Array:
    """Resize the part of a plane in a box (left, top, right, bottom), which may lie between pixels.

    Pixels beyond the box take part where the filter reaches them, as if all were resized.
    """
    if plane.dtype != np.uint8:
        raise NotImplementedError("TODO of the helper who owns this: deeper planes")
    image = PIL.Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize(size[::-1], PIL.Image.Resampling.BILINEAR, box=box))


def _draw_part(shape: tuple[int, ...], draw: Draw) -> tuple[int, int, int, int]:
    """Return top, left, height and width of a random part (torchvision, RandomResizedCrop)."""
    height, width = shape
    logs = math.log(_RATIO[0]), math.log(_RATIO[1])
    for _ in range(_ATTEMPTS):
        area = height * width * draw.uniform(*_SCALE)
        ratio = math.exp(draw.uniform(*logs))
        wide, tall = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < tall <= height:
            return draw.integer(height - tall + 1), draw.integer(width - wide + 1), tall, wide
    tall, wide = height, width
    if width / height < _RATIO[0]:
        tall = round(width / _RATIO[0])
    elif width / height > _RATIO[1]:
        wide = round(height * _RATIO[1])
    return (height - tall) // 2, (width - wide) // 2, tall, wide


_ = resize
