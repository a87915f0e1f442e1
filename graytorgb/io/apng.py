"""Animated PNG: the data of each frame is measured here, and Pillow decodes the frames.

Pillow leaves rows black that a frame's header states and its data lack.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from io import BytesIO

from PIL.PngImagePlugin import PngImageFile

from ..core.image_file import ImageFile
from .pillow import describe_frames, read_frames
from .png_colors import PNG_COLORS
from .request import Request

# Adam7: x and y of the first pixel of each pass, and the steps to the next (PNG, 8.2)
_PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
           (0, 1, 1, 2)]  # fmt: skip
_LINES = [(0, 0, 1, 1)]


Chunks = Iterable[tuple[bytes, int, int]]


def read(request: Request, data: bytes, chunks: Chunks, notes: list[str]) -> ImageFile:
    """Read every frame, or the one that was asked for.

    Parameters
    ----------
    data : bytes
        A PNG of 1 to 8 bits.
    chunks : iterable of (name, start, end)
        Its chunks after the header; every fcTL and fdAT among them has the right checksum.
    """
    with PngImageFile(BytesIO(data)) as image:
        for size, packed in _find_frames(request, image, data, chunks):
            _check_frame(request, data, size, packed)
        return read_frames(request, image, image.n_frames, notes)


def read_header(request: Request, data: bytes, chunks: Chunks, notes: list[str]) -> ImageFile:
    """Return what is known of the frames before they are decoded, with a stand-in for them."""
    with PngImageFile(BytesIO(data)) as image:
        _find_frames(request, image, data, chunks)
        return describe_frames(request, image, image.n_frames, notes)


def _find_frames(
    request: Request, image: PngImageFile, data: bytes, chunks: Chunks
) -> list[tuple[tuple[int, int], bytes]]:
    """Return the size and the compressed data of each frame that is needed."""
    count = image.n_frames
    index = request.pick_index(count, "frames")
    request.check_size((1 if index is not None else count, image.height, image.width, 4), 1)
    frames = list(_split_frames(data, chunks))
    if len(frames) < (count if index is None else index + 1):
        raise request.error(
            f"truncated or damaged: it states {count:,} frames and has {len(frames):,}. "
            f"{request.call}, index=0) reads the first"
        )
    return frames[: None if index is None else index + 1]


def _split_frames(data: bytes, chunks: Chunks) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Yield the width and height of each frame, and its compressed data."""
    size, parts = struct.unpack_from(">II", data, 16), list[bytes]()
    for name, start, end in chunks:
        if name == b"fcTL":
            if parts:
                yield size, b"".join(parts)
            size, parts = struct.unpack_from(">II", data, start + 12), []
        elif name in (b"IDAT", b"fdAT"):
            parts.append(data[start + (8 if name == b"IDAT" else 12) : end - 4])
    yield size, b"".join(parts)


def _check_frame(request: Request, data: bytes, size: tuple[int, int], packed: bytes) -> None:
    """Refuse a frame that is larger than the image, or has less data than its size needs."""
    width, height = size
    if width > int.from_bytes(data[16:20], "big") or height > int.from_bytes(data[20:24], "big"):
        raise request.error(f"a frame of {height}x{width} pixels, which is larger than the image")
    bits, color = data[24], data[25]
    needed = 0
    for x, y, dx, dy in _PASSES if data[28] else _LINES:
        columns, rows = -((x - width) // dx), -((y - height) // dy)
        if columns > 0 and rows > 0:
            needed += rows * (1 + (columns * bits * PNG_COLORS[color][1] + 7) // 8)
    there = len(zlib.decompressobj().decompress(packed, needed))
    if there < needed:
        raise request.error(
            f"a frame of {height}x{width} pixels needs {needed:,} bytes, and its data has {there:,}"
        )
