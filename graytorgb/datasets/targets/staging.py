"""``Staging``: files are made under another name and renamed when they are whole."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4


def _allow() -> None:
    """Allow every write."""


@dataclass(frozen=True)
class Staging:
    """Where temporary files lie, and what is asked right before one gets its final name.

    Two processes that write one target never share a temporary file. What a killed process leaves
    lies in `folder`, so removing that folder removes every temporary file.

    Attributes
    ----------
    folder : Path
        In the file system of the targets; it is made if it is missing.
    mark : str
        How the names of the temporary files begin.
    check : callable
        Raises an error if nothing may be written any more.
    """

    folder: Path
    mark: str = ""
    check: Callable[[], None] = _allow

    @contextmanager
    def replacing(self, target: Path) -> Iterator[Path]:
        """Give a new path to write to, and rename what is written there to `target`.

        The folders above `target` are made, and a file that is there is replaced.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        written = self.folder / f"{self.mark}{uuid4().hex}"
        try:
            yield written
            target.parent.mkdir(parents=True, exist_ok=True)
            self.check()
            written.replace(target)
        except BaseException:
            written.unlink(missing_ok=True)
            raise

    def write(self, target: Path, data: bytes) -> None:
        """Write a whole file of these bytes, or none."""
        with self.replacing(target) as written:
            written.write_bytes(data)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; one that is missing is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def count_bytes(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; 0 for one that is missing."""
    if path.is_dir():
        return sum(map(count_bytes, path.iterdir()))
    return path.stat().st_size if path.exists() else 0
