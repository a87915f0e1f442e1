"""Walk the directories of a TIFF file before tifffile loads them: bounded, without loops."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .image import Request

_PAGES = 1 << 16  # tifffile takes about 10 kB and 0.1 ms for each page
_SHARED = 1 << 26  # bytes of tag values that pages may share, as a palette or a profile
_MOST_TAGS = 4096
_SUB_IFDS = 330
_VALUE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8,
                13: 4, 16: 8, 17: 8, 18: 8}  # fmt: skip


class _Format(NamedTuple):
    """How a kind of TIFF stores a directory: the number of tags, each tag, the next offset."""

    number: struct.Struct
    tag: struct.Struct
    next: struct.Struct
    inline: int  # the bytes of a value that is stored in the tag itself


def check_directories(request: Request, path: Path) -> int:
    """Return the number of pages; raise if the chain is broken, endless or too long to load.

    `path` is the file itself, or one that belongs to it.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        most = max(_PAGES, request.limit >> 15)
        pages, sub, values = 0, 0, 0
        for page_sub, page_values in _walk(request, file, size, str(path)):
            pages, sub, values = pages + 1, sub + page_sub, values + page_values
            if pages + sub > most:
                raise request.error(
                    f"it has more than {most:,} pages: read(path, limit=...) reads one more for "
                    "each 32 KiB of the limit"
                )
            if values > size + _SHARED:
                raise request.error(
                    f"damaged: the tags of its first {pages} pages take {values:,} bytes, and the "
                    f"file has {size:,}"
                )
    if pages == 0:
        raise request.error("a TIFF without pages, or truncated before the first")
    return pages


def _walk(request: Request, file: BinaryIO, size: int, path: str) -> Iterator[tuple[int, int]]:
    """Yield each page's number of SubIFDs, and the bytes of its tags' values."""
    form, offset = _read_header(request, file, path)
    seen: set[int] = set()
    while offset:
        if offset in seen:
            raise request.error(
                f"damaged: page {len(seen)} is at byte {offset:,}, where an earlier page is"
            )
        file.seek(offset)
        head = file.read(form.number.size)
        (count,) = form.number.unpack(head) if len(head) == form.number.size else (0,)
        body = file.read(form.tag.size * min(count, _MOST_TAGS) + form.next.size)
        if len(body) < form.tag.size * count + form.next.size or count > _MOST_TAGS:
            raise request.error(
                f"truncated or damaged: page {len(seen)} should be at byte {offset:,}, and the "
                f"file has {size:,}"
            )
        seen.add(offset)
        sub = values = 0
        for code, kind, number in form.tag.iter_unpack(body[: form.tag.size * count]):
            taken = _VALUE_SIZES.get(kind, 0) * number
            if form.inline < taken <= size:  # tifffile leaves out what takes more
                values += taken
                sub += number if code == _SUB_IFDS else 0
        yield sub, values
        (offset,) = form.next.unpack(body[-form.next.size :])


def _read_header(request: Request, file: BinaryIO, path: str) -> tuple[_Format, int]:
    """How the file stores its directories, and where the first is."""
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    is_ndpi = path.lower().endswith(".ndpi") and head[:4] == b"II*\0"
    if head[2:4] in (b"+\0", b"\0+"):
        form = _Format(struct.Struct(order + "Q"), struct.Struct(order + "HHQ8x"),
                       struct.Struct(order + "Q"), 8)  # fmt: skip
    else:  # Hamamatsu's files look as any, and have offsets of 8 bytes
        form = _Format(struct.Struct(order + "H"), struct.Struct(order + "HHI4x"),
                       struct.Struct(order + ("Q" if is_ndpi else "I")), 4)  # fmt: skip
    start = 8 if form.inline == 8 else 4
    first = head[start : start + form.next.size]
    if len(first) < form.next.size:
        raise request.error("a TIFF without pages, or truncated before the first")
    return form, form.next.unpack(first)[0]
