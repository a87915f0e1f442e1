"""What a data set consists of: an ``Item`` for each image, ``Skipped`` for what isn't read."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from ...core.image_file import ImageFile, ImageHeader
from ...errors import GrayToRGBError
from ...extras import require
from ...io import read, read_header
from ...io.formats import HEAD, name_format
from ...io.ranges import Range

ZARR_FILES = ("zarr.json", ".zarray", ".zgroup")  # one of them makes a folder a Zarr store
_RANGE_SOURCE = "what was recorded when the data set was converted"
LARGEST_LOADED = 64 << 20  # bytes of a local file that `read_data` loads

# The module that reads the images of each kind of place, by its `read_data(item)`. A local file
# isn't among them, because `io.read` opens it by itself.
_READERS = {
    "array": "graytorgb.datasets.sources.arrays",
    "tar": "graytorgb.datasets.sources.tar",
    "url": "graytorgb.datasets.sources.remote",
    "zarr": "graytorgb.datasets.sources.zarr",
}


def is_safe(path: str) -> bool:
    """Return whether a path stays below the folder that it is joined to.

    >>> is_safe("a/b.png"), is_safe("../b.png"), is_safe("/b.png")
    (True, False, False)
    """
    return not {"", ".", ".."} & set(path.split("/"))


def find_parent(location: str) -> str:
    """Return the folder of an absolute path or a URL.

    >>> find_parent("s3://bucket/scans/a.npy"), find_parent("/data/a.npy")
    ('s3://bucket/scans', '/data')
    """
    return location.rpartition("/")[0] if "://" in location else str(Path(location).parent)


def find_class(path: str) -> str | None:
    """Return the class of an image: the first folder of its path; None where there is none.

    >>> find_class("cats/indoor/1.png"), find_class("1.png")
    ('cats', None)
    """
    folder, slash, _ = path.partition("/")
    return folder if slash else None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A name in a data set that isn't read.

    Attributes
    ----------
    path : str
        The name relative to the source. Bytes that aren't UTF-8 are surrogate escapes.
    reason : str
        Why it isn't read, for people.
    may_hide_images : bool
        Whether it is a folder that can't be listed, so that nobody knows what is in it.
    """

    path: str
    reason: str
    may_hide_images: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a data set: where it is, and how to read it. It holds no pixels.

    Attributes
    ----------
    path : str
        The image's name relative to the source, with ``/`` between folders, never absolute and
        never with ``..``: ``"a/b.png"``, ``"stack.npy[17]"``. Bytes of a name that aren't UTF-8
        are surrogate escapes, as of ``os.fsdecode``.
    location : str
        The absolute path or the URL of the file or the array that holds the image.
    index : int, str or None
        Which image of the file it is: the number of a page, or of an image in an array, counted
        over all leading axes; in a tar, the byte where the image's file begins. None where the file
        or the array is one item.
    size : int
        The bytes of the image's file, or of the image in an array; -1 if they aren't known.
    modified : int
        When the file was changed, in nanoseconds since 1970; 0 if that isn't known.
    reader : str
        What reads it: ``"file"``, ``"url"``, ``"array"``, ``"tar"`` or ``"zarr"``.
    member : str or None
        The name of the array in an .npz file or a Zarr group, or of the file in a tar.
    layout : str or None
        The axes of the array that holds the image, such as ``"NHWC"``; None for files.
    label : int or None
        The class of the image, a place in the source's ``classes``. None where the source has no
        classes of its own, or the image no class.
    value_range : (lo, hi) or None
        The values that are black and white, where the data set states them for sure. They are the
        image's range, unless the caller of `read` states another.
    """

    path: str
    location: str
    index: int | str | None = None
    size: int = -1
    modified: int = 0
    reader: str = "file"
    member: str | None = None
    layout: str | None = None
    label: int | None = None
    value_range: Range | None = None

    def read_data(self) -> bytes | None:
        """Return the bytes of the image's file, to be passed to `read` and `read_header`.

        So a file is read once, for its hash and for its pixels. An image of an array is given as
        the bytes of an .npy file of this image alone.

        Returns
        -------
        bytes or None
            None for a local file of more than 64 MiB, and for a page of a file of many pages:
            ``read()`` loads only the parts that it needs.

        Raises
        ------
        ImageFileError, OSError
            If the file can't be read.
        """
        if self.reader != "file":
            data: bytes = require(_READERS[self.reader]).read_data(self)
            return data
        if self.index is not None or self.size > LARGEST_LOADED:
            return None
        return Path(self.location).read_bytes()

    def read_head(self) -> bytes:
        """Return the first bytes of the image's file, which tell its format."""
        if self.reader != "file":
            return (self.read_data() or b"")[:HEAD]
        with Path(self.location).open("rb") as file:
            return file.read(HEAD)

    def read(self, *, data: bytes | None = None, **options: Any) -> ImageFile:
        """Read the image with all its values, as :func:`graytorgb.io.read` does.

        Parameters
        ----------
        data : bytes, optional
            What `read_data` returned, if the caller has it already.
        **options
            Options of :func:`graytorgb.io.read`: ``color``, ``alpha``, ``value_range``,
            ``window``, ``limit``, ``orientation``.

        Raises
        ------
        ImageFileError, OSError, BackendUnavailable
            As :func:`graytorgb.io.read` does.
        """
        is_told = self.value_range is not None and options.get("value_range") is None
        if is_told:
            options["value_range"] = self.value_range
        image = read(self._name, **self._add_source(data), **options)
        if is_told:
            image = replace(image, range_source=_RANGE_SOURCE)
        return replace(image, layout=self.image_layout) if self.layout else image

    def read_header(self, *, data: bytes | None = None, **options: Any) -> ImageHeader:
        """Read what the image's file tells of its pixels, as :func:`graytorgb.io.read_header` does.

        Parameters
        ----------
        data : bytes, optional
            What `read_data` returned, if the caller has it already.
        **options
            The option ``limit`` of :func:`graytorgb.io.read_header`.

        Raises
        ------
        ImageFileError, OSError, BackendUnavailable
            As :func:`graytorgb.io.read_header` does.
        """
        header = read_header(self._name, **self._add_source(data), **options)
        if self.value_range is not None:
            header = replace(
                header, value_range=self.value_range, range_source=_RANGE_SOURCE, depth_only=False
            )
        return replace(header, layout=self.image_layout) if self.layout else header

    @property
    def image_layout(self) -> str | None:
        """The axes of this image in its array, such as ``"HWC"``; None for files."""
        return "".join(axis for axis in self.layout if axis in "HWC") if self.layout else None

    @property
    def is_named_image(self) -> bool:
        """Whether the name alone tells that it is an image: its ending, or its place in a file."""
        is_part = self.reader in ("array", "zarr") or self.index is not None
        return (is_part and self.reader != "tar") or name_format(self.suffix) is not None

    @property
    def suffix(self) -> str:
        """The ending of the path, or of the file's name in a tar, in lower case."""
        name = self.member if self.reader == "tar" and self.member else self.path
        return PurePosixPath(name).suffix.lower()

    @property
    def is_only_here(self) -> bool:
        """Whether other processes can't read it, because it is in the memory of this one."""
        return self.reader != "file" and "memory:" in self.location

    def describe_error(self, error: BaseException) -> str:
        """Return what an error says of the image, in one line and without its name.

        The class of the error is named where that tells more.
        """
        if isinstance(error, MemoryError):
            return "there isn't enough memory for it"
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        text = str(error).strip()
        for name in (self._name, self.location, self.path):
            text = text.removeprefix(f"{name}: ")
        text = " ".join(text.split())
        if isinstance(error, GrayToRGBError) and text:
            return text
        return f"{type(error).__name__}: {text}" if text else type(error).__name__

    @property
    def _name(self) -> str:
        """The name of the image in messages: the file's, with the image's place in it."""
        if self.reader in ("file", "url"):
            return self.location
        if self.reader == "tar":
            return f"{self.location}/{self.member}"
        place = "" if self.index is None else f"[{self.index}]"
        return f"{self.location}[{self.member}]{place}" if self.member else self.location + place

    def _add_source(self, data: bytes | None) -> dict[str, Any]:
        """Return the arguments that tell `io.read` what to read: the file, or bytes of it."""
        if data is None and self.reader != "file":
            data = self.read_data()
        source: dict[str, Any] = {} if data is None else {"data": data}
        if self.reader == "file" and self.index is not None:
            source["index"] = self.index
        return source


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
    classes : list of str or None
        The names of the classes where the source numbers them itself: the label of an item is a
        place in the list. An empty list: no image has a class. None: the class of an image is the
        first folder of its path, see `find_class`.
    """

    name: str
    is_array: bool
    count: int | None

    @property
    def classes(self) -> list[str] | None:
        """The names of the classes by label; it may have to be found by reading a whole tar."""
        ...

    @property
    def base(self) -> str:
        """The absolute path or the URL of the folder that the paths of the items start from."""
        ...

    def items(self) -> Iterator[Item | Skipped]:
        """Yield every image in order, and each name that isn't read, with the reason."""
        ...
