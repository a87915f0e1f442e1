"""Arrays of NumPy: .npy and .npz, without pickles."""

import math
import re
import zipfile
from io import BytesIO
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from ..core.image_file import ImageFile, make_stand_in, name_color_type
from ..core.layout import resolve
from ..errors import LayoutError
from .ranges import Array
from .request import Request

LARGEST_HEADER = 12 + 10_000  # signature, version and length; and the most that numpy takes
# A header as numpy writes it. Its own function reads any header, and takes as long as an image.
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(?P<length>..){'descr': '(?P<dtype>[<>|][biuf]\d{1,2})', 'fortran_order': "
    rb"(?P<order>True|False), 'shape': \((?P<shape>\d{1,18}(, \d{1,18})+)\), } *\n",
    re.DOTALL,
)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # those that numpy writes


def read(request: Request) -> ImageFile:
    """Read one array; in an .npz with several, the one that `index` names."""
    return _read(request, decodes=True)


def read_header(request: Request) -> ImageFile:
    """Read the header of that array, with a stand-in for its values."""
    return _read(request, decodes=False)


def _read(request: Request, *, decodes: bool) -> ImageFile:
    """Find the array, and read its header alone or its values too."""
    if request.start[:2] != b"PK":
        if request.index is not None:
            raise request.error(f"an .npy is one array: {request.call}).array[index]")
        return _read_array(request, None, request.size, decodes)
    with zipfile.ZipFile(request.file) as archive:
        member = _pick_member(request, archive)
        if member.compress_type not in _METHODS:  # others inflate without a bound
            raise request.error(
                f"an .npz whose {member.filename!r} is compressed as numpy doesn't, by zip's "
                f"method {member.compress_type}"
            )
        with archive.open(member) as opened:
            return _read_array(request, opened, member.file_size, decodes)


def _pick_member(request: Request, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Return the array in a zip file that was asked for, or the only one."""
    names = [name for name in archive.namelist() if name.endswith(".npy")]
    if not names:
        raise request.error("a zip file without arrays, so no .npz")
    if request.index is None and len(names) == 1:
        return archive.getinfo(names[0])
    if f"{request.index}.npy" in names:
        return archive.getinfo(f"{request.index}.npy")
    shown = ", ".join(repr(name.removesuffix(".npy")) for name in names)
    raise request.error(f"an .npz of {shown}: {request.call}, index=name) picks one")


def _read_array(request: Request, member: IO[bytes] | None, size: int, decodes: bool) -> ImageFile:
    """Read an array of `size` bytes, no further than its header allows.

    The array is in a member of a zip file, or in the file itself if `member` is None.
    """
    head = member.read(LARGEST_HEADER) if member else request.start
    shape, is_transposed, dtype, start = parse_header(head)
    if reason := explain_no_image(shape, dtype):
        raise request.error(reason)
    request.check_size(shape, dtype.itemsize)
    needed = start + math.prod(shape) * dtype.itemsize
    if size < needed:
        raise request.error(f"truncated: its header states {needed:,} bytes, and it has {size:,}")
    array: Array
    if not decodes:
        array = make_stand_in(shape, dtype)
    elif member:
        member.seek(0)
        array = npy.read_array(member, allow_pickle=False)
    elif is_transposed:
        array = request.read_array(shape[::-1], dtype, start).T
    else:
        array = request.read_array(shape, dtype, start)
    notes = [f"{size - needed:,} bytes after the array are left out"] if size > needed else []
    return _describe(request, array, notes)


def parse_header(data: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return what the header of an .npy file tells; `data` is its first `LARGEST_HEADER` bytes.

    Returns
    -------
    shape, is_transposed, dtype, start
        The array's shape, whether the values are in Fortran's order, their dtype, and where they
        begin.

    Raises
    ------
    ValueError
        If it is no such header.
    """
    usual = _HEADER.match(data)
    if usual and usual.end() == 10 + int.from_bytes(usual["length"], "little"):
        shape = tuple(map(int, usual["shape"].split(b",")))
        return shape, usual["order"] == b"True", np.dtype(usual["dtype"].decode()), usual.end()
    head = BytesIO(data)
    version = npy.read_magic(head)
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    return *header(head), head.tell()


def explain_no_image(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    """Return why an array is no image, or nothing if it may be one."""
    if dtype.kind not in "biuf":
        return f"an array of dtype {dtype}, and an image holds real numbers or bool"
    return "" if len(shape) > 1 else f"an array of shape {shape}, and an image has two axes or more"


def _describe(request: Request, array: Array, notes: list[str]) -> ImageFile:
    """Return an array as an image, with the layout and the range that its shape and dtype tell."""
    try:
        layout: str | None = resolve(None, array.shape).source
    except LayoutError:
        layout = None  # to_rgb asks for it, and names the readings
    known: dict[Any, tuple[int, int]] = {np.dtype(np.uint8): (0, 255), np.dtype(bool): (0, 1)}
    value_range = known.get(array.dtype)
    return ImageFile(
        path=request.path,
        array=array,
        layout=layout,
        value_range=value_range,
        range_source="its dtype"
        if value_range
        else f"an array of {array.dtype.name} states no range",
        format="NumPy",
        mode=f"array of {array.dtype.name}",
        bits=8 if array.dtype == np.uint8 else None,
        notes=tuple(notes),
        color_type=name_color_type(layout, array.shape),
    )
