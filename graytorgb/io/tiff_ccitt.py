"""Fax compressions (CCITT T.4 and T.6) in TIFF, decoded by libtiff through imagecodecs.

imagecodecs' own fax decoder, which tifffile uses, decodes some files wrongly and doesn't tell when
the data ends early. libtiff decodes them rightly, but doesn't tell either when the last bytes are
missing, or any bytes of T.4. So T.6 must go on to its end mark. T.4, which needs none, is decoded
again with other bytes after it: pixels that change with those bytes aren't in the file.
"""

import struct
from typing import Any

import numpy as np
from tifffile import COMPRESSION, TiffFrame, TiffPage

from ..extras import require
from .ranges import Array
from .request import Request
from .tiff_checks import open_file

_LINE = "000000000001"  # an end of line; two of them end T.6 (2.4.1.1)
_BLACK = "00110101" + "010"  # a white run of 0, and a black one of 1
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def decode(request: Request, page: TiffPage | TiffFrame) -> Array:
    """Return the bits of a page, as the file has them."""
    codec = require("imagecodecs", "imagecodecs", "tiff")
    whole = page.keyframe or page.aspage()
    height, width = whole.chunks[:2]
    across = -(-whole.imagewidth // width)
    result = np.zeros((whole.imagelength, whole.imagewidth), bool)
    places = zip(page.dataoffsets, page.databytecounts, strict=False)
    try:
        with open_file(page) as file:
            for index, (offset, size) in enumerate(places):
                file.seek(offset)
                data = file.read(size)
                top, left = index // across * height, index % across * width
                part = result[top : top + height, left : left + width]
                if data and part.size:
                    rows = height if whole.is_tiled else part.shape[0]
                    bits = _decode_segment(codec, whole, data, rows, width)
                    part[...] = bits[: part.shape[0], : part.shape[1]]
    except (ValueError, codec.TiffError) as error:
        raise request.error(
            f"page {page.index} has fax data that is damaged, or cut: {error}"
        ) from error
    return result


def _decode_segment(codec: Any, page: TiffPage, data: bytes, rows: int, width: int) -> Array:
    """Return the bits of a strip or tile, or raise ValueError if it is cut."""
    bits: Array = codec.tiff_decode(_wrap(page, data, rows, width))
    if page.compression == COMPRESSION.CCITTFAX4:
        tail = _order_bits(page, data.rstrip(b"\0")[-4096:])
        if 2 * _LINE not in f"{int.from_bytes(tail, 'big'):0{8 * len(tail)}b}":
            raise ValueError("it doesn't go on to its end mark")
        return bits
    tag = "1" * (page.compression == COMPRESSION.CCITTFAX3 and page.tags.valueof(292, 0) & 1)
    lines = (_LINE + tag + _BLACK) * (rows + 1)
    more = int(lines, 2).to_bytes(-(-len(lines) // 8), "big")
    for after in (b"\xff" * 64, b"\xaa" * 64, b"\x55" * 64, _order_bits(page, more)):
        if not np.array_equal(codec.tiff_decode(_wrap(page, data + after, rows, width)), bits):
            raise ValueError("it ends before its last row")
    return bits


def _order_bits(page: TiffPage, data: bytes) -> bytes:
    """Return bytes with their bits in the other order, if the file has its last bit first."""
    return data.translate(_REVERSED) if page.fillorder == 2 else data


def _wrap(page: TiffPage, data: bytes, rows: int, width: int) -> bytes:
    """Return a TIFF file whose one strip is the data."""
    options = 293 if page.compression == COMPRESSION.CCITTFAX4 else 292
    tags = [
        (256, width), (257, rows), (258, 1), (259, int(page.compression)), (262, 0),
        (266, int(page.fillorder)), (273, 8), (277, 1), (278, rows), (279, len(data)),
        (options, int(page.tags.valueof(options, 0))),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in tags)
    data += b"\0" * (len(data) % 2)
    head = b"II*\0" + struct.pack("<I", 8 + len(data))
    return head + data + struct.pack("<H", len(tags)) + entries + bytes(4)
