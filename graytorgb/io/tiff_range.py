"""The value range that a TIFF states, and gray whose 0 is white; see :func:`graytorgb.io.read`."""

from typing import Any
from xml.etree import ElementTree

import numpy as np
from tifffile import TiffFile, TiffPage

from .ranges import Array, Range, are_limits, as_number, find_depth_range, find_pivot, invert_gray
from .request import Request
from .tiff_samples import Samples

_BYTE, _RATIONALS = 1, (5, 10)


def find_range(
    file: TiffFile, page: TiffPage, ome: ElementTree.Element | None, array: Array
) -> tuple[Range | None, str]:
    """Return the range that is stated, or None, and where it is stated or why it isn't.

    A range that pixels contradict counts only for an array without pixels, where only the header
    is read.
    """
    bits = int(page.bitspersample)
    largest = _find_number(page, 341)
    display = _find_display_range(file, page)
    if array.dtype.kind in "bu":
        top = _find_number(page, 281) if largest is None else largest
        depth = int(top).bit_length() if top and 0 < top < 1 << 64 else 0
        fewer = 8 <= depth < bits and top == (1 << depth) - 1
        if fewer and (not array.size or array.max() < 1 << depth):
            return find_depth_range(depth), f"TIFF's largest sample value, {(1 << depth) - 1}"
        depth = find_significant_bits(ome)
        if 0 < depth < bits and (not array.size or array.max() < 1 << depth):
            return find_depth_range(depth), f"OME's significant bits, {depth}"
        if display and bits > 8:
            return display, "ImageJ's display range"
        return find_depth_range(bits), f"TIFF's depth, {bits} bits"
    lo, hi = _find_number(page, 340), largest
    if lo is not None and hi is not None and lo < hi:
        if not array.size or (lo <= array.min() and array.max() <= hi):
            return (as_number(lo), as_number(hi)), "TIFF's smallest and largest sample values"
        if not display:
            return None, f"pixels lie outside of the sample values stated, {lo:g} to {hi:g}"
    if display:
        return display, "ImageJ's display range"
    what = "floats" if array.dtype.kind == "f" else "signed integers"
    return None, f"a TIFF of {what} without SMinSampleValue and SMaxSampleValue states no range"


def invert_samples(
    request: Request, samples: Samples, array: Array, axis: int | None, known: Range | None
) -> str:
    """Invert gray values in place, so that larger is brighter, and return a note that says so.

    They are inverted within the caller's range if there is one, else within `known`. Alpha is left
    as it is.
    """
    grays = [array]
    if axis is not None:
        samples_last = np.moveaxis(array, axis, -1)
        grays = [samples_last[..., k] for k in range(array.shape[axis]) if k not in samples.alphas]
    stated = None if are_limits(request.value_range) else known
    lo, hi = stated or find_pivot(request.value_range, grays)
    try:
        are_cut = invert_gray(grays, (lo, hi))
    except ValueError as error:
        raise request.error(f"0 is white, {error}") from None
    note = "inverted, because 0 is white in the file"
    return f"{note}; values far outside of {lo} to {hi} saturate" if are_cut else note


def find_significant_bits(ome: ElementTree.Element | None) -> int:
    """Return OME's SignificantBits, the same for all images of the file, or 0."""
    stated = {
        element.get("SignificantBits", "")
        for element in (() if ome is None else ome.iter())
        if element.tag.endswith("Pixels")
    }
    text = stated.pop() if len(stated) == 1 else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def _find_display_range(file: TiffFile, page: TiffPage) -> Range | None:
    """Return what ImageJ shows as black and white, if it is the same for all channels."""
    stated = file.imagej_metadata if file.is_imagej else None
    if not stated or page.samplesperpixel > 1:
        return None
    ends: Any = (stated.get("min"), stated.get("max"))
    if stated.get("channels", 1) != 1:
        ranges = np.ravel(stated.get("Ranges", ()))
        pairs = {tuple(pair) for pair in ranges[: len(ranges) // 2 * 2].reshape(-1, 2).tolist()}
        ends = pairs.pop() if len(pairs) == 1 else (None, None)
    lo, hi = ends
    if not all(isinstance(end, int | float) and np.isfinite(end) for end in ends) or not lo < hi:
        return None
    return as_number(lo), as_number(hi)


def _find_number(page: TiffPage, code: int) -> float | None:
    """Return a tag's number, if it is the same for every sample."""
    tag = page.tags.get(code)
    if tag is None or tag.value is None or isinstance(tag.value, str):
        return None
    value: Any = tag.value
    if isinstance(value, bytes):
        value = list(value) if tag.dtype == _BYTE else ()
    values = np.ravel(value)
    if tag.dtype in _RATIONALS:
        pairs = values.reshape(-1, 2).astype(float)
        values = pairs[:, 0] / pairs[:, 1] if pairs[:, 1].all() else np.array([])
    if values.dtype.kind not in "iuf":
        return None
    found = {float(v) for v in values.tolist()}
    return found.pop() if len(found) == 1 else None
