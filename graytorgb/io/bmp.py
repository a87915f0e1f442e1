"""BMP: imagecodecs decodes plain gray and color, and Pillow, which takes longer, the rest."""

import struct
from dataclasses import replace
from io import BytesIO

import imagecodecs
from PIL.BmpImagePlugin import BmpImageFile, DibImageFile

from ..core.image_file import ImageFile, make_stand_in
from .pillow import describe_frames, read_frames
from .ranges import Array
from .request import Request

# The file's header, with the place of the pixels, and how image headers of these sizes begin: size,
# width, height, planes, bits, compression, ..., colors in the palette
_HEADER = struct.Struct("<2s8xIIiiHHI12xI")
_SIZES = (40, 108, 124)
_PROFILES = (b"DEBM", b"KNIL")  # MBED and LINK as bV5CSType, lowest byte first
_RAMP = bytes(range(256))  # a palette's red, green and blue if index k is the gray level k


def read(request: Request) -> ImageFile:
    """Read the image, with its palette looked up."""
    data = request.read_bytes()
    shape = _find_plain_shape(data, request.size)
    if shape is None:
        with _open(data) as image:
            return replace(read_frames(request, image, 1), has_icc=_has_icc(data))
    _check_plain(request, shape)
    return _describe(request, data, imagecodecs.bmp_decode(data))


def read_header(request: Request) -> ImageFile:
    """Read the header and the palette, with a stand-in for the pixels."""
    data = request.start
    shape = _find_plain_shape(data, request.size)
    if shape is None:
        with _open(data) as image:
            return replace(describe_frames(request, image, 1), has_icc=_has_icc(data))
    _check_plain(request, shape)
    return _describe(request, data, make_stand_in(shape, "u1"))


def _open(data: bytes) -> BmpImageFile:
    """Open a file by Pillow, which reads its header and palette."""
    return (BmpImageFile if data.startswith(b"BM") else DibImageFile)(BytesIO(data))


def _check_plain(request: Request, shape: tuple[int, ...]) -> None:
    """Refuse another index than 0, and pixels that take more than the limit."""
    request.pick_index(1, "frames")
    request.check_size(shape, 1)


def _describe(request: Request, data: bytes, array: Array) -> ImageFile:
    """Return an image that imagecodecs decodes, or a stand-in, with what the file states."""
    kind = "RGB" if array.ndim == 3 else "gray"
    return request.describe_by_depth(array, "BMP", kind, 8, has_icc=_has_icc(data))


def _has_icc(data: bytes) -> bool:
    """Return whether the header (BITMAPV5HEADER) names a profile, in the file or beside it."""
    start = 14 if data.startswith(b"BM") else 0
    return data[start : start + 4] == b"\x7c\0\0\0" and data[start + 56 : start + 60] in _PROFILES


def _find_plain_shape(data: bytes, file_size: int) -> tuple[int, ...] | None:
    """Return the shape of an image that imagecodecs decodes, or None for any other.

    It is stored in whole rows from the bottom up, as gray levels or as RGB without a palette, and
    neither compressed nor truncated.
    """
    if len(data) < _HEADER.size:
        return None
    magic, start, size, width, height, planes, bits, packed, colors = _HEADER.unpack_from(data)
    if (magic, planes, packed) != (b"BM", 1, 0) or size not in _SIZES or bits not in (8, 24):
        return None
    row = (width * bits + 31) // 32 * 4
    palette = data[14 + size : 14 + size + 1024]
    if min(width, height) < 1 or start < 14 + size or start + row * height > file_size:
        return None
    if bits == 24:
        return height, width, 3
    if colors not in (0, 256) or start < 14 + size + 1024:
        return None
    is_gray = palette[::4] == palette[1::4] == palette[2::4] == _RAMP
    return (height, width) if is_gray else None
