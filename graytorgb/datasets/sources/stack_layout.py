"""The axes of an array of images: which are leading axes, and which are those of an image."""

import math
from typing import NamedTuple

import numpy as np

from ...errors import LayoutError

Shape = tuple[int, ...]

_CHANNELS = (1, 2, 3, 4)  # the sizes that a channel axis may have
_LEADING = "NTZABDEFGIJKLMOPQRSUVXY"


class Stack(NamedTuple):
    """An array of images: its axes and their sizes.

    Attributes
    ----------
    layout : str
        A letter for each axis, such as ``"NHWC"``.
    shape : tuple of int
    """

    layout: str
    shape: Shape

    def list_leading(self) -> list[int]:
        """Return the numbers of the axes that count images."""
        return [k for k, axis in enumerate(self.layout) if axis not in "HWC"]

    def find_order(self) -> list[int]:
        """Return the transposition that brings the leading axes to the front."""
        leading = self.list_leading()
        return leading + [k for k in range(len(self.shape)) if k not in leading]

    @property
    def leading_shape(self) -> Shape:
        """The sizes of the axes that count images; none for one image."""
        return tuple(self.shape[k] for k in self.list_leading())

    @property
    def image_shape(self) -> Shape:
        """The shape of one image."""
        return tuple(n for n, axis in zip(self.shape, self.layout, strict=True) if axis in "HWC")

    @property
    def images(self) -> int:
        """The number of images."""
        return math.prod(self.leading_shape)

    def find_place(self, index: int) -> tuple[int, ...]:
        """Return an image's place along each leading axis.

        >>> Stack("NTHW", (5, 4, 28, 28)).find_place(7)
        (1, 3)
        """
        return tuple(map(int, np.unravel_index(index, self.leading_shape)))

    def name_image(self, index: int) -> str:
        """Return the end of an image's name: ``"[17]"``, or nothing for an array of one image.

        >>> Stack("NHW", (60, 28, 28)).name_image(17), Stack("HW", (28, 28)).name_image(0)
        ('[17]', '')
        """
        return f"[{','.join(map(str, self.find_place(index)))}]" if self.leading_shape else ""


def find_stack(name: str, shape: Shape, layout: str | None = None) -> Stack:
    """Return what the axes of an array of images are.

    Parameters
    ----------
    name : str
        The array's name, for messages.
    shape : tuple of int
        The array's shape.
    layout : str, optional
        The axes that the caller states, such as ``"NHWC"``. None takes the usual reading, if the
        shape has one alone: an axis of 1 to 4 entries at the end, or before H and W, is the
        channels, and any axes before are counted.

    Raises
    ------
    LayoutError
        If the shape can be read in two ways, has less than two axes, or doesn't fit `layout`.

    Examples
    --------
    >>> find_stack("digits.npy", (60000, 28, 28)).layout
    'NHW'
    >>> find_stack("photos.npy", (100, 64, 64, 3)).layout
    'NHWC'
    """
    if layout is not None:
        return Stack(_check_layout(name, shape, layout), shape)
    if len(shape) < 2:
        raise LayoutError(f"{name}: an array of shape {shape}, and an image has two axes or more")
    readings = _list_readings(shape)
    if len(readings) == 1:
        return Stack(readings[0], shape)
    shown = " or ".join(f'layout="{axes}"' for axes in readings)
    ways = f"{name}: the shape {shape} can be read in {len(readings)} ways"
    error = LayoutError(f"{ways}, so say which: {shown}")
    error.remedies, error.problem = ("layout",), f"{ways}, {' or '.join(readings)}, so say which"
    raise error


def _check_layout(name: str, shape: Shape, layout: str) -> str:
    """Return the axes that the caller states, if they fit the shape."""
    axes = layout.replace(" ", "")
    is_named = len(set(axes)) == len(axes) == len(shape) and {"H", "W"} <= set(axes)
    if not (is_named and axes.isascii() and axes.isupper() and axes.isalpha()):
        problem = (
            f"{name}: the layout {layout!r} doesn't name each axis of the shape {shape} by a "
            "letter, with H and W among them"
        )
        error = LayoutError(f'{problem}, as layout="NHW" or layout="NHWC" does')
        error.remedies, error.problem = ("layout",), problem
        raise error
    return axes


def _list_readings(shape: Shape) -> list[str]:
    """Return the layouts that a shape may have."""
    if len(shape) == 2:
        return ["HW"]
    gray, last, first = (
        _LEADING[: len(shape) - len(image)] + image for image in ("HW", "HWC", "CHW")
    )
    is_last, is_first = shape[-1] in _CHANNELS, shape[-3] in _CHANNELS
    if is_last and is_first:
        return [last, first, gray]
    if is_last:
        return [last]
    if is_first and len(shape) > 3:
        return [first]
    # (1, H, W) is one gray image either way; (3, H, W) may be a color image or 3 gray ones
    return [first, gray] if is_first and shape[0] > 1 else [gray]
