"""Encode converted images as files: what each format can hold, and its options."""

from collections.abc import Callable
from io import BytesIO
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DtypeError
from ...extras import require
from ...functional.to_uint8 import to_uint8
from ...io.formats import FORMATS

Array = NDArray[Any]

JPEG_QUALITY = 95  # beside 4:4:4: gray stays gray, and edges of color stay where they are
_RLE = 3  # zlib's Z_RLE
_SAMPLE = 48  # rows that are tried to choose between PNG's strategies


class FileFormat(NamedTuple):
    """A format of image files that a conversion writes.

    Attributes
    ----------
    name : str
        Its name in :data:`graytorgb.io.FORMATS`.
    dtypes : tuple of str
        What it holds; bool is written as 0 and 255.
    holds_gray : bool
        Whether it has images of one channel.
    encode : callable
        Returns the bytes of the file, always the same for the same pixels.
    """

    name: str
    dtypes: tuple[str, ...]
    holds_gray: bool
    encode: Callable[[Array], bytes]

    @property
    def suffix(self) -> str:
        """The ending of a file's name."""
        return FORMATS[self.name].suffixes[0]


def choose_format(name: str | None, dtype: str) -> str:
    """Return the format for images of a dtype: the one that was asked for, or PNG, else TIFF.

    >>> choose_format(None, "uint16"), choose_format(None, "float32")
    ('png', 'tiff')
    """
    if name is not None:
        return name
    return "png" if dtype in FILE_FORMATS["png"].dtypes else "tiff"


def encode(array: Array, name: str) -> bytes:
    """Return the bytes of a file in one of :data:`FILE_FORMATS`.

    Parameters
    ----------
    array : ndarray, shape (H, W) or (H, W, 3)
    name : str
        The format: ``"png"``, ``"jpeg"``, ``"webp"`` or ``"tiff"``.

    Raises
    ------
    DtypeError
        If the format can't hold the image.
    """
    entry = FILE_FORMATS[name]
    if str(array.dtype) not in entry.dtypes:
        raise DtypeError(f"{entry.name} holds {', '.join(entry.dtypes)}, not {array.dtype}")
    if array.dtype.kind == "b":
        array = to_uint8(array)
    return entry.encode(array)


def _encode_png(array: Array) -> bytes:
    """Return a PNG file without loss.

    Of zlib's strategies the one is taken that gives fewer bytes for some rows of the middle: run
    lengths for photos and noise, which take a quarter of the time; else repetitions, as in three
    equal channels and in documents.
    """
    png_encode = require("imagecodecs").png_encode
    height = array.shape[0]
    start = max(0, height // 2 - _SAMPLE // 2)
    rows = array[start : start + _SAMPLE]
    by_runs = png_encode(rows, level=1, strategy=_RLE)
    by_matches = png_encode(rows, level=3)
    options = {"level": 1, "strategy": _RLE} if len(by_runs) <= len(by_matches) else {"level": 3}
    if len(rows) == height:
        smaller: bytes = min(by_runs, by_matches, key=len)
        return smaller
    data: bytes = png_encode(array, **options)
    return data


def _encode_jpeg(array: Array) -> bytes:
    """Return a JPEG file of quality 95 without subsampling of color."""
    imagecodecs = require("imagecodecs")
    data: bytes = imagecodecs.jpeg8_encode(
        array, level=JPEG_QUALITY, subsampling="444", optimize=True
    )
    return data


def _encode_webp(array: Array) -> bytes:
    """Return a WebP file without loss."""
    data: bytes = require("imagecodecs").webp_encode(array, lossless=True)
    return data


def _encode_tiff(array: Array) -> bytes:
    """Return a TIFF file without loss, of one page, compressed by zlib."""
    stream = BytesIO()
    photometric = "rgb" if array.ndim == 3 else "minisblack"
    has_predictor = array.dtype.kind in "iu" and array.itemsize <= 4
    require("tifffile").imwrite(
        stream, array, photometric=photometric, metadata=None, software=False, compression="zlib",
        predictor=has_predictor,
    )  # fmt: skip
    return stream.getvalue()


_NUMBERS = tuple(str(np.dtype(code)) for code in "BbHhIiQqefd")
FILE_FORMATS = MappingProxyType(
    {
        "png": FileFormat("PNG", ("bool", "uint8", "uint16"), True, _encode_png),
        "jpeg": FileFormat("JPEG", ("bool", "uint8"), True, _encode_jpeg),
        "webp": FileFormat("WebP", ("bool", "uint8"), False, _encode_webp),
        "tiff": FileFormat("TIFF", ("bool", *_NUMBERS), True, _encode_tiff),
    }
)
