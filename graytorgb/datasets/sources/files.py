"""Files that are named one by one as a source: one image file, or a text file of paths."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...extras import require
from ...io.request import NO_FILES
from .items import Item, Skipped, is_safe

_BOM = b"\xef\xbb\xbf"


@dataclass
class OneFile:
    """One image file; each page of a TIFF that has many is an image.

    Attributes
    ----------
    path : Path
        The file, as an absolute path.
    name : str
        What the caller gave, for people.
    format : str or None
        The format that the file's content tells.
    reason : str
        Why it is no source by itself, for what is no regular file.
    count : int
        The number of images.
    """

    path: Path
    name: str
    format: str | None = None
    reason: str = ""
    is_array: bool = False
    count: int | None = 1
    classes: list[str] | None = None

    @property
    def base(self) -> str:
        """The folder that the file is in."""
        return str(self.path.parent)

    def __post_init__(self) -> None:
        self._pages: list[str] = []  # why each page is left out, or nothing for an image
        if self.format == "TIFF":
            self._pages = require("graytorgb.datasets.sources.tiff").list_pages(self.path)
        if len(self._pages) > 1:
            self.count = self._pages.count("")

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the file, or each of its pages."""
        status = self.path.stat()
        name, location = self.path.name, str(self.path)
        if not stat.S_ISREG(status.st_mode):
            yield Skipped(name, self.reason)
            return
        if len(self._pages) < 2:
            yield Item(name, location, None, status.st_size, status.st_mtime_ns)
            return
        for index, reason in enumerate(self._pages):
            path = f"{name}[{index}]"
            if reason:
                yield Skipped(path, reason)
            else:
                yield Item(path, location, index, -1, status.st_mtime_ns)


@dataclass
class PathList:
    """A text file with a path or a URL on each line.

    A relative path starts from the folder of the text file, so that the two can move together.
    Empty lines are left out, and lines that begin with ``#``; a file whose name begins so is
    ``./#name``. A text file with bytes of 0 is read as ``find -print0`` writes it, with a 0 after
    each path and nothing left out, so that a name may have any character.

    Attributes
    ----------
    path : Path
        The text file, as an absolute path.
    name : str
        What the caller gave, for people.
    """

    path: Path
    name: str
    is_array: bool = False
    count: int | None = None
    classes: list[str] | None = None

    @property
    def base(self) -> str:
        """The folder that relative paths start from."""
        return str(self.path.parent)

    def items(self) -> Iterator[Item | Skipped]:
        """Yield each file of the list, in its order; one that isn't there fails when it is read."""
        for line in self._read_lines():
            if "://" in line:
                yield Item(line.partition("://")[2].lstrip("/"), line, reader="url")
            else:
                yield self._describe(line)

    def _read_lines(self) -> Iterator[str]:
        """Yield each path, as the text file has it."""
        with self.path.open("rb") as file:
            has_zeros = b"\0" in file.read(1 << 16)
            file.seek(0)
            if has_zeros:
                left = b""
                while block := file.read(1 << 16):
                    *whole, left = (left + block).split(b"\0")
                    yield from (os.fsdecode(part) for part in whole if part)
                if left:
                    yield os.fsdecode(left)
                return
            for line in file:
                text = line.removeprefix(_BOM).rstrip(b"\r\n")
                if text.strip() and not text.startswith(b"#"):
                    yield os.fsdecode(text)

    def _describe(self, line: str) -> Item | Skipped:
        """Return the file of a line."""
        location = str(self.path.parent / line)
        path = os.path.relpath(location, self.path.parent).replace(os.sep, "/")
        if not is_safe(path):  # outside of the folder
            path = os.path.normpath(location).replace(os.sep, "/").lstrip("/")
        try:
            status = Path(location).stat()
        except (OSError, ValueError):
            return Item(path, location)
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFDIR:
            return Skipped(path, "a folder in a list of files: give it as a source of its own")
        if kind != stat.S_IFREG:
            return Skipped(path, f"{NO_FILES.get(kind, 'no file')}, never opened")
        return Item(path, location, None, status.st_size, status.st_mtime_ns)
