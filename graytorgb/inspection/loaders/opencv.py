"""The rule of OpenCV 5.0's ``imread`` with its default flag."""

from typing import Any

import numpy as np

from ...io import ImageFile
from . import file_bytes
from .arithmetic import (
    BLACK,
    DIVIDE,
    HIGH_BYTE,
    KEEP,
    Map,
    invert_then_take_high_byte,
    keep_upper_bits,
    narrow,
    scale_down,
)
from .rule import (
    Rule,
    find_compression,
    find_largest,
    find_total,
    is_deep,
    is_gray,
    is_palette,
    put_on_background,
)

# The compressions of a TIFF, as its mode names them: those that libtiff decodes in OpenCV's
# wheels, and those that it refuses. For any other OpenCV gives black pixels.
_COMPRESSIONS = {"LZW", "DEFLATE", "ADOBE_DEFLATE", "PACKBITS", "JPEG", "CCITTRLE", "CCITTFAX3",
                 "CCITTFAX4"}  # fmt: skip
_REFUSED = {"ZSTD", "LZMA", "WEBP"}
_ALPHA = {file_bytes.ASSOCIATED: "as stored", file_bytes.UNASSOCIATED: "multiply"}


def find_opencv(image: ImageFile, data: bytes | None) -> Rule | None:
    """Return the rule of ``cv2.imread(path)``, apart from the order of its channels, BGR."""
    kind = image.format
    if kind == "TIFF":
        return _find_opencv_tiff(image, data)
    if kind in ("PNG", "JPEG", "WEBP"):
        return Rule(HIGH_BYTE if is_deep(image) else KEEP, is_turned=True)
    if kind == "GIF":
        return put_on_background(image, data, Rule())
    if kind == "PPM":
        largest = find_largest(image)
        if largest >= 255 or not (content := file_bytes.read_data(image, data)):
            return Rule(HIGH_BYTE if is_deep(image) else KEEP)
        return Rule(Map(scale_down, (largest,)) if file_bytes.is_plain_text(content) else KEEP)
    if kind == "BMP":
        content = file_bytes.read_data(image, data)
        kept = file_bytes.find_bits_of_channels(content) if content and not is_gray(image) else None
        if kept is None:
            return Rule()
        channels = zip(np.moveaxis(image.array[..., :3], -1, 0), kept, strict=True)
        return Rule(samples=np.stack([keep_upper_bits(x, bits) for x, bits in channels], -1))
    return None


def _find_opencv_tiff(image: ImageFile, data: bytes | None) -> Rule | None:
    """Return OpenCV's rule for a TIFF, which libtiff makes 8-bit RGBA for it where it is color."""
    dtype, layout = image.array.dtype, image.layout or ""
    compression = find_compression(image)
    if image.orientation > 4 or compression in _REFUSED or "S" in layout:
        return None
    if compression and compression not in _COMPRESSIONS:
        return Rule(BLACK, is_turned=True)
    if is_palette(image):
        if file_bytes.find_index_bits(image, data) not in (1, 4, 8):
            return None
        return Rule(HIGH_BYTE if image.bits == 16 else Map(narrow), is_turned=True)
    if dtype.kind == "f" or dtype.itemsize > 2 or (image.bits or 8) not in (1, 8, 16):
        return None
    if "C" in layout and not is_gray(image):
        alpha: Any = "drop"
        if image.array.shape[layout.index("C")] == 4:
            tags = file_bytes.read_tiff_tags(image, data)
            alpha = "multiply" if tags is None else _ALPHA.get(tags.extra, "drop")
        return Rule(DIVIDE if dtype.itemsize == 2 else KEEP, alpha=alpha, is_turned=True)
    if dtype.itemsize == 1:
        return Rule(is_turned=True)
    total = find_total(image)
    if image.is_inverted and total not in (None, 65535):
        return Rule(Map(invert_then_take_high_byte, (total,)), is_turned=True)
    return Rule(HIGH_BYTE, is_turned=True)
