"""What was asked of a file."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.value_range import ValueRange
from ..errors import ImageFileError

Array = NDArray[Any]
Window = str | tuple[float, float] | None

# Center and width in Hounsfield units, as radiologists usually set them: Radiopaedia,
# "Windowing (CT)"; the abdomen's center is 40 or 50 there and in most viewers' presets.
CT_WINDOWS = {
    "lung": (-600.0, 1500.0),
    "bone": (400.0, 1800.0),
    "brain": (40.0, 80.0),
    "abdomen": (40.0, 400.0),
    "soft tissue": (50.0, 400.0),
}


_START = 16 << 10
_SPARE = 64 << 20  # for what a file holds beside its pixels


@dataclass(eq=False)
class Request:
    """What a format's reader is asked for, and the shape that it said it would give."""

    path: Path
    index: int | str | None = None
    window: Window = "file"
    limit: int = 0
    value_range: ValueRange | None = None
    _stated: tuple[int, ...] | None = field(default=None, init=False, repr=False)
    _start: bytes | None = field(default=None, init=False, repr=False)
    _file: FileIO | None = field(default=None, init=False, repr=False)
    _size: int | None = field(default=None, init=False, repr=False)

    def __enter__(self) -> "Request":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def file(self) -> FileIO:
        """The file, opened once, for opening one takes as long as reading a small one."""
        if self._file is None:
            self._file = FileIO(self.path)
        return self._file

    @property
    def size(self) -> int:
        """The file's bytes."""
        if self._size is None:
            self._size = os.fstat(self.file.fileno()).st_size
        return self._size

    @property
    def has_limits(self) -> bool:
        """Whether the caller states which two values are black and white."""
        return isinstance(self.value_range, tuple) and not isinstance(self.value_range[0], str)

    def error(self, text: str) -> ImageFileError:
        """The error for this file."""
        return ImageFileError(f"{self.path}: {text}")

    def read_start(self) -> bytes:
        """Read the file's first bytes, which tell its format, and are all of a small file."""
        if self._start is None:
            self._start = self.file.read(_START)
        return self._start

    def read_bytes(self) -> bytes:
        """Read all of the file, or refuse one that is much larger than its pixels may be."""
        start = self.read_start()
        if self.size == len(start):
            return start
        self.check_file_size()
        self.file.seek(0)
        return self.file.readall()

    def read_at(self, offset: int, size: int) -> bytes:
        """Read some bytes from a place on; fewer if the file ends there."""
        start = self.read_start()
        if offset + size <= len(start) or len(start) == self.size:
            return start[offset : offset + size]
        self.file.seek(offset)
        return self.file.read(size)

    def check_file_size(self) -> None:
        """Refuse a file that is much larger than its pixels may be."""
        if self.size > self.limit + _SPARE:
            raise self.error(
                f"the file has {self.size:,} bytes, and the limit is {self.limit:,}: "
                f"read(path, limit={self.size}) if you trust it"
            )

    def read_array(self, shape: Sequence[int], dtype: np.dtype[Any], offset: int) -> Array:
        """Read an array that the file holds as it is, from a place on."""
        array = np.empty(shape, dtype)
        left = array.reshape(-1).view(np.uint8).data
        self.file.seek(offset)
        while left:
            count = self.file.readinto(left)
            if not count:
                raise self.error(f"truncated: {len(left):,} bytes of its samples are missing")
            left = left[count:]
        return array

    def check_size(self, shape: Sequence[int], itemsize: int) -> None:
        """Refuse a result without pixels, or of more bytes than the limit, before decoding.

        The last shape that a reader checks is the one that its array must have.
        """
        self._stated = tuple(map(int, shape))
        if min(self._stated, default=1) < 1:
            raise self.error(
                f"its header states {'x'.join(map(str, shape))} samples, so it has no pixels"
            )
        size = math.prod(self._stated) * itemsize
        if size > self.limit:
            raise self.error(
                f"its header states {'x'.join(map(str, shape))} samples of {itemsize} bytes, "
                f"{size:,} in all, and the limit is {self.limit:,}: read(path, limit={size}) if "
                "you trust it"
            )

    def check_result(self, array: Array, layout: str | None) -> None:
        """Refuse what was decoded if it isn't what the file's header stated.

        Raises
        ------
        ImageFileError
            If the array has another shape than the reader checked before it decoded, no pixels,
            or more bytes than the limit, or if the layout doesn't name each axis once.
        """
        stated = self._stated
        names_axes = layout is None or len(layout) == len(set(layout)) == array.ndim
        if array.shape == stated and array.size and array.nbytes <= self.limit and names_axes:
            return
        shape = "x".join(map(str, array.shape)) or "no axes"
        if stated is None:
            raise self.error(f"{shape} samples were decoded, and no size was checked before")
        if array.shape != stated or array.size == 0:
            raise self.error(
                f"its header states {'x'.join(map(str, stated))} samples, and {shape} were decoded"
            )
        if array.nbytes > self.limit:
            raise self.error(
                f"{shape} samples of {array.itemsize} bytes were decoded, {array.nbytes:,} in "
                f"all, and the limit is {self.limit:,}: read(path, limit={array.nbytes})"
            )
        raise self.error(f"its header states the axes {layout!r}, and {shape} samples were decoded")

    def pick(self, count: int, what: str) -> int | None:
        """The index that was asked for, checked against the number of images."""
        if self.index is None:
            return None
        if not isinstance(self.index, int) or not -count <= self.index < count:
            raise self.error(
                f"it has {count} {what}, so index is None or 0 to {count - 1}, not {self.index!r}"
            )
        return self.index % count


def invert(array: Array, value_range: tuple[float, float]) -> Array:
    """``lo + hi - value``: what is black becomes white.

    The same dtype, and exact for integers, if every value lies in the range.

    >>> invert(np.array([0, 1, 4095], np.uint16), (0, 4095))
    array([4095, 4094,    0], dtype=uint16)
    """
    if array.dtype.kind == "b":
        return np.logical_not(array)
    total = value_range[0] + value_range[1]
    if array.dtype.kind == "f":
        return np.asarray(total - array, array.dtype)
    limits = np.iinfo(array.dtype)
    if limits.min <= total <= limits.max:
        return np.asarray(array.dtype.type(total) - array)
    return (total - array.astype(np.int64)).astype(array.dtype)


def find_invertible(dtype: np.dtype[Any], total: int) -> tuple[int, int]:
    """Return the ends of a dtype's integers whose ``total - value`` the dtype holds too.

    >>> find_invertible(np.dtype(np.int16), 100)
    (-32667, 32767)
    """
    limits = np.iinfo(dtype)
    return max(total - int(limits.max), int(limits.min)), min(
        total - int(limits.min), int(limits.max)
    )


def depth_range(bits: int, *, signed: bool = False) -> tuple[int, int]:
    """The smallest and the largest integer of so many bits.

    >>> depth_range(12), depth_range(12, signed=True)
    ((0, 4095), (-2048, 2047))
    """
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def number(value: Any) -> int | float:
    """A Python number, an int where it is one.

    >>> number("40.0"), number(0.5)
    (40, 0.5)
    """
    value = float(value)
    return int(value) if value.is_integer() else value
