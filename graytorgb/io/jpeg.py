"""JPEG: its header by Pillow, its pixels by libjpeg-turbo through simplejpeg.

Both decode to the same values. Pillow's way fills with grey what the header states and the data
lack; simplejpeg makes libjpeg's warnings errors.
"""

from PIL.JpegImagePlugin import JpegImageFile

from ..registry import require
from .image import ImageFile, Request
from .pillow import orientation, refuse_colours

_KINDS = {"L": ("grey", "GRAY", 1), "RGB": ("RGB", "RGB", 3)}


def read(request: Request) -> ImageFile:
    """The image, 8 bits grey or RGB."""
    with request.path.open("rb") as file, JpegImageFile(file) as image:
        if image.mode not in _KINDS:
            raise refuse_colours(request, image.mode)
        kind, colours, channels = _KINDS[image.mode]
        request.pick(1, "image")
        colour_axis = () if channels == 1 else (channels,)
        request.check_size((image.height, image.width, *colour_axis), 1)
        notes = orientation(image.getexif())
        if "mpoffset" in image.info:
            notes.append("further pictures in the file (MPO) are left out")
        file.seek(0)
        simplejpeg = require("simplejpeg", "simplejpeg", "jpeg")
        array = simplejpeg.decode_jpeg(file.read(), colorspace=colours)
    return ImageFile(
        path=request.path,
        array=array[..., 0] if channels == 1 else array,
        layout="HW" if channels == 1 else "HWC",
        value_range=(0, 255),
        range_source="JPEG's depth",
        format="JPEG",
        mode=f"{kind}, 8 bits",
        bits=8,
        notes=tuple(notes),
    )
