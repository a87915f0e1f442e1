"""The window in which DICOM's gray is to be seen: PS3.3, C.11.2."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydicom import Dataset
from pydicom.pixels.processing import apply_voi_lut

from ..errors import ImageFileError, LevelsError
from .dicom_lut import check_lut, declare_16_bits
from .dicom_scan import Scan
from .ranges import Array, Range, as_number, find_depth_range
from .request import CT_WINDOWS

_STEP = 1e-9  # far less than any device resolves, and far more than the rounding near 0


class Rendering(NamedTuple):
    """The values as they are to be seen, their range, and where the range comes from."""

    array: Array
    value_range: Range | None
    source: str
    depth_only: bool = False  # whether the range is the depth of the stored values
    is_inverted: bool = False  # whether the smallest stored value is white


def apply_window(scan: Scan, values: Array, full: Range | None) -> Rendering:
    """Return the values and the range of the window asked for; apply a VOI LUT or a sigmoid."""
    window = scan.request.window
    if isinstance(window, str) and window in CT_WINDOWS:
        _check_hounsfield(scan, window)
        center, width = CT_WINDOWS[window]
        source = f'window="{window}", center {center:g}, width {width:g} in Hounsfield units'
        return Rendering(values, find_edges(center, width, "LINEAR"), source)
    if isinstance(window, tuple):
        center, width = window
        edges = find_edges(center, width, "LINEAR")
        return Rendering(values, edges, f"the window asked for, center {center:g}, width {width:g}")
    source = f"DICOM's depth, {scan.bits} bits stored"
    if full is None:
        source = "DICOM of floats without a window states no range"
    by_depth = Rendering(values, full, source, full is not None)
    return by_depth if window is None else _apply_stated(scan, by_depth)


def _apply_stated(scan: Scan, by_depth: Rendering) -> Rendering:
    """Return the values in the window that the file states, if it is one for all frames."""
    values, items = by_depth.array, scan.find_macros("FrameVOILUTSequence")
    found = [bool(item.get("VOILUTSequence")) or bool(read_windows(scan, item)) for item in items]
    if not any(found):
        return by_depth
    if not all(found):
        return Rendering(values, None, "some frames have a window, and some have none")
    if any(item.get("VOILUTSequence") for item in items):
        return _apply_voi_lut(scan, items, values)
    windows = {(read_windows(scan, item)[0], read_function(item)) for item in items}
    if len(windows) > 1:
        return Rendering(values, None, "the frames have different windows")
    ((window, function),) = windows
    return _apply_function(scan, by_depth, *window, function)


def _apply_function(
    scan: Scan, by_depth: Rendering, center: float, width: float, function: str
) -> Rendering:
    """Return the values in a window of the file, by its VOI LUT function."""
    source = f"the window in the file, center {center:g}, width {width:g}"
    if function != "LINEAR":
        source += f", {function}"
    if width < (1 if function == "LINEAR" else 0) or width == 0:
        return by_depth._replace(source=f"{by_depth.source}, as {source} is void")
    if function == "SIGMOID":  # PS3.3, C.11.2.1.3.1, with outputs 0 to 1
        values = by_depth.array.astype(np.float64)
        with np.errstate(over="ignore"):  # exp of a far value is infinite, and 1 / inf is 0
            return Rendering(1 / (1 + np.exp(-4 * (values - center) / width)), (0, 1), source)
    if function not in ("LINEAR", "LINEAR_EXACT"):
        raise scan.error(f"its VOILUTFunction {function!r} is unknown{_suggest_no_window(scan)}")
    return Rendering(by_depth.array, find_edges(center, width, function), source)


def _suggest_no_window(scan: Scan) -> str:
    """Return the end of a message that says which call works without the file's window."""
    return f"; {scan.request.call}, window=None) ignores it"


def find_edges(center: float, width: float, function: str) -> Range:
    """Return the last value that is black and the first that is white.

    PS3.3, C.11.2.1.2.1 and C.11.2.1.3.2.

    >>> find_edges(40, 400, "LINEAR"), find_edges(40, 400, "LINEAR_EXACT")
    ((-160, 239), (-160, 240))
    """
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    lo, hi = center - width / 2, center + width / 2
    return as_number(lo), as_number(max(hi, find_next_value(lo)))


def find_next_value(edge: float) -> float:
    """Return the white end of a threshold whose black end is `edge`: no value lies between."""
    return edge + max(_STEP, float(np.spacing(abs(float(edge)))))


def _apply_voi_lut(scan: Scan, items: Sequence[Dataset], values: Array) -> Rendering:
    """Return the values looked up in the file's VOI LUT."""
    if len(items) > 1:
        return Rendering(values, None, "the frames have a VOI LUT each")
    remedy = _suggest_no_window(scan)
    if values.dtype.kind == "f":
        raise scan.error(f"its VOILUTSequence takes integers, and these aren't{remedy}")
    bits = check_lut(scan, items[0], "VOILUTSequence", remedy)
    looked_up = apply_voi_lut(
        values.astype(np.int32), declare_16_bits(items[0], "VOILUTSequence"), prefer_lut=True
    )
    explanation = items[0].VOILUTSequence[0].get("LUTExplanation")
    source = "the VOI LUT in the file" + (f", {explanation}" if explanation else "")
    return Rendering(looked_up, find_depth_range(bits), source)


# What the file states


def read_windows(scan: Scan, item: Dataset) -> list[tuple[float, float]]:
    """Return the pairs of center and width."""
    centers = scan.read_numbers(item, "WindowCenter", _suggest_no_window(scan))
    widths = scan.read_numbers(item, "WindowWidth", _suggest_no_window(scan))
    if len(centers) != len(widths):
        scan.note(
            f"WindowCenter has {len(centers)} values and WindowWidth {len(widths)}: only pairs "
            "are windows"
        )
    return list(zip(centers, widths, strict=False))


def read_function(item: Dataset) -> str:
    """Return the VOI LUT function: LINEAR if the file states none (PS3.3, C.11.2.1.3)."""
    return str(item.get("VOILUTFunction") or "LINEAR").upper()


def note_windows(scan: Scan) -> None:
    """Add a note of the windows of a file that has several, or of windows that can't be read."""
    item = scan.find_macros("FrameVOILUTSequence")[0]
    try:
        windows = read_windows(scan, item)
    except ImageFileError as error:  # if the window were used, it would have been raised before
        why = str(error).removeprefix(f"{scan.request.path}: ")
        scan.note(f"the file's window can't be read: {why}")
        return
    if len(windows) > 1:
        names = item.get("WindowCenterWidthExplanation") or ""
        names = [names] if isinstance(names, str) else list(names)
        names += [""] * (len(windows) - len(names))
        pairs = zip(windows, names, strict=False)
        listed = "; ".join(f"({c:g}, {w:g}) {name}".strip() for (c, w), name in pairs)
        scan.note(f"windows in the file: {listed}")


def is_in_hounsfield(scan: Scan) -> bool:
    """Return whether the values are in Hounsfield units.

    The values of a CT image are, unless RescaleType says otherwise (PS3.3, C.8.2.1.1.2). A rescale
    has to be there, which makes Hounsfield units of the stored values.
    """
    if scan.dataset.get("Modality") != "CT" or not scan.is_gray:
        return False
    keywords = "RescaleSlope", "RescaleIntercept"
    return all(
        item.get("RescaleType") in (None, "", "HU")
        and any(scan.read_numbers(item, keyword) for keyword in keywords)
        for item in scan.find_macros("PixelValueTransformationSequence")
    )


def _check_hounsfield(scan: Scan, window: str) -> None:
    """Raise LevelsError for a window by name if the values are not Hounsfield units."""
    if not is_in_hounsfield(scan):
        modality = scan.dataset.get("Modality") or "of no modality"
        units = " in other units" if modality == "CT" else ""
        problem = (
            f'{scan.request.path}: window="{window}" is for CT in Hounsfield units, and this is '
            f"{modality}{units}"
        )
        error = LevelsError(f"{problem}: window=(center, width), in the values of this file")
        error.remedies, error.problem = ("window",), problem
        raise error
