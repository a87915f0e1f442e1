"""``ImageFile`` and ``ImageHeader``: what an image file holds, with its pixels or without."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import LayoutError
from .layout import Result, parse
from .value_range import POLICIES, ValueRange, ask_for_range

Array = NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class ImageFile:
    """The pixels of an image file, with their layout, their value range and the file's format.

    The verbs :func:`graytorgb.to_rgb`, :func:`graytorgb.to_gray`, :func:`graytorgb.to_uint8` and
    :func:`graytorgb.prepare` take it. It unpacks to ``array, value_range``. A notebook shows it
    with a thumbnail if Pillow is installed.

    Attributes
    ----------
    array : ndarray
        Every value of the file, in the machine's byte order; larger is brighter.
    layout : str or None
        The array's axes: ``"HW"``, ``"HWC"``, ``"NHW"``. None where nothing tells them, as in a
        3-D .npy file.
    value_range : (lo, hi), "dtype", "minmax", ("percentile", p, q) or None
        The values that are black and white, in numbers of the array. None where the file
        doesn't say and nothing was passed to :func:`read`; unpacking raises LevelsError then.
    range_source : str
        Where the range comes from, or why there is none.
    format, mode : str
        The file's format and its kind of pixels, for people.
    bits : int or None
        The bits of a sample that the file states; None for floats and where it states none.
    depth_only : bool
        Whether the range is the samples' depth and nothing more: a camera of 12 bits doesn't
        fill the 16 of its file.
    orientation : int
        How the array still has to be turned to be upright, by the numbers of EXIF and TIFF: 1 is
        not at all, 6 is 90 degrees clockwise. ``read(path, orientation="apply")`` turns it.
    notes : tuple of str
        Sentences about the pixels that a user should know.
    advice : str
        The argument of :func:`read` that states black and white, for a file whose depth alone
        is stated.
    path : Path
        The file.
    color_type : {"gray", "gray+alpha", "palette", "RGB", "RGBA"}
        How the file stores color, also where ``read(path, color="gray")`` made one gray plane of
        it. A palette is ``"palette"``, with transparency too, though the array holds its colors; a
        palette of which index k is the gray level k is ``"gray"``.
    is_inverted : bool
        Whether 0 is white in the file (MONOCHROME1, WhiteIsZero), so that the array has been
        inverted.
    has_icc : bool
        Whether the file holds an ICC color profile, which isn't applied.
    frames : int
        How many images the file holds, whether the array has all of them or one.
    reduction : {1, 2, 4, 8}
        How many times smaller than the file's the height and the width of the array are, each
        rounded up. Only ``read(path, min_size=...)`` of a JPEG makes it more than 1.
    """

    path: Path
    array: Array = field(repr=False)
    layout: str | None
    value_range: ValueRange | None
    range_source: str
    format: str
    mode: str
    bits: int | None = None
    depth_only: bool = False
    orientation: int = 1
    notes: tuple[str, ...] = ()
    advice: str = field(default="value_range=(0, 4095)", repr=False)
    color_type: str = "gray"
    is_inverted: bool = False
    has_icc: bool = False
    frames: int = 1
    reduction: int = 1

    def __iter__(self) -> Iterator[Any]:
        if self.value_range is None:
            raise ask_for_range(
                f"{self.path}: {self.range_source}, so black and white have to be stated: "
                'read(path, value_range=(lo, hi)), or value_range="minmax" for this image\'s own '
                'extremes, ("percentile", p, q) or "dtype"'
            )
        yield self.array
        yield self.value_range

    def __repr__(self) -> str:
        is_known, source = self.value_range is not None, self.range_source
        told = f"value_range {self.value_range!r} from" if is_known else "no value_range:"
        return (
            f"ImageFile({self.path.name!r}, {self.format}: {self.mode}; shape "
            f"{self.array.shape}, dtype {self.array.dtype}, layout {self.layout!r}, "
            f"{told} {source})"
        )

    def _repr_html_(self) -> str:
        """Return a card with a thumbnail, which notebooks show; it never raises."""
        from .image_card import make_image_card
        from .notebook import call_safely

        return call_safely(lambda: make_image_card(self), self)

    def find_layout(self, layout: str | None, result: Result = "rgb") -> str | None:
        """Return `layout`, or the file's own for None, for a verb that makes this result.

        Raises
        ------
        LayoutError
            If the axes on the left of `layout` aren't the file's.
        """
        if layout is None or self.layout in (None, parse(layout, result=result).source):
            return self.layout if layout is None else layout
        raise LayoutError(
            f"the axes of {self.path.name} are {self.layout!r}, and layout={layout!r} says "
            f'otherwise: leave it away, or write "{self.layout}->..."'
        )

    def find_range(self, value_range: Any) -> Any:
        """Return `value_range`, or the file's own for None.

        Raises
        ------
        LevelsError
            If the file doesn't say its range either.
        """
        if value_range is None and self.value_range is None:
            raise ask_for_range(
                f"{self.path}: {self.range_source}, so black and white have to be stated: "
                f"value_range={POLICIES}, or read(path, value_range=...)"
            )
        return self.value_range if value_range is None else value_range


@dataclass(frozen=True)
class ImageHeader:
    """What an image file's header tells of its pixels, which aren't decoded.

    Attributes
    ----------
    shape : tuple of int
        The shape of the array that :func:`read` gives.
    dtype : dtype
        The dtype of that array.
    path, layout, value_range, range_source, format, mode, bits, color_type, orientation : object
        As in :class:`ImageFile`.
    is_inverted, has_icc, frames, depth_only, notes : object
        As in :class:`ImageFile`. Notes on the pixels themselves are missing.
    """

    path: Path
    format: str
    mode: str
    shape: tuple[int, ...]
    layout: str | None
    dtype: np.dtype[Any]
    bits: int | None
    color_type: str
    orientation: int
    is_inverted: bool
    has_icc: bool
    frames: int
    value_range: ValueRange | None
    range_source: str
    depth_only: bool
    notes: tuple[str, ...]

    @classmethod
    def from_image(cls, image: ImageFile) -> "ImageHeader":
        """Return the header of an image, whose array may be a stand-in for the pixels."""
        array = image.array
        known = {each.name: getattr(image, each.name) for each in fields(image)}
        names = {each.name for each in fields(cls)}
        kept = {name: value for name, value in known.items() if name in names}
        return cls(shape=array.shape, dtype=array.dtype.newbyteorder("="), **kept)


def make_stand_in(shape: Sequence[int], dtype: DTypeLike) -> Array:
    """Return a read-only array of zeros that takes no memory, in place of pixels not decoded.

    >>> make_stand_in((480, 640, 3), "uint8").strides
    (0, 0, 0)
    """
    return np.broadcast_to(np.zeros((), dtype), tuple(shape))


_COLOR_TYPES = {1: "gray", 2: "gray+alpha", 3: "RGB", 4: "RGBA"}


def name_color_type(layout: str | None, shape: Sequence[int]) -> str:
    """Return how color is stored in an array of a layout, by the size of its channel axis.

    >>> name_color_type("HWC", (480, 640, 4)), name_color_type("NHW", (3, 480, 640))
    ('RGBA', 'gray')
    """
    channels = shape[layout.index("C")] if layout and "C" in layout else 1
    return _COLOR_TYPES.get(channels, "RGB")
