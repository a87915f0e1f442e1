"""PNG: the chunks are walked here, and libpng decodes the pixels through imagecodecs.

Pillow itself would turn 16-bit color into 8 bits, and leave rows black that the header states
and the data lack. It decodes animations alone, in `apng`.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import imagecodecs

from ..core.image_file import ImageFile
from ..extras import require
from .orientation import find_orientation
from .png_colors import PNG_COLORS, PNG_PALETTE
from .request import Request

_END = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
_HEADER_END = 33  # the signature and IHDR
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")
_USED, _USED_BEFORE_PIXELS = (b"eXIf", b"iTXt"), (b"tRNS", b"sBIT", b"acTL")
_XMP = b"XML:com.adobe.xmp\0"


class Chunk(NamedTuple):
    """The name of a chunk, and where it starts and ends, its length and checksum included."""

    name: bytes
    start: int
    end: int

    @property
    def is_critical(self) -> bool:
        """Whether the pixels can't be decoded without the chunk (PNG specification, 5.4)."""
        return self.name[:1].isupper()


def read(request: Request) -> ImageFile:
    """Read the image, or every frame of an animation of 8 bits."""
    data = request.read_bytes()
    width, height, bits, color = _read_header(request, data)
    kind, channels, _ = PNG_COLORS[color]
    channels = 3 if color == PNG_PALETTE else channels
    chunks = list(_walk_chunks(request, data))
    _check_critical(request, chunks, color)
    extras, damaged = _read_extras(data, chunks, color)
    orientation, notes = find_orientation(extras.get(b"eXIf"), extras.get(b"iTXt", b""))
    if damaged:
        notes.append(f"damaged beside its pixels, and left out: {', '.join(damaged)}")
    frames = int.from_bytes(extras.get(b"acTL", b"")[:4], "big")
    if frames > 1 or (frames and any(chunk.name == b"fdAT" for chunk in chunks)):
        if bits == 16:
            raise request.error("an animated PNG of 16 bits, which Pillow makes 8 bits")
        if {"fcTL", "fdAT"} & set(damaged):
            raise request.error("a frame of its animation is damaged: its checksum is wrong")
        animation = _keep_chunks(data, chunks, extras, _ANIMATION)
        apng = require("graytorgb.io.apng", "PIL", "png")
        image: ImageFile = apng.read(request, animation, _walk_chunks(request, animation), notes)
        return replace(image, orientation=orientation)
    request.pick_index(1, "image")
    if b"tRNS" in extras:
        channels += 1
        notes.append("a transparent color is its alpha channel")
    request.check_size((height, width, channels)[: 2 + (channels > 1)], 2 if bits == 16 else 1)
    array = imagecodecs.png_decode(_keep_chunks(data, chunks, extras))
    source = f"PNG's depth, {bits} bits"
    if significant := ", ".join(map(str, extras.get(b"sBIT", b""))):
        source += f" ({significant} significant, by sBIT)"
    return request.describe_by_depth(
        array, "PNG", kind, bits, source=source, notes=notes, orientation=orientation
    )


def _read_header(request: Request, data: bytes) -> tuple[int, int, int, int]:
    """Return the width, the height, the bits of a sample and the color type."""
    if data[8:16] != b"\0\0\0\rIHDR" or len(data) < _HEADER_END:
        raise request.error("a PNG without a header (IHDR), or cut off in it")
    width, height, bits, color = struct.unpack_from(">IIBB", data, 16)
    if bits not in PNG_COLORS.get(color, ("", 0, ()))[2]:
        raise request.error(f"its header states {bits} bits of color type {color}, which is no PNG")
    return width, height, bits, color


def _walk_chunks(request: Request, data: bytes) -> Iterator[Chunk]:
    """Yield each chunk after the header, as far as they can be followed."""
    start, size, has_pixels = _HEADER_END, len(data), False
    while start + 12 <= size:
        length, name = struct.unpack_from(">I4s", data, start)
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
    data: bytes, chunks: Iterable[Chunk], color: int
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
        body = data[start + 8 : end - 4]
        is_whole = zlib.crc32(data[start + 4 : end - 4]).to_bytes(4, "big") == data[end - 4 : end]
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
