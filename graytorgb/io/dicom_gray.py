"""DICOM's gray: stored values become the modality's values, in a window, with white the largest."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut

from .dicom_lut import check_lut, declare_16_bits
from .dicom_scan import Scan
from .dicom_window import Rendering, apply_window, find_next_value, read_function
from .ranges import Array, Range, are_limits, as_number, find_depth_range, find_pivot, invert_gray

_OVERSHOOT = 4  # a lossy codec may pass the ends of the depth by a quarter of it


def show_gray(scan: Scan, stored: Array) -> Rendering:
    """Return what stored frames are to be seen as, with larger values brighter."""
    values, full = _apply_modality(scan, stored)
    shown = apply_window(scan, values, full)
    if not _is_inverse(scan):
        return shown
    around = full if shown.array is values else shown.value_range
    if around is None or (shown.array.dtype.kind == "i" and are_limits(scan.request.value_range)):
        if scan.request.value_range is None:
            raise scan.error(
                f"{scan.colors} of floats, whose smallest value is white, and nothing tells which "
                f"value is black: {scan.request.call}, value_range=(lo, hi)) inverts it within "
                "that range"
            )
        around = find_pivot(scan.request.value_range, [shown.array])
    value_range = shown.value_range
    if value_range is not None:
        total = around[0] + around[1]
        lo, hi = total - value_range[1], total - value_range[0]
        lo = min(lo, 2 * hi - find_next_value(hi))  # a threshold stays one in spite of rounding
        value_range = as_number(lo), as_number(hi)
    try:
        invert_gray([shown.array], around)
    except ValueError as error:
        raise scan.error(f"its smallest value is white, {error}") from None
    return shown._replace(value_range=value_range, is_inverted=True)


def _is_inverse(scan: Scan) -> bool:
    """Return whether the smallest value is white, with a note: PS3.3, C.7.6.3.1.2 and C.11.6."""
    shape = str(scan.dataset.get("PresentationLUTShape") or "").upper()
    if scan.colors == "MONOCHROME1":
        told = "inverted, because MONOCHROME1 has its smallest value white"
        if shape == "IDENTITY":
            told += ", though PresentationLUTShape is IDENTITY"
        scan.note(told)
        return True
    if shape == "INVERSE":
        scan.note("inverted, because PresentationLUTShape is INVERSE")
    return shape == "INVERSE"


# The modality's values


def fit_depth(scan: Scan, stored: Array) -> Array:
    """Return stored values within the depth that the header states.

    A lossy codec's overshoot is saturated with a note; more than that is an error.
    """
    if scan.bits is None or not scan.is_compressed or scan.bits == 8 * stored.itemsize:
        return stored  # no value can be beyond the depth
    lo, hi = _find_stored_range(scan)
    excess = max(lo - int(stored.min()), int(stored.max()) - hi)
    if excess <= 0:
        return stored
    if not scan.is_lossy or excess > (hi - lo + 1) // _OVERSHOOT:
        raise scan.error(
            f"it states {scan.bits} bits, and its values need more: {stored.min()} to "
            f"{stored.max()}, where BitsStored allows {lo} to {hi}"
        )
    count = int(np.count_nonzero((stored < lo) | (stored > hi)))
    scan.note(
        f"{count:,} values that lossy compression took beyond the {scan.bits} bits stored, by at "
        f"most {excess}, are saturated"
    )
    return stored.clip(lo, hi)


def find_dtype(scan: Scan) -> np.dtype[Any]:
    """Return the dtype of the values after rescale, Modality LUT, VOI LUT or sigmoid."""
    items = scan.find_macros("PixelValueTransformationSequence")
    dtype = np.result_type(*(_find_modality_dtype(scan, item) for item in items))
    if scan.request.window == "file":
        windows = scan.find_macros("FrameVOILUTSequence")
        if any(item.get("VOILUTSequence") for item in windows):
            return np.dtype(np.uint16)
        if any(read_function(item) == "SIGMOID" for item in windows):
            return np.dtype(np.float64)
    return dtype


def _apply_modality(scan: Scan, stored: Array) -> tuple[Array, Range | None]:
    """Return the values in the modality's units, and the range that their depth allows."""
    items: Sequence[Dataset] = scan.find_macros("PixelValueTransformationSequence")
    frames = [stored] if len(items) == 1 else list(stored)
    changed = [_convert_frame(scan, frame, item) for frame, item in zip(frames, items, strict=True)]
    values = changed[0] if len(items) == 1 else np.stack(changed)
    if scan.bits is None:
        return values, None
    ends = [end for item in items for end in _find_modality_range(scan, item)]
    return values, (min(ends), max(ends))


def _convert_frame(scan: Scan, stored: Array, item: Dataset) -> Array:
    """Return a frame in the modality's units, by its lookup table or its slope and intercept."""
    if item.get("ModalityLUTSequence"):
        check_lut(scan, item, "ModalityLUTSequence")
        if stored.dtype.kind == "f":
            raise scan.error("its ModalityLUTSequence takes integers, and its pixels are floats")
        deep = declare_16_bits(item, "ModalityLUTSequence")
        return np.asarray(apply_modality_lut(stored.astype(np.int32), deep))
    slope, intercept = _read_rescale(scan, item)
    if (slope, intercept) == (1, 0):
        return stored
    dtype = _find_modality_dtype(scan, item)
    values = stored.astype(dtype)
    # In integers each step may wrap round, and the result, which the dtype holds, is exact.
    exact = np.float64 if dtype.kind == "f" else np.int64
    if slope != 1:
        values *= exact(slope).astype(dtype)
    if intercept != 0:
        values += exact(intercept).astype(dtype)
    return values


def _find_modality_range(scan: Scan, item: Dataset) -> Range:
    """Return the range that the stored depth has in the modality's units."""
    if item.get("ModalityLUTSequence"):
        return find_depth_range(check_lut(scan, item, "ModalityLUTSequence"))
    slope, intercept = _read_rescale(scan, item)
    lo, hi = sorted(limit * slope + intercept for limit in _find_stored_range(scan))
    if not np.isfinite(hi - lo):
        raise scan.error(f"its RescaleSlope is {slope:g}, which makes values that aren't finite")
    if lo == hi:
        raise scan.error(
            f"its RescaleSlope is {slope:g}, which float64 loses beside its RescaleIntercept, "
            f"{intercept:g}: every value would be the same"
        )
    return as_number(lo), as_number(hi)


def _find_modality_dtype(scan: Scan, item: Dataset) -> np.dtype[Any]:
    """Return the smallest integers that hold every possible value, or float64 for fractions."""
    if item.get("ModalityLUTSequence"):
        return np.dtype(np.uint16)
    rescale = _read_rescale(scan, item)
    if rescale == (1.0, 0.0):
        return scan.stored_dtype
    if scan.bits is None or not all(factor.is_integer() for factor in rescale):
        return np.dtype(np.float64)
    ends = _find_modality_range(scan, item)
    if max(map(abs, ends)) > 1 << 53:  # float64, in which they are computed, has no more
        return np.dtype(np.float64)
    return np.result_type(*(np.min_scalar_type(int(end)) for end in ends))


def _read_rescale(scan: Scan, item: Dataset) -> tuple[float, float]:
    """Return slope and intercept; each has its own default, as in GDCM and fo-dicom."""
    found = []
    for keyword, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)):
        values = scan.read_numbers(item, keyword)
        if len(values) > 1:
            raise scan.error(f"its {keyword} has {len(values)} values, and one is expected")
        found.append(values[0] if values else default)
    if found[0] == 0:
        raise scan.error("its RescaleSlope is 0, which makes every value the same")
    return found[0], found[1]


def _find_stored_range(scan: Scan) -> tuple[int, int]:
    """Return the smallest and the largest value that the bits stored hold."""
    return find_depth_range(scan.bits or 0, signed=scan.is_signed)
