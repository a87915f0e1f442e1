"""A DICOM file that is being read: the elements of its header, checked when they are asked for."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.errors import BytesLengthException
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ..errors import ImageFileError
from .dicom_syntaxes import COMPRESSIONS, UNCOMPRESSED
from .request import Request

GRAY = ("MONOCHROME1", "MONOCHROME2")
# What pydicom raises for an element whose bytes don't fit its kind
_MALFORMED = (ValueError, TypeError, OverflowError, NotImplementedError, BytesLengthException)


@dataclass
class Scan:
    """A DICOM file that is being read.

    Attributes
    ----------
    request : Request
        What the caller asked for.
    dataset : Dataset
        The file's data elements.
    pixels : str
        The keyword of the element that holds the pixels.
    count : int
        The number of frames that the header states.
    index : int or None
        The one frame to be read; None for all.
    notes : list of str
        What a user of the pixels should know, found so far.
    """

    request: Request
    dataset: Dataset
    pixels: str = "PixelData"
    count: int = 1
    index: int | None = None
    notes: list[str] = field(default_factory=list)
    _macros: dict[str, list[Dataset]] = field(default_factory=dict, init=False, repr=False)
    _numbers: dict[Any, list[float]] = field(default_factory=dict, init=False, repr=False)

    def error(self, text: str) -> ImageFileError:
        """Return the error for this file."""
        return self.request.error(text)

    def note(self, text: str) -> None:
        """Add a note, unless it is there already."""
        if text not in self.notes:
            self.notes.append(text)

    @cached_property  # because pydicom takes microseconds for each element
    def syntax(self) -> UID:
        """The transfer syntax; a file from before there was a statement is not compressed."""
        if "TransferSyntaxUID" in self.dataset.file_meta:
            return UID(str(self.dataset.file_meta.TransferSyntaxUID))
        implicit = self.dataset.original_encoding[0]
        return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian

    @cached_property
    def is_compressed(self) -> bool:
        """Whether the pixels are frames of some codec."""
        return self.syntax not in UNCOMPRESSED

    @cached_property
    def is_lossy(self) -> bool:
        """Whether the compression of the pixels may change values."""
        return self.is_compressed and COMPRESSIONS[self.syntax].is_lossy

    @cached_property
    def colors(self) -> str:
        """The photometric interpretation."""
        return str(self.dataset.PhotometricInterpretation)

    @cached_property
    def is_gray(self) -> bool:
        """Whether the pixels are gray."""
        return self.colors in GRAY

    @cached_property
    def bits(self) -> int | None:
        """The number of bits stored; None for floats, whose bits state no range."""
        return None if self.pixels != "PixelData" else int(self.dataset.BitsStored)

    @cached_property
    def allocated(self) -> int:
        """The number of bits that a sample takes."""
        return int(self.dataset.BitsAllocated)

    @cached_property
    def rows(self) -> int:
        """The height of a frame."""
        return int(self.dataset.Rows)

    @cached_property
    def columns(self) -> int:
        """The width of a frame."""
        return int(self.dataset.Columns)

    @cached_property
    def is_signed(self) -> bool:
        """Whether the stored values are signed integers."""
        return self.pixels == "PixelData" and self.dataset.PixelRepresentation == 1

    @cached_property
    def stored_dtype(self) -> np.dtype[Any]:
        """The dtype of the stored values."""
        size = max(1, self.allocated // 8)
        kind = "f" if self.pixels != "PixelData" else "i" if self.is_signed else "u"
        return np.dtype(f"{kind}{size}")

    def read_value(self, item: Dataset, keyword: str, remedy: str = "") -> Any:
        """Return an element's value, or None if it is absent; raise an error that names it."""
        try:
            return item.get(keyword)
        except _MALFORMED as error:
            raise self.error(f"its {keyword} can't be read: {error}{remedy}") from error

    def read_integer(self, keyword: str) -> int | None:
        """Return an integer of the header, or None if it is absent or empty."""
        value: int | None = self.read_value(self.dataset, keyword)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise self.error(f"its {keyword} is {value!r}, and one whole number is expected")
        return value

    def read_numbers(self, item: Dataset, keyword: str, remedy: str = "") -> list[float]:
        """Return the numbers in the text of an element, such as a window; an empty list without.

        A decimal comma, which DICOM forbids and some devices write, is read with a note.

        Parameters
        ----------
        item : Dataset
            The data set that holds the element.
        keyword : str
            The element's name.
        remedy : str
            The call that works without this element, for the error.
        """
        known = id(item), keyword
        if known not in self._numbers:
            self._numbers[known] = self._parse_numbers(item, keyword, remedy)
        return self._numbers[known]

    def _parse_numbers(self, item: Dataset, keyword: str, remedy: str) -> list[float]:
        """Return the numbers of an element, or raise an error that names it."""
        values = []
        for text in self._split_values(item, keyword, remedy):
            number = text.replace(",", ".") if text.count(",") == 1 else text
            try:
                value = float(number if "_" not in number else "nan")  # Python reads 1_0 as 10
            except ValueError:
                value = float("nan")
            if not np.isfinite(value):
                raise self.error(f"its {keyword} is {text!r}, and a number is expected{remedy}")
            if number != text:
                self.note(f"{keyword} is {text!r} in the file, read as {value:g}")
            values.append(value)
        return values

    def _split_values(self, item: Dataset, keyword: str, remedy: str) -> list[str]:
        """Return the values of an element as text, without the empty ones."""
        if keyword not in item:
            return []
        element = item.get_item(keyword)
        value: Any = element.value
        if isinstance(value, bytes) and element.VR in (None, "DS", "IS", "UN"):
            value = value.decode("ascii", "replace").split("\\")  # pydicom fails at a comma
        elif isinstance(value, bytes):  # binary numbers, where text is expected
            value = self.read_value(item, keyword, remedy)
        values = value if isinstance(value, list | pydicom.multival.MultiValue) else [value]
        texts = ("" if value is None else str(value).strip(" \0") for value in values)
        return [text for text in texts if text]

    def find_macros(self, keyword: str) -> list[Dataset]:
        """Return the data sets that hold a macro's elements: one for all frames, or one for each.

        An enhanced multi-frame file keeps them in functional groups (PS3.3, C.7.6.16), which all
        frames share or each frame has. Every other file keeps them in its data set itself.
        """
        if keyword not in self._macros:
            self._macros[keyword] = self._look_for_macros(keyword)
        return self._macros[keyword]

    def _look_for_macros(self, keyword: str) -> list[Dataset]:
        """Return the data sets with a macro's elements, from functional groups if there are any."""
        shared = self.dataset.get("SharedFunctionalGroupsSequence")
        if shared and shared[0].get(keyword):
            return [shared[0].get(keyword)[0]]
        frames = self.dataset.get("PerFrameFunctionalGroupsSequence") or []
        if not any(frame.get(keyword) for frame in frames):
            return [self.dataset]
        if len(frames) != self.count:
            raise self.error(
                f"its PerFrameFunctionalGroupsSequence has {len(frames)} items, and "
                f"{self.count} are expected, one for each frame"
            )
        chosen = frames if self.index is None else [frames[self.index]]
        return [frame.get(keyword)[0] if frame.get(keyword) else Dataset() for frame in chosen]
