"""Which part of an image becomes a sample: the center for evaluation, a random part for training.

Both follow torchvision's transforms, on one plane: ``Resize`` and ``CenterCrop``;
``RandomResizedCrop`` and ``RandomHorizontalFlip`` with their default parameters.
"""

import math
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ...errors import OptionError
from ...functional.resizing import find_size, resize_part

Array = NDArray[Any]
Size = tuple[int, int]  # height and width

_SCALE = (0.08, 1.0)  # of the image's area that a random part has
_RATIO = (3 / 4, 4 / 3)  # of its width to its height
_ATTEMPTS = 10
_MARGIN = 0.875  # of the shorter side that the center has by default: 224 of 256


class Draw(Protocol):
    """A source of random numbers."""

    def uniform(self, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        ...

    def log_uniform(self, low: float, high: float) -> float:
        """Return a number from `low` to `high` whose logarithm is uniform."""
        ...

    def integer(self, count: int) -> int:
        """Return an integer from 0 to ``count - 1``."""
        ...


class NumpyDraw(NamedTuple):
    """Random numbers of a NumPy generator."""

    generator: np.random.Generator

    def uniform(self, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        return self.generator.uniform(low, high)

    def log_uniform(self, low: float, high: float) -> float:
        """Return a number from `low` to `high` whose logarithm is uniform."""
        return math.exp(self.generator.uniform(math.log(low), math.log(high)))

    def integer(self, count: int) -> int:
        """Return an integer from 0 to ``count - 1``."""
        return int(self.generator.integers(count))


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

        Returns
        -------
        ndarray, shape `size`
            In the plane's dtype; C-contiguous, in memory of its own.
        """
        rows, columns = plane.shape
        height, width = find_size((rows, columns), self.resize)
        tall, wide = self.size
        top, left = round((height - tall) / 2), round((width - wide) / 2)
        if (rows, columns) == (height, width):
            return plane[top : top + tall, left : left + wide].copy()
        return resize_part(plane, (height, width), (top, left), self.size)


class RandomView(NamedTuple):
    """A random part of an image, resized, and mirrored every other time: torchvision's training.

    Attributes
    ----------
    size : (height, width)
        Of the result.
    """

    size: Size

    def take(self, plane: Array, draw: Draw) -> Array:
        """Return the view of a plane (H, W).

        The order of the random numbers is torchvision's: those of ``RandomResizedCrop``, then one
        of ``RandomHorizontalFlip``.

        Parameters
        ----------
        plane : ndarray, shape (H, W)
        draw : Draw

        Returns
        -------
        ndarray, shape `size`
            In the plane's dtype; C-contiguous, in memory of its own.
        """
        top, left, height, width = _draw_part(plane.shape, draw)
        part = plane[top : top + height, left : left + width]
        is_mirrored = draw.uniform(0.0, 1.0) < 0.5
        if part.shape == self.size:
            return (part[:, ::-1] if is_mirrored else part).copy()
        return resize_part(part, self.size, (0, 0), self.size, is_mirrored)


View = CenterView | RandomView


def choose_view(size: Any, resize: Any = None, train: bool = False) -> View | None:
    """Return the view that the options of a loader ask for; None for whole images.

    Parameters
    ----------
    size : int, (height, width) or None
        The size of a sample; None leaves images as they are.
    resize : int or None
        The length of the shorter side before the center is taken; by default ``size / 0.875``, of
        a pair the larger one. It has no effect with `train`.
    train : bool
        Whether the part is random.

    Raises
    ------
    OptionError
        If `size` or `resize` is none of the above, or the center is larger than the image.

    Examples
    --------
    >>> choose_view(224), choose_view((32, 64), train=True)
    (CenterView(size=(224, 224), resize=256), RandomView(size=(32, 64)))
    """
    if not isinstance(train, bool | np.bool_):
        raise OptionError(f"train is True or False, not {train!r}")
    if size is None:
        if resize is not None or train:
            raise OptionError(
                "size=None leaves images as they are, so it goes with neither "
                f"resize={resize!r} nor train=True: size=224 for the part that is taken"
            )
        return None
    sides = tuple(size) if isinstance(size, tuple | list) else (size, size)
    if len(sides) != 2 or not all(_is_length(side) for side in sides):
        raise OptionError(
            "size is the side of a square, such as 224, or (height, width), such as (224, 160), "
            f"or None for images as they are; not {size!r}"
        )
    both = cast(Size, tuple(int(side) for side in sides))
    if resize is None:
        resize = round(max(both) / _MARGIN)
    elif not _is_length(resize):
        raise OptionError(
            "resize is the length of the shorter side before the center is taken, such as 256, "
            f"not {resize!r}"
        )
    elif not train and resize < max(both):
        raise OptionError(
            f"resize={resize!r} makes the shorter side smaller than the center that is taken, "
            f"size={size!r}: resize={max(both)} or more, such as {round(max(both) / _MARGIN)}"
        )
    return RandomView(both) if train else CenterView(both, int(resize))


def _is_length(value: Any) -> bool:
    """Return whether a value is a whole number of pixels, 1 or more."""
    return not isinstance(value, bool) and hasattr(value, "__index__") and value >= 1


def _draw_part(shape: tuple[int, ...], draw: Draw) -> tuple[int, int, int, int]:
    """Return top, left, height and width of a random part (torchvision, RandomResizedCrop)."""
    height, width = shape
    for _ in range(_ATTEMPTS):
        area = height * width * draw.uniform(*_SCALE)
        ratio = draw.log_uniform(*_RATIO)
        wide, tall = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < tall <= height:
            return draw.integer(height - tall + 1), draw.integer(width - wide + 1), tall, wide
    tall, wide = height, width  # the center, as much of it as the ratios allow
    if width / height < _RATIO[0]:
        tall = round(width / _RATIO[0])
    elif width / height > _RATIO[1]:
        wide = round(height * _RATIO[1])
    return (height - tall) // 2, (width - wide) // 2, tall, wide
