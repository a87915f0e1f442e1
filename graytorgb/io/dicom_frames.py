"""The frames of a DICOM file, compared with its header before they are decoded.

A codec makes room for what a frame says, and 141 bytes of JPEG 2000 can say 12,000 rows of 12,000.
A codec that is told one thing by the file and another by the frame gives garbage, or ends the
process. So the header of every frame is read before one frame is decoded.
"""

import math
import struct
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from pydicom.dataelem import RawDataElement
from pydicom.encaps import generate_fragments, generate_frames, parse_basic_offsets
from pydicom.uid import UID, JPEGBaseline8Bit, RLELossless

from .codestreams import JP2, JPEG2000, Header, Segment, read_jpeg2000_size
from .dicom_scan import Scan
from .dicom_syntaxes import COMPRESSIONS
from .jpeg_segments import (
    END_OF_IMAGE,
    START_OF_SCAN,
    STARTS_OF_FRAME,
    read_frame_header,
    walk_segments,
)

_JPEG_LS = 0xF7  # the start of a JPEG-LS frame: ISO 14495-1, C.1.1
_SIGNATURES = (b"\xff\xd8", JPEG2000, JP2)


def check_frames(scan: Scan) -> None:
    """Refuse pixels whose number, size, samples or precision contradicts the header."""
    if not scan.is_compressed:
        _check_length(scan)
        return
    data = scan.dataset[scan.pixels].value
    found = sum(1 for _ in _join_fragments(scan, data))
    if found != scan.count:
        raise _count_error(scan, found)
    for frame, located in zip_longest(_join_fragments(scan, data), _locate_frames(scan, data)):
        if frame is None or located is None or frame.rstrip(b"\0") != located.rstrip(b"\0"):
            raise scan.error("its table of frame offsets doesn't lead to its frames")
        if scan.syntax == RLELossless:
            _check_segments(scan, frame)
        else:
            _check_header(scan, _read_header(scan, frame))


def _count_error(scan: Scan, found: int) -> Exception:
    """Return the error for another number of frames than the header states."""
    absent = "" if scan.dataset.get_item("NumberOfFrames") else " (NumberOfFrames is absent)"
    return scan.error(f"its header states {scan.count} frames{absent}, and its pixels have {found}")


def _check_length(scan: Scan) -> None:
    """Compare the length of uncompressed pixels with the one that the header states."""
    bits = scan.rows * scan.columns * scan.dataset.SamplesPerPixel * scan.allocated
    if scan.colors == "YBR_FULL_422":
        bits = bits // 3 * 2
    stated, there = math.ceil(bits * scan.count / 8), _find_length(scan)
    if there < stated:
        raise scan.error(
            f"its header states {stated:,} bytes of pixels, and it has {there:,}: truncated, "
            "or Rows, Columns, NumberOfFrames or BitsAllocated is wrong"
        )
    if there - stated >= max(2, bits / 8):
        raise _count_error(scan, there * 8 // bits)
    if there - stated > 1:  # one more makes the length even
        if any(scan.dataset[scan.pixels].value[stated:]):
            raise scan.error(
                f"its header states {stated:,} bytes of pixels, and it has {there:,}: Rows, "
                "Columns, SamplesPerPixel or BitsAllocated is wrong"
            )
        scan.note(f"{there - stated} zeros follow the pixels, left out")


def _find_length(scan: Scan) -> int:
    """Return the length in bytes of the element that holds the pixels, without reading it."""
    element: Any = scan.dataset.get_item(scan.pixels, keep_deferred=True)
    if element.value is None and isinstance(element, RawDataElement):
        return min(element.length, max(0, scan.request.size - element.value_tell))
    return len(element.value or b"")


def _join_fragments(scan: Scan, data: bytes) -> Iterator[bytes]:
    """Yield the frames by where they begin: at a fragment of RLE, or at a codec's signature."""
    frame: list[bytes] = []
    for fragment in generate_fragments(data[8 + 4 * len(parse_basic_offsets(data)) :]):
        # one fragment is one frame of RLE: PS3.5, A.4.2
        if frame and (scan.syntax == RLELossless or fragment.startswith(_SIGNATURES)):
            yield b"".join(frame)
            frame = []
        frame.append(fragment)
    if frame:
        yield b"".join(frame)


def _locate_frames(scan: Scan, data: bytes) -> Iterator[bytes]:
    """Return the frames as pydicom finds them, by the file's tables of offsets if it has any."""
    extended = None
    if "ExtendedOffsetTable" in scan.dataset and "ExtendedOffsetTableLengths" in scan.dataset:
        extended = scan.dataset.ExtendedOffsetTable, scan.dataset.ExtendedOffsetTableLengths
    return generate_frames(data, number_of_frames=scan.count, extended_offsets=extended)


def _check_header(scan: Scan, found: Header) -> None:
    """Refuse a frame whose own header contradicts the file's."""
    dataset = scan.dataset
    if (found.width, found.height) != (dataset.Columns, dataset.Rows):
        raise scan.error(
            f"it states {dataset.Columns}x{dataset.Rows} pixels, and a frame has "
            f"{found.width}x{found.height}"
        )
    if found.samples != dataset.SamplesPerPixel:
        raise scan.error(
            f"its SamplesPerPixel is {dataset.SamplesPerPixel}, and a frame has {found.samples}"
        )
    # Lossless encoders often keep the unused bits of each sample, BitsAllocated in all.
    if not dataset.BitsStored <= found.bits <= dataset.BitsAllocated:
        raise scan.error(
            f"it states {dataset.BitsStored} bits stored of {dataset.BitsAllocated}, and a frame "
            f"has samples of {found.bits} bits"
        )
    # pydicom takes unsigned samples under a signed header as the same bits, which is what they are.
    if found.kind == "i" and not scan.is_signed:
        raise scan.error("its PixelRepresentation is 0 (unsigned), and a frame has signed samples")


def _read_header(scan: Scan, frame: bytes) -> Header:
    """Return what a frame of JPEG, JPEG-LS or JPEG 2000 states of itself."""
    try:
        if COMPRESSIONS[scan.syntax].codec == "JPEG 2000":
            return read_jpeg2000_size(Segment.of(frame))
        return _read_jpeg(scan.syntax, frame)
    except ValueError as error:
        raise scan.error(f"a frame isn't {scan.syntax.name}, or is damaged: {error}") from error


def _read_jpeg(syntax: UID, frame: bytes) -> Header:
    """Return what the start of frame of a JPEG or JPEG-LS states: ISO 10918-1, B.2.2."""
    if not frame.startswith(b"\xff\xd8"):
        raise ValueError(f"it starts with {frame[:4]!r}")
    # libjpeg fills what is missing, and CharLS looks for it for seconds; Pillow refuses by itself.
    if syntax != JPEGBaseline8Bit and b"\xff\xd9" not in frame.rstrip(b"\0")[-4:]:
        raise ValueError("it has no end of image, so it is truncated")
    found, last = None, 2
    for code, start, end in walk_segments(frame):
        if frame[last:start].strip(b"\xff"):
            raise ValueError(f"stray bytes at {last}, before its pixels")
        if code in (START_OF_SCAN, END_OF_IMAGE):
            break
        if code in STARTS_OF_FRAME or code == _JPEG_LS:
            if code not in COMPRESSIONS[syntax].starts or found:
                raise ValueError(f"it is JPEG of another kind (start of frame {code:X})")
            found = Header(*read_frame_header(frame, start))
        last = end
    if found is None:
        raise ValueError("it has no start of frame, or ends before")
    return found


def _check_segments(scan: Scan, frame: bytes) -> None:
    """Refuse an RLE frame whose header contradicts the file's: PS3.5, G.5."""
    dataset = scan.dataset
    stated = dataset.SamplesPerPixel * dataset.BitsAllocated // 8
    if len(frame) < 64:
        raise scan.error("an RLE frame ends within its header: truncated")
    count, *offsets = struct.unpack_from("<16L", frame)
    if count != stated:
        raise scan.error(
            f"{dataset.SamplesPerPixel} samples of {dataset.BitsAllocated} bits take {stated} "
            f"segments of RLE, and a frame has {count}"
        )
    edges = [*offsets[:count], len(frame)]
    if edges[0] < 64 or sorted(set(edges)) != edges:
        raise scan.error("the offsets of an RLE frame's segments aren't in order")
