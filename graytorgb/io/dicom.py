"""DICOM by pydicom: the header is checked, the pixels are decoded, and shown as the file asks.

A file goes through these modules: ``dicom_header`` opens it as a ``Scan`` of ``dicom_scan``,
``dicom_frames`` compares compressed frames with the header, ``dicom_decode`` decodes them by the
codecs in ``dicom_syntaxes``. Then ``dicom_gray``, with ``dicom_window`` and ``dicom_lut``, or
``dicom_color`` makes what is to be seen of the stored values.
"""

from dataclasses import replace

import numpy as np

from ..core.image_file import ImageFile, make_stand_in
from .dicom_color import find_color_form, show_color
from .dicom_decode import decode, find_decoder
from .dicom_frames import check_frames
from .dicom_gray import find_dtype, fit_depth, show_gray
from .dicom_header import open_scan
from .dicom_scan import GRAY, Scan
from .dicom_window import is_in_hounsfield, note_windows
from .ranges import Array
from .request import CT_WINDOWS, Request


def read(request: Request) -> ImageFile:
    """Read every frame, or the one that was asked for."""
    scan = open_scan(request)
    _check_scan(scan)
    return _describe(scan, fit_depth(scan, decode(scan)))


def read_header(request: Request) -> ImageFile:
    """Read the elements before the pixels, with a stand-in for the pixels.

    The dtype and the range don't depend on the values, so one pixel a frame tells them.
    """
    scan = open_scan(request, stops=True)
    shape = _check_scan(scan)
    if scan.is_compressed:
        find_decoder(scan)
    else:
        check_frames(scan)
    samples = (3,) * (scan.dataset.SamplesPerPixel == 3)
    pixel = np.zeros((*shape[: len(_find_leading(scan))], 1, 1, *samples), scan.stored_dtype)
    image = _describe(scan, pixel)
    return replace(image, array=make_stand_in(shape, image.array.dtype))


def _check_scan(scan: Scan) -> tuple[int, ...]:
    """Return the shape of the array, or raise for a window of color or more than the limit."""
    if scan.request.window not in ("file", None) and not scan.is_gray:
        raise scan.error(f"a window is for gray, and this is {scan.colors}")
    channels, dtype = (0, find_dtype(scan)) if scan.is_gray else find_color_form(scan)
    leading = [scan.count] * len(_find_leading(scan))
    shape = (*leading, scan.rows, scan.columns, *[channels] * bool(channels))
    scan.request.check_size(shape, max(dtype.itemsize, scan.stored_dtype.itemsize))
    return shape


def _find_leading(scan: Scan) -> str:
    """Return the axis of frames, if the array has one."""
    return "N" if scan.count > 1 and scan.index is None else ""


def _describe(scan: Scan, stored: Array) -> ImageFile:
    """Return stored values as they are to be seen, with what the file states."""
    shown = (show_gray if scan.is_gray else show_color)(scan, stored)
    if scan.is_gray:
        note_windows(scan)
    return ImageFile(
        path=scan.request.path,
        array=shown.array,
        layout=_find_leading(scan) + ("HW" if scan.is_gray else "HWC"),
        value_range=shown.value_range,
        range_source=shown.source,
        format="DICOM",
        mode=_describe_mode(scan),
        bits=scan.bits,
        depth_only=shown.depth_only,
        notes=tuple(scan.notes),
        advice=_advise(scan),
        color_type=_COLOR_TYPES.get(scan.colors, "RGB"),
        is_inverted=shown.is_inverted,
        has_icc=_has_icc(scan),
        frames=scan.count,
    )


_COLOR_TYPES = {**dict.fromkeys(GRAY, "gray"), "PALETTE COLOR": "palette"}


def _has_icc(scan: Scan) -> bool:
    """Return whether there is a color profile, in the data set or an optical path (C.11.15)."""
    paths = scan.dataset.get("OpticalPathSequence") or []
    return "ICCProfile" in scan.dataset or any("ICCProfile" in path for path in paths)


def _advise(scan: Scan) -> str:
    """Return the argument of `read` that states black and white of this file."""
    if scan.is_gray and is_in_hounsfield(scan):
        return "window=" + ", ".join(f'"{name}"' for name in CT_WINDOWS) + " or (center, width)"
    return "window=(center, width)"


def _describe_mode(scan: Scan) -> str:
    """Return the kind of the pixels, for people."""
    syntax = scan.syntax
    parts = [
        scan.dataset.get("Modality") or "no modality",
        scan.colors,
        f"{scan.bits or scan.allocated} of {scan.allocated} bits",
        "signed" if scan.is_signed else "",
        syntax.name if syntax.is_compressed else "",
        f"{scan.count} frames" if scan.count > 1 else "",
    ]
    return ", ".join(filter(None, parts))
