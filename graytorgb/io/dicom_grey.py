"""DICOM's grey: stored values, the modality's values, and the window they are to be seen in."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from .image import Array, Request, depth_range, invert, number

Range = tuple[int | float, int | float]


class Shown(NamedTuple):
    """Values, the range that is black and white, and what says so."""

    array: Array
    value_range: Range | None
    source: str
    depth_only: bool = False


def show(request: Request, header: Dataset, stored: Array, index: int | None) -> Shown:
    """What a stored frame is to be seen as; larger is brighter."""
    values, full = _to_modality(request, header, stored, index)
    shown = _apply_window(request, header, values, full, index)
    if header.PhotometricInterpretation == "MONOCHROME2":
        return shown
    around = full if shown.array is values else shown.value_range
    if around is None:
        raise request.error("MONOCHROME1, and nothing tells which value is black")
    value_range = shown.value_range
    if value_range is not None:
        total = around[0] + around[1]
        value_range = (number(total - value_range[1]), number(total - value_range[0]))
    return shown._replace(array=invert(shown.array, around), value_range=value_range)


def _to_modality(
    request: Request, header: Dataset, stored: Array, index: int | None
) -> tuple[Array, Range | None]:
    """The values in the modality's units, and the range that their depth allows."""
    if stored.dtype.kind == "f":
        return stored, None
    limits = _stored_range(header)
    if stored.size and not limits[0] <= stored.min() <= stored.max() <= limits[1]:
        raise request.error(f"it states {header.BitsStored} bits, and its values need more")
    items = _macros(header, "PixelValueTransformationSequence", index)
    if items[0].get("ModalityLUTSequence"):
        lut = items[0].ModalityLUTSequence[0]
        deep = _with_deep_lut(items[0], "ModalityLUTSequence")
        return apply_modality_lut(stored.astype(np.int32), deep), depth_range(lut.LUTDescriptor[2])
    frames = [stored] if len(items) == 1 else list(stored)
    rescaled = [_rescale(frame, item, limits) for frame, item in zip(frames, items, strict=True)]
    ranges = [value_range for _, value_range in rescaled]
    values = rescaled[0][0] if len(items) == 1 else np.stack([frame for frame, _ in rescaled])
    return values, (min(lo for lo, _ in ranges), max(hi for _, hi in ranges))


def _stored_range(header: Dataset) -> Range:
    return depth_range(bits_stored(header) or 1, signed=header.get("PixelRepresentation") == 1)


def _rescale(stored: Array, item: Dataset, limits: Range) -> tuple[Array, Range]:
    """Slope and intercept; integers stay integers where both are."""
    if not _has_rescale(item):
        return stored, limits
    if item.RescaleSlope == 0:
        raise ValueError("RescaleSlope is 0")
    values = apply_modality_lut(stored, item)  # float64
    return values.astype(_rescaled_dtype(item, limits), copy=False), _rescaled(item, limits)


def _has_rescale(item: Dataset) -> bool:
    slope, intercept = item.get("RescaleSlope"), item.get("RescaleIntercept")
    return slope is not None and intercept is not None and (slope, intercept) != (1, 0)


def _rescaled(item: Dataset, limits: Range) -> Range:
    slope, intercept = float(item.RescaleSlope), float(item.RescaleIntercept)
    lo, hi = sorted(limit * slope + intercept for limit in limits)
    return number(lo), number(hi)


def _rescaled_dtype(item: Dataset, limits: Range) -> np.dtype[Any]:
    """The smallest integers that hold every possible value, or float64 for fractions."""
    if item.get("ModalityLUTSequence"):
        return np.dtype(np.uint16)
    if not _has_rescale(item):
        return np.dtype(np.uint8)  # as stored
    if not all(
        float(item[word].value).is_integer() for word in ("RescaleSlope", "RescaleIntercept")
    ):
        return np.dtype(np.float64)
    return np.result_type(*(np.min_scalar_type(int(end)) for end in _rescaled(item, limits)))


def _apply_window(
    request: Request, header: Dataset, values: Array, full: Range | None, index: int | None
) -> Shown:
    """The range of the window asked for; a VOI LUT or a sigmoid is applied to the values."""
    if isinstance(request.window, tuple):
        centre, width = request.window
        edges = _window_edges(centre, width, "LINEAR")
        return Shown(values, edges, f"the window asked for, centre {centre:g}, width {width:g}")
    source = f"DICOM's depth, {bits_stored(header)} bits stored"
    if full is None:
        source = "DICOM of floats without a window states no range"
    by_depth = Shown(values, full, source, full is not None)
    if request.window is None:
        return by_depth
    items = window_items(header, index)
    if not any(map(_has_window, items)):
        return by_depth
    if not all(map(_has_window, items)):
        return Shown(values, None, "some frames have a window, and some have none")
    if any(item.get("VOILUTSequence") for item in items):
        return _apply_voi_lut(request, items, values)
    windows = {(_window(item), _function(item)) for item in items}
    if len(windows) > 1:
        return Shown(values, None, "the frames have different windows")
    ((centre, width), function) = windows.pop()
    return _apply_function(request, by_depth, centre, width, function)


def _apply_function(
    request: Request, by_depth: Shown, centre: float, width: float, function: str
) -> Shown:
    """A window in the file, by its VOI LUT function."""
    source = f"the window in the file, centre {centre:g}, width {width:g}"
    if function != "LINEAR":
        source += f", {function}"
    if width < (1 if function == "LINEAR" else 0) or width == 0:
        return by_depth._replace(source=f"{by_depth.source}, as {source} is void")
    if function == "SIGMOID":  # PS3.3, C.11.2.1.3.1, with outputs 0 to 1
        values = by_depth.array.astype(np.float64)
        with np.errstate(over="ignore"):  # exp of a far value is infinite, and 1 / inf is 0
            return Shown(1 / (1 + np.exp(-4 * (values - centre) / width)), (0, 1), source)
    if function not in ("LINEAR", "LINEAR_EXACT"):
        raise request.error(f"its VOI LUT function {function!r} is unknown: window=None ignores it")
    return Shown(by_depth.array, _window_edges(centre, width, function), source)


def _window_edges(centre: float, width: float, function: str) -> Range:
    """The last value that is black and the first that is white: PS3.3, C.11.2.1.2.1 and .3.2.

    >>> _window_edges(40, 400, "LINEAR"), _window_edges(40, 400, "LINEAR_EXACT")
    ((-160, 239), (-160, 240))
    """
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    lo, hi = centre - width / 2, centre + width / 2
    if not lo < hi:  # a threshold: what is above it is white
        hi = float(np.nextafter(lo, np.inf))
    return number(lo), number(hi)


def _apply_voi_lut(request: Request, items: Sequence[Dataset], values: Array) -> Shown:
    if len(items) > 1:
        return Shown(values, None, "the frames have a VOI LUT each")
    if values.dtype.kind == "f":
        raise request.error("a VOI LUT takes integers, and these aren't: window=None ignores it")
    descriptor = items[0].VOILUTSequence[0].LUTDescriptor
    looked_up = apply_voi_lut(
        values.astype(np.int32), _with_deep_lut(items[0], "VOILUTSequence"), prefer_lut=True
    )
    explanation = items[0].VOILUTSequence[0].get("LUTExplanation")
    source = "the VOI LUT in the file" + (f", {explanation}" if explanation else "")
    return Shown(looked_up, depth_range(descriptor[2]), source)


def _with_deep_lut(item: Dataset, keyword: str) -> Dataset:
    """The same data set, its table declared as 16 bits wide: as it is stored.

    pydicom makes the indices as narrow as it is told the entries are, and they wrap round.
    """
    copied = Dataset()
    copied.set_original_encoding(*item.original_encoding)
    copied.update(item)
    lut = Dataset()
    lut.update(item[keyword].value[0])
    entries, first, _ = lut.LUTDescriptor
    lut.LUTDescriptor = [entries, first, 16]
    copied[keyword] = pydicom.DataElement(keyword, "SQ", pydicom.Sequence([lut]))
    return copied


# Data elements


def bits_stored(header: Dataset) -> int | None:
    """The bits stored; None for floats, whose depth is no statement."""
    if header.BitsAllocated == 1:
        return 1
    return int(header.BitsStored) if header.get("BitsStored") else None


def value_size(request: Request, header: Dataset) -> int:
    """The bytes that a value takes after rescale, Modality LUT and VOI LUT, at least."""
    items = _macros(header, "PixelValueTransformationSequence", None)
    sizes = [_rescaled_dtype(item, _stored_range(header)).itemsize for item in items]
    if request.window == "file":
        windows = window_items(header, None)
        sizes += [8 for item in windows if _function(item) == "SIGMOID"]
        sizes += [2 for item in windows if item.get("VOILUTSequence")]
    return max(sizes)


def window_items(header: Dataset, index: int | None) -> list[Dataset]:
    """The data sets that hold windows and VOI LUTs: one for all frames, or one each."""
    return _macros(header, "FrameVOILUTSequence", index)


def _macros(header: Dataset, keyword: str, index: int | None) -> list[Dataset]:
    """The data sets that hold a macro's elements: the file itself, or a functional group's.

    An enhanced multi-frame file keeps them in functional groups (PS3.3, C.7.6.16), shared by
    all frames or one a frame; every other file at its top.
    """
    shared = header.get("SharedFunctionalGroupsSequence")
    if shared and shared[0].get(keyword):
        return [shared[0].get(keyword)[0]]
    frames = header.get("PerFrameFunctionalGroupsSequence") or []
    if not any(frame.get(keyword) for frame in frames):
        return [header]
    chosen = frames if index is None else [frames[index]]
    return [frame.get(keyword)[0] if frame.get(keyword) else Dataset() for frame in chosen]


def _has_window(item: Dataset) -> bool:
    if item.get("VOILUTSequence"):
        return True
    return bool(all_values(item, "WindowCenter") and all_values(item, "WindowWidth"))


def _window(item: Dataset) -> tuple[float, float]:
    """The first window."""
    return float(all_values(item, "WindowCenter")[0]), float(all_values(item, "WindowWidth")[0])


def _function(item: Dataset) -> str:
    return str(item.get("VOILUTFunction") or "LINEAR").upper()


def all_values(item: Dataset, keyword: str) -> list[Any]:
    """The values of an element that has one, several or none."""
    value = item.get(keyword)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, pydicom.multival.MultiValue) else [value]
