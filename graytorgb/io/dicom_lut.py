"""DICOM's lookup tables: their descriptors are checked, and declared as pydicom needs them."""

from collections.abc import Sequence

import numpy as np
import pydicom
from pydicom import Dataset

from .dicom_scan import Scan
from .image import Array


def check_lut(scan: Scan, item: Dataset, keyword: str, remedy: str = "") -> int:
    """Return the bits of the first table of a sequence, or an error that names what is missing.

    Parameters
    ----------
    item : Dataset
        The data set with the sequence.
    keyword : {"ModalityLUTSequence", "VOILUTSequence"}
        The sequence: PS3.3, C.11.1.1 and C.11.2.1.1.
    remedy : str
        The call that works without the table, for the error.
    """
    lut = item[keyword].value[0]
    described = scan.read_value(lut, "LUTDescriptor", remedy)
    if described is None or isinstance(described, int) or len(described) != 3:
        shown = "has no LUTDescriptor" if described is None else f"has LUTDescriptor {described}"
        raise scan.error(f"its {keyword} {shown}, and three numbers are expected{remedy}")
    entries, _, bits = described
    if not 8 <= bits <= 16:
        raise scan.error(f"its {keyword} has entries of {bits} bits, and 8 to 16 are read{remedy}")
    data = scan.read_value(lut, "LUTData", remedy)
    if data is None:
        raise scan.error(f"its {keyword} has no LUTData{remedy}")
    count = 1 if isinstance(data, int) else len(data) // (2 if isinstance(data, bytes) else 1)
    if count < (entries or 65536):
        raise scan.error(
            f"its {keyword} states {entries or 65536} entries, and its LUTData has {count}{remedy}"
        )
    largest = int(_read_entries(scan, data)[: entries or 65536].max())
    if largest >= 1 << bits:
        raise scan.error(
            f"its {keyword} states entries of {bits} bits, and one of them is {largest}{remedy}"
        )
    return int(bits)


def _read_entries(scan: Scan, data: int | bytes | Sequence[int]) -> Array:
    """Return the entries of a lookup table, which may be bytes, numbers or one number."""
    if isinstance(data, bytes):
        is_little = scan.dataset.original_encoding[1]
        return np.frombuffer(data[: len(data) // 2 * 2], "<u2" if is_little else ">u2")
    return np.atleast_1d(np.array(data))


def declare_16_bits(item: Dataset, keyword: str) -> Dataset:
    """Return the data set with its table declared as 16 bits wide: as it is stored.

    pydicom makes the indices as narrow as it is told the entries are, and they wrap round.
    """
    copied = Dataset()
    copied.set_original_encoding(*item.original_encoding)
    copied.update(item)
    lut = Dataset()
    lut.update(item[keyword].value[0])
    entries, first, _ = lut.LUTDescriptor
    kind = lut["LUTDescriptor"].VR  # a new element: the old one is the file's too
    lut["LUTDescriptor"] = pydicom.DataElement("LUTDescriptor", kind, [entries, first, 16])
    copied[keyword] = pydicom.DataElement(keyword, "SQ", pydicom.Sequence([lut]))
    return copied
