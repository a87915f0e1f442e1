"""TIFF by tifffile: any depth, any compression, pages and hyperstacks."""

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import tifffile
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, TiffFile, TiffFrame, TiffPage

from ..registry import require
from .image import Array, ImageFile, Request, depth_range, invert, number

Range = tuple[int | float, int | float]

# What tifffile gives these as is grey, RGB or a palette's indices.
_KINDS = {
    PHOTOMETRIC.MINISBLACK: "grey",
    PHOTOMETRIC.MINISWHITE: "grey, 0 is white",
    PHOTOMETRIC.RGB: "RGB",
    PHOTOMETRIC.PALETTE: "palette",
    PHOTOMETRIC.YCBCR: "RGB",  # if a codec of colour images has decoded it
}
_COLOUR_CODECS = (COMPRESSION.JPEG, COMPRESSION.OJPEG, COMPRESSION.JPEG_2000_LOSSY)


def read(request: Request) -> ImageFile:
    """The image; all of a file's pages if they are of one shape, or the one page asked for."""
    with TiffFile(request.path) as file:
        index = request.pick(_count_pages(request, file), "pages")
        source = file.pages[index].aspage() if index is not None else _pick_series(request, file)
        page = source if isinstance(source, TiffPage) else source.keyframe
        _check_colours(request, page)
        _check_complete(request, file, source)
        dtype = page.dtype
        if dtype is None or dtype.kind not in "biuf":
            raise request.error(f"samples of dtype {dtype}, and an image holds real numbers")
        if page.photometric == PHOTOMETRIC.PALETTE:
            request.check_size((*source.shape, 3), 2)
        request.check_size(source.shape, dtype.itemsize)
        if page.compression != COMPRESSION.NONE or page.bitspersample % 8:
            require("imagecodecs", "imagecodecs", "tiff")
        array = source.asarray()
        return _describe(request, file, page, array, source.axes)


def _count_pages(request: Request, file: TiffFile) -> int:
    """The pages of the whole chain; an error if the chain is broken."""
    count = len(file.pages)
    position = file.pages.next_page_offset
    if count == 0:
        raise request.error("a TIFF without pages, or truncated before the first")
    if position is not None:
        file.filehandle.seek(position)
        following = file.filehandle.read(file.tiff.offsetsize)
        if any(following):  # tifffile logs it and goes on with what it found
            (offset,) = struct.unpack(file.tiff.offsetformat, following)
            raise request.error(
                f"truncated or damaged: page {count} should be at byte {offset:,}, and the file "
                f"has {file.filehandle.size:,}"
            )
    return count


def _pick_series(request: Request, file: TiffFile) -> tifffile.TiffPageSeries:
    """The one image that the file is: smaller copies of it, and masks, don't count."""
    pages = ((series, series.keyframe) for series in file.series)
    whole = [series for series, page in pages if not (page.is_reduced or page.is_mask)]
    if len(whole) != 1:
        shapes = ", ".join("x".join(map(str, series.shape)) for series in file.series)
        raise request.error(
            f"it holds {len(file.series)} images of different shapes, {shapes}: "
            "read(path, index=0) reads the first page"
        )
    return whole[0]


def _check_colours(request: Request, page: TiffPage) -> None:
    decoded = page.photometric != PHOTOMETRIC.YCBCR or page.compression in _COLOUR_CODECS
    if page.photometric not in _KINDS or not decoded:
        raise request.error(
            f"its colours are {PHOTOMETRIC(page.photometric).name}, neither grey nor RGB: "
            "tifffile.imread(path) gives the values as they are"
        )


def _check_complete(
    request: Request, file: TiffFile, source: TiffPage | tifffile.TiffPageSeries
) -> None:
    """Refuse a file whose data ends early, which would be read as zeros or something else's."""
    pages: Sequence[TiffPage | TiffFrame | None]
    pages = [source] if isinstance(source, TiffPage) else source.pages
    missing = sum(page is None for page in pages)
    if missing:
        raise request.error(
            f"{missing} of its {len(pages)} planes are missing; they may be in files beside it"
        )
    for page in pages:
        assert page is not None
        whole = page.keyframe or page.aspage()
        stated = sum(page.databytecounts)
        size = page.parent.filehandle.size
        ends = [o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)]
        if max(ends, default=0) > size:
            raise request.error(
                f"truncated: page {page.index} ends at byte {max(ends):,}, and the file has "
                f"{size:,}"
            )
        segments, needed = math.prod(whole.chunked), _packed_size(whole)
        if len(page.dataoffsets) < segments:
            raise request.error(
                f"page {page.index} states {segments} strips or tiles, and has "
                f"{len(page.dataoffsets)}"
            )
        if whole.compression == COMPRESSION.NONE and 0 < stated < needed:
            raise request.error(
                f"page {page.index} states {'x'.join(map(str, whole.shape))} samples, which is "
                f"{needed:,} bytes, and has {stated:,}"
            )
    if isinstance(source, TiffPage) or not file.is_imagej:
        return
    stated = int((file.imagej_metadata or {}).get("images", 1))
    there = source.size // source.keyframe.size
    if stated > there:
        raise request.error(f"truncated: ImageJ's description states {stated} images, not {there}")


def _packed_size(page: TiffPage) -> int:
    """The bytes of a page's samples without compression, each row on a byte of its own."""
    samples = page.imagewidth * (page.samplesperpixel if page.planarconfig == 1 else 1)
    rows = page.imagelength * page.imagedepth
    planes = 1 if page.planarconfig == 1 else page.samplesperpixel
    return int((samples * page.bitspersample + 7) // 8 * rows * planes)


def _describe(
    request: Request, file: TiffFile, page: TiffPage, array: Array, axes: str
) -> ImageFile:
    notes = []
    bits = int(page.bitspersample)
    kind = _KINDS[PHOTOMETRIC(page.photometric)]
    if page.photometric == PHOTOMETRIC.PALETTE:
        array, bits = _look_up(page, array)
        axes += "S"
        value_range: Range | None = depth_range(bits)
        source = f"its palette, of {bits} bits"
    else:
        value_range, source = _find_range(file, page, array)
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        if value_range is None:
            raise request.error(f"0 is white, and {source}, so nothing tells what is black")
        array = invert(array, value_range)
        notes.append("turned round, because 0 is white in the file")
    orientation = page.tags.valueof(274, 1)
    if orientation != 1:
        notes.append(f"TIFF orientation {orientation} isn't applied")
    layout = _name_axes(page, axes)
    if len(layout) > 3:
        named = (f"{a} is {tifffile.TIFF.AXES_NAMES[t]}" for a, t in zip(layout, axes, strict=True))
        notes.append(f"axes {layout}: {', '.join(named)}")
    compression = COMPRESSION(page.compression)
    packed = "" if compression == COMPRESSION.NONE else f", {compression.name}"
    sample = {"f": " floats", "i": " signed"}.get(array.dtype.kind, "")
    pages = f", {len(file.pages)} pages" if len(file.pages) > 1 else ""
    return ImageFile(
        path=request.path,
        array=array,
        layout=layout,
        value_range=value_range,
        range_source=source,
        format="TIFF",
        mode=f"{kind}, {bits} bits{sample}{packed}{pages}",
        bits=bits if array.dtype.kind in "bu" else None,
        depth_only=source.startswith("TIFF's depth"),
        notes=tuple(notes),
    )


def _name_axes(page: TiffPage, axes: str) -> str:
    """The axes that tifffile names, as a layout: C is colour alone, N what has no better name."""
    colour = page.photometric != PHOTOMETRIC.MINISBLACK or page.extrasamples in (
        (EXTRASAMPLE.ASSOCALPHA,),
        (EXTRASAMPLE.UNASSALPHA,),
    )
    names = {"Y": "H", "X": "W", "S": "C" if colour else "S"}
    leading = [axis for axis in axes if axis not in names]
    if len(leading) == 1 and leading[0] in "IQCH":  # tifffile's C is a microscope's channel
        names[leading[0]] = "N"
    spare = iter("DBEFGJKUVM")
    for axis in leading:
        if axis in "CHW" or axis in names.values():
            names.setdefault(axis, next(s for s in spare if s not in axes))
    return "".join(names.get(axis, axis) for axis in axes)


def _look_up(page: TiffPage, array: Array) -> tuple[Array, int]:
    """The colours of a palette, and their bits."""
    palette = page.colormap
    if palette is None:
        raise ValueError("a palette image without its palette")
    # as libtiff: some writers put 8 bits where 16 belong
    return np.moveaxis(palette[:, array], 0, -1), 8 if palette.max() < 256 else 16


def _find_range(file: TiffFile, page: TiffPage, array: Array) -> tuple[Range | None, str]:
    """What the file states of black and white, and where; see :func:`graytorgb.io.read`."""
    bits = int(page.bitspersample)
    smallest, largest = page.tags.valueof(340), page.tags.valueof(341, page.tags.valueof(281))
    if array.dtype.kind in "bu":
        top = _one(largest)
        depth = int(top or 0).bit_length()
        fewer = 8 <= depth < bits and top == (1 << depth) - 1
        if fewer and array.size and array.max() < 1 << depth:
            return depth_range(depth), f"TIFF's largest sample value, {(1 << depth) - 1}"
        depth = _significant_bits(file)
        if 0 < depth < bits and array.size and array.max() < 1 << depth:
            return depth_range(depth), f"OME's significant bits, {depth}"
        return depth_range(bits), f"TIFF's depth, {bits} bits"
    lo, hi = _one(smallest), _one(page.tags.valueof(341))
    if lo is not None and hi is not None and lo < hi and array.size:
        if lo <= array.min() and array.max() <= hi:
            return (number(lo), number(hi)), "TIFF's smallest and largest sample values"
        return None, f"pixels lie outside of the sample values stated, {lo:g} to {hi:g}"
    what = "floats" if array.dtype.kind == "f" else "signed integers"
    return None, f"a TIFF of {what} without SMinSampleValue and SMaxSampleValue states no range"


def _one(value: Any) -> float | None:
    """A tag's number, if it is the same for every sample."""
    if value is None:
        return None
    values = {float(v) for v in np.ravel(value)}
    return values.pop() if len(values) == 1 else None


def _significant_bits(file: TiffFile) -> int:
    """OME's SignificantBits, the same for all images of the file, or 0."""
    if not file.ome_metadata:
        return 0
    images = tifffile.xml2dict(file.ome_metadata).get("OME", {}).get("Image", [])
    stated = {
        int(image.get("Pixels", {}).get("SignificantBits", 0))
        for image in (images if isinstance(images, list) else [images])
    }
    return stated.pop() if len(stated) == 1 else 0
