"""PNG: its header by Pillow, its pixels by libpng through imagecodecs, 16-bit colour too.

Pillow itself would turn 16-bit colour into 8 bits, and leave rows black that the header states
and the data lack.
"""

from typing import BinaryIO

from PIL.PngImagePlugin import ChunkStream, PngImageFile

from ..registry import require
from .image import ImageFile, Request, depth_range
from .pillow import orientation, read_frames

# Pillow's raw mode of the samples -> what they are, channels, bits
_KINDS = {
    "1": ("grey", 1, 1),
    "L;2": ("grey", 1, 2),
    "L;4": ("grey", 1, 4),
    "L": ("grey", 1, 8),
    "I;16B": ("grey", 1, 16),
    "RGB": ("RGB", 3, 8),
    "RGB;16B": ("RGB", 3, 16),
    "P;1": ("palette", 3, 1),
    "P;2": ("palette", 3, 2),
    "P;4": ("palette", 3, 4),
    "P": ("palette", 3, 8),
    "LA": ("grey with alpha", 2, 8),
    "LA;16B": ("grey with alpha", 2, 16),
    "RGBA": ("RGB with alpha", 4, 8),
    "RGBA;16B": ("RGB with alpha", 4, 16),
}


def read(request: Request) -> ImageFile:
    """The image; every frame of an animated one, if it has 8 bits."""
    with request.path.open("rb") as file, PngImageFile(file) as image:
        kind, channels, bits = _KINDS[str(image.tile[0].args)]
        if getattr(image, "is_animated", False):
            if bits == 16:
                raise request.error("an animated PNG of 16 bits, which Pillow makes 8 bits")
            return read_frames(request, image)
        request.pick(1, "image")
        has_key = "transparency" in image.info
        channels += has_key
        colour_axis = () if channels == 1 else (channels,)
        request.check_size((image.height, image.width, *colour_axis), 2 if bits == 16 else 1)
        notes = ["a transparent colour is its alpha channel"] if has_key else []
        file.seek(0)
        significant = _significant_bits(file)
        file.seek(0)
        array = require("imagecodecs", "imagecodecs", "png").png_decode(file.read())
        notes += orientation(image.getexif())
    depth = 16 if bits == 16 else 8
    source = f"PNG's depth, {bits} bits"
    if significant:
        source += f" ({significant} significant, by sBIT)"
    return ImageFile(
        path=request.path,
        array=array,
        layout=("HW", "HWC")[array.ndim - 2],
        value_range=depth_range(depth),
        range_source=source,
        format="PNG",
        mode=f"{kind}, {bits} bits",
        bits=bits,
        depth_only=True,
        notes=tuple(notes),
    )


def _significant_bits(file: BinaryIO) -> str:
    """The sBIT chunk, as "12" or "5, 6, 5"; empty without one."""
    file.read(8)  # the signature
    with ChunkStream(file) as stream:
        while True:
            name, _, length = stream.read()
            data = file.read(length)
            if name == b"sBIT":
                return ", ".join(map(str, data))
            if name in (b"PLTE", b"IDAT"):  # it comes before either
                return ""
            stream.crc(name, data)
