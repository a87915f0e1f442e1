"""TIFF by tifffile: any depth, any compression, pages and hyperstacks."""

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffPage, TiffPageSeries

from ..core.image_file import ImageFile, make_stand_in, name_color_type
from ..extras import require
from . import tiff_ccitt
from .ranges import Array, Range, find_depth_range
from .request import Request, join_sizes
from .tiff_checks import Source, check_complete, check_page
from .tiff_directories import check_directories
from .tiff_ome import Ome, check_ome, read_ome
from .tiff_plain import find_tags, read_plain
from .tiff_range import find_range, invert_samples
from .tiff_samples import (
    CCITT,
    Samples,
    describe_axes,
    find_samples,
    look_up_palette,
    name_axes,
    straighten_alpha,
)

_ORIENTATION, _ICC = 274, 34675
# What is the same for all pages of a stack
_find_kind = attrgetter("array.dtype", "layout", "value_range", "array.shape", "orientation")


def read(request: Request) -> ImageFile:
    """Read the image: all of a file's pages if they are of one shape, or the one asked for."""
    return _read(request, decodes=True)


def read_header(request: Request) -> ImageFile:
    """Read the tags, with a stand-in for the pixels.

    A range that tags state is taken; :func:`read` leaves it out where pixels lie beyond.
    """
    return _read(request, decodes=False)


def _read(request: Request, *, decodes: bool) -> ImageFile:
    """Find the image that was asked for, and read its tags alone or its pixels too."""
    tags = find_tags(request)
    if tags is not None and (plain := read_plain(request, tags, decodes=decodes)):
        return plain
    stored = check_directories(request)
    opened = request.path if request.data is None else request.open()
    # A stack that Micro-Manager keeps in several files is read as the one file
    name = None if request.data is None else request.path.name
    with TiffFile(opened, name=name, is_mmstack=False, is_ndtiff=False) as file:
        ome = read_ome(file)
        index = request.pick_index(len(file.pages), "pages")
        if tags is not None:
            index = 0  # the one page is the image, which tifffile would take time to find
        if index is not None:
            return _read_source(request, file, ome, file.pages[index].aspage(), decodes)
        check_page(request, file.pages.first)
        ome = ome._replace(notes=ome.notes + check_ome(request, file, ome))
        images = _pick_images(request, file, stored)
        if len(images) == 1:
            return _read_source(request, file, ome, images[0], decodes)
        return _read_each(request, file, ome, images, decodes)


def _pick_images(request: Request, file: TiffFile, stored: dict[int, object]) -> Sequence[Source]:
    """Return the one image that the file is, or its pages if each is stored in its own way.

    Smaller copies of an image, and masks, are left out.
    """
    pages = ((series, series.keyframe) for series in file.series)
    whole = [series for series, page in pages if not (page.is_reduced or page.is_mask)]
    if len(whole) == 1:
        # tifffile looks only at some pages, and reads the others in the way of the first
        ways = {stored.get(p.offset) for p in whole[0] if p is not None and p.parent is file}
        if len(ways - {None}) <= 1 and _has_one_palette(whole[0]):
            return whole
        if whole[0].kind not in ("uniform", "generic"):
            raise request.error(
                "its pages are stored in different ways, though its description takes them for "
                f"one image: {request.call}, index=0) reads the first"
            )
        return _list_pages(whole)
    if whole and len({series.keyframe.shape for series in whole}) == 1:
        return _list_pages(whole)
    shapes = ", ".join(join_sizes(series.shape) for series in file.series)
    raise request.error(
        f"it holds {len(file.series)} images of different shapes, {shapes}: "
        f"{request.call}, index=0) reads the first page"
    )


def _has_one_palette(series: TiffPageSeries) -> bool:
    """Return whether all pages of a palette image have the same palette."""
    if series.keyframe.photometric != PHOTOMETRIC.PALETTE or None in series:
        return True
    palettes = (np.asarray(page.colormap) for page in _list_pages([series]))
    first = next(palettes)
    return all(np.array_equal(first, palette) for palette in palettes)


def _list_pages(images: Sequence[TiffPageSeries]) -> list[TiffPage]:
    """Return the pages of several images in the order of the file."""
    pages = [page.aspage() for series in images for page in series if page is not None]
    return sorted(pages, key=lambda page: page.treeindex)


def _read_each(
    request: Request, file: TiffFile, ome: Ome, pages: Sequence[Source], decodes: bool
) -> ImageFile:
    """Read pages of one shape that are stored in different ways, as one stack."""
    dtypes = {np.dtype(page.dtype) for page in pages}
    request.check_size((len(pages), *pages[0].shape), max(dtype.itemsize for dtype in dtypes))
    has_bytes = dtypes == {np.dtype(bool), np.dtype(np.uint8)}
    images: list[ImageFile] = []
    result = np.empty(0)
    for k, page in enumerate(pages):
        image = _read_source(request, file, ome, page, decodes)
        shape = image.array.shape
        if has_bytes and image.array.dtype == bool:
            image = replace(
                image, value_range=(0, 255),
                array=image.array * np.uint8(255) if decodes else make_stand_in(shape, np.uint8),
                notes=(*image.notes, "pages of 1 bit are 0 and 255 beside those of 8"),
            )  # fmt: skip
        if not images:
            make = np.empty if decodes else make_stand_in
            result = make((len(pages), *shape), image.array.dtype)
        if images and _find_kind(image) != _find_kind(images[0]):
            raise request.error(
                f"its pages can't be one stack, page {k} is {image!r}, and the first {images[0]!r}:"
                f" {request.call}, index=0) reads the first"
            )
        if decodes:
            result[k] = image.array
        images.append(replace(image, array=result[k]))
    request.check_size(result.shape, result.dtype.itemsize)
    notes = dict.fromkeys(note for image in images for note in image.notes)
    return replace(
        images[0], array=result, layout=f"N{images[0].layout}",
        mode="; ".join(dict.fromkeys(image.mode for image in images)), notes=tuple(notes),
        depth_only=all(image.depth_only for image in images),
    )  # fmt: skip


class _Plan(NamedTuple):
    """The axes and the shape that the array will have, by the tags alone.

    Attributes
    ----------
    axes, axis : str, int or None
        tifffile's names of the result's axes, and which decoded axis is that of a pixel's samples.
    layout, shape : str, tuple of int
        The axes of the result and their sizes.
    """

    axes: str
    axis: int | None
    layout: str
    shape: tuple[int, ...]


def _read_source(
    request: Request, file: TiffFile, ome: Ome, source: Source, decodes: bool
) -> ImageFile:
    """Read one page, or a series of pages that tifffile takes for one image."""
    page = source if isinstance(source, TiffPage) else source.keyframe
    check_page(request, page)
    samples = find_samples(request, page)
    shape = tuple(map(int, source.shape))
    pages, left_out = check_complete(request, file, source, decodes=decodes)
    plan = _plan_result(request, samples, source.axes, shape)
    itemsize = 2 if samples.kind == "palette" else np.dtype(source.dtype).itemsize
    request.check_size(plan.shape, itemsize)
    if not decodes:
        array = np.empty([n if k == plan.axis else 0 for k, n in enumerate(shape)], source.dtype)
    elif page.compression in CCITT:
        array = np.empty(shape, bool)
        for part, each in zip(array.reshape(len(pages), *shape[-2:]), pages, strict=True):
            part[...] = tiff_ccitt.decode(request, each)
    else:
        if page.compression != COMPRESSION.NONE or page.bitspersample % 8:
            require("imagecodecs", "imagecodecs", "tiff")
        array = source.asarray()
    image = _describe(request, file, page, ome, samples, plan, array)
    if not decodes:  # an array without pixels has told the dtype and the range
        image = replace(image, array=make_stand_in(plan.shape, image.array.dtype))
    return replace(image, notes=(*samples.notes, *image.notes, *ome.notes, *left_out))


def _plan_result(request: Request, samples: Samples, axes: str, shape: tuple[int, ...]) -> _Plan:
    """Return what the array will be, or raise if axes and samples contradict each other."""
    total = samples.colors + len(samples.extra)
    axis = axes.index("S") if "S" in axes and total > 1 else None
    if total > 1 and (axis is None or shape[axis] != total):
        raise request.error(
            f"its description states the axes {axes} of sizes {shape}, and its tags {total} "
            "samples a pixel"
        )
    result, sizes = axes, shape
    if samples.kind == "palette":
        result = axes.replace("S", "") + "S"
        sizes = (*shape[:axis], *shape[axis + 1 :]) if axis is not None else shape
        sizes = (*sizes, 3 if samples.alpha is None else 4)
    return _Plan(result, axis, name_axes(samples, result, sizes), sizes)


def _describe(
    request: Request,
    file: TiffFile,
    page: TiffPage,
    ome: Ome,
    samples: Samples,
    plan: _Plan,
    array: Array,
) -> ImageFile:
    """Return decoded samples as an image: straight, with colors looked up, and with a range."""
    notes = []
    bits = int(page.bitspersample)
    if samples.is_premultiplied and plan.axis is not None:
        straighten_alpha(request, page, samples, array, plan.axis)
        notes.append("alpha was associated (premultiplied), and is straight now")
    if samples.alpha is not None and samples.kind != "palette" and bits % 8:
        notes.append(f"alpha goes from 0 to {(1 << bits) - 1}")
    value_range: Range | None
    if samples.kind == "palette":
        array, bits = look_up_palette(request, page, samples, array, plan.axis)
        value_range, source = find_depth_range(bits), f"its palette, of {bits} bits"
    else:
        value_range, source = find_range(file, page, ome.root, array)
    if samples.zero_is_white:
        if value_range is None and request.value_range is None:
            raise request.error(
                f"0 is white, and {source}, so nothing tells what is black",
                f"{request.call}, value_range=(lo, hi))",
                "value_range",
            )
        notes.append(invert_samples(request, samples, array, plan.axis, value_range))
    orientation = page.tags.valueof(_ORIENTATION, 1)
    if orientation not in range(1, 9):
        notes.append(f"TIFF orientation {orientation} is none of 1 to 8, and is left out")
        orientation = 1
    if len(plan.layout) > 3:
        notes.append(describe_axes(plan.layout, plan.axes))
    compression = COMPRESSION(page.compression)
    packed = "" if compression == COMPRESSION.NONE else f", {compression.name}"
    sample = {"f": " floats", "i": " signed"}.get(array.dtype.kind, "")
    pages = f", {len(file.pages)} pages" if len(file.pages) > 1 else ""
    kind = f"{samples.kind}, 0 is white" if samples.zero_is_white else samples.kind
    return ImageFile(
        path=request.path,
        array=array,
        layout=plan.layout,
        value_range=value_range,
        range_source=source,
        format="TIFF",
        mode=f"{kind}, {bits} bits{sample}{packed}{pages}",
        bits=bits if array.dtype.kind in "bu" else None,
        depth_only=source.startswith("TIFF's depth"),
        notes=tuple(notes),
        orientation=orientation,
        color_type=_name_color_type(samples, plan),
        is_inverted=samples.zero_is_white,
        has_icc=_ICC in page.tags,
        frames=len(file.pages),
    )


def _name_color_type(samples: Samples, plan: _Plan) -> str:
    """Return how the samples store color."""
    return "palette" if samples.kind == "palette" else name_color_type(plan.layout, plan.shape)
