"""DICOM by pydicom: the header, the pixels and their colours; `dicom_grey` has grey values."""

import zlib
from io import BytesIO

import pydicom
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
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
from .dicom_grey import Shown, all_values, bits_stored, show, value_size, window_items
from .image import Array, ImageFile, Request, depth_range

_RGB = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")  # pydicom gives RGB for all


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
    shown = (show if grey else _show_colour)(request, header, stored, index)
    frames = "N" if count > 1 and index is None else ""
    return ImageFile(
        path=request.path,
        array=shown.array,
        layout=frames + ("HW" if grey else "HWC"),
        value_range=shown.value_range,
        range_source=shown.source,
        format="DICOM",
        mode=_describe_mode(header, count),
        bits=bits_stored(header),
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
        itemsize = max(itemsize, value_size(request, header))
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
    return Shown(stored, depth_range(bits), f"DICOM's depth, {bits} bits stored", depth_only=True)


# What people read


def _describe_mode(header: Dataset, count: int) -> str:
    syntax = _transfer_syntax(header)
    parts = [
        header.get("Modality") or "no modality",
        header.PhotometricInterpretation,
        f"{bits_stored(header) or header.BitsAllocated} of {header.BitsAllocated} bits",
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
        item = window_items(header, index)[0]
        centres, widths = all_values(item, "WindowCenter"), all_values(item, "WindowWidth")
        if len(centres) > 1:
            names = all_values(item, "WindowCenterWidthExplanation") or [""] * len(centres)
            windows = zip(centres, widths, names, strict=False)
            listed = "; ".join(f"({c:g}, {w:g}) {name}".strip() for c, w, name in windows)
            notes.append(f"windows in the file: {listed}")
    return notes
