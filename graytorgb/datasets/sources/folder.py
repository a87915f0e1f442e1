"""The tree of a folder as a source: every file in a sorted order, listed while it is walked."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...io.request import NO_FILES
from .items import Item, Skipped, Source
from .pattern import accept_all

FolderId = tuple[int, int]  # a folder's device and inode, which are the same under all its names


@dataclass
class Folder:
    """The files of a folder and of the folders in it, sorted by name, folder by folder.

    Links to files and folders are followed. A link to a folder that it is in is skipped, and so
    is what can't be opened as a file: pipes, sockets, devices, broken links, and folders that may
    not be listed. Only the names of one folder at each depth are in memory.

    Attributes
    ----------
    root : Path
        The folder, as an absolute path.
    name : str
        What the caller gave, for people.
    keeps : callable
        Whether a path relative to the root, of a file, belongs to the source.
    enters : callable
        Whether the folder of a path relative to the root is walked.
    """

    root: Path
    name: str
    keeps: Callable[[str], bool] = accept_all
    enters: Callable[[str], bool] = accept_all
    is_array: bool = False
    count: int | None = None
    classes: list[str] | None = None

    @property
    def base(self) -> str:
        """The folder that the paths start from."""
        return str(self.root)

    def items(self) -> Iterator[Item | Skipped]:
        """Yield every file of the tree, or why a name isn't read."""
        return _Walk(self).walk()


def is_whole(source: Source) -> bool:
    """Return whether a source is a local folder with all its files, not a pattern."""
    return isinstance(source, Folder) and source.keeps is accept_all


@dataclass(frozen=True, slots=True)
class _Level:
    """A folder that is being walked: its path relative to the root, and its names still to come."""

    path: str
    names: Iterator[str]
    place: FolderId
    is_linked: bool  # whether a link led here


class _Walk:
    """One walk over a tree, with the folders that it is in."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.levels: list[_Level] = []
        self.linked: set[FolderId] = set()  # the folders that links led to, within such folders

    def walk(self) -> Iterator[Item | Skipped]:
        """Yield each file, depth first, without recursion: a tree may be deep."""
        status = self.folder.root.stat()
        self.levels.append(self._list("", status, False))
        while self.levels:
            level = self.levels[-1]
            name = next(level.names, None)
            if name is None:
                self.levels.pop()
                continue
            path = f"{level.path}/{name}" if level.path else name
            found = self._look_at(path)
            if found is not None:
                yield found

    def _look_at(self, path: str) -> Item | Skipped | None:
        """Return the file of this name, or why it is skipped; a folder becomes a new level."""
        location = self.folder.root / path
        try:
            status = location.stat()
        except OSError as error:
            return self._explain(path, location, error)
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFDIR:
            return self._enter(path, status) if self.folder.enters(path) else None
        if not self.folder.keeps(path):
            return None
        if kind != stat.S_IFREG:
            return Skipped(
                path, f"{NO_FILES.get(kind, 'neither a file nor a folder')}, never opened"
            )
        return Item(path, str(location), size=status.st_size, modified=status.st_mtime_ns)

    def _explain(self, path: str, location: Path, error: OSError) -> Item | Skipped | None:
        """Return why a name can't be looked at; what may be a file is an item, which can't be read.

        The file may have vanished, or the folder may let its names be seen and nothing more.
        """
        if not self.folder.keeps(path):
            return None
        try:
            is_link = stat.S_ISLNK(location.lstat().st_mode)
        except OSError:
            is_link = False
        if not is_link:
            return Item(path, str(location))
        if isinstance(error, FileNotFoundError):
            return Skipped(path, f"a broken link, to {str(location.readlink())!r}")
        return Skipped(path, f"a link that can't be followed: {error.strerror}")

    def _enter(self, path: str, status: os.stat_result) -> Skipped | None:
        """Begin to walk a folder, or return why it isn't walked."""
        is_link = (self.folder.root / path).is_symlink()
        place = (status.st_dev, status.st_ino)
        above = next((level.path for level in self.levels if level.place == place), None)
        if above is not None:
            return Skipped(path, f"a link to the folder {above or '.'!r}, which it is in: a loop")
        if is_link and any(level.is_linked for level in self.levels):
            # Such links can lead from each folder to each other one, in endlessly many ways
            if place in self.linked:
                return Skipped(path, "a link to a folder that another link has led to already")
            self.linked.add(place)
        try:
            self.levels.append(self._list(path, status, is_link))
        except OSError as error:
            reason = f"a folder that can't be listed: {error.strerror}"
            return Skipped(path, reason, may_hide_images=True)
        return None

    def _list(self, path: str, status: os.stat_result, is_link: bool) -> _Level:
        """Return a folder with its names, sorted."""
        with os.scandir(self.folder.root / path) as entries:
            names = sorted(entry.name for entry in entries)
        return _Level(path, iter(names), (status.st_dev, status.st_ino), is_link)
