"""Sources of images: what a folder, a glob, a list of paths, an array or a URL has to offer."""

import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..errors import ImageFileError
from ..io.formats import find_format
from .items import Item, Skipped
from .source_arrays import ArrayFile
from .source_folder import Folder

__all__ = ["Item", "Skipped", "Source", "open_source"]

Src = str | os.PathLike[str]
_HEAD = 4096  # the first bytes of a file, which tell its format
_TAKEN = (
    "a folder, a glob such as 'scans/**/*.png', a text file of paths (.txt, .lst), an image file, "
    "a .npy or .npz file, a Zarr folder, or a URL such as s3://bucket/scans"
)


@dataclass
class File:
    """One image file.

    Attributes
    ----------
    location, name : str
        The absolute path, and what the caller gave.
    size, modified : int
        The bytes of the file, and when it was changed, in nanoseconds since 1970.
    """

    location: str
    name: str
    size: int
    modified: int
    is_array: bool = False
    count: int | None = 1

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the file."""
        yield Item(Path(self.location).name, self.location, None, self.size, self.modified)


class Source(Protocol):
    """A data set: a name, and its images in an order that is always the same.

    Attributes
    ----------
    name : str
        What the caller gave, for people.
    is_array : bool
        Whether it is an array of images, not files.
    count : int or None
        The number of images; None if it isn't known before they are listed.
    """

    name: str
    is_array: bool
    count: int | None

    def items(self) -> Iterator[Item | Skipped]:
        """Yield every image in order, and each name that isn't read, with the reason."""
        ...


def open_source(src: Src | Sequence[Src], *, layout: str | None = None) -> Source:
    """Return what `src` is: a data set whose images can be listed and read.

    Nothing but names is read from a folder, and only the header of an array.

    Parameters
    ----------
    src : str, path or sequence of them
        A folder, whose whole tree is taken; a glob such as ``"scans/**/*.png"``; a text file of
        paths; an image file, of one or many pages; a .npy, .npz or Zarr array of images; or a URL
        that fsspec knows, such as ``"s3://bucket/scans"``. A sequence is one data set of several
        such sources.
    layout : str, optional
        The axes of an array of images, such as ``"NHWC"``, where its shape leaves that open.

    Raises
    ------
    FileNotFoundError
        If there is nothing of that name.
    ImageFileError
        If it is none of the above, or there is nothing in it.
    LayoutError
        If the axes of an array aren't known.
    BackendUnavailable
        If a library that the source needs isn't installed.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> path = tempfile.mkdtemp() + "/stack.npy"
    >>> np.save(path, np.zeros((5, 28, 28), np.uint8))
    >>> [item.path for item in open_source(path).items()][:3]
    ['stack.npy[0]', 'stack.npy[1]', 'stack.npy[2]']
    """
    if not isinstance(src, str | os.PathLike):
        raise NotImplementedError
    source = _open_one(os.fsdecode(src), layout)
    if next(iter(source.items()), None) is None:
        raise ImageFileError(f"{source.name}: there is nothing in it; expected was {_TAKEN}")
    return source


def _open_one(src: str, layout: str | None) -> Source:
    """Return one source by what is at its path."""
    path = Path(src).absolute()
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            errno.ENOENT, f"there is nothing of this name; expected was {_TAKEN}", src
        ) from error
    if path.is_dir():
        return Folder(path, src)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if find_format(head, path.suffix) == "NumPy":
        return ArrayFile(str(path), src, layout, status.st_mtime_ns)
    return File(str(path), src, status.st_size, status.st_mtime_ns)
