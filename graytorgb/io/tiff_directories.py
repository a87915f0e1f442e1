"""The directories of a TIFF, walked before tifffile loads them: not too many, and no loops."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .request import Request

_MOST_PAGES = 1 << 16  # tifffile takes about 10 kB and 0.1 ms for each page
_SHARED = 1 << 26  # bytes of tag values that pages may share, such as a palette or a profile
_MOST_TAGS = 4096
_SUB_IFDS = 330
# The tags that tell how samples are stored: their sizes, bits, compression, colors, order, ...
_STORAGE = {256, 257, 258, 259, 262, 266, 274, 277, 284, 317, 322, 323, 338, 339}
_VALUE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8,
                13: 4, 16: 8, 17: 8, 18: 8}  # fmt: skip


class _Format(NamedTuple):
    """The way a kind of TIFF stores a directory: the number of tags, each tag, the next offset."""

    number: struct.Struct
    tag: struct.Struct
    next: struct.Struct
    inline: int  # the bytes of a value that is stored in the tag itself


class _Page(NamedTuple):
    """A directory: its place, its sub-directories, the bytes of its tags, and the storage tags."""

    offset: int
    sub_ifds: int
    taken: int
    storage: frozenset[tuple[int, int, bytes]]


def check_directories(request: Request, companion: Path | None = None) -> dict[int, object]:
    """Check the chain of pages, and return how each page is stored, by its offset.

    A chain that is broken, endless or too long to load is refused. Ways to store a page can only be
    compared with each other. The file is the one that was asked for, or a `companion` of it.
    """
    path = companion or request.path
    with companion.open("rb") if companion else request.open() as file:
        size = file.seek(0, os.SEEK_END)
        most = max(_MOST_PAGES, request.limit >> 15)
        pages: dict[int, object] = {}
        sub = taken = 0
        for page in _walk_pages(request, file, size, str(path)):
            pages[page.offset] = page.storage
            sub, taken = sub + page.sub_ifds, taken + page.taken
            if len(pages) + sub > most:
                raise request.error(
                    f"it has more than {most:,} pages: {request.call}, limit=...) reads one more "
                    "for each 32 KiB of the limit"
                )
            if taken > size + _SHARED:
                raise request.error(
                    f"damaged: the tags of its first {len(pages)} pages take {taken:,} bytes, and "
                    f"the file has {size:,}"
                )
    if not pages:
        raise request.error("a TIFF without pages, or truncated before the first")
    return pages


def _walk_pages(request: Request, file: BinaryIO, size: int, path: str) -> Iterator[_Page]:
    """Yield each page of the chain."""
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
        sub = taken = 0
        storage = []
        for code, kind, number, value in form.tag.iter_unpack(body[: form.tag.size * count]):
            needed = _VALUE_SIZES.get(kind, 0) * number
            if needed <= form.inline:
                if code in _STORAGE:
                    storage.append((code, kind, value))
            elif needed <= size:  # tifffile leaves out what takes more
                taken += needed
                sub += number if code == _SUB_IFDS else 0
        yield _Page(offset, sub, taken, frozenset(storage))
        (offset,) = form.next.unpack(body[-form.next.size :])


def _read_header(request: Request, file: BinaryIO, path: str) -> tuple[_Format, int]:
    """Return how the file stores its directories, and where the first one is."""
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    is_ndpi = path.lower().endswith(".ndpi") and head[:4] == b"II*\0"
    if head[2:4] in (b"+\0", b"\0+"):
        forms, inline = ("Q", "HHQ8s", "Q"), 8
    else:  # Hamamatsu's files look like any other, and have offsets of 8 bytes
        forms, inline = ("H", "HHI4s", "Q" if is_ndpi else "I"), 4
    number, tag, following = (struct.Struct(order + part) for part in forms)
    form = _Format(number, tag, following, inline)
    first = head[inline : inline + form.next.size]  # after the signature
    if len(first) < form.next.size:
        raise request.error("a TIFF without pages, or truncated before the first")
    return form, form.next.unpack(first)[0]
