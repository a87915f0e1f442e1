"""Compare what the tags of a TIFF state with what the file holds, before anything is decoded."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
from tifffile import COMPRESSION, TiffFile, TiffFrame, TiffPage, TiffPageSeries

from .codestreams import Header, Segment, check_jpeg_tables
from .request import Request, join_sizes
from .tiff_codestreams import HEADERS

Source = TiffPage | TiffPageSeries

_SMALL_TILE = 1 << 26  # bytes that a tile may take, whatever the limit
_JPEGS = (COMPRESSION.JPEG, COMPRESSION.OJPEG, COMPRESSION.ALT_JPEG, COMPRESSION.JPEG_LOSSY)
_MOST_OF_NDPI = 65_500  # rows or columns
_WEBPS = (COMPRESSION.WEBP, COMPRESSION.WEBP_DEPRECATED)


def check_page(request: Request, page: TiffPage) -> None:
    """Refuse a page whose tags alone say that it is no image of real numbers."""
    if page.dtype is None or page.dtype.kind not in "biuf":
        raise request.error(
            f"samples of {page.bitspersample} bits and dtype {page.dtype}, and an image holds real "
            "numbers"
        )
    if 0 in (*page.shape, *page.chunks) or not page.shape:
        raise request.error(
            f"it states {join_sizes(page.shape)} samples in strips or tiles of "
            f"{join_sizes(page.chunks)}, which is no image"
        )


def check_complete(
    request: Request, file: TiffFile, source: Source, *, decodes: bool
) -> tuple[list[TiffPage | TiffFrame], list[str]]:
    """Return the pages of an image, and a note if strips or tiles hold nothing.

    A file whose data ends early is refused. If it `decodes` the pixels, what compressed strips and
    tiles state of themselves is compared too.
    """
    planes = [source] if isinstance(source, TiffPage) else list(source)
    pages = [page for page in planes if page is not None]
    if missing := len(planes) - len(pages):
        raise request.error(
            f"{missing} of its {len(planes)} planes are missing; they may be in files beside it"
        )
    left_out = 0
    for page in pages:
        _check_segments(request, page)
        if decodes:
            _check_codestreams(request, page)
        left_out += sum(count == 0 for count in page.databytecounts)
    if isinstance(source, TiffPageSeries) and file.is_imagej:
        stated = int((file.imagej_metadata or {}).get("images", 1))
        there = source.size // source.keyframe.size
        if stated > there:
            raise request.error(
                f"truncated: ImageJ's description states {stated} images, not {there}"
            )
    notes = [f"{left_out} of its strips or tiles hold nothing, and are read as 0"]
    return pages, notes if left_out else []


def _check_segments(request: Request, page: TiffPage | TiffFrame) -> None:
    """Refuse strips and tiles that are missing, outside of the file, or larger than the limit."""
    whole = page.keyframe or page.aspage()
    stated = sum(page.databytecounts)
    size = page.parent.filehandle.size
    ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if max(ends, default=0) > size:
        raise request.error(
            f"truncated: page {page.index} ends at byte {max(ends):,}, and the file has {size:,}"
        )
    segments, needed = math.prod(whole.chunked), _find_packed_size(whole)
    if len(page.dataoffsets) < segments or len(page.databytecounts) < segments:
        there = min(len(page.dataoffsets), len(page.databytecounts))
        raise request.error(f"page {page.index} states {segments} strips or tiles, and has {there}")
    if whole.compression == COMPRESSION.NONE and 0 < stated < needed:
        raise request.error(
            f"page {page.index} states {join_sizes(whole.shape)} samples, which is {needed:,} "
            f"bytes, and has {stated:,}"
        )
    assert whole.dtype is not None
    tile = math.prod(map(int, whole.chunks)) * whole.dtype.itemsize
    if tile > max(request.limit, _SMALL_TILE):
        stated_tile = f"page {page.index} states a tile of {join_sizes(whole.chunks)} samples"
        raise request.limit_error(f"{stated_tile}, {tile:,} bytes", tile)


def _find_packed_size(page: TiffPage) -> int:
    """Return the bytes of a page's samples without compression, if each row begins a byte."""
    samples = page.imagewidth * (page.samplesperpixel if page.planarconfig == 1 else 1)
    rows = page.imagelength * page.imagedepth
    planes = 1 if page.planarconfig == 1 else page.samplesperpixel
    return int((samples * np.sum(page.bitspersample) + 7) // 8 * rows * planes)


def _check_codestreams(request: Request, page: TiffPage | TiffFrame) -> None:
    """Refuse strips and tiles whose own header contradicts the page's tags."""
    whole = page.keyframe or page.aspage()
    read = HEADERS.get(whole.compression)
    if read is None:
        return
    name = COMPRESSION(whole.compression).name
    try:
        with open_file(page) as file:
            if whole.compression in _JPEGS and page.jpegtables:
                check_jpeg_tables(page.jpegtables)
            if whole.jpegheader:
                header, *sizes = _read_ndpi_header(file, whole)
                _compare_header(whole, read(Segment.of(header + b"\xff\xd9")), *sizes)
                return
            places = zip(page.dataoffsets, page.databytecounts, strict=False)
            for index, (offset, size) in enumerate(islice(places, math.prod(whole.chunked))):
                if size:
                    found = read(Segment(file, offset, size))
                    _compare_header(whole, found, *_expect_sizes(whole, index))
    except ValueError as error:
        raise request.error(f"page {page.index}, {name}: {error}") from error


def _read_ndpi_header(file: Any, page: TiffPage) -> tuple[bytes, set[int], set[int]]:
    """Return the header of Hamamatsu's JPEG in parts, and the heights and widths it may state."""
    if 273 in page.tags and max(page.imagelength, page.imagewidth) <= _MOST_OF_NDPI:
        file.seek(page.tags[273].value[0])  # tifffile decodes it in one go
        header = file.read(min(page.tags[279].value[0], 1 << 16))
        return header, {page.imagelength}, {page.imagewidth}
    return page.jpegheader or b"", {page.tilelength}, {page.tilewidth}


@contextmanager
def open_file(page: TiffPage | TiffFrame) -> Iterator[Any]:
    """Open the file that holds a page, maybe a companion of the one asked for, and close it."""
    file = page.parent.filehandle
    was_closed = file.closed
    file.open()
    try:
        yield file
    finally:
        if was_closed:
            file.close()


def _expect_sizes(page: TiffPage, index: int) -> tuple[set[int], set[int]]:
    """Return the heights and widths that a strip or tile may have: whole, or cut at the edge."""
    if page.is_tiled:
        across = -(-page.imagewidth // page.tilewidth)
        down = -(-page.imagelength // page.tilelength)
        row, column = index // across % down, index % across
        left = page.imagelength - row * page.tilelength, page.imagewidth - column * page.tilewidth
        return (
            {page.tilelength, min(page.tilelength, left[0])},
            {page.tilewidth, min(page.tilewidth, left[1])},
        )
    rows = max(1, page.rowsperstrip)
    strips = -(-page.imagelength // rows)
    left_rows = page.imagelength - index % strips * rows
    heights = {min(rows, left_rows)}
    if left_rows <= rows:  # some writers fill the last strip
        heights = set(range(left_rows, rows + 1))
    return heights, {page.imagewidth}


def _compare_header(page: TiffPage, found: Header, heights: set[int], widths: set[int]) -> None:
    """Raise ValueError if a codestream isn't what the page's tags say."""
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    if found.height not in heights or found.width not in widths:
        raise ValueError(
            f"its data states {found.height}x{found.width} pixels, and its tags "
            f"{max(heights)}x{max(widths)}"
        )
    fills_alpha = page.compression in _WEBPS and samples == 4 and found.samples == 3
    if found.samples != samples and not fills_alpha:
        raise ValueError(f"its data states {found.samples} samples, and its tags {samples}")
    dtype = page.dtype
    assert dtype is not None
    itemsize = 1 << max(0, found.bits - 1).bit_length() - 3 if found.bits > 8 else 1
    if (found.kind, itemsize) != (dtype.kind, dtype.itemsize) or found.bits > page.bitspersample:
        raise ValueError(
            f"its data states {found.bits} bits ({_KINDS[found.kind]}), and its tags {dtype}"
        )


_KINDS = {"u": "unsigned", "i": "signed", "f": "floats"}
