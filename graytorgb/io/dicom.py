"""DICOM by pydicom: what the file holds, checked, decoded, and as it is to be seen.

``dicom_header`` has the elements, ``dicom_codestream`` the headers of compressed frames,
``dicom_decode`` the codecs, ``dicom_gray``, ``dicom_window``, ``dicom_lut`` and ``dicom_color``
what the values are.
"""

from ..core.image_file import ImageFile
from ..errors import ImageFileError
from .dicom_color import find_color_form, show_color
from .dicom_decode import decode
from .dicom_gray import find_dtype, fit_depth, show
from .dicom_header import Scan, open_scan
from .dicom_window import is_hounsfield, note_windows
from .image import CT_WINDOWS, Request


def read(request: Request) -> ImageFile:
    """Read every frame, or the one asked for."""
    scan = open_scan(request)
    if request.window not in ("file", None) and not scan.is_gray:
        raise request.error(f"a window is for gray, and this is {scan.colors}")
    frames = "N" if scan.count > 1 and scan.index is None else ""
    _check_size(scan, frames)
    stored = fit_depth(scan, decode(scan))
    shown = (show if scan.is_gray else show_color)(scan, stored)
    _note_stated(scan)
    return ImageFile(
        path=request.path,
        array=shown.array,
        layout=frames + ("HW" if scan.is_gray else "HWC"),
        value_range=shown.value_range,
        range_source=shown.source,
        format="DICOM",
        mode=_describe_mode(scan),
        bits=scan.bits,
        depth_only=shown.depth_only,
        notes=tuple(scan.notes),
        advice=_advise(scan),
    )


def _check_size(scan: Scan, frames: str) -> None:
    """Hold what the values take, as stored and as shown, against the limit."""
    channels, dtype = (0, find_dtype(scan)) if scan.is_gray else find_color_form(scan)
    shape = [scan.count] * bool(frames) + [scan.rows, scan.columns]
    shape += [channels] * bool(channels)
    scan.request.check_size(shape, max(dtype.itemsize, scan.stored_dtype.itemsize))


def _note_stated(scan: Scan) -> None:
    """Tell the windows in the file; if they can't be read and aren't used, tell that."""
    if not scan.is_gray:
        return
    try:
        note_windows(scan)
    except ImageFileError as error:
        why = str(error).removeprefix(f"{scan.request.path}: ")
        scan.note(f"the file's window can't be read: {why}")


def _advise(scan: Scan) -> str:
    if scan.is_gray and is_hounsfield(scan):
        return "window=" + ", ".join(f'"{name}"' for name in CT_WINDOWS) + " or (center, width)"
    return "window=(center, width)"


def _describe_mode(scan: Scan) -> str:
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
