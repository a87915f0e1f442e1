"""Write files whole or not at all, and never over the files that they are made from."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path to write to, and replace `path` by the file that was written there.

    An error or an interruption before the end leaves the old file as it was. A pipe, or a file in
    a folder without permission to write, can't be replaced and is written to directly.

    Parameters
    ----------
    path : path
        A symbolic link stays one, and its target is replaced.
    """
    given, target = Path(path), Path(os.path.realpath(path))
    is_stream = given.is_absolute() and given.parts[1:2] in (("dev",), ("proc",))
    is_special = is_stream or (given.exists() and not given.is_file())
    if is_special or not os.access(target.parent, os.W_OK | os.X_OK):
        yield given
        return
    # in a folder of its own, to keep the name: its suffix may choose the format
    with TemporaryDirectory(prefix=".graytorgb-", dir=target.parent) as folder:
        written = Path(folder) / given.name
        yield written
        if target.exists():
            shutil.copymode(target, written)
        written.replace(target)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write text as UTF-8 in every locale, and leave the ends of lines as they are.

    Half of a surrogate pair, which is how Python holds a byte of a file's name that isn't text,
    becomes an escape.
    """
    with replacing(path) as written:
        written.write_bytes(text.encode(errors="backslashreplace"))


def printable(path: str | os.PathLike[str]) -> str:
    r"""Return a file's name as text that can be drawn: ``\xff`` for a byte that isn't text."""
    return os.fsencode(path).decode(errors="backslashreplace")


def is_same_file(first: str | os.PathLike[str], second: str | os.PathLike[str]) -> bool:
    """Return whether two paths lead to one file, also if neither exists yet.

    Names of new files that differ only in case count as one, because some file systems ignore case.
    """
    try:
        return Path(first).samefile(second)
    except OSError:
        if Path(first).exists() or Path(second).exists():
            return False
        return os.path.realpath(first).casefold() == os.path.realpath(second).casefold()


def why_unwritable(path: Path) -> str | None:
    """Return why a file can't be written at `path`, or None if it can."""
    try:
        folder = Path(os.path.realpath(path)).parent if path.is_symlink() else path.parent
        if path.is_dir():
            return "it is a folder"
        if not folder.is_dir():
            return f"there is no folder {str(folder)!r}"
        if path.exists():
            return None if os.access(path, os.W_OK) else "the file there is read-only"
    except OSError as error:  # a name that is too long
        return str(error.strerror)
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{str(folder)!r} is read-only"
    try:
        TemporaryFile(dir=folder).close()  # root may write everywhere, and can't in /proc
    except OSError as error:
        return f"nothing can be written in {str(folder)!r} ({error.strerror})"
    return None


def find_existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists, where it could be made."""
    return next((each for each in (path, *path.absolute().parents) if each.exists()), path)
