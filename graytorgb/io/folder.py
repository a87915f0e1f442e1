"""Find the image files in a folder."""

import os
from pathlib import Path

from ..errors import ImageFileError
from .formats import FORMATS, SUFFIXES
from .request import take_path


def find_image_files(path: str | os.PathLike[str]) -> list[Path]:
    """Return a file itself, or every image file in a folder and the folders in it, sorted.

    Parameters
    ----------
    path : str or path
        A file of any name, or a folder. In a folder a name's ending decides what is an image
        file: the suffixes of :data:`graytorgb.io.FORMATS`. Pipes, sockets and devices are left out.

    Raises
    ------
    ImageFileError
        If there is no image file in the folder.
    FileNotFoundError
        If there is neither a file nor a folder of this name.
    DtypeError
        If `path` is no path.
    """
    path = take_path(path)
    if not path.is_dir():
        path.stat()  # raises the system's error where there is no such file
        return [path]
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise ImageFileError(
            f"{path}: no image file is in this folder or the folders in it. These are found by the "
            f"endings of their names: {', '.join(FORMATS)}"
        )
    return found
