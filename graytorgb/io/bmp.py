"""BMP: imagecodecs decodes plain gray and color, and Pillow, which takes longer, the rest."""

import struct
from io import BytesIO

import imagecodecs
from PIL.BmpImagePlugin import BmpImageFile, DibImageFile

from ..core.image_file import ImageFile
from .pillow import read_frames
from .request import Request

# The file's header, with the place of the pixels, and how image headers of these sizes begin: size,
# width, height, planes, bits, compression, ..., colors in the palette
_HEADER = struct.Struct("<2s8xIIiiHHI12xI")
_SIZES = (40, 108, 124)
_RAMP = bytes(range(256))  # a palette's red, green and blue if index k is the gray level k


def read(request: Request) -> ImageFile:
    """Read the image, with its palette looked up."""
    data = request.read_bytes()
    shape = _find_plain_shape(data)
    if shape is None:
        plugin = BmpImageFile if data.startswith(b"BM") else DibImageFile
        with plugin(BytesIO(data)) as image:
            return read_frames(request, image, 1)
    request.pick_index(1, "frames")
    request.check_size(shape, 1)
    kind = "RGB" if len(shape) == 3 else "gray"
    return request.describe_by_depth(imagecodecs.bmp_decode(data), "BMP", kind, 8)


def _find_plain_shape(data: bytes) -> tuple[int, ...] | None:
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
    if min(width, height) < 1 or start < 14 + size or start + row * height > len(data):
        return None
    if bits == 24:
        return height, width, 3
    if colors not in (0, 256) or start < 14 + size + 1024:
        return None
    is_gray = palette[::4] == palette[1::4] == palette[2::4] == _RAMP
    return (height, width) if is_gray else None
