"""The header of a DICOM file: its data elements, and what they state of the pixels, checked."""

import os
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.errors import BytesLengthException
from pydicom.filereader import read_dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from ..errors import ImageFileError
from .dicom_syntaxes import COMPRESSIONS, PLAIN, UNCOMPRESSED
from .image import Request

_IMAGE = ("Rows", "Columns", "PhotometricInterpretation", "BitsAllocated")
_NEEDED = {
    "SamplesPerPixel": "the samples of each pixel",
    "BitsStored": "the depth of the values",
    "PixelRepresentation": "whether the values are signed",
}
GRAY = ("MONOCHROME1", "MONOCHROME2")
RGB = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")  # pydicom gives RGB for all
_SAMPLES = {**dict.fromkeys((*GRAY, "PALETTE COLOR"), 1), **dict.fromkeys(RGB, 3)}
_LONG = 1 << 12  # bytes of an element
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_ALLOCATED = {
    "PixelData": (1, 8, 16, 32, 64),
    "FloatPixelData": (32,),
    "DoubleFloatPixelData": (64,),
}
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
    _numbers: dict[tuple[int, str], list[float]] = field(
        default_factory=dict, init=False, repr=False
    )

    def error(self, text: str) -> ImageFileError:
        """Return the error for this file."""
        return self.request.error(text)

    def note(self, text: str) -> None:
        """Keep a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    @cached_property  # pydicom takes microseconds for each element
    def syntax(self) -> UID:
        """How the pixels are encoded; files from before there was a statement aren't compressed."""
        if "TransferSyntaxUID" in self.dataset.file_meta:
            return UID(str(self.dataset.file_meta.TransferSyntaxUID))
        implicit = self.dataset.original_encoding[0]
        return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian

    @cached_property
    def is_plain(self) -> bool:
        """Whether the pixels are in the file as in memory, but for big machines' byte order."""
        return self.syntax in PLAIN

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
        """The bits stored; None for floats, whose depth is no statement."""
        return None if self.pixels != "PixelData" else int(self.dataset.BitsStored)

    @cached_property
    def allocated(self) -> int:
        """The bits that a sample takes."""
        return int(self.dataset.BitsAllocated)

    @cached_property
    def rows(self) -> int:
        """The height."""
        return int(self.dataset.Rows)

    @cached_property
    def columns(self) -> int:
        """The width."""
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

    def value(self, item: Dataset, keyword: str, remedy: str = "") -> Any:
        """Return an element's value, None where it is absent, or an error that names it."""
        try:
            return item.get(keyword)
        except _MALFORMED as error:
            raise self.error(f"its {keyword} can't be read: {error}{remedy}") from error

    def integer(self, keyword: str) -> int | None:
        """Return an integer of the header; None where it is absent or empty."""
        value: int | None = self.value(self.dataset, keyword)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise self.error(f"its {keyword} is {value!r}, and one whole number is expected")
        return value

    def numbers(self, item: Dataset, keyword: str, remedy: str = "") -> list[float]:
        """Return the numbers of an element of text, such as a window; none if it is empty.

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
            self._numbers[known] = self._read_numbers(item, keyword, remedy)
        return self._numbers[known]

    def _read_numbers(self, item: Dataset, keyword: str, remedy: str) -> list[float]:
        values = []
        for text in self._split(item, keyword, remedy):
            try:
                value = float(text if "_" not in text else "nan")  # Python reads 1_0 as 10
            except ValueError:
                value = float("nan") if text.count(",") != 1 else _read_comma(text)
                if np.isfinite(value):
                    self.note(f"{keyword} is {text!r} in the file, read as {value:g}")
            if not np.isfinite(value):
                raise self.error(f"its {keyword} is {text!r}, and a number is expected{remedy}")
            values.append(value)
        return values

    def _split(self, item: Dataset, keyword: str, remedy: str) -> list[str]:
        """The values of an element as text, without the empty ones."""
        if keyword not in item:
            return []
        element = item.get_item(keyword)
        value: Any = element.value
        if isinstance(value, bytes) and element.VR in (None, "DS", "IS", "UN"):
            value = value.decode("ascii", "replace").split("\\")  # pydicom fails at a comma
        elif isinstance(value, bytes):  # binary numbers, where text is expected
            value = self.value(item, keyword, remedy)
        values = value if isinstance(value, list | pydicom.multival.MultiValue) else [value]
        texts = ("" if value is None else str(value).strip(" \0") for value in values)
        return [text for text in texts if text]

    def macros(self, keyword: str) -> list[Dataset]:
        """Return the data sets that hold a macro's elements: one for all frames, or one each.

        An enhanced multi-frame file keeps them in functional groups (PS3.3, C.7.6.16), shared
        by all frames or one a frame; every other file at its top.
        """
        if keyword not in self._macros:
            self._macros[keyword] = self._find_macros(keyword)
        return self._macros[keyword]

    def _find_macros(self, keyword: str) -> list[Dataset]:
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


def _read_comma(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return float("nan")


# Opening


def open_scan(request: Request) -> Scan:
    """Return a DICOM file whose header describes an image that can be read."""
    dataset, has_preamble = _read_elements(request)
    scan = Scan(request, dataset)
    for keyword in _IMAGE:
        if scan.value(dataset, keyword) is None:
            kind = UID(str(scan.value(dataset, "SOPClassUID") or "")).name
            what = "DICOM" if has_preamble else "not DICOM, or DICOM"
            of = f" of {kind}" if kind else ""
            raise scan.error(f"{what}{of} without an image: it has no {keyword}")
    _find_pixels(scan)
    _check_pixels(scan)
    scan.count = _count_frames(scan)
    scan.index = request.pick(scan.count, "frames")
    return scan


def _read_elements(request: Request) -> tuple[Dataset, bool]:
    """The file's data elements, and whether it begins as DICOM does.

    What is long stays in the file until it is asked for.
    """
    with request.path.open("rb") as file:
        preamble, magic = file.read(128), file.read(4)
        if magic == b"DICM":
            meta = FileMetaDataset(  # up to where pydicom takes the rest, whatever its length says
                read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
            )
            syntax, start = meta.get("TransferSyntaxUID"), file.tell()
            if syntax == DeflatedExplicitVRLittleEndian:
                return _inflate(request, file, meta), True
            has_commands = file.read(2) == b"\0\0"  # a group of its own, in another syntax
            file.seek(start)
            if syntax in PLAIN and not has_commands:  # as dcmread does, which would begin again
                is_implicit = syntax == ImplicitVRLittleEndian
                found = read_dataset(file, is_implicit, True, defer_size=_LONG)
                path = os.fspath(request.path)
                dataset = FileDataset(path, found, preamble, meta, is_implicit, True)
                dataset.set_original_encoding(is_implicit, True, found.original_character_set)
                return dataset, True
    return pydicom.dcmread(request.path, force=True, defer_size=_LONG), magic == b"DICM"


def _inflate(request: Request, file: BinaryIO, meta: FileMetaDataset) -> Dataset:
    """The data set of a deflated file, of no more bytes than the limit.

    pydicom inflates it in one piece, whatever that takes.
    """
    inflater, inflated = zlib.decompressobj(-zlib.MAX_WBITS), BytesIO()
    while packed := inflater.unconsumed_tail or file.read(1 << 16):
        inflated.write(inflater.decompress(packed, 1 << 20))
        if inflated.tell() > request.limit:
            raise request.error(
                f"its deflated data takes more than the limit, {request.limit:,} bytes: "
                "read(path, limit=...) if you trust it"
            )
    if not inflater.eof:
        raise request.error("its deflated data is truncated")
    inflated.seek(0)
    dataset = read_dataset(inflated, False, True)
    dataset.set_original_encoding(False, True)
    dataset.file_meta = meta
    return dataset


def _find_pixels(scan: Scan) -> None:
    found = [keyword for keyword in _PIXELS if keyword in scan.dataset]
    if not found:
        raise scan.error("DICOM without pixels: truncated before them, or stripped of them")
    if len(found) > 1:
        raise scan.error(f"it has {' and '.join(found)}, and one of them is expected")
    scan.pixels = found[0]


def _check_pixels(scan: Scan) -> None:
    """Refuse elements that are missing or contradict each other: PS3.3, C.7.6.3."""
    for keyword in ("Rows", "Columns", "BitsAllocated"):
        scan.integer(keyword)
    if scan.colors not in _SAMPLES:
        raise scan.error(f"its colors are {scan.colors}, neither gray nor RGB")
    needed = _NEEDED if scan.pixels == "PixelData" else ("SamplesPerPixel",)
    for keyword in needed:
        if scan.integer(keyword) is None:
            raise scan.error(f"it has no {keyword}, so nothing tells {_NEEDED[keyword]}")
    dataset, samples = scan.dataset, _SAMPLES[scan.colors]
    if dataset.SamplesPerPixel != samples:
        raise scan.error(
            f"its SamplesPerPixel is {dataset.SamplesPerPixel}, and {scan.colors} has {samples}"
        )
    if scan.rows < 1 or scan.columns < 1:
        raise scan.error(f"it states {scan.columns}x{scan.rows} pixels")
    allocated = scan.allocated
    if allocated not in _ALLOCATED[scan.pixels]:
        raise scan.error(
            f"its BitsAllocated is {allocated}, and for {scan.pixels} these are read: "
            f"{', '.join(map(str, _ALLOCATED[scan.pixels]))}"
        )
    if scan.pixels == "PixelData":
        _check_bits(scan, allocated)
    if samples == 3 and not scan.is_compressed:
        planes = scan.integer("PlanarConfiguration")
        if planes not in (0, 1):
            shown = "missing" if planes is None else planes
            raise scan.error(
                f"its PlanarConfiguration is {shown}, and it is 0 for RGBRGB or 1 for RR..GG..BB"
            )


def _check_bits(scan: Scan, allocated: int) -> None:
    stored, high = int(scan.dataset.BitsStored), scan.integer("HighBit")
    if not 1 <= stored <= allocated:
        raise scan.error(f"its BitsStored is {stored}, and its BitsAllocated is {allocated}")
    if high is not None and high != stored - 1:
        raise scan.error(
            f"its HighBit is {high} and its BitsStored {stored}: the values aren't in the lowest "
            f"bits, which is all that is read (DICOM has HighBit = BitsStored - 1 = {stored - 1})"
        )
    signed = scan.dataset.PixelRepresentation
    if signed not in ((0, 1) if scan.colors not in RGB else (0,)):
        raise scan.error(
            f"its PixelRepresentation is {signed}, and {scan.colors} has 0 (unsigned)"
            + ("" if scan.colors in RGB else " or 1 (signed)")
        )


def _count_frames(scan: Scan) -> int:
    """The frames that the header states: one where it states none or 0, as pydicom has it."""
    values = scan.numbers(scan.dataset, "NumberOfFrames")
    count = values[0] if values else 1
    if len(values) > 1 or count < 0 or not float(count).is_integer():
        shown = ", ".join(f"{value:g}" for value in values)
        raise scan.error(f"its NumberOfFrames is {shown}, and a whole number is expected")
    if count == 0:
        scan.note("NumberOfFrames is 0 in the file, read as 1")
    return int(count) or 1
