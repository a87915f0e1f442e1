"""GIF: the blocks are walked here, so that the frames are known before Pillow decodes them."""

import struct
from dataclasses import replace
from io import BytesIO
from typing import NamedTuple

from PIL.GifImagePlugin import GifImageFile

from ..core.image_file import ImageFile
from .pillow import describe_frames, read_frames
from .request import Request

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B  # GIF89a, appendix A
_ICC = b"\xff\x0bICCRGBG1012"  # an application extension, its size and the application


class Outline(NamedTuple):
    """The frames and sizes that a GIF's blocks tell before anything is decoded.

    Attributes
    ----------
    screen : (width, height)
        The size that the header states.
    largest : (width, height)
        The smallest size that holds every frame.
    frames : int
        How many frames are whole.
    is_whole : bool
        Whether the file goes on to its trailer.
    has_icc : bool
        Whether an application extension holds a color profile.
    """

    screen: tuple[int, int]
    largest: tuple[int, int]
    frames: int
    is_whole: bool
    has_icc: bool


def read(request: Request) -> ImageFile:
    """Read the image, or every frame of an animation."""
    data, outline, notes = _check_blocks(request)
    with GifImageFile(BytesIO(data)) as image:
        found = read_frames(request, image, outline.frames, notes)
    return replace(found, has_icc=outline.has_icc)


def read_header(request: Request) -> ImageFile:
    """Walk the blocks, and return what they tell, with a stand-in for the pixels."""
    data, outline, notes = _check_blocks(request)
    with GifImageFile(BytesIO(data)) as image:
        found = describe_frames(request, image, outline.frames, notes)
    return replace(found, has_icc=outline.has_icc)


def _check_blocks(request: Request) -> tuple[bytes, Outline, list[str]]:
    """Return the file, with a screen that holds all frames, what its blocks tell, and notes."""
    data = request.read_bytes()
    if len(data) < 13:
        raise request.error("a GIF that is cut off before its first frame")
    outline = _walk_blocks(data)
    count = outline.frames
    if not count or not (outline.is_whole or request.index is not None):
        raise request.error(
            f"a GIF that is truncated or damaged after {count} whole frames"
            + f", of which {request.call}, index=0) reads the first" * bool(count)
        )
    notes = []
    if outline.largest != outline.screen:
        (width, height), (right, bottom) = outline.screen, outline.largest
        notes.append(
            f"its frames reach beyond its screen, {height}x{width}, which is read as "
            f"{bottom}x{right}"
        )
        data = data[:6] + struct.pack("<HH", right, bottom) + data[10:]
    return data, outline, notes


def _walk_blocks(data: bytes) -> Outline:
    """Count the frames and find how far they reach, which Pillow tells only by decoding them."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + _find_palette_size(flags)
    right, bottom, count, is_whole, has_icc = width, height, 0, False, False
    try:
        while data[position] != _TRAILER:
            kind = data[position]
            position += 1
            if kind == _EXTENSION:
                has_icc |= data[position : position + 13] == _ICC
                position = _skip_blocks(data, position + 1)
            elif kind == _IMAGE:
                left, top, wide, high, flags = struct.unpack_from("<HHHHB", data, position)
                # after the palette, one byte with the size of a code
                position = _skip_blocks(data, position + 10 + _find_palette_size(flags))
                right, bottom = max(right, left + wide), max(bottom, top + high)
                count += 1
        is_whole = True
    except (struct.error, IndexError):
        pass  # the file ends before its trailer
    largest = (min(right, 65535), min(bottom, 65535))
    return Outline((width, height), largest, count, is_whole, has_icc)


def _find_palette_size(flags: int) -> int:
    """Return the bytes of a palette that the flags before it state."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_blocks(data: bytes, position: int) -> int:
    """Return where a chain of blocks ends; each begins with its size, and the last has size 0."""
    while size := data[position]:
        position += 1 + size
    return position + 1
