"""DICOM's lookup tables: the descriptors are checked, and declared as pydicom needs them."""

from collections.abc import Sequence

import numpy as np
import pydicom
from pydicom import Dataset

from .dicom_scan import Scan
from .ranges import Array


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
    lut, name = item[keyword].value[0], f"its {keyword}"
    entries, _, bits = read_descriptor(scan, lut, "LUTDescriptor", range(8, 17), name, remedy)
    data = scan.read_value(lut, "LUTData", remedy)
    if data is None:
        raise scan.error(f"{name} has no LUTData{remedy}")
    count = 1 if isinstance(data, int) else len(data) // (2 if isinstance(data, bytes) else 1)
    if count < entries:
        raise scan.error(f"{name} states {entries} entries, and its LUTData has {count}{remedy}")
    largest = int(_read_entries(scan, data)[:entries].max())
    if largest >= 1 << bits:
        raise scan.error(
            f"{name} states entries of {bits} bits, and one of them is {largest}{remedy}"
        )
    return bits


def read_descriptor(
    scan: Scan,
    item: Dataset,
    keyword: str,
    allowed: Sequence[int],
    name: str = "it",
    remedy: str = "",
) -> tuple[int, int, int]:
    """Return the number of entries, the first index and the bits of an entry of a lookup table.

    Parameters
    ----------
    item : Dataset
        The data set with the descriptor.
    keyword : str
        The descriptor's element.
    allowed : sequence of int
        The bits that an entry may have.
    name, remedy : str
        What has the table, and the call that works without it, for the error.
    """
    described = scan.read_value(item, keyword, remedy)
    if described is None or isinstance(described, int) or len(described) != 3:
        shown = f"no {keyword}" if described is None else f"{keyword} {described}"
        raise scan.error(f"{name} has {shown}, and three numbers are expected{remedy}")
    entries, first, bits = map(int, described)
    if bits not in allowed:
        raise scan.error(
            f"{name} has entries of {bits} bits by its {keyword}, and these are read: "
            f"{', '.join(map(str, allowed))}{remedy}"
        )
    return entries or 65536, first, bits


def _read_entries(scan: Scan, data: int | bytes | Sequence[int]) -> Array:
    """Return the entries of a lookup table, which may be bytes, numbers or one number."""
    if isinstance(data, bytes):
        is_little = scan.dataset.original_encoding[1]
        return np.frombuffer(data[: len(data) // 2 * 2], "<u2" if is_little else ">u2")
    return np.atleast_1d(np.array(data))


def declare_16_bits(item: Dataset, keyword: str) -> Dataset:
    """Return the data set with its table declared as 16 bits wide, as which it is stored.

    pydicom gives the indices as few bits as the entries have by their descriptor, so that large
    indices wrap round.
    """
    copied = Dataset()
    copied.set_original_encoding(*item.original_encoding)
    copied.update(item)
    lut = Dataset()
    lut.update(item[keyword].value[0])
    entries, first, _ = lut.LUTDescriptor
    kind = lut["LUTDescriptor"].VR  # in a new element: the old one is the file's
    lut["LUTDescriptor"] = pydicom.DataElement("LUTDescriptor", kind, [entries, first, 16])
    copied[keyword] = pydicom.DataElement(keyword, "SQ", pydicom.Sequence([lut]))
    return copied
