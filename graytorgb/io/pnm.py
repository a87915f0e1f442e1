"""PBM, PGM and PPM: the header is read here, and Pillow decodes the samples.

Pillow makes 8 bits of 16-bit color, and scales samples whose largest value isn't 255 or 65535. So
it gets the header of a gray image of a full depth, three times as wide for color: then it leaves
each sample as it is.
"""

import re
from dataclasses import replace
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from PIL.PpmImagePlugin import PpmImageFile

from ..core.image_file import ImageFile, make_stand_in
from .ranges import Array
from .request import Request

_GAP = rb"(?:[ \t\n\v\f\r]|#[^\r\n]*[\r\n])"
_SIZE = re.compile(rb"P[1-6]" + _GAP + rb"+(\d{1,10})" + _GAP + rb"+(\d{1,10})")
_LARGEST = re.compile(_GAP + rb"+(\d{1,10})")
_END = re.compile(_GAP)  # one byte; a sample may look like another one


class Header(NamedTuple):
    """A header: P1 to P6 as 1 to 6, the size, the largest sample, and where the samples start.

    Bits (P1 and P4) are read as 0 and 255, so 255 is their largest sample.
    """

    kind: int
    width: int
    height: int
    largest: int
    start: int

    @property
    def channels(self) -> int:
        """The number of samples of a pixel: 3 for color, else 1."""
        return 3 if self.kind in (3, 6) else 1

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return (self.height, self.width, 3) if self.channels > 1 else (self.height, self.width)

    @property
    def is_depth(self) -> bool:
        """Whether the largest sample is that of a whole depth of 8 or 16 bits."""
        return self.largest in (255, 65535)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of a sample in a binary file, high byte first."""
        return np.dtype("u1" if self.largest < 256 else ">u2")

    @property
    def size(self) -> int:
        """The number of bytes that binary samples take; 0 for a text."""
        row = {4: (self.width + 7) // 8, 5: self.width, 6: 3 * self.width}.get(self.kind, 0)
        return row * self.height * self.dtype.itemsize

    @property
    def is_of_bits(self) -> bool:
        """Whether a sample is black or white."""
        return self.kind in (1, 4)


def read(request: Request) -> ImageFile:
    """Read the image: bits become 0 and 255, and other samples stay as they are."""
    header, notes = _open(request)
    if header.kind > 4:
        array = request.read_array(header.shape, header.dtype, header.start)
    else:
        array = _decode(header, request.read_bytes()).reshape(header.shape)
    if not header.is_depth and array.max() > header.largest:
        raise request.error(
            f"its header states {header.largest} as the largest sample, and it has {array.max()}"
        )
    return _describe(request, header, array, notes)


def read_header(request: Request) -> ImageFile:
    """Read what the header states, with a stand-in for the pixels."""
    header, notes = _open(request)
    return _describe(request, header, make_stand_in(header.shape, header.dtype), notes)


def _open(request: Request) -> tuple[Header, list[str]]:
    """Return the header, checked against the file's size and the limit, and notes."""
    request.check_file_size()
    header, notes = _skip_line_end(request, _read_header(request))
    request.check_size(header.shape, header.dtype.itemsize)
    return header, notes + _check_length(request, header, request.size - header.start)


def _describe(request: Request, header: Header, array: Array, notes: list[str]) -> ImageFile:
    """Return the samples, decoded or a stand-in, with what the header states."""
    largest, kind = header.largest, "RGB" if header.channels > 1 else "gray"
    bits = 1 if header.is_of_bits else largest.bit_length()
    image = request.describe_by_depth(array, "PPM", kind, bits, notes=notes)
    if header.is_depth:
        return image
    source = f"the largest sample stated, {largest}"
    return replace(image, value_range=(0, largest), range_source=source, depth_only=False)


def _read_header(request: Request) -> Header:
    """Return what the header states, or raise if it is damaged."""
    data = request.start
    header = _match_header(request, data)
    if header is None and request.size > len(data):  # a long comment
        header = _match_header(request, request.read_bytes())
    if header is None:
        kind = data[:2].decode()
        raise request.error(f"a {kind} file whose header isn't numbers: damaged, or cut off in it")
    return header


def _match_header(request: Request, data: bytes) -> Header | None:
    """Return what the header states, or None if it goes beyond the data or is damaged."""
    kind = int(data[1:2])
    size = _SIZE.match(data)
    stated = size and (size if kind in (1, 4) else _LARGEST.match(data, size.end()))
    end = stated and _END.match(data, stated.end())
    if size is None or stated is None or end is None:
        return None
    largest = 255 if kind in (1, 4) else int(stated[1])
    if not 0 < largest < 65536:
        raise request.error(f"its header states {largest} as the largest sample: 1 to 65535 can be")
    return Header(kind, int(size[1]), int(size[2]), largest, end.end())


def _skip_line_end(request: Request, header: Header) -> tuple[Header, list[str]]:
    """Skip the second byte of a Windows line end before binary samples, with a note.

    Only one byte belongs to the header. A file that is longer by one byte too has such a line end,
    and not a sample that looks like it.
    """
    if request.size - header.start != header.size + 1:
        return header, []
    if request.read_at(header.start - 1, 2) != b"\r\n":
        return header, []
    return header._replace(start=header.start + 1), ["its header ends in two bytes, \\r and \\n"]


def _check_length(request: Request, header: Header, there: int) -> list[str]:
    """Refuse a binary file that is too short; return a note of bytes after the pixels."""
    size = header.size
    if there < size:
        raise request.error(f"truncated: its pixels take {size:,} bytes, and it has {there:,}")
    return [f"{there - size:,} bytes after its pixels are left out"] if 0 < size < there else []


def _decode(header: Header, data: bytes) -> Array:
    """Return the samples of a text as gray, or bits as 0 and 255."""
    width, height = header.width * header.channels, header.height
    if header.is_of_bits:
        head = b"P%d %d %d\n" % (header.kind, width, height)
    else:
        head = b"P2 %d %d %d\n" % (width, height, 255 if header.largest < 256 else 65535)
    with PpmImageFile(BytesIO(head + data[header.start :])) as image:
        decoded = np.asarray(image.convert("L") if header.is_of_bits else image)
    return decoded.astype(header.dtype.newbyteorder("="))
