"""Sources of images: what a folder, a glob, a list of paths, an array or a URL has to offer."""

import errno
import os
import reprlib
import stat
from collections.abc import Sequence
from pathlib import Path

from ...errors import DtypeError, ImageFileError
from ...extras import require
from ...io.formats import HEAD, find_format, name_format
from ...io.request import NO_FILES
from .arrays import ArrayFile
from .files import OneFile, PathList
from .folder import Folder
from .items import ZARR_FILES, Source
from .pattern import Pattern, has_wildcard, split_pattern
from .sequence import Several, name_sources
from .tar import TarShards
from .tar_names import find_shards, is_packed_tar, names_tars, refuse_packed

Place = str | os.PathLike[str]

_LISTS = (".txt", ".lst", ".list")
_ARRAYS = (".npy", ".npz")
_EXPECTED = (
    "expected: a folder, a glob such as 'scans/**/*.png', a text file of paths (.txt, .lst, "
    ".list), an image file, a .npy or .npz file, a Zarr folder, tar shards such as 'train-*.tar', "
    "or a URL such as s3://bucket/scans"
)


def open_source(src: Place | Sequence[Place], *, layout: str | None = None) -> Source:
    """Return what `src` is: a data set whose images can be listed and read.

    Only names are read from a folder, and only headers of an array or a tar.

    Parameters
    ----------
    src : str, path or sequence of them
        - A folder: every file in it and in the folders in it.
        - A glob such as ``"scans/**/*.png"``, with the rules of :mod:`glob`.
        - A text file of paths (.txt, .lst, .list), see
          :class:`~graytorgb.datasets.sources.files.PathList`.
        - An image file; each page of a TIFF is an image.
        - A .npy, .npz or Zarr array of images, (N, H, W), (N, H, W, C) or (N, C, H, W), or a Zarr
          group with an array ``images``.
        - A tar file, or the shards that a glob ``"train-*.tar"``, braces
          ``"train-{000000..000003}.tar"``, the name of a target of
          :func:`graytorgb.datasets.convert`, ``"train.tar"``, or its list ``"train.tar.json"``
          name, see :class:`~graytorgb.datasets.sources.tar.TarShards`.
        - A URL that fsspec knows, such as ``"s3://bucket/scans"`` or
          ``"zip://scans::archive.zip"``: a folder, a glob, a file or an array.
        - A sequence of these. The names of the images begin with the folders in which the sources
          differ. Several tars are one set of shards.
    layout : str, optional
        The axes of an array of images, such as ``"NHWC"``, where its shape leaves them open.

    Raises
    ------
    FileNotFoundError
        If there is nothing of that name.
    ImageFileError
        If it is none of the above, or there is nothing in it.
    LayoutError
        If the axes of an array aren't known.
    DtypeError
        If `src` isn't a path.
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
    if isinstance(src, str | os.PathLike):
        return _check_content(_open_one(os.fsdecode(src), layout))
    if not isinstance(src, Sequence) or not all(
        isinstance(each, str | os.PathLike) for each in src
    ):
        raise DtypeError(f"src is a path or a list of paths, not {reprlib.repr(src)}; {_EXPECTED}")
    names = [os.fsdecode(each) for each in src]
    if not names:
        raise ImageFileError(f"src is an empty list; {_EXPECTED}")
    if len(names) == 1:
        return _check_content(_open_one(names[0], layout))
    if all(names_tars(name) and "://" not in name for name in names):
        return _check_content(_open_tars(names))
    return _check_content(Several([_open_among(name, layout) for name in names]))


def _open_one(name: str, layout: str | None) -> Source:
    """Return one source, with or without anything in it."""
    return _open_url(name, layout) if "://" in name else _open_path(name, layout)


def _open_among(name: str, layout: str | None) -> Source:
    """Return one of several sources. A bad one doesn't stop the others: a shell may have listed it.

    A file that is no source is an item that can't be read; another thing is skipped.
    """
    try:
        return _open_one(name, layout)
    except ImageFileError as error:
        if "://" in name:
            raise
        return OneFile(Path(name).absolute(), name, reason=" ".join(str(error).split()))


def _check_content(source: Source) -> Source:
    """Return a source, or raise ImageFileError if there is nothing in it."""
    if next(source.items(), None) is None:
        raise ImageFileError(
            f"{source.name}: there is no file in it, or none that matches; {_EXPECTED}"
        )
    return source


def _open_path(name: str, layout: str | None) -> Source:
    """Return the source at a path of this machine, by what is there."""
    path = Path(name)
    path = path.resolve() if ".." in path.parts else path.absolute()
    if names_tars(name) and not path.is_dir():
        return _open_tars([name])
    try:
        status = path.stat()
        if not name:
            raise FileNotFoundError
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        if has_wildcard(name):
            root, text = split_pattern(str(path).replace(os.sep, "/"))
            if Path(root).is_dir():
                pattern = Pattern(text)
                return Folder(Path(root), name, pattern.keeps, pattern.enters)
        raise _make_missing_error(name) from error
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        if path.suffix.lower() == ".zarr" or any((path / each).is_file() for each in ZARR_FILES):
            zarr: Source = require("graytorgb.datasets.sources.zarr").ZarrArray(
                str(path), name, layout
            )
            return zarr
        return Folder(path, name)
    if kind != stat.S_IFREG:
        raise ImageFileError(f"{name}: this is {NO_FILES.get(kind, 'no file')}; {_EXPECTED}")
    return _open_file(path, name, status.st_mtime_ns, layout)


def _open_tars(names: Sequence[str]) -> Source:
    """Return the tar files that some names stand for as one source."""
    shards: list[Path] = []
    for name in names:
        try:
            found = find_shards(name)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                errno.ENOENT, f"{error.strerror}; {_EXPECTED}", error.filename
            ) from error
        if not found:
            raise _make_missing_error(name)
        shards += found
    for shard in shards:
        kind = stat.S_IFMT(shard.stat().st_mode)
        if kind != stat.S_IFREG:
            raise ImageFileError(f"{shard}: this is {NO_FILES.get(kind, 'no file')}; {_EXPECTED}")
    return TarShards(shards, name_sources(names))


def _make_missing_error(name: str) -> FileNotFoundError:
    """Return the error for a source that isn't there."""
    return FileNotFoundError(errno.ENOENT, f"there is nothing of this name; {_EXPECTED}", name)


def _open_file(path: Path, name: str, modified: int, layout: str | None) -> Source:
    """Return the source that one file is: a list of paths, an array or an image."""
    suffix = path.suffix.lower()
    if is_packed_tar(name):
        raise refuse_packed(name)
    if suffix in _LISTS:
        return PathList(path, name)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except PermissionError:
        return OneFile(path, name)  # its item can't be read
    found = find_format(head, suffix)
    if suffix == ".zip":
        raise ImageFileError(f"{name}: the files in a zip file are a source as 'zip://::{path}'")
    if found == "NumPy":
        return ArrayFile(str(path), name, layout, modified)
    if found is None and name_format(suffix) is None:
        raise ImageFileError(
            f"{name}: no image, as it begins with {head[:8]!r}, and no list of paths by its name; "
            f"{_EXPECTED}"
        )
    return OneFile(path, name, found)


def _open_url(url: str, layout: str | None) -> Source:
    """Return the source behind a URL."""
    remote = require("graytorgb.datasets.sources.remote")
    url = remote.complete(url)
    path = remote.find_local_path(url)
    if path is not None:
        return _open_path(path, layout)
    if remote.has_pattern(url):
        folder, pattern = remote.split_url(url)
        source: Source = remote.RemoteFolder(folder, url, pattern.keeps, pattern.enters)
        return source
    try:
        info = remote.read_info(url)
    except FileNotFoundError as error:
        raise _make_missing_error(url) from error
    suffix = Path(remote.name_file(url)).suffix.lower()
    if info["type"] == "directory":
        if suffix == ".zarr" or any(remote.exists(url, each) for each in ZARR_FILES):
            source = require("graytorgb.datasets.sources.zarr").ZarrArray(url, url, layout)
        else:
            source = remote.RemoteFolder(url, url)
        return source
    if suffix in _ARRAYS:
        return ArrayFile(url, url, layout, remote.find_time(info))
    if names_tars(suffix) or is_packed_tar(remote.name_file(url)):
        raise ImageFileError(
            f"{url}: tar shards are read from a disk, not over a network: copy them here and give "
            f"the copy; 'tar://::{url}' reads the files of a tar, without its labels"
        )
    file: Source = remote.RemoteFile(url, url, info)
    return file
