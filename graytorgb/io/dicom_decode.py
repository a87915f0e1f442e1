"""The pixels of a DICOM file, decoded by pydicom with codecs that don't end the process."""

import math
from typing import Any

from pydicom.dataelem import RawDataElement
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from ..errors import BackendUnavailable
from ..extras import require
from .dicom_codestream import check_frames, is_lossy
from .dicom_header import Scan
from .image import Array

# Who decodes each syntax, in this order. pydicom would try GDCM first, which aborts at frames that
# differ from their file's header, and at some damaged ones; nothing is left that only GDCM decodes.
_CODECS: dict[UID, tuple[str, ...]] = {
    JPEGBaseline8Bit: ("pillow",),
    JPEGExtended12Bit: ("imagecodecs",),
    JPEGLossless: ("imagecodecs",),
    JPEGLosslessSV1: ("imagecodecs",),
    JPEGLSLossless: ("pyjpegls",),
    JPEGLSNearLossless: ("pyjpegls",),
    JPEG2000Lossless: ("pylibjpeg", "pillow"),
    JPEG2000: ("pylibjpeg", "pillow"),
    HTJ2KLossless: ("pylibjpeg",),
    HTJ2KLosslessRPCL: ("pylibjpeg",),
    HTJ2K: ("pylibjpeg",),
    RLELossless: ("imagecodecs",),
}
_PACKAGES = {"pylibjpeg": "pylibjpeg-openjpeg", "pillow": "pillow", "pyjpegls": "pyjpegls"}


def decode(scan: Scan) -> Array:
    """Return the stored values; colors as RGB."""
    decoder = _find_decoder(scan) if scan.is_compressed else None
    check_frames(scan)
    plain = _read_plain(scan)
    if plain is not None:
        return plain
    decoder = decoder or Decoder(scan.syntax)
    scan.dataset.file_meta.TransferSyntaxUID = scan.syntax
    scan.dataset.NumberOfFrames = scan.count  # pydicom warns where it is empty or 0
    # Unused bits are cut off, but a lossy codec's overshoot mustn't become black.
    cuts = not (is_lossy(scan) and not scan.is_signed)
    planes = 0 if scan.is_compressed else scan.dataset.get("PlanarConfiguration") or 0
    options: dict[str, Any] = {
        "number_of_frames": scan.count,
        "planar_configuration": planes,
        "allow_excess_frames": False,
        "correct_unused_bits": cuts,
    }
    stored, _ = decoder.as_array(scan.dataset, index=scan.index, **options)
    return stored


def _read_plain(scan: Scan) -> Array | None:
    """The stored values of gray that is in the file as it is in memory; None of other pixels."""
    if not scan.is_plain or not scan.is_gray or scan.bits is None or scan.allocated == 1:
        return None
    element: Any = scan.dataset.get_item(scan.pixels, keep_deferred=True)
    if element.value is not None or not isinstance(element, RawDataElement):
        return None  # it is short and in memory already, or an odd file's
    shape: tuple[int, ...] = (scan.rows, scan.columns)
    skipped = (scan.index or 0) * math.prod(shape) * scan.stored_dtype.itemsize
    if scan.count > 1 and scan.index is None:
        shape = (scan.count, *shape)
    dtype = scan.stored_dtype.newbyteorder("<")
    stored = scan.request.read_array(shape, dtype, element.value_tell + skipped)
    unused = scan.allocated - scan.bits
    if unused and scan.is_signed:  # what is in these bits is no part of the value
        stored <<= unused
        stored >>= unused
    elif unused:
        stored &= (1 << scan.bits) - 1
    return stored


def _find_decoder(scan: Scan) -> Decoder:
    """The decoder of pydicom with these codecs, or an error that names the missing package."""
    syntax = scan.syntax
    decoder = Decoder(syntax)
    if syntax not in _CODECS:
        raise scan.error(f"nothing here decodes its transfer syntax, {syntax.name}")
    for codec in _CODECS[syntax]:
        if codec == "imagecodecs":
            _require_imagecodecs(scan)
            decoder.add_plugin(codec, ("graytorgb.io.dicom_imagecodecs", "decode_frame"))
        else:
            decoder.add_plugin(codec, (f"pydicom.pixels.decoders.{codec}", "_decode_frame"))
    if not decoder.is_available:
        packages = " or ".join(_PACKAGES[codec] for codec in _CODECS[syntax])
        raise _unavailable(scan, packages)
    return decoder


def _require_imagecodecs(scan: Scan) -> None:
    try:
        require("imagecodecs", "imagecodecs", "dicom")
    except BackendUnavailable as error:
        if error.missing:
            raise _unavailable(scan, "imagecodecs") from error
        raise


def _unavailable(scan: Scan, packages: str) -> BackendUnavailable:
    bits = f" of {scan.bits} bits" if scan.syntax == JPEGExtended12Bit else ""
    error = BackendUnavailable(
        f"{scan.request.path}: {scan.syntax.name}{bits} needs a codec, {packages}: "
        "pip install 'graytorgb[dicom]'"
    )
    error.missing = True
    return error
