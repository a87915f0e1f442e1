"""PNG: the chunks are walked here, and libpng decodes the pixels through imagecodecs.

Where kornia_rs is installed, `png_quick` decodes plain pixels in half the time.

Pillow itself would turn 16-bit color into 8 bits, and leave rows black that the header states
and the data lack. It decodes animations alone, in `apng`.
"""

import ctypes
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import imagecodecs

from ..core.image_file import ImageFile, make_stand_in
from ..errors import BackendUnavailable
from ..extras import require
from .codestreams import Segment
from .orientation import find_orientation
from .png_colors import PNG_COLORS, PNG_PALETTE
from .ranges import Array
from .request import Request

_END = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
_HEADER_END = 33  # the signature and IHDR
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")
_USED, _USED_BEFORE_PIXELS = (b"eXIf", b"iTXt"), (b"tRNS", b"sBIT", b"acTL", b"iCCP")
_PIXELS = {b"IDAT"}
_XMP = b"XML:com.adobe.xmp\0"

Data = bytes | Segment  # of a file that is in memory, or that is read piece by piece


class Chunk(NamedTuple):
    """The name of a chunk, and where it starts and ends, its length and checksum included."""

    name: bytes
    start: int
    end: int

    @property
    def is_critical(self) -> bool:
        """Whether the pixels can't be decoded without the chunk (PNG specification, 5.4)."""
        return self.name[:1].isupper()


class _Outline(NamedTuple):
    """What the chunks of a PNG tell before a pixel is decoded.

    Attributes
    ----------
    width, height, bits, color : int
        The header: sizes, bits of a sample, color type.
    chunks : list of Chunk
        The chunks after the header.
    extras : dict
        The data of the chunks beside the pixels that are used.
    damaged : list of str
        The names of the chunks that are damaged and left out.
    """

    width: int
    height: int
    bits: int
    color: int
    chunks: list[Chunk]
    extras: dict[bytes, bytes]
    damaged: list[str]

    @property
    def is_animated(self) -> bool:
        """Whether there are several frames, or one beside the image."""
        if b"acTL" not in self.extras:
            return False
        frames = int.from_bytes(self.extras[b"acTL"][:4], "big")
        return frames > 1 or (frames > 0 and any(chunk.name == b"fdAT" for chunk in self.chunks))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an image that isn't animated, with its palette looked up."""
        channels = 3 if self.color == PNG_PALETTE else PNG_COLORS[self.color][1]
        channels += b"tRNS" in self.extras
        return (self.height, self.width, *((channels,) if channels > 1 else ()))

    @property
    def dtype(self) -> str:
        """The dtype of the samples."""
        return "u2" if self.bits == 16 else "u1"


def read(request: Request) -> ImageFile:
    """Read the image, or every frame of an animation of 8 bits."""
    data = request.read_bytes()
    outline = _read_outline(request, data)
    if outline.is_animated:
        return _read_animation(request, data, outline, "read")
    _check_size(request, outline)
    return _describe(request, outline, _decode(data, outline))


def read_header(request: Request) -> ImageFile:
    """Read the chunks beside the pixels, with a stand-in for the pixels."""
    outline = _read_outline(request, Segment(request.file, 0, request.size))
    if outline.is_animated:
        return _read_animation(request, request.read_bytes(), outline, "read_header")
    _check_size(request, outline)
    return _describe(request, outline, make_stand_in(outline.shape, outline.dtype))


def _decode(data: bytes, outline: _Outline) -> Array:
    """Return the pixels, by the quick way if it is there and takes them, else by libpng."""
    quick = None if b"tRNS" in outline.extras else _find_quick_way()
    if (
        quick is not None
        and {chunk.name for chunk in outline.chunks if chunk.is_critical} == _PIXELS
    ):
        pixels = ((start, end) for name, start, end in outline.chunks if name == b"IDAT")
        array: Array | None = quick(data, pixels)
        if array is not None:
            return array
    return _decode_by_libpng(_keep_chunks(data, outline.chunks, outline.extras))


def _decode_by_libpng(data: bytes) -> Array:
    """Return the pixels, or raise imagecodecs' error without the loss of a reference to None.

    With each PngError, imagecodecs 2026.3.6 drops a reference to None that it doesn't own. After
    some thousand damaged files Python 3.11 would free None and abort the process. One reference
    more than needed does no harm, and from Python 3.12 on None isn't counted.
    """
    try:
        decoded: Array = imagecodecs.png_decode(data)
    except imagecodecs.PngError:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(None))
        raise
    return decoded


@cache
def _find_quick_way() -> Any:
    """Return the function that decodes plain PNGs quickly, or None without its library."""
    try:
        return require("graytorgb.io.png_quick", "kornia_rs", "png").decode
    except BackendUnavailable:  # libpng gives the same
        return None


def _check_size(request: Request, outline: _Outline) -> None:
    """Refuse another index than 0, and pixels that take more than the limit."""
    request.pick_index(1, "image")
    request.check_size(outline.shape, int(outline.dtype[1]))


def _describe(request: Request, outline: _Outline, array: Array) -> ImageFile:
    """Return an image that isn't animated, with what its chunks state."""
    orientation, notes = _find_orientation(outline)
    if b"tRNS" in outline.extras:
        notes.append("a transparent color is its alpha channel")
    source = f"PNG's depth, {outline.bits} bits"
    if significant := ", ".join(map(str, outline.extras.get(b"sBIT", b""))):
        source += f" ({significant} significant, by sBIT)"
    return request.describe_by_depth(
        array, "PNG", PNG_COLORS[outline.color][0], outline.bits, source=source, notes=notes,
        orientation=orientation, has_icc=b"iCCP" in outline.extras,
    )  # fmt: skip


def _read_animation(request: Request, data: bytes, outline: _Outline, function: str) -> ImageFile:
    """Read the frames, or only what is known before, by a function of `apng`."""
    orientation, notes = _find_orientation(outline)
    if outline.bits == 16:
        raise request.error("an animated PNG of 16 bits, which Pillow makes 8 bits")
    if {"fcTL", "fdAT"} & set(outline.damaged):
        raise request.error("a frame of its animation is damaged: its checksum is wrong")
    animation = _keep_chunks(data, outline.chunks, outline.extras, _ANIMATION)
    apng = require("graytorgb.io.apng", "PIL", "png")
    chunks = _walk_chunks(request, animation)
    image: ImageFile = getattr(apng, function)(request, animation, chunks, notes)
    return replace(image, orientation=orientation, has_icc=b"iCCP" in outline.extras)


def _find_orientation(outline: _Outline) -> tuple[int, list[str]]:
    """Return the orientation, and notes on it and on damaged chunks."""
    extras, damaged = outline.extras, outline.damaged
    orientation, notes = find_orientation(extras.get(b"eXIf"), extras.get(b"iTXt", b""))
    if damaged:
        notes.append(f"damaged beside its pixels, and left out: {', '.join(damaged)}")
    return orientation, notes


def _read_outline(request: Request, data: Data) -> _Outline:
    """Return what the chunks tell, or raise if they make no PNG."""
    header = _read_sizes(request, data)
    chunks = list(_walk_chunks(request, data))
    _check_critical(request, chunks, header[3])
    return _Outline(*header, chunks, *_read_extras(data, chunks, header[3]))


def _read_sizes(request: Request, data: Data) -> tuple[int, int, int, int]:
    """Return the width, the height, the bits of a sample and the color type."""
    if data[8:16] != b"\0\0\0\rIHDR" or len(data) < _HEADER_END:
        raise request.error("a PNG without a header (IHDR), or cut off in it")
    width, height, bits, color = struct.unpack(">IIBB", data[16:26])
    if bits not in PNG_COLORS.get(color, ("", 0, ()))[2]:
        raise request.error(f"its header states {bits} bits of color type {color}, which is no PNG")
    return width, height, bits, color


def _walk_chunks(request: Request, data: Data) -> Iterator[Chunk]:
    """Yield each chunk after the header, as far as they can be followed."""
    start, size, has_pixels = _HEADER_END, len(data), False
    while start + 12 <= size:
        length, name = struct.unpack(">I4s", data[start : start + 8])
        end = start + 12 + length
        has_pixels |= name == b"IDAT"
        if name in (b"IDAT", b"fdAT"):
            if end > size:
                raise request.error(
                    f"truncated: a chunk of its pixels ends at byte {end:,}, and the file has "
                    f"{size:,}"
                )
        elif name == b"IEND" or not name.isalpha():
            break
        yield Chunk(name, start, end)
        start = end
    if not has_pixels:
        raise request.error(
            f"a PNG without pixels: no IDAT chunk in the {min(start, size):,} of its {size:,} "
            "bytes that could be followed"
        )


def _check_critical(request: Request, chunks: list[Chunk], color: int) -> None:
    """Refuse a PNG of which a critical chunk is unknown, repeated or missing."""
    names = [chunk.name for chunk in chunks if chunk.is_critical]
    for name in names:
        if name not in (b"PLTE", b"IDAT"):
            what = "a second header" if name == b"IHDR" else "which no library here knows"
            raise request.error(
                f"it has a chunk {name.decode()}, {what}, and a PNG whose chunk of such a name is "
                "left out has wrong pixels"
            )
    if color == PNG_PALETTE and names[0] != b"PLTE":
        raise request.error("its pixels are indices of a palette (PLTE), and it has none before")


def _read_extras(
    data: Data, chunks: Iterable[Chunk], color: int
) -> tuple[dict[bytes, bytes], list[str]]:
    """Return the data of the chunks beside the pixels that are used, and the names of damaged ones.

    A damaged text or color profile says nothing of the pixels.
    """
    extras: dict[bytes, bytes] = {}
    damaged = dict[str, None]()  # an ordered set
    before_pixels, colors = True, 0
    for chunk in chunks:
        name, start, end = chunk
        before_pixels &= name != b"IDAT"
        if name == b"PLTE":
            colors = (end - start - 12) // 3
        if chunk.is_critical:
            continue
        whole = data[start + 4 : end]
        body, is_whole = whole[4:-4], zlib.crc32(whole[:-4]).to_bytes(4, "big") == whole[-4:]
        is_used = name in _USED or (before_pixels and name in _USED_BEFORE_PIXELS)
        if not is_whole or (is_used and not _is_valid(name, body, color, colors)):
            damaged[name.decode()] = None
        elif is_used and (name != b"iTXt" or body.startswith(_XMP)):
            extras.setdefault(name, body)
    return extras, list(damaged)


def _is_valid(name: bytes, body: bytes, color: int, colors: int) -> bool:
    """Return whether a chunk states what it may about these pixels."""
    if name == b"tRNS":  # PNG specification, 11.3.1.1
        return len(body) == {0: 2, 2: 6}.get(color) or (
            color == PNG_PALETTE and 0 < len(body) <= colors
        )
    if name == b"acTL":
        return 0 < int.from_bytes(body[:4], "big") <= 1 << 31
    return True


def _keep_chunks(
    data: bytes, chunks: list[Chunk], extras: dict[bytes, bytes], also: tuple[bytes, ...] = ()
) -> bytes:
    """Return the file with only the chunks that decoding the pixels needs, and those `also` named.

    libpng prints warnings of the others, and Pillow refuses what is damaged or large in them.
    """
    used = {*also} | ({b"tRNS"} & extras.keys())
    kept = [chunk for chunk in chunks if chunk.is_critical or chunk.name in used]
    if kept == chunks and data[chunks[-1].end :] == _END:
        return data
    view = memoryview(data)
    return b"".join([view[:_HEADER_END], *(view[c.start : c.end] for c in kept), _END])
