"""DICOM by pydicom: the values after rescale, and the window that the file is to be seen in."""

import zlib
from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
)

from ..errors import BackendUnavailable
from ..registry import require
from .image import Array, ImageFile, Request, depth_range, invert, number

Range = tuple[int | float, int | float]

_RGB = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")  # pydicom gives RGB for all


class Shown(NamedTuple):
    """Values, the range that is black and white, and what says so."""

    array: Array
    value_range: Range | None
    source: str
    depth_only: bool = False


def read(request: Request) -> ImageFile:
    """Every frame, or the one asked for."""
    header = _read_header(request)
    count = int(header.get("NumberOfFrames") or 1)
    index = request.pick(count, "frames")
    grey = _is_grey(header)
    if isinstance(request.window, tuple) and not grey:
        raise request.error(f"a window is for grey, and this is {header.PhotometricInterpretation}")
    _check_size(request, header, 1 if index is not None else count)
    stored = _decode(request, header, index)
    show = _show_grey if grey else _show_colour
    shown = show(request, header, stored, index)
    frames = "N" if count > 1 and index is None else ""
    return ImageFile(
        path=request.path,
        array=shown.array,
        layout=frames + ("HW" if grey else "HWC"),
        value_range=shown.value_range,
        range_source=shown.source,
        format="DICOM",
        mode=_describe_mode(header, count),
        bits=_bits(header),
        depth_only=shown.depth_only,
        notes=tuple(_find_notes(header, index)),
    )


# The header and the pixels


def _read_header(request: Request) -> Dataset:
    """Everything before the pixels, or an error if it doesn't describe an image."""
    with request.path.open("rb") as file:
        file.seek(128)
        has_preamble = file.read(4) == b"DICM"
    if has_preamble:
        _check_deflated(request)
    header = pydicom.dcmread(request.path, stop_before_pixels=True, force=True)
    for keyword in ("Rows", "Columns", "PhotometricInterpretation", "BitsAllocated"):
        if header.get(keyword) is None:
            kind = UID(header.get("SOPClassUID", "")).name
            what = "DICOM" if has_preamble else "not DICOM, or DICOM"
            of = f" of {kind}" if kind else ""
            raise request.error(f"{what}{of} without an image: it has no {keyword}")
    return header


def _check_deflated(request: Request) -> None:
    """Refuse a deflated data set of more than the limit; pydicom inflates it in one piece."""
    meta = pydicom.filereader.read_file_meta_info(request.path)
    syntax = meta.get("TransferSyntaxUID")
    if syntax is None or not UID(syntax).is_deflated:
        return
    with request.path.open("rb") as file:
        file.seek(132 + 12 + meta.FileMetaInformationGroupLength)  # PS3.10, 7.1
        inflated = zlib.decompressobj(-zlib.MAX_WBITS)
        size = 0
        while block := inflated.unconsumed_tail or file.read(1 << 16):
            size += len(inflated.decompress(block, 1 << 20))
            if size > request.limit:
                raise request.error(
                    f"its deflated data takes more than the limit, {request.limit:,} bytes: "
                    "read(path, limit=...) if you trust it"
                )


def _check_size(request: Request, header: Dataset, frames: int) -> None:
    """What decoding takes, and what the values take then if they are wider."""
    samples = int(header.get("SamplesPerPixel") or 1)
    itemsize = (int(header.BitsAllocated) + 7) // 8
    if header.PhotometricInterpretation == "PALETTE COLOR":
        samples, itemsize = 3, 2
    elif _is_grey(header) and header.get("BitsStored"):
        items = _macros(header, "PixelValueTransformationSequence", None)
        itemsize = max(
            itemsize, *(_rescaled_dtype(i, _stored_range(header)).itemsize for i in items)
        )
        if request.window == "file":
            windows = _macros(header, "FrameVOILUTSequence", None)
            if any(_function(item) == "SIGMOID" for item in windows):
                itemsize = 8
            elif any(item.get("VOILUTSequence") for item in windows):
                itemsize = max(itemsize, 2)
    request.check_size((frames, header.Rows, header.Columns, samples), itemsize)


def _decode(request: Request, header: Dataset, index: int | None) -> Array:
    """The stored values; colours as RGB."""
    syntax = _transfer_syntax(header)
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise request.error(f"pydicom has no decoder for {syntax.name}") from error
    if not decoder.is_available:
        lacking = "; ".join(decoder.missing_dependencies)
        unavailable = BackendUnavailable(
            f"{request.path}: {syntax.name} needs a codec: pip install 'graytorgb[dicom]' "
            f"(pydicom: {lacking})"
        )
        unavailable.missing = True
        raise unavailable
    dataset = pydicom.dcmread(request.path, force=True)
    if not any(f"{kind}PixelData" in dataset for kind in ("", "Float", "DoubleFloat")):
        raise request.error("DICOM without pixels: truncated before them, or stripped of them")
    _check_frames(request, dataset, syntax)
    dataset.file_meta.TransferSyntaxUID = syntax
    return pixel_array(dataset, index=index)


def _check_frames(request: Request, dataset: Dataset, syntax: UID) -> None:
    """Refuse a compressed frame that isn't of the size that the file states.

    A codec makes room for what the frame itself says, and 141 bytes of JPEG 2000 can say 12,000
    rows of 12,000.
    """
    if syntax in JPEG2000TransferSyntaxes:
        plugin = require("PIL.Jpeg2KImagePlugin", "PIL", "dicom").Jpeg2KImageFile
    elif syntax == JPEGBaseline8Bit:
        plugin = require("PIL.JpegImagePlugin", "PIL", "dicom").JpegImageFile
    else:
        return
    stated = (dataset.Columns, dataset.Rows)
    count = int(dataset.get("NumberOfFrames") or 1)
    for frame in generate_frames(dataset.PixelData, number_of_frames=count):
        try:
            with plugin(BytesIO(frame)) as image:
                width, height = image.size
        except SyntaxError:
            continue  # a kind of header that Pillow doesn't know; the codec may
        if (width, height) != stated:
            raise request.error(
                f"it states {stated[0]}x{stated[1]} pixels, and a frame has {width}x{height}"
            )


def _transfer_syntax(header: Dataset) -> UID:
    """How the file is encoded; files from before there was a statement are not compressed."""
    if "TransferSyntaxUID" in header.file_meta:
        return UID(header.file_meta.TransferSyntaxUID)
    return ImplicitVRLittleEndian if header.original_encoding[0] else ExplicitVRLittleEndian


def _is_grey(header: Dataset) -> bool:
    return header.PhotometricInterpretation in ("MONOCHROME1", "MONOCHROME2")


def _bits(header: Dataset) -> int | None:
    """The bits stored; None for floats, whose depth is no statement."""
    if header.BitsAllocated == 1:
        return 1
    return int(header.BitsStored) if header.get("BitsStored") else None


# Grey: stored values -> modality values -> window


def _show_grey(request: Request, header: Dataset, stored: Array, index: int | None) -> Shown:
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
    return depth_range(_bits(header) or 1, signed=header.get("PixelRepresentation") == 1)


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
    source = f"DICOM's depth, {_bits(header)} bits stored"
    if full is None:
        source = "DICOM of floats without a window states no range"
    by_depth = Shown(values, full, source, full is not None)
    if request.window is None:
        return by_depth
    items = _macros(header, "FrameVOILUTSequence", index)
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
    source = f"the window in the file, centre {centre:g}, width {width:g}"
    if function != "LINEAR":
        source += f", {function}"
    if width < (1 if function == "LINEAR" else 0) or width == 0:
        return by_depth._replace(source=f"{by_depth.source}, as {source} is void")
    if function == "SIGMOID":
        with np.errstate(over="ignore"):  # exp of a far value is infinite, and 1 / inf is 0
            sigmoid = 1 / (1 + np.exp(-4 * (values.astype(np.float64) - centre) / width))
        return Shown(sigmoid, (0, 1), source)  # PS3.3, C.11.2.1.3.1, with outputs 0 to 1
    if function not in ("LINEAR", "LINEAR_EXACT"):
        raise request.error(f"its VOI LUT function {function!r} is unknown: window=None ignores it")
    return Shown(values, _window_edges(centre, width, function), source)


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


# Colour


def _show_colour(request: Request, header: Dataset, stored: Array, index: int | None) -> Shown:
    colours = header.PhotometricInterpretation
    if colours == "PALETTE COLOR":
        entries, _, bits = header.RedPaletteColorLookupTableDescriptor
        if bits == 8 and (entries or 65536) > 256:
            raise request.error("a palette of more than 256 colours of 8 bits, which pydicom lacks")
        rgb = apply_color_lut(stored, header)
        bits = rgb.dtype.itemsize * 8
        return Shown(rgb, depth_range(bits), f"its palette, of {bits} bits")
    if colours not in _RGB:
        raise request.error(f"its colours are {colours}, neither grey nor RGB")
    bits = int(header.BitsStored)
    return Shown(stored, depth_range(bits), f"DICOM's depth, {bits} bits stored")


# What people read


def _describe_mode(header: Dataset, count: int) -> str:
    syntax = _transfer_syntax(header)
    parts = [
        header.get("Modality") or "no modality",
        header.PhotometricInterpretation,
        f"{_bits(header) or header.BitsAllocated} of {header.BitsAllocated} bits",
        "signed" if header.get("PixelRepresentation") == 1 else "",
        syntax.name if syntax.is_compressed else "",
        f"{count} frames" if count > 1 else "",
    ]
    return ", ".join(filter(None, parts))


def _find_notes(header: Dataset, index: int | None) -> list[str]:
    notes = []
    if header.PhotometricInterpretation == "MONOCHROME1":
        notes.append("turned round, because MONOCHROME1 has its smallest value white")
    if _is_grey(header):
        item = _macros(header, "FrameVOILUTSequence", index)[0]
        centres, widths = _all(item, "WindowCenter"), _all(item, "WindowWidth")
        if len(centres) > 1:
            names = _all(item, "WindowCenterWidthExplanation") or [""] * len(centres)
            windows = zip(centres, widths, names, strict=False)
            listed = "; ".join(f"({c:g}, {w:g}) {name}".strip() for c, w, name in windows)
            notes.append(f"windows in the file: {listed}")
    return notes


# Data elements


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
    return bool(_all(item, "WindowCenter") and _all(item, "WindowWidth"))


def _window(item: Dataset) -> tuple[float, float]:
    """The first window."""
    return float(_all(item, "WindowCenter")[0]), float(_all(item, "WindowWidth")[0])


def _function(item: Dataset) -> str:
    return str(item.get("VOILUTFunction") or "LINEAR").upper()


def _all(item: Dataset, keyword: str) -> list[Any]:
    """The values of an element that has one, several or none."""
    value = item.get(keyword)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, pydicom.multival.MultiValue) else [value]
