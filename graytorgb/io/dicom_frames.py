"""Compressed frames of DICOM: what their own headers state, held against the file's header.

A codec makes room for what the frame says, and 141 bytes of JPEG 2000 can say 12,000 rows of
12,000; and a codec that is told one thing by the file and another by the frame gives garbage, or
ends the process. So every frame is looked at before one is decoded.
"""

import math
import struct
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, NamedTuple

from pydicom.dataelem import RawDataElement
from pydicom.encaps import generate_fragments, generate_frames, parse_basic_offsets
from pydicom.uid import (
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from .dicom_header import Scan

# Each syntax's start-of-frame markers: ISO 10918-1, table B.1, and ISO 14495-1, C.1.1
_STARTS = {
    JPEGBaseline8Bit: (0xC0, 0xC1),
    JPEGExtended12Bit: (0xC0, 0xC1),
    JPEGLossless: (0xC3,),
    JPEGLosslessSV1: (0xC3,),
    JPEGLSLossless: (0xF7,),
    JPEGLSNearLossless: (0xF7,),
}
_ALL_STARTS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"
_SOC_SIZ = b"\xff\x4f\xff\x51"
_SIGNATURES = (b"\xff\xd8", _SOC_SIZ, _JP2)


class Codestream(NamedTuple):
    """What a compressed frame states of itself."""

    columns: int
    rows: int
    samples: int
    precision: int
    is_signed: bool = False


def check_frames(scan: Scan) -> None:
    """Refuse pixels whose number, size, samples or precision contradicts the header."""
    if not scan.is_compressed:
        _check_length(scan)
        return
    data = scan.dataset[scan.pixels].value
    found = sum(1 for _ in _join_fragments(scan, data))
    if found != scan.count:
        raise _refuse_count(scan, found)
    for frame, located in zip_longest(_join_fragments(scan, data), _locate_frames(scan, data)):
        if frame is None or located is None or frame.rstrip(b"\0") != located.rstrip(b"\0"):
            raise scan.error("its table of frame offsets doesn't lead to its frames")
        if scan.syntax == RLELossless:
            _check_segments(scan, frame)
        else:
            _check_codestream(scan, read_codestream(scan, frame))


def _refuse_count(scan: Scan, found: int) -> Exception:
    absent = "" if scan.dataset.get_item("NumberOfFrames") else " (NumberOfFrames is absent)"
    return scan.error(f"its header states {scan.count} frames{absent}, and its pixels have {found}")


def _check_length(scan: Scan) -> None:
    """Hold the length of uncompressed pixels against the header."""
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
        raise _refuse_count(scan, there * 8 // bits)
    if there - stated > 1:  # one more makes the length even
        if any(scan.dataset[scan.pixels].value[stated:]):
            raise scan.error(
                f"its header states {stated:,} bytes of pixels, and it has {there:,}: Rows, "
                "Columns, SamplesPerPixel or BitsAllocated is wrong"
            )
        scan.note(f"{there - stated} zeros follow the pixels, left out")


def _find_length(scan: Scan) -> int:
    """The bytes of the element that holds the pixels, which stay in the file if they are there."""
    element: Any = scan.dataset.get_item(scan.pixels, keep_deferred=True)
    if element.value is None and isinstance(element, RawDataElement):
        return min(element.length, max(0, scan.request.size - element.value_tell))
    return len(element.value or b"")


def _join_fragments(scan: Scan, data: bytes) -> Iterator[bytes]:
    """The frames by where they begin: at a fragment of RLE, or at a codec's signature."""
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
    """The frames as pydicom finds them, by the file's tables of offsets if there are any."""
    extended = None
    if "ExtendedOffsetTable" in scan.dataset and "ExtendedOffsetTableLengths" in scan.dataset:
        extended = scan.dataset.ExtendedOffsetTable, scan.dataset.ExtendedOffsetTableLengths
    return generate_frames(data, number_of_frames=scan.count, extended_offsets=extended)


def _check_codestream(scan: Scan, found: Codestream) -> None:
    dataset = scan.dataset
    if found[:2] != (dataset.Columns, dataset.Rows):
        raise scan.error(
            f"it states {dataset.Columns}x{dataset.Rows} pixels, and a frame has "
            f"{found.columns}x{found.rows}"
        )
    if found.samples != dataset.SamplesPerPixel:
        raise scan.error(
            f"its SamplesPerPixel is {dataset.SamplesPerPixel}, and a frame has {found.samples}"
        )
    # Lossless encoders often keep the unused bits of each sample, BitsAllocated in all.
    if not dataset.BitsStored <= found.precision <= dataset.BitsAllocated:
        raise scan.error(
            f"it states {dataset.BitsStored} bits stored of {dataset.BitsAllocated}, and a frame "
            f"has samples of {found.precision} bits"
        )
    # pydicom takes unsigned samples under a signed header as the same bits, which is what they are.
    if found.is_signed and not scan.is_signed:
        raise scan.error("its PixelRepresentation is 0 (unsigned), and a frame has signed samples")


def read_codestream(scan: Scan, frame: bytes) -> Codestream:
    """Return what a frame of JPEG, JPEG-LS or JPEG 2000 states."""
    try:
        if scan.syntax in JPEG2000TransferSyntaxes:
            return _read_jpeg2000(scan, frame)
        return _read_jpeg(scan, frame)
    except (IndexError, struct.error) as error:
        raise scan.error("a compressed frame ends within its header: truncated") from error


def _read_jpeg(scan: Scan, frame: bytes) -> Codestream:
    """Follow the markers of JPEG and JPEG-LS to the scan: ISO 10918-1, B.2."""
    if not frame.startswith(b"\xff\xd8"):
        raise scan.error(f"a frame isn't {scan.syntax.name}: it starts with {frame[:4]!r}")
    # libjpeg fills what is missing, and CharLS looks for it for seconds; Pillow refuses by itself.
    if scan.syntax != JPEGBaseline8Bit and b"\xff\xd9" not in frame.rstrip(b"\0")[-4:]:
        raise scan.error("a compressed frame has no end of image: truncated")
    found, offset = None, 2
    while True:
        if frame[offset] != 0xFF:
            raise scan.error(f"a JPEG frame is damaged: stray bytes at {offset}, before its scan")
        marker = frame[offset + 1]
        if marker == 0xFF:  # a fill byte
            offset += 1
            continue
        if marker in (0xDA, 0xD9):
            break
        (length,) = struct.unpack_from(">H", frame, offset + 2)
        if marker in _ALL_STARTS:
            if marker not in _STARTS[scan.syntax] or found:
                raise scan.error(
                    f"it states {scan.syntax.name}, and a frame is JPEG of another kind (start of "
                    f"frame {marker:X})"
                )
            precision, rows, columns, samples = struct.unpack_from(">BHHB", frame, offset + 4)
            found = Codestream(columns, rows, samples, precision)
        offset += 2 + length
    if found is None:
        raise scan.error("a JPEG frame is damaged: it has no start of frame")
    return found


def _read_jpeg2000(scan: Scan, frame: bytes) -> Codestream:
    """Read the SIZ segment, which begins a codestream: ISO 15444-1, A.5.1."""
    start = _find_codestream(frame) if frame.startswith(_JP2) else 0
    if frame[start : start + 4] != _SOC_SIZ:
        raise scan.error(
            f"a frame isn't {scan.syntax.name}: it starts with {frame[start : start + 4]!r}"
        )
    right, bottom, left, top = struct.unpack_from(">4I", frame, start + 8)
    (samples,) = struct.unpack_from(">H", frame, start + 40)
    components = {
        tuple(frame[at : at + 3]) for at in range(start + 42, start + 42 + 3 * samples, 3)
    }
    if len(components) != 1:
        raise scan.error("the samples of a JPEG 2000 frame differ in depth or size")
    ((depth, *steps),) = components
    if steps != [1, 1]:
        raise scan.error("a JPEG 2000 frame is subsampled, which isn't read")
    return Codestream(right - left, bottom - top, samples, (depth & 0x7F) + 1, depth > 0x7F)


def _find_codestream(frame: bytes) -> int:
    """The place of the codestream in JP2's boxes: ISO 15444-1, I.4."""
    offset = 0
    while True:
        length, kind = struct.unpack_from(">I4s", frame, offset)
        head = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", frame, offset + 8)
            head = 16
        if kind == b"jp2c":
            return offset + head
        if length < head:  # 0: up to the end, and so without a codestream
            raise IndexError
        offset += length


def _check_segments(scan: Scan, frame: bytes) -> None:
    """Hold the header of an RLE frame against the file's: PS3.5, G.5."""
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


def is_lossy(scan: Scan) -> bool:
    """Whether the pixels' compression may change values."""
    lossless = scan.syntax in (JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless)
    return scan.is_compressed and not lossless and "Lossless Only" not in scan.syntax.name
