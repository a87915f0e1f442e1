"""Image files: every value, the layout and the range of values that the file states.

>>> import pydicom.data
>>> import graytorgb as g2r
>>> scan = g2r.io.read(pydicom.data.get_testdata_file("MR_small.dcm", download=False))
>>> scan.array.shape, scan.layout, scan.value_range
((64, 64), 'HW', (-200, 1399))
>>> g2r.to_uint8(*scan).dtype
dtype('uint8')
"""

from ..core.image_file import ImageFile, ImageHeader
from .decoding import decode
from .folder import find_image_files
from .formats import FORMATS, Format
from .opening import LIMIT
from .reading import read, read_header

__all__ = [
    "FORMATS",
    "LIMIT",
    "Format",
    "ImageFile",
    "ImageHeader",
    "decode",
    "find_image_files",
    "read",
    "read_header",
]
