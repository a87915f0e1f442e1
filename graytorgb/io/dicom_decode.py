"""Decode the pixels of a DICOM file by pydicom, with codecs that don't end the process."""

import math
from typing import Any

from pydicom.dataelem import RawDataElement
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import JPEGExtended12Bit

from ..errors import BackendUnavailable
from ..extras import is_missing, require
from .dicom_frames import check_frames
from .dicom_scan import Scan
from .dicom_syntaxes import COMPRESSIONS, PACKAGES, PLAIN
from .ranges import Array


def decode(scan: Scan) -> Array:
    """Return the stored values of gray, or colors as RGB."""
    decoder = find_decoder(scan) if scan.is_compressed else None
    check_frames(scan)
    plain = _read_plain(scan)
    if plain is not None:
        return plain
    decoder = decoder or Decoder(scan.syntax)
    scan.dataset.file_meta.TransferSyntaxUID = scan.syntax
    scan.dataset.NumberOfFrames = scan.count  # pydicom warns where it is empty or 0
    planes = 0 if scan.is_compressed else scan.dataset.get("PlanarConfiguration") or 0
    options: dict[str, Any] = {
        "number_of_frames": scan.count,
        "planar_configuration": planes,
        "allow_excess_frames": False,
        # Unused bits are cut off, but a lossy codec's overshoot mustn't become black.
        "correct_unused_bits": scan.is_signed or not scan.is_lossy,
    }
    stored, _ = decoder.as_array(scan.dataset, index=scan.index, **options)
    return stored


def _read_plain(scan: Scan) -> Array | None:
    """Return gray that the file stores as memory does, without a decoder; None for other pixels."""
    if scan.syntax not in PLAIN or not scan.is_gray or scan.bits is None or scan.allocated == 1:
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
    if unused and scan.is_signed:  # these bits are no part of the value
        stored <<= unused
        stored >>= unused
    elif unused:
        stored &= (1 << scan.bits) - 1
    return stored


def find_decoder(scan: Scan) -> Decoder:
    """Return pydicom's decoder with the codecs of the table, or raise if all are missing."""
    decoder = Decoder(scan.syntax)
    compression = COMPRESSIONS.get(scan.syntax)
    if compression is None:
        raise scan.error(f"nothing here decodes its transfer syntax, {scan.syntax.name}")
    for codec in compression.decoders:
        if codec == "imagecodecs":
            if is_missing(codec):
                raise _unavailable(scan)
            require(codec)  # its error tells why it can't be imported
            decoder.add_plugin(codec, ("graytorgb.io.dicom_imagecodecs", "decode_frame"))
        else:
            decoder.add_plugin(codec, (f"pydicom.pixels.decoders.{codec}", "_decode_frame"))
    if not decoder.is_available:
        raise _unavailable(scan)
    return decoder


def _unavailable(scan: Scan) -> BackendUnavailable:
    """Return the error that names the packages of which one has to be installed."""
    packages = " or ".join(PACKAGES[codec] for codec in COMPRESSIONS[scan.syntax].decoders)
    bits = f" of {scan.bits} bits" if scan.syntax == JPEGExtended12Bit else ""
    error = BackendUnavailable(
        f"{scan.request.path}: {scan.syntax.name}{bits} needs a codec, {packages}: "
        "pip install 'graytorgb[dicom]'"
    )
    error.missing = True
    return error
