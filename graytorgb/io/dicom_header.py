"""Open a DICOM file, and check that its header describes an image that can be read."""

import os
import zlib
from contextlib import AbstractContextManager, nullcontext
from io import BufferedReader, BytesIO, FileIO
from typing import BinaryIO

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.filereader import read_dataset, read_partial
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from .dicom_scan import GRAY, Scan
from .dicom_syntaxes import PLAIN
from .request import Request

_IMAGE = ("Rows", "Columns", "PhotometricInterpretation", "BitsAllocated")
_NEEDED = {
    "SamplesPerPixel": "the samples of each pixel",
    "BitsStored": "the depth of the values",
    "PixelRepresentation": "whether the values are signed",
}
_SAMPLES = {  # by the colors; pydicom gives RGB for every kind with three
    **dict.fromkeys((*GRAY, "PALETTE COLOR"), 1),
    **dict.fromkeys(("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT"), 3),
}
_LONG = 1 << 12  # bytes of an element that stays in the file until it is asked for
_ALLOCATED = {  # the elements that hold pixels, and the bits that a sample may take in each
    "PixelData": (1, 8, 16, 32, 64),
    "FloatPixelData": (32,),
    "DoubleFloatPixelData": (64,),
}


_PIXELS = {tag_for_keyword(keyword): keyword for keyword in _ALLOCATED}
_UNDEFINED = 0xFFFFFFFF  # the length of an element that ends at a delimiter


class _Stop:
    """A condition for pydicom to stop reading: at compressed pixels, whose keyword is kept."""

    def __init__(self) -> None:
        self.keyword: str | None = None

    def __call__(self, tag: int, vr: str | None, length: int) -> bool:
        if length == _UNDEFINED and tag in _PIXELS:
            self.keyword = _PIXELS[tag]
        return self.keyword is not None


def open_scan(request: Request, *, stops: bool = False) -> Scan:
    """Return a DICOM file whose header describes an image that can be read.

    If it `stops`, compressed pixels and what follows them aren't read.
    """
    stop = _Stop() if stops else None
    dataset, has_preamble = _read_elements(request, stop)
    scan = Scan(request, dataset)
    for keyword in _IMAGE:
        if scan.read_value(dataset, keyword) is None:
            kind = UID(str(scan.read_value(dataset, "SOPClassUID") or "")).name
            what = "DICOM" if has_preamble else "not DICOM, or DICOM"
            of = f" of {kind}" if kind else ""
            raise scan.error(f"{what}{of} without an image: it has no {keyword}")
    _find_pixels(scan, stop.keyword if stop else None)
    _check_pixels(scan)
    scan.count = _count_frames(scan)
    scan.index = request.pick_index(scan.count, "frames")
    return scan


def _read_elements(request: Request, stop: _Stop | None) -> tuple[Dataset, bool]:
    """Return the file's data elements, and whether it begins as DICOM does.

    Long elements stay in the file until they are asked for.
    """
    with _open(request) as file:
        preamble, magic = file.read(128), file.read(4)
        if magic == b"DICM":
            meta = FileMetaDataset(  # group 0002 to its last element, whatever length it states
                read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
            )
            syntax, start = meta.get("TransferSyntaxUID"), file.tell()
            if syntax == DeflatedExplicitVRLittleEndian:
                return _inflate(request, file, meta), True
            has_commands = file.read(2) == b"\0\0"  # group 0000, in a syntax of its own
            file.seek(start)
            if syntax in PLAIN and not has_commands:  # dcmread would do the same, and begin again
                is_implicit = syntax == ImplicitVRLittleEndian
                found = read_dataset(file, is_implicit, True, stop_when=stop, defer_size=_LONG)
                source = os.fspath(request.path) if request.data is None else file
                dataset = FileDataset(source, found, preamble, meta, is_implicit, True)
                dataset.set_original_encoding(is_implicit, True, found.original_character_set)
                return dataset, True
        file.seek(0)
        dataset = read_partial(file, stop_when=stop, defer_size=_LONG, force=True)
        return dataset, magic == b"DICM"


def _open(request: Request) -> AbstractContextManager[BinaryIO]:
    """Open the file as pydicom needs it for elements read later: by its name as text, or in memory.

    A file in memory isn't closed, because pydicom can't open it again.
    """
    if request.data is not None:
        return nullcontext(BytesIO(request.data))
    return BufferedReader(FileIO(os.fspath(request.path)))


def _inflate(request: Request, file: BinaryIO, meta: FileMetaDataset) -> Dataset:
    """Return the data set of a deflated file, if it takes no more bytes than the limit.

    pydicom inflates it in one piece, whatever that takes.
    """
    inflater, inflated = zlib.decompressobj(-zlib.MAX_WBITS), BytesIO()
    while packed := inflater.unconsumed_tail or file.read(1 << 16):
        inflated.write(inflater.decompress(packed, 1 << 20))
        if inflated.tell() > request.limit:
            raise request.error(
                f"its deflated data takes more than the limit, {request.limit:,} bytes: "
                f"{request.call}, limit=...) if you trust it"
            )
    if not inflater.eof:
        raise request.error("its deflated data is truncated")
    inflated.seek(0)
    dataset = read_dataset(inflated, False, True)
    dataset.set_original_encoding(False, True)
    dataset.file_meta = meta
    return dataset


def _find_pixels(scan: Scan, stopped_at: str | None) -> None:
    """Set the element that holds the pixels, or raise unless there is one."""
    found = [k for k in _ALLOCATED if k in scan.dataset or k == stopped_at]
    if not found:
        raise scan.error("DICOM without pixels: truncated before them, or stripped of them")
    if len(found) > 1:
        raise scan.error(f"it has {' and '.join(found)}, and one of them is expected")
    scan.pixels = found[0]


def _check_pixels(scan: Scan) -> None:
    """Refuse elements that are missing or contradict each other: PS3.3, C.7.6.3."""
    for keyword in ("Rows", "Columns", "BitsAllocated"):
        scan.read_integer(keyword)
    if scan.colors not in _SAMPLES:
        raise scan.error(f"its colors are {scan.colors}, neither gray nor RGB")
    needed = _NEEDED if scan.pixels == "PixelData" else ("SamplesPerPixel",)
    for keyword in needed:
        if scan.read_integer(keyword) is None:
            raise scan.error(f"it has no {keyword}, so nothing tells {_NEEDED[keyword]}")
    dataset, samples = scan.dataset, _SAMPLES[scan.colors]
    if dataset.SamplesPerPixel != samples:
        raise scan.error(
            f"its SamplesPerPixel is {dataset.SamplesPerPixel}, and {scan.colors} has {samples}"
        )
    allocated = scan.allocated
    if allocated not in _ALLOCATED[scan.pixels]:
        raise scan.error(
            f"its BitsAllocated is {allocated}, and for {scan.pixels} these are read: "
            f"{', '.join(map(str, _ALLOCATED[scan.pixels]))}"
        )
    if scan.pixels == "PixelData":
        _check_bits(scan, allocated)
    if samples == 3 and not scan.is_compressed:
        planes = scan.read_integer("PlanarConfiguration")
        if planes not in (0, 1):
            shown = "missing" if planes is None else planes
            raise scan.error(
                f"its PlanarConfiguration is {shown}, and it is 0 for RGBRGB or 1 for RR..GG..BB"
            )


def _check_bits(scan: Scan, allocated: int) -> None:
    """Refuse a depth, a place of the bits or a sign that contradicts the rest of the header."""
    stored, high = int(scan.dataset.BitsStored), scan.read_integer("HighBit")
    if not 1 <= stored <= allocated:
        raise scan.error(f"its BitsStored is {stored}, and its BitsAllocated is {allocated}")
    if high is not None and high != stored - 1:
        raise scan.error(
            f"its HighBit is {high} and its BitsStored {stored}: the values aren't in the lowest "
            f"bits, which is all that is read (DICOM has HighBit = BitsStored - 1 = {stored - 1})"
        )
    signed = scan.dataset.PixelRepresentation
    may_be_signed = _SAMPLES[scan.colors] == 1
    if signed not in (0, 1)[: 1 + may_be_signed]:
        raise scan.error(
            f"its PixelRepresentation is {signed}, and {scan.colors} has 0 (unsigned)"
            + " or 1 (signed)" * may_be_signed
        )


def _count_frames(scan: Scan) -> int:
    """Return the number of frames: 1 if the header states none or 0, as in pydicom."""
    values = scan.read_numbers(scan.dataset, "NumberOfFrames")
    count = values[0] if values else 1
    if len(values) > 1 or count < 0 or not float(count).is_integer():
        shown = ", ".join(f"{value:g}" for value in values)
        raise scan.error(f"its NumberOfFrames is {shown}, and a whole number is expected")
    if count == 0:
        scan.note("NumberOfFrames is 0 in the file, read as 1")
    return int(count) or 1
