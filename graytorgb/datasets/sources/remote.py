"""Files behind a URL as a source, by fsspec: s3://, gs://, https://, zip://, memory:// ..."""

import errno
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any

import fsspec
from fsspec.registry import known_implementations

from ...errors import BackendUnavailable, ImageFileError
from .items import Item, Skipped, find_parent, is_safe
from .pattern import Pattern, accept_all, has_wildcard, split_pattern

_ARCHIVES = ("zip", "tar", "libarchive")
_CACHES = ("simplecache", "filecache", "blockcache", "cached")  # they take another URL's paths


class RemoteFolder:
    """The files below a URL, sorted by name; each folder is listed when its turn comes.

    Parameters
    ----------
    url : str
        The folder, without a pattern.
    name : str
        What the caller gave, for people.
    keeps, enters : callable
        As in :class:`graytorgb.datasets.sources.folder.Folder`.
    """

    is_array = False
    count = None
    classes = None

    def __init__(
        self,
        url: str,
        name: str,
        keeps: Callable[[str], bool] = accept_all,
        enters: Callable[[str], bool] = accept_all,
    ) -> None:
        self.url, self.name, self.keeps, self.enters = url, name, keeps, enters
        self._files, self._root = connect(url)

    @property
    def base(self) -> str:
        """The URL of the folder that the paths start from."""
        return self.url

    def items(self) -> Iterator[Item | Skipped]:
        """Yield every file, or why a name isn't read."""
        levels = [iter(self._list(self._root))]
        while levels:
            info = next(levels[-1], None)
            if info is None:
                levels.pop()
                continue
            path = self._find_path(info["name"])
            is_folder = info["type"] == "directory"
            if path is None or not (self.enters(path) if is_folder else self.keeps(path)):
                continue
            if not is_folder or not is_safe(path):
                yield self._describe(path, info)
                continue
            try:
                levels.append(iter(self._list(info["name"])))
            except OSError as error:
                reason = f"a folder that can't be listed: {error.strerror or error}"
                yield Skipped(path, reason, may_hide_images=True)

    def _list(self, folder: str) -> list[dict[str, Any]]:
        """Return what is in a folder, sorted by name, and forget it in fsspec's own cache."""
        try:
            found = self._files.ls(folder, detail=True)
        except OSError:
            raise
        except Exception as error:  # of the server's own library
            raise ImageFileError(f"{self.name}: {folder} can't be listed: {error}") from error
        self._files.invalidate_cache(folder)
        return sorted(found, key=lambda info: str(info["name"]).rstrip("/"))

    def _find_path(self, name: str) -> str | None:
        """Return a name relative to the root, or None for the root itself and what is above."""
        root = self._root.strip("/")
        inner = name.strip("/")
        if not root:
            return inner or None
        return inner[len(root) + 1 :] or None if inner.startswith(f"{root}/") else None

    def _describe(self, path: str, info: dict[str, Any]) -> Item | Skipped:
        if not is_safe(path):
            return Skipped(path, "its name leads out of the source, or has an empty part")
        if info["type"] != "file":
            return Skipped(path, f"neither a file nor a folder, but {info['type']!r}")
        return make_item(path, join_url(self.url, info["name"]), info)


class RemoteFile:
    """One file behind a URL, with all its pages."""

    is_array = False
    count = 1
    classes = None

    def __init__(self, url: str, name: str, info: dict[str, Any]) -> None:
        self.url, self.name, self._info = url, name, info

    @property
    def base(self) -> str:
        """The URL of the folder that the file is in."""
        return find_parent(self.url)

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the file."""
        yield make_item(name_file(self.url), self.url, self._info)


def make_item(path: str, url: str, info: dict[str, Any]) -> Item:
    """Return a remote file as an item."""
    size = info.get("size")
    return Item(path, url, None, -1 if size is None else int(size), find_time(info), "url")


def connect(url: str) -> tuple[Any, str]:
    """Return fsspec's file system for a URL, and the path in it.

    Raises
    ------
    BackendUnavailable
        If the library for the protocol isn't installed; the message says what to install.
    ImageFileError
        If the protocol isn't known, or the server can't be reached.
    """
    protocol = find_protocol(url)[1]
    try:
        files, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        known = known_implementations.get(protocol, {})
        needed = str(known.get("class", protocol)).partition(".")[0]
        if needed == "fsspec":
            needed = getattr(error.__cause__, "name", None) or protocol
        unavailable = BackendUnavailable(
            f"{url}: {protocol}:// needs another library, pip install {needed}: {error}"
        )
        unavailable.missing = True
        raise unavailable from error
    except OSError:
        raise
    except Exception as error:
        raise ImageFileError(f"{url}: not a URL that fsspec can open: {error}") from error
    return files, str(path)


def read_info(url: str) -> dict[str, Any]:
    """Return what fsspec tells of a file or folder: its ``type``, ``size`` and other entries.

    Raises
    ------
    FileNotFoundError
        If there is nothing there.
    """
    files, path = connect(url)
    try:
        return dict(files.info(path))
    except OSError:
        raise
    except Exception as error:
        raise ImageFileError(f"{url}: can't be reached: {error}") from error


def read_data(item: Item) -> bytes:
    """Return all bytes of a remote file, fetched once."""
    files, path = connect(item.location)
    try:
        return bytes(files.cat_file(path))
    except OSError:
        raise
    except Exception as error:
        raise ImageFileError(f"{item.location}: can't be fetched: {error}") from error


def open_file(url: str) -> IO[bytes]:
    """Open a remote file to read parts of it."""
    files, path = connect(url)
    file: IO[bytes] = files.open(path, "rb")
    return file


def find_protocol(url: str) -> tuple[int, str]:
    """Return which part of a chained URL has the files, counted from 0, and its protocol.

    >>> find_protocol("s3://bucket/scans")
    (0, 's3')
    >>> find_protocol("simplecache::zip://scans::s3://bucket/a.zip")
    (1, 'zip')
    """
    parts = url.split("::")
    for k, part in enumerate(parts):
        if "://" in part:
            return k, part.partition("://")[0]
        if part not in _CACHES:
            return k, part
    return 0, parts[0]


def join_url(url: str, path: str) -> str:
    """Return the URL of another path in the file system of a URL.

    >>> join_url("zip://scans::s3://bucket/a.zip", "scans/1.png")
    'zip://scans/1.png::s3://bucket/a.zip'
    """
    k, protocol = find_protocol(url)
    parts = url.split("::")
    parts[k] = path if "://" in path else f"{protocol}://{path}"
    return "::".join(parts)


def name_file(url: str) -> str:
    """Return the last part of the path of a URL.

    >>> name_file("zip://scans/1.png::s3://bucket/a.zip")
    '1.png'
    """
    part = url.split("::")[find_protocol(url)[0]]
    return PurePosixPath(part.partition("?")[0]).name


def complete(url: str) -> str:
    """Return a URL as fsspec takes it: ``zip://archive.zip`` means the files in that archive.

    >>> complete("zip://scans::archive.zip")
    'zip://scans::archive.zip'
    """
    protocol, _, path = url.partition("://")
    if protocol in _ARCHIVES and "::" not in url:
        if not Path(path).is_file():
            raise FileNotFoundError(
                errno.ENOENT,
                f"there is no such archive; its files are {protocol}://::ARCHIVE, a folder in it "
                f"is {protocol}://FOLDER::ARCHIVE", path,
            )  # fmt: skip
        return f"{protocol}://::{path}"
    return url


def find_local_path(url: str) -> str | None:
    """Return the path of a ``file://`` URL; None for any other."""
    protocol, _, path = url.partition("://")
    if protocol not in ("file", "local") or "::" in url:
        return None
    return path


def has_pattern(url: str) -> bool:
    """Return whether a URL has wildcards; a ``?`` of the web isn't one."""
    k, protocol = find_protocol(url)
    part = url.split("::")[k]
    return has_wildcard(part.replace("?", "") if protocol in ("http", "https") else part)


def split_url(url: str) -> tuple[str, Pattern]:
    """Return the URL of the folder before the first wildcard, and the pattern inside that folder.

    >>> split_url("s3://bucket/scans/**/*.png")
    ('s3://bucket/scans', Pattern(text='**/*.png'))
    """
    k, protocol = find_protocol(url)
    parts = url.split("::")
    folder, text = split_pattern(parts[k].partition("://")[2])
    parts[k] = f"{protocol}://{folder}"
    return "::".join(parts), Pattern(text)


def exists(folder: str, name: str) -> bool:
    """Return whether there is a file in a remote folder."""
    files, path = connect(folder)
    return bool(files.exists(f"{path.rstrip('/')}/{name}"))


def find_time(info: dict[str, Any]) -> int:
    """Return when a file was changed, in nanoseconds since 1970, or 0 if fsspec doesn't tell."""
    for name in ("mtime", "LastModified", "last_modified", "updated", "modified", "created"):
        time = info.get(name)
        if isinstance(time, datetime):
            return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1e9)
        if isinstance(time, int | float):
            return int(time * 1e9)
    return 0
