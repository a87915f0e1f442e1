"""GIF: its blocks are walked here, so that its frames are known before Pillow decodes them."""

import struct
from io import BytesIO

from PIL.GifImagePlugin import GifImageFile

from .image import ImageFile, Request
from .pillow import read_frames

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B  # GIF89a, appendix A


def read(request: Request) -> ImageFile:
    """The image, or every frame of an animation."""
    data = request.read_bytes()
    try:
        screen, extents, is_whole = _walk(data)
    except (struct.error, IndexError):
        raise request.error("a GIF that is cut off before its first frame") from None
    count = len(extents)
    if not count or not (is_whole or request.index is not None):
        raise request.error(
            f"a GIF that is truncated or damaged after {count} whole frames"
            + ", of which read(path, index=0) reads the first" * bool(count)
        )
    largest = tuple(map(max, screen, *extents))
    notes = []
    if largest != screen:
        notes.append(
            f"its frames reach beyond its screen, {screen[1]}x{screen[0]}, which is read as "
            f"{largest[1]}x{largest[0]}"
        )
        data = data[:6] + struct.pack("<HH", *largest) + data[10:]
    with GifImageFile(BytesIO(data)) as image:
        return read_frames(request, image, count, notes)


def _walk(data: bytes) -> tuple[tuple[int, int], list[tuple[int, int]], bool]:
    """The screen, how far each whole frame reaches, both (width, height), and if the file is whole.

    Pillow itself seeks through every frame to count them.
    """
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + _palette_size(flags)
    extents: list[tuple[int, int]] = []
    try:
        while data[position] != _TRAILER:
            kind = data[position]
            position += 1
            if kind == _EXTENSION:
                position = _skip_blocks(data, position + 1)
            elif kind == _IMAGE:
                left, top, wide, high, flags = struct.unpack_from("<HHHHB", data, position)
                # after the palette, one byte with the size of a code
                position = _skip_blocks(data, position + 10 + _palette_size(flags))
                extents.append((min(left + wide, 65535), min(top + high, 65535)))
    except (struct.error, IndexError):
        return (width, height), extents, False
    return (width, height), extents, True


def _palette_size(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_blocks(data: bytes, position: int) -> int:
    """Where a chain of blocks ends that each begin with their size, up to one of 0."""
    while size := data[position]:
        position += 1 + size
    return position + 1
