"""Headers of JPEG and JPEG 2000 inside other files: TIFF's strips and tiles, DICOM's frames.

A codec allocates what such a header states, and the library around it cuts the result to fit. So
what it states is compared with the file's own header before anything is decoded.
"""

import io
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from .jpeg_segments import (
    MOST_SCANS,
    PROGRESSIVE,
    START_OF_SCAN,
    STARTS_OF_FRAME,
    read_frame_header,
    walk_segments,
)


class Header(NamedTuple):
    """The size, the samples of a pixel, and the bits and kind of a sample that a header states."""

    height: int
    width: int
    samples: int
    bits: int
    kind: str = "u"  # u, i or f, as numpy's


class Segment:
    """The bytes of a compressed image inside a file, read when they are asked for."""

    def __init__(self, file: Any, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self.size = size
        file.seek(start)
        self._head: bytes = file.read(min(size, 1 << 14))  # all of most tiles, in one go

    @classmethod
    def of(cls, data: bytes) -> "Segment":
        """Return the segment of bytes that are in memory."""
        return cls(io.BytesIO(data), 0, len(data))

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self.size)
        if start >= stop or stop <= len(self._head):
            return self._head[start:stop]
        self._file.seek(self._start + start)
        return bytes(self._file.read(stop - start))

    def unpack(self, form: str, start: int) -> tuple[int, ...]:
        """Return the numbers at a place, or raise ValueError if the data ends before."""
        size = struct.calcsize(form)
        data = self[start : start + size]
        if len(data) < size:
            raise ValueError("its header is cut")
        return struct.unpack(form, data)


def read_jpeg(data: Segment) -> Header:
    """Return what a JPEG's frame header states; the JPEG must go on to its end mark."""
    whole = data[0 : data.size]
    for code, start in _walk_jpeg(whole):
        if code in STARTS_OF_FRAME:
            if not whole.endswith(b"\xff\xd9") or code in PROGRESSIVE:
                if b"\xff\xd9" not in whole[start:]:
                    raise ValueError("its JPEG has no end mark, so it is cut")
                if whole.count(b"\xff\xda", start) > MOST_SCANS:
                    raise ValueError(f"its JPEG has more than {MOST_SCANS} scans")
            return Header(*read_frame_header(whole, start))
    raise ValueError("its JPEG has no frame header")


def check_jpeg_tables(data: bytes) -> None:
    """Raise ValueError if what should be JPEG's tables alone holds an image."""
    if any(code in {*STARTS_OF_FRAME, START_OF_SCAN} for code, _ in _walk_jpeg(data)):
        raise ValueError("its JPEGTables hold an image")


def _walk_jpeg(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the code and the start of each segment up to the first scan."""
    if data[:2] != b"\xff\xd8":
        raise ValueError("its data is no JPEG")
    for code, start, _ in walk_segments(data):
        yield code, start
        if code == START_OF_SCAN:
            return


JPEG2000 = b"\xff\x4f\xff\x51"  # the markers SOC and SIZ
JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"


def read_jpeg2000(data: Segment) -> Header:
    """Return what a JPEG 2000 states, bare or in a JP2 file; it must go on to its end mark."""
    header = read_jpeg2000_size(data)
    if b"\xff\xd9" not in data[max(0, data.size - 64) : data.size]:
        raise ValueError("its JPEG 2000 has no end mark, so it is cut")
    return header


def read_jpeg2000_size(data: Segment) -> Header:
    """Return what the SIZ segment states, which begins a codestream (ISO 15444-1, A.5.1)."""
    start = _find_codestream(data) if data[0:12] == JP2 else 0
    if data[start : start + 4] != JPEG2000:
        raise ValueError("its data is no JPEG 2000")
    right, bottom, left, top = data.unpack(">IIII", start + 8)
    (samples,) = data.unpack(">H", start + 40)
    parts = data[start + 42 : start + 42 + 3 * samples]
    depths, steps = set(parts[::3]), {*parts[1::3], *parts[2::3]}
    if len(parts) < 3 * samples or len(depths) != 1 or steps != {1}:
        raise ValueError("its JPEG 2000 has samples of different sizes or depths")
    (depth,) = depths
    return Header(bottom - top, right - left, samples, (depth & 127) + 1, "ui"[depth >> 7])


def _find_codestream(data: Segment, at: int = 0, end: int | None = None) -> int:
    """Return where the codestream starts in the boxes of a JP2 file (ISO 15444-1, I.4).

    A palette is refused, because it would add samples to those of the codestream.
    """
    end = data.size if end is None else end
    for name, start, stop in walk_boxes(data, at, end):
        if name == b"jp2c":
            return start
        if name == b"pclr":
            raise ValueError("its JPEG 2000 has a palette of its own")
        if name == b"jp2h":
            _find_codestream(data, start, stop)
    return data.size


def walk_boxes(data: Segment, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each box, and where its content starts and ends (ISO 15444-1, I.4)."""
    while at + 8 <= end:
        size, name = struct.unpack(">I4s", data[at : at + 8])
        head = 8
        if size == 1:
            (size,), head = data.unpack(">Q", at + 8), 16
        stop = end if size == 0 else at + size
        if stop < at + head:
            return
        yield name, at + head, min(stop, end)
        at = stop
