"""Arrays of images in a .npy or .npz file as a source: each image is read from its own place."""

import math
import struct
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path, PurePath
from typing import IO, Any, NamedTuple, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ...errors import GrayToRGBError, ImageFileError
from ...extras import require
from ...io.npy import LARGEST_HEADER, explain_no_image, parse_header
from .decoded import DECODED
from .items import Item, Skipped, find_parent, is_safe
from .notes import ArrayNotes, find_own_label, load_array_notes
from .stack_layout import Stack, find_stack

_LOCAL_HEADER = 30  # bytes before the name of a member of a zip file; the sizes are the last 4
_opened = threading.local()  # the compressed member of an .npz that a thread is reading


class Header(NamedTuple):
    """What an array's header states, and where its values begin.

    Attributes
    ----------
    shape, dtype
        Those of the array.
    is_transposed : bool
        Whether the values are in Fortran's order.
    start : int
        Where the values begin, in the file; in the member if `is_compressed`.
    is_compressed : bool
        Whether the array is compressed, in an .npz.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_transposed: bool
    start: int
    is_compressed: bool


class _Array(NamedTuple):
    """An array of the file: its name in an .npz, and its images or why it has none."""

    member: str | None
    itemsize: int
    stack: Stack | None
    reason: str = ""


@dataclass
class ArrayFile:
    """The images of a .npy file, or of every array in an .npz file.

    The images of a .npy file that a conversion has made have the paths, the classes and the range
    of values that it has recorded beside it.

    Attributes
    ----------
    location : str
        The absolute path or the URL of the file.
    name : str
        What the caller gave, for people.
    layout : str or None
        The axes of each array, if the caller states them.
    modified : int
        When the file was changed, in nanoseconds since 1970.
    count : int
        The number of images.
    """

    location: str
    name: str
    layout: str | None = None
    modified: int = 0
    is_array: bool = True
    count: int | None = field(init=False)

    def __post_init__(self) -> None:
        try:
            self._arrays = [self._describe(member) for member in _list_members(self.location)]
        except GrayToRGBError:
            raise
        except (ValueError, zipfile.BadZipFile, EOFError, struct.error) as error:
            raise ImageFileError(f"{self.name}: an array that can't be read: {error}") from error
        self.count = sum(array.stack.images for array in self._arrays if array.stack)
        if not self.count:
            reasons = "; ".join(array.reason for array in self._arrays) or "it has no arrays"
            raise ImageFileError(f"{self.name}: there is no image in it: {reasons}")
        notes = None if "://" in self.location else load_array_notes(Path(self.location))
        has_all = notes is not None and len(notes.images) in (0, self.count)
        self._notes: ArrayNotes | None = notes if has_all else None

    @property
    def classes(self) -> list[str]:
        """The names of the classes by label; none where nothing is recorded."""
        return list(self._notes.notes.classes) if self._notes else []

    @property
    def base(self) -> str:
        """The folder that the file is in."""
        return find_parent(self.location)

    def items(self) -> Iterator[Item | Skipped]:
        """Yield each image, array by array, in the order of the file."""
        base = PurePath(self.location).name
        for member, itemsize, stack, reason in self._arrays:
            path = f"{base}[{member}]" if member else base
            if stack is None:
                yield Skipped(path, reason)
                continue
            size = math.prod(stack.image_shape) * itemsize
            for image in range(stack.images):
                index = image if stack.leading_shape else None
                yield self._add_notes(image, itemsize, Item(
                    path + stack.name_image(image), self.location, index, size, self.modified,
                    "array", member, stack.layout,
                ))  # fmt: skip

    def _add_notes(self, image: int, itemsize: int, item: Item) -> Item:
        """Return an image with the path, the label and the range that are recorded, if they are."""
        if self._notes is None:
            return item
        notes, images = self._notes
        path, label, bits = images[image] if images else (item.path, -1, 8 * itemsize)
        return replace(
            item,
            path=path if is_safe(path) else item.path,
            label=find_own_label(label, notes.classes, self.name),
            value_range=notes.find_range(bits),
        )

    def _describe(self, member: str | None) -> _Array:
        """Return an array with its axes, or with the reason why it holds no images."""
        header = read_array_header(self.location, member, self.modified)
        shape, itemsize = header.shape, header.dtype.itemsize
        reason = explain_no_image(shape, header.dtype)
        if not reason and 0 in shape:
            reason = f"an array of shape {shape}, which holds no values"
        if reason:
            return _Array(member, itemsize, None, reason)
        name = f"{self.name}[{member}]" if member else self.name
        stack = find_stack(name, shape, self.layout)
        is_remote = "://" in self.location
        if _is_scattered(header, stack) and (is_remote or header.is_compressed):
            raise ImageFileError(
                f"{name}: the values of one image aren't in one piece, and the file is "
                f"{'remote' if is_remote else 'compressed'}: save it in C order, images "
                "first, np.save(file, np.ascontiguousarray(images))"
            )
        return _Array(member, itemsize, stack)


def read_data(item: Item) -> bytes:
    """Return one image of an array as the bytes of an .npy file of it alone."""
    header = read_array_header(item.location, item.member, item.modified)
    stack = Stack(cast(str, item.layout), header.shape)
    index = cast(int, item.index or 0)
    head = make_npy_header(stack.image_shape, header.dtype)
    if _is_scattered(header, stack):
        array = _map(item.location, header).transpose(stack.find_order())
        return head + bytes(array[stack.find_place(index)].tobytes())
    size = math.prod(stack.image_shape) * header.dtype.itemsize
    start = header.start + index * size
    if header.is_compressed:
        whole = header.start + math.prod(header.shape) * header.dtype.itemsize
        data = _read_compressed(item, start, size, whole)
    else:
        with _open_file(item.location) as file:
            file.seek(start)
            data = file.read(size)
    if len(data) < size:
        raise ImageFileError(
            f"{item.location}: truncated: image {index} lacks {size - len(data):,} of its bytes"
        )
    return head + data


def _map(location: str, header: Header) -> NDArray[Any]:
    """Return a local array without loading it, by a memory map."""
    order: Any = "F" if header.is_transposed else "C"
    return np.memmap(location, header.dtype, "r", header.start, header.shape, order)


def make_npy_header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """Return the bytes of an .npy file before the values of such an array."""
    head = BytesIO()
    description = npy.dtype_to_descr(dtype)
    npy.write_array_header_1_0(head, {"descr": description, "fortran_order": False, "shape": shape})
    return head.getvalue()


@lru_cache(64)  # an item of the same file asks for the same header
def read_array_header(location: str, member: str | None, modified: int) -> Header:
    """Read the header of an array in a .npy file, or of a member of an .npz file."""
    with _open_file(location) as file:
        if member is None:
            return _read_header(file, 0, False)
        with zipfile.ZipFile(file) as archive:
            info = archive.getinfo(f"{member}.npy")
            if info.compress_type != zipfile.ZIP_STORED:
                with archive.open(info) as values:
                    return _read_header(values, 0, True)
        file.seek(info.header_offset)
        name, extra = struct.unpack("<HH", file.read(_LOCAL_HEADER)[-4:])
        return _read_header(file, info.header_offset + _LOCAL_HEADER + name + extra, False)


def _read_header(file: IO[bytes], start: int, is_compressed: bool) -> Header:
    """Return the header of the array that begins at a place of a file."""
    file.seek(start)
    shape, is_transposed, dtype, size = parse_header(file.read(LARGEST_HEADER))
    return Header(shape, dtype, is_transposed, start + size, is_compressed)


def _is_scattered(header: Header, stack: Stack) -> bool:
    """Return whether the values of one image aren't in one piece in the file."""
    order = stack.find_order()
    return order != sorted(order) or header.is_transposed


def _open_file(location: str) -> IO[bytes]:
    """Open a local file or a URL to read from any place."""
    if "://" in location:
        file: IO[bytes] = require("graytorgb.datasets.sources.remote").open_file(location)
        return file
    return Path(location).open("rb")


def _list_members(location: str) -> list[str | None]:
    """Return the names of the arrays in an .npz; None alone for the array of an .npy."""
    with _open_file(location) as file:
        if file.read(4) != b"PK\3\4":
            return [None]
        with zipfile.ZipFile(file) as archive:
            return [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]


def _read_compressed(item: Item, start: int, size: int, whole: int) -> bytes:
    """Read from a compressed member of an .npz, which is inflated from where the last read ended.

    The file stays open for the next image, because each read from the start inflates it all again.
    When images are read in another order than theirs, a small array is inflated whole, and kept.
    """
    key = (item.location, item.member, item.modified)
    if getattr(_opened, "key", None) != key:
        _opened.key = None
        is_local = "://" not in item.location  # ZipFile closes what it opens itself
        archive = zipfile.ZipFile(item.location if is_local else _open_file(item.location))
        _opened.values = archive.open(f"{item.member}.npy")
        _opened.archive = archive
        _opened.key = key
    values = _opened.values
    if start < values.tell() and whole <= DECODED.limit:
        return DECODED.get(key, lambda: _inflate(values))[start : start + size].tobytes()
    values.seek(start)
    data: bytes = values.read(size)
    return data


def _inflate(values: IO[bytes]) -> NDArray[np.uint8]:
    """Return all bytes of a compressed member."""
    values.seek(0)
    return np.frombuffer(values.read(), np.uint8)
