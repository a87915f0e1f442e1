"""Files and folders that are made under another name and then renamed, so that none is ever torn."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def staging(target: Path, scratch: Path) -> Iterator[Path]:
    """Give a new path in `scratch` to write to, and rename what is written there to `target`.

    Two processes that write one target never share a temporary file. What a killed process leaves
    lies in `scratch`, so removing that folder removes every temporary file.

    Parameters
    ----------
    target : Path
        The folders above it are made. A file that is there is replaced.
    scratch : Path
        A folder in the file system of `target`; it is made if it is missing.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    written = scratch / uuid4().hex
    try:
        yield written
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(written, target)
    except BaseException:
        written.unlink(missing_ok=True)
        raise


def write_staged(target: Path, data: bytes, scratch: Path) -> None:
    """Write a whole file of these bytes, or none."""
    with staging(target, scratch) as written:
        written.write_bytes(data)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; one that is missing is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
