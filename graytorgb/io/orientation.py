"""Orientation: how an image has to be turned to be upright, by EXIF, XMP or TIFF's tag."""

import re
import struct
from typing import Any

import numpy as np

from ..errors import LayoutError, LevelsError
from .ranges import Array

# EXIF 2.3, tag 0x0112, and TIFF 6.0, tag 274: what turns the stored rows upright
STEPS = {
    1: "nothing",
    2: "mirrored left to right",
    3: "turned by 180 degrees",
    4: "mirrored top to bottom",
    5: "mirrored along the diagonal from the top left",
    6: "turned by 90 degrees clockwise",
    7: "mirrored along the diagonal from the top right",
    8: "turned by 90 degrees counterclockwise",
}
_TAG = 0x0112
_FORMATS = {1: "B", 3: "H", 4: "I"}  # TIFF's BYTE, SHORT and LONG
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')


def orient(array: Array, layout: str, value: int) -> Array:
    """Turn an image upright, or each image of a stack.

    Parameters
    ----------
    array : ndarray
        The image, with the axes that `layout` names.
    layout : str
        ``"HW"``, ``"HWC"``, ``"NHW"``: any layout with H and W.
    value : int, 1 to 8
        The orientation that EXIF or TIFF states.

    Returns
    -------
    ndarray
        The same dtype and layout, C-contiguous; H and W change places for 5 to 8.

    Raises
    ------
    LevelsError
        If `value` isn't 1 to 8.
    LayoutError
        If the layout has no H or no W, or doesn't name each axis of the array once.

    Examples
    --------
    >>> orient(np.array([[1, 2, 3], [4, 5, 6]]), "HW", 6)
    array([[4, 1],
           [5, 2],
           [6, 3]])
    """
    if value not in STEPS:
        raise LevelsError(f"an orientation is 1 to 8, as EXIF has it, not {value!r}")
    if not {"H", "W"} <= set(layout) or not len(set(layout)) == len(layout) == array.ndim:
        raise LayoutError(
            f"an image of shape {array.shape} is turned along H and W, and its layout is "
            f'{layout!r}: "HW", "HWC", "NHW", ...'
        )
    rows, columns = layout.index("H"), layout.index("W")
    if value >= 5:
        array = array.swapaxes(rows, columns)
    mirrored: list[Any] = [slice(None)] * array.ndim
    if value in (3, 4, 7, 8):
        mirrored[rows] = slice(None, None, -1)
    if value in (2, 3, 6, 7):
        mirrored[columns] = slice(None, None, -1)
    return np.ascontiguousarray(array[tuple(mirrored)])


def find_orientation(exif: bytes | None, xmp: bytes = b"") -> tuple[int, list[str]]:
    """Return the orientation that a file's EXIF or else its XMP states, and notes.

    It is 1, with a note, where the EXIF can't be read or states what is no orientation.
    """
    stated, notes = None, []
    if exif is not None:
        try:
            stated = _read_tag(exif)
        except (ValueError, struct.error):
            notes.append("its EXIF data is damaged and is left out")
    if stated is None and (found := _XMP.search(xmp)):
        stated = int(found[1])
    if stated is None:
        return 1, notes
    if stated not in STEPS:
        return 1, [f"it states the orientation {stated}, and there are 1 to 8"]
    return stated, notes


def _read_tag(exif: bytes) -> int | None:
    """Return the orientation in the first directory of EXIF data, which is laid out as a TIFF."""
    data = exif.removeprefix(b"Exif\0\0")
    orders = {b"II*\0": "<", b"MM\0*": ">"}
    if data[:4] not in orders:
        raise ValueError("not EXIF")
    order = orders[data[:4]]
    (start,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag == _TAG and kind in _FORMATS:
            return int(struct.unpack_from(order + _FORMATS[kind], data, entry + 8)[0])
    return None
