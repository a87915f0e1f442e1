"""Fax compressions (CCITT T.4 and T.6) in TIFF, decoded by libtiff through imagecodecs.

imagecodecs' own fax decoder, which tifffile uses, goes wrong in some files and doesn't tell when
the data ends early. libtiff is right, and tells; but not of a cut in the end mark.
"""

import mmap
from collections.abc import Sequence

import numpy as np
from tifffile import COMPRESSION, TiffFile, TiffFrame, TiffPage

from ..registry import require
from .image import Array, Request

_END = 2 * "000000000001"  # T.6, 2.4.1.1
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def decode(
    request: Request, file: TiffFile, pages: Sequence[TiffPage | TiffFrame | None], shape: Sequence[int]
) -> Array:
    """Return the pages' bits, as the file has them, in an array of that shape."""
    imagecodecs = require("imagecodecs", "imagecodecs", "tiff")
    result = np.empty(shape, bool)
    images = result.reshape(len(pages), *shape[-2:])
    with (
        open(file.filehandle.path, "rb") as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        for image, page in zip(images, pages, strict=True):
            if page is None or page.parent is not file or len(page.treeindex) != 1:
                raise request.error("fax compression in a SubIFD or in a file beside it")
            whole = page.keyframe or page.aspage()
            if whole.compression == COMPRESSION.CCITTFAX4:
                for offset, size in zip(page.dataoffsets, page.databytecounts, strict=False):
                    _check_end(request, page, data[offset : offset + size], whole.fillorder)
            bits = imagecodecs.tiff_decode(data, index=page.index)
            if bits.shape != image.shape or bits.dtype != bool:
                raise request.error(
                    f"page {page.index} states {'x'.join(map(str, image.shape))} samples of 1 "
                    f"bit, and libtiff decodes {'x'.join(map(str, bits.shape))} of {bits.dtype}"
                )
            image[...] = bits
    return result


def _check_end(
    request: Request, page: TiffPage | TiffFrame, strip: bytes, fill_order: int
) -> None:
    """Refuse a strip without T.6's end mark, which is cut."""
    tail = strip.rstrip(b"\0")[-4096:]
    if fill_order == 2:
        tail = tail.translate(_REVERSED)
    if _END not in f"{int.from_bytes(tail, 'big'):0{8 * len(tail)}b}":
        raise request.error(
            f"truncated: page {page.index} has fax data (CCITT T.6) that doesn't go on to its end "
            "mark"
        )
