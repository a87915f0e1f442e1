"""What some loaders take from a file that ``io.read`` doesn't tell: indices, bits, background."""

import struct
import zlib
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...extras import require
from ...io import ImageFile

ASSOCIATED, UNASSOCIATED = 1, 2  # TIFF 6.0, ExtraSamples


class Bitmap(NamedTuple):
    """The header of a BMP: where the pixels start, their size, their bits, and the compression."""

    start: int
    width: int
    height: int
    bits: int
    compression: int


class TiffTags(NamedTuple):
    """The bits of a sample, what the sample after color is, and the order of bytes, < or >.

    The bits of a palette's index are those before it is looked up.
    """

    bits: int
    extra: int
    order: str


def read_data(image: ImageFile, data: bytes | None) -> bytes | None:
    """Return the file's bytes: `data`, or what its path has; None if it can't be opened."""
    try:
        return image.path.read_bytes() if data is None else data
    except OSError:
        return None


def read_palette_indices(data: bytes) -> NDArray[np.uint8] | None:
    """Return the indices of a PNG with a palette, (H, W); None if they have fewer than 8 bits.

    libpng decodes them as the gray image that the file is with another color type in its header.
    """
    bits = data[24]
    if bits != 8:
        return None
    header = data[12:25] + b"\0" + data[26:29]
    parts = [data[:8], struct.pack(">I", 13), header, struct.pack(">I", zlib.crc32(header))]
    start = 33
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if data[start + 4 : start + 8] in (b"IDAT", b"IEND"):
            parts.append(data[start:end])
        start = end
    indices: NDArray[np.uint8] = require("imagecodecs").png_decode(b"".join(parts))
    return indices


def decode_jpeg_fast(image: ImageFile, data: bytes | None) -> NDArray[np.uint8] | None:
    """Return the pixels of a JPEG, (H, W, C), by libjpeg's faster transform (JDCT_IFAST).

    None if the file can't be read again.
    """
    content = read_data(image, data)
    if content is None:
        return None
    colorspace = "GRAY" if image.array.ndim == 2 else "RGB"
    pixels: NDArray[np.uint8] = require("simplejpeg").decode_jpeg(content, colorspace, fastdct=True)
    return pixels


def read_bitmap_header(data: bytes) -> Bitmap | None:
    """Return the header of a BMP; None for one of another kind than Windows 3's and later."""
    if data[:2] != b"BM" or len(data) < 54 or data[14] < 40:
        return None
    (start,) = struct.unpack_from("<I", data, 10)
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    return Bitmap(start, width, height, bits, compression)


def read_bitmap_samples(data: bytes) -> NDArray[np.uint8] | None:
    """Return the bytes of each pixel of a BMP, (H, W, C), its colors as RGB.

    These are the indices of a palette, whatever its colors are, and the fourth byte of 32 bits,
    whether it is alpha or not. None for other bits than 8, 24 and 32, and for compressed pixels.
    """
    header = read_bitmap_header(data)
    if header is None or header.bits not in (8, 24, 32):
        return None
    channels, height = header.bits // 8, abs(header.height)
    row = (header.width * channels + 3) // 4 * 4
    if len(data) != header.start + row * height:
        return None
    rows = np.frombuffer(data, np.uint8, row * height, header.start).reshape(height, row)
    pixels = rows[:, : header.width * channels].reshape(height, header.width, channels)
    pixels = pixels if header.height < 0 else pixels[::-1]
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    return pixels[..., order]


def find_bits_of_channels(data: bytes) -> tuple[int, int, int] | None:
    """Return the bits of red, green and blue in a BMP of 16 bits; None for other files."""
    header = read_bitmap_header(data)
    if header is None or header.bits != 16:
        return None
    masks: Any = (0x7C00, 0x3E0, 0x1F)
    if header.compression == 3:
        masks = struct.unpack_from("<III", data, 54)
    red, green, blue = (int(mask).bit_count() for mask in masks)
    return red, green, blue


def read_tiff_tags(image: ImageFile, data: bytes | None) -> TiffTags | None:
    """Return what the first page of a TIFF states, or None if the file can't be read again."""
    try:
        with require("tifffile").TiffFile(image.path if data is None else BytesIO(data)) as file:
            page = file.pages.first
            extra = next(iter(page.extrasamples), 0)
            return TiffTags(int(page.bitspersample), int(extra), str(file.byteorder))
    except OSError:
        return None


def find_background(data: bytes) -> tuple[int, int, int]:
    """Return the background color that the header of a GIF names; black if it has no palette."""
    flags, index = data[10], data[11]
    start = 13 + 3 * index
    if not flags & 0x80 or index >= 2 << (flags & 7):
        return 0, 0, 0
    red, green, blue = data[start : start + 3]
    return red, green, blue


def is_plain_text(data: bytes) -> bool:
    """Return whether the samples of a PNM file are numbers in text (P1, P2, P3)."""
    return data[1:2] in b"123"


def find_index_bits(image: ImageFile, data: bytes | None) -> int:
    """Return the bits of an index in a TIFF with a palette, 8 if the file can't be read again."""
    tags = read_tiff_tags(image, data)
    return 8 if tags is None else tags.bits
