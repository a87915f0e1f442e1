"""BMP: plain gray and color by imagecodecs, every other kind by Pillow, which takes longer."""

import struct
from io import BytesIO

import imagecodecs
from PIL.BmpImagePlugin import BmpImageFile, DibImageFile

from ..core.image_file import ImageFile
from .image import Request, depth_range
from .pillow import read_frames

# The file's header, where the pixels start in it; then the image's, of which these have the same
# beginning: its size, width, height, planes, bits, compression, ..., colors in the palette
_HEADER = struct.Struct("<2s8xIIiiHHI12xI")
_SIZES = (40, 108, 124)
_RAMP = bytes(range(256))  # of each color: index k is the gray k


def read(request: Request) -> ImageFile:
    """The image; its palette is looked up."""
    data = request.read_bytes()
    shape = _find_plain_shape(data)
    if shape is None:
        plugin = BmpImageFile if data.startswith(b"BM") else DibImageFile
        with plugin(BytesIO(data)) as image:
            return read_frames(request, image, 1)
    request.pick(1, "frames")
    request.check_size(shape, 1)
    return ImageFile(
        path=request.path,
        array=imagecodecs.bmp_decode(data),
        layout="HWC" if len(shape) == 3 else "HW",
        value_range=depth_range(8),
        range_source="BMP's depth",
        format="BMP",
        mode="RGB, 8 bits" if len(shape) == 3 else "gray, 8 bits",
        bits=8,
        depth_only=True,
    )


def _find_plain_shape(data: bytes) -> tuple[int, ...] | None:
    """The shape of an image of whole rows, from the bottom up, of gray or of RGB without a palette.

    None for what is compressed, truncated or of another kind.
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
