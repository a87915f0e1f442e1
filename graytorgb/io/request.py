"""What is asked of an image file, with the checks and the errors that its readers share."""

import errno
import math
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from ..core.alpha import Alpha
from ..core.image_file import ImageFile, name_color_type
from ..core.value_range import ValueRange
from ..errors import DtypeError, ImageFileError
from ..kinds.messages import describe_image, explain_source
from .ranges import Array, find_depth_range

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
NO_FILES = {
    stat.S_IFIFO: "a pipe (FIFO)", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}  # fmt: skip


_FOLDER = (
    "this is a folder: graytorgb.io.find_image_files(path) lists the images in it, and "
    "`graytorgb audit FOLDER` tells what they are"
)


@dataclass(eq=False)
class Request:
    """The file and the options of one call of `read`, and the checks that every reader needs.

    Attributes
    ----------
    path, index, window, limit, value_range, data, alpha, min_size
        The arguments of :func:`graytorgb.io.read`, checked.
    is_gray : bool
        Whether one gray plane is asked for. A reader may decode it directly; what it returns with
        channels is made gray afterwards.
    is_alone : bool
        Whether `path` only names the data, so that no other file is looked for beside it.
    file : FileIO or BytesIO
        The file, open within a ``with`` block; to open it takes as long as to read a small one.
        It is in memory if the caller has `data`, the file's bytes.
    size : int
        The size of the file in bytes.
    start : bytes
        The file's first bytes, which tell its format, and are all of a small file.
    """

    path: Path
    index: int | str | None = None
    window: Window = "file"
    limit: int = 0
    value_range: ValueRange | None = None
    data: bytes | None = field(default=None, repr=False)
    is_gray: bool = False
    alpha: Alpha = "error"
    min_size: tuple[int, int] | None = None
    is_alone: bool = False
    file: FileIO | BytesIO = field(init=False, repr=False)
    size: int = field(init=False, repr=False)
    start: bytes = field(init=False, repr=False)
    _stated: tuple[int, ...] | None = field(default=None, init=False, repr=False)

    def __enter__(self) -> "Request":
        if self.data is not None:
            self.file, self.size = BytesIO(self.data), len(self.data)
            self.start = self.data[:_START]
            return self
        kind = stat.S_IFMT(os.stat(self.path).st_mode)  # noqa: PTH116 - Path.stat takes longer
        if kind == stat.S_IFDIR:
            raise IsADirectoryError(errno.EISDIR, _FOLDER, str(self.path))
        if kind in NO_FILES:  # before it is opened: opening a pipe waits for another process
            raise self.error(f"this is {NO_FILES[kind]}, and an image is read from a file")
        self.file = FileIO(self.path)
        self.size = os.fstat(self.file.fileno()).st_size
        self.start = self.file.read(_START)
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    @property
    def call(self) -> str:
        """How the caller's call begins, for messages: ``read(path`` or ``decode(data``."""
        return name_call(self.is_alone)

    def open(self) -> BinaryIO:
        """Open the file once more, for a library that reads it in its own way."""
        if self.data is not None:
            return BytesIO(self.data)
        return cast(BinaryIO, self.path.open("rb"))

    def error(self, problem: str, call: str = "", remedy: str = "") -> ImageFileError:
        """Return the error for this file, with the call that works and the argument in it."""
        error = ImageFileError(f"{self.path}: {problem}{call and ': '}{call}")
        if remedy:
            error.remedies, error.problem = (remedy,), f"{self.path}: {problem}"
        return error

    def limit_error(self, text: str, size: int) -> ImageFileError:
        """Return the error for what takes `size` bytes, more than the limit."""
        problem = f"{text}, and the limit is {self.limit:,}"
        return self.error(problem, f"{self.call}, limit={size}) if you trust it", "limit")

    def read_bytes(self) -> bytes:
        """Read all of the file, or refuse one that is much larger than its pixels may be."""
        if self.size == len(self.start):
            return self.start
        self.check_file_size()
        if self.data is not None:
            return self.data
        self.file.seek(0)
        return self.file.read()

    def read_at(self, offset: int, size: int) -> bytes:
        """Read `size` bytes from a place on, or fewer if the file ends there."""
        if offset + size <= len(self.start) or len(self.start) == self.size:
            return self.start[offset : offset + size]
        self.file.seek(offset)
        return self.file.read(size)

    def check_file_size(self) -> None:
        """Refuse a file that is much larger than its pixels may be."""
        if self.size > self.limit + _SPARE:
            raise self.limit_error(f"the file has {self.size:,} bytes", self.size)

    def read_array(self, shape: Sequence[int], dtype: np.dtype[Any], offset: int) -> Array:
        """Read an array that is in the file as in memory, from a place on."""
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
            raise self.error(f"its header states {join_sizes(shape)} samples, so it has no pixels")
        size = math.prod(self._stated) * itemsize
        if size > self.limit:
            stated = f"its header states {join_sizes(shape)} samples of {itemsize} bytes"
            raise self.limit_error(f"{stated}, {size:,} in all", size)

    def check_result(self, array: Array, layout: str | None) -> None:
        """Refuse a decoded array that isn't what the file's header stated.

        Raises
        ------
        ImageFileError
            If the array has another shape than the reader checked before decoding, no pixels, or
            more bytes than the limit; or if the layout doesn't name each axis once.
        """
        stated = self._stated
        names_axes = layout is None or len(layout) == len(set(layout)) == array.ndim
        if array.shape == stated and array.size and array.nbytes <= self.limit and names_axes:
            return
        shape = join_sizes(array.shape) or "no axes"
        if stated is None:
            raise self.error(f"{shape} samples were decoded, and no size was checked before")
        if array.shape != stated or array.size == 0:
            raise self.error(
                f"its header states {join_sizes(stated)} samples, and {shape} were decoded"
            )
        if array.nbytes > self.limit:
            found = f"{shape} samples of {array.itemsize} bytes were decoded"
            raise self.limit_error(f"{found}, {array.nbytes:,} in all", array.nbytes)
        raise self.error(f"its header states the axes {layout!r}, and {shape} samples were decoded")

    def pick_index(self, count: int, what: str) -> int | None:
        """Return the index that was asked for, checked against the number of images, or None."""
        if self.index is None:
            return None
        if not isinstance(self.index, int) or not -count <= self.index < count:
            error = self.error(
                f"it has {count} {what}, so index is None or 0 to {count - 1}, not {self.index!r}"
            )
            error.remedies = ("index",)
            error.problem = (
                f"{self.path}: it has {count} {what}, numbered from 0, and {self.index!r} is none "
                "of the numbers"
            )
            raise error
        return self.index % count

    def describe_by_depth(
        self,
        array: Array,
        name: str,
        kind: str,
        bits: int,
        *,
        source: str = "",
        notes: Sequence[str] = (),
        orientation: int = 1,
        frames: int = 1,
        is_stack: bool = False,
        has_icc: bool = False,
        color_type: str = "",
        reduction: int = 1,
    ) -> ImageFile:
        """Return an image, decoded or a stand-in, whose range is the depth of its samples.

        The axes are H, W and, if there is one more, C; and N before them for a stack of frames.
        The channels tell the color type, unless `color_type` does.
        """
        layout = "N" * is_stack + ("HW", "HWC")[array.ndim - is_stack - 2]
        if not color_type:
            is_palette = kind == "palette"
            color_type = "palette" if is_palette else name_color_type(layout, array.shape)
        return ImageFile(
            path=self.path,
            array=array,
            layout=layout,
            value_range=find_depth_range(max(bits, 8)),
            range_source=source or f"{name}'s depth",
            format=name,
            mode=f"{kind}, {bits} bits" + (f", {frames} frames" if frames > 1 else ""),
            bits=bits,
            depth_only=True,
            notes=tuple(notes),
            orientation=orientation,
            color_type=color_type,
            has_icc=has_icc,
            frames=frames,
            reduction=reduction,
        )


def name_call(is_alone: bool) -> str:
    """Return how a call of `read` begins in messages, or of `decode`, whose data stand alone."""
    return "decode(data" if is_alone else "read(path"


def take_path(path: Any) -> Path:
    """Return a path that a caller gave as a Path.

    Raises
    ------
    DtypeError
        If it is no path: the file's bytes, an open file, None, ...
    """
    if isinstance(path, Path):  # to make one takes a while
        return path
    if isinstance(path, str):
        return Path(path)
    if path is None:
        what = "not None"
    elif isinstance(path, os.PathLike) and not isinstance(path, type):
        with suppress(TypeError):
            return Path(path)
        what = "not an object whose path is bytes: os.fsdecode(path)"
    else:
        what = explain_source(path) or f"not {describe_image(path)}"
    raise DtypeError(f"path is a str or a pathlib.Path, {what}")


def join_sizes(shape: Iterable[int]) -> str:
    """Return a shape as text.

    >>> join_sizes((480, 640, 3))
    '480x640x3'
    """
    return "x".join(map(str, shape))
