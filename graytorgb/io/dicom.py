"""DICOM by pydicom: the header is checked, the pixels are decoded, and shown as the file asks.

A file goes through these modules: ``dicom_header`` opens it as a ``Scan`` of ``dicom_scan``,
``dicom_frames`` compares compressed frames with the header, ``dicom_decode`` decodes them by the
codecs in ``dicom_syntaxes``. Then ``dicom_gray``, with ``dicom_window`` and ``dicom_lut``, or
``dicom_color`` makes what is to be seen of the stored values.
"""

from ..core.image_file import ImageFile
from .dicom_color import find_color_form, show_color
from .dicom_decode import decode
from .dicom_gray import find_dtype, fit_depth, show_gray
from .dicom_header import open_scan
from .dicom_scan import Scan
from .dicom_window import is_in_hounsfield, note_windows
from .request import CT_WINDOWS, Request


def read(request: Request) -> ImageFile:
    """Read every frame, or the one that was asked for."""
    scan = open_scan(request)
    if request.window not in ("file", None) and not scan.is_gray:
        raise request.error(f"a window is for gray, and this is {scan.colors}")
    frames = "N" if scan.count > 1 and scan.index is None else ""
    _check_size(scan, frames)
    stored = fit_depth(scan, decode(scan))
    shown = (show_gray if scan.is_gray else show_color)(scan, stored)
    if scan.is_gray:
        note_windows(scan)
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
    """Refuse values that take more than the limit, as they are stored or as they are shown."""
    channels, dtype = (0, find_dtype(scan)) if scan.is_gray else find_color_form(scan)
    shape = [scan.count] * bool(frames) + [scan.rows, scan.columns] + [channels] * bool(channels)
    scan.request.check_size(shape, max(dtype.itemsize, scan.stored_dtype.itemsize))


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
