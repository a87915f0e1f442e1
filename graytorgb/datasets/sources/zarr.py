"""A Zarr array of images, or a group that holds one, as a source."""

import math
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path, PurePath
from typing import Any, cast

import numpy as np
import zarr
from numpy.typing import NDArray

from ...errors import GrayToRGBError, ImageFileError
from .arrays import make_npy_header
from .decoded import DECODED
from .items import ZARR_FILES, Item, Skipped, find_parent, is_safe
from .notes import find_own_label, parse_notes
from .stack_layout import Stack, find_stack

_ROWS = 65536  # of the array of paths that are read at a time
_LARGEST_CHUNK = 64 << 20  # bytes of images that stay decoded for the next item
_AGE = 5.0  # seconds that remote ones stay: the array may change, and nothing tells it


class ZarrArray:
    """The images of a Zarr array, or of the array ``images`` or the only array of a group.

    An array ``paths`` of the group names the images, and an array ``labels`` of integers has their
    classes; a negative one is no class. A store that a conversion has made tells the names of the
    classes and the range of values in its attributes; otherwise the numbers are the names.

    An image takes about 1.5 ms of zarr's own work, and the time of decoding its chunk, which a
    conversion writes for each image alone. In random order a chunk of many images is decoded again
    for each of them. The images of an array of at most 128 MiB, decoded, are decoded once and stay
    in memory, in each process that reads.

    Parameters
    ----------
    location : str
        The absolute path or the URL.
    name : str
        What the caller gave, for people.
    layout : str or None
        The axes of the array, if the caller states them.

    Raises
    ------
    ImageFileError
        If it can't be opened, or the group doesn't tell which array holds the images.
    """

    is_array = True

    def __init__(self, location: str, name: str, layout: str | None = None) -> None:
        self.location, self.name = location, name
        self.modified = _find_time(location)
        try:
            opened = zarr.open(location, mode="r")
            self._array, self._member, tables = _pick_array(name, opened)
            self._paths, self._labels = tables.get("paths"), tables.get("labels")
            self._bits = tables.get("bits")
            self._notes = parse_notes(dict(opened.attrs))
        except (GrayToRGBError, OSError):
            raise
        except Exception as error:
            raise ImageFileError(f"{name}: a Zarr store that can't be read: {error}") from error
        if self._array.dtype.kind not in "biuf":
            raise ImageFileError(
                f"{name}: an array of dtype {self._array.dtype}, and an image holds real numbers "
                "or bool"
            )
        self._stack = find_stack(name, self._array.shape, layout or _find_named_axes(self._array))
        self.count = self._stack.images

    @property
    def base(self) -> str:
        """The folder that the store is in."""
        return find_parent(self.location)

    @cached_property
    def classes(self) -> list[str] | None:
        """The names of the classes by label; None if the folders of the paths are the classes."""
        if self._notes is not None:
            return list(self._notes.classes)
        if self._labels is None:
            return [] if self._paths is None else None
        parts = (self._labels[at : at + _ROWS] for at in range(0, self._labels.shape[0], _ROWS))
        return list(map(str, range(1 + max((int(part.max()) for part in parts), default=-1))))

    def items(self) -> Iterator[Item | Skipped]:
        """Yield each image, under its own path where the group has one array ``paths``."""
        stack, base = self._stack, PurePath(self.location).name
        itemsize = self._array.dtype.itemsize
        size = math.prod(stack.image_shape) * itemsize
        for index in range(stack.images):
            path, label = f"{base}{stack.name_image(index)}", None
            if index % _ROWS == 0:
                rows = slice(index, index + _ROWS)
                paths, labels, bits = (
                    None if table is None else table[rows]
                    for table in (self._paths, self._labels, self._bits)
                )
            if paths is not None and is_safe(stored := str(paths[index % _ROWS])):
                path = stored
            if labels is not None:
                number = int(labels[index % _ROWS])
                label = find_own_label(number, self.classes or (), self.name)
            depth = 8 * itemsize if bits is None else int(bits[index % _ROWS])
            yield Item(
                path, self.location, index if stack.leading_shape else None, size, self.modified,
                "zarr", self._member, stack.layout, label,
                self._notes.find_range(depth) if self._notes else None,
            )  # fmt: skip


def read_data(item: Item) -> bytes:
    """Return one image of an array as the bytes of an .npy file of it alone."""
    array = _open_array(item.location, item.member, item.modified)
    stack = Stack(cast(str, item.layout), array.shape)
    try:
        image = _read_image(item, array, stack)
    except OSError:
        raise
    except Exception as error:  # codecs fail with any class
        raise ImageFileError(
            f"{item.location}: image {item.index} can't be read: {error}"
        ) from error
    return make_npy_header(image.shape, image.dtype) + image.tobytes()


def _read_image(item: Item, array: Any, stack: Stack) -> NDArray[Any]:
    """Return one image; the chunk that it is in is decoded once for all images of it.

    Of a small array the whole shard is, which takes a fifth of the time that its images take one by
    one.
    """
    place = iter(stack.find_place(cast(int, item.index or 0)))
    where = tuple(next(place) if axis not in "HWC" else slice(None) for axis in stack.layout)
    axis = next((k for k, at in enumerate(where) if not isinstance(at, slice)), None)
    is_small = math.prod(array.shape) * array.dtype.itemsize <= DECODED.limit
    sizes = (array.shards if is_small else None) or array.chunks
    depth = 1 if axis is None else sizes[axis]
    size = math.prod(stack.image_shape) * array.dtype.itemsize * depth
    if axis is None or depth == 1 or size > _LARGEST_CHUNK:
        return np.asarray(array[where])
    at = cast(int, where[axis])
    first = at - at % depth
    block = (*where[:axis], slice(first, first + depth), *where[axis + 1 :])
    time = _find_chunk_time(item, array, block)
    key = (item.location, item.member, item.modified, str(block), time)
    try:
        images = DECODED.get(key, lambda: np.asarray(array[block]), None if time else _AGE)
    except Exception:  # codecs fail with any class, and it may be another image that is damaged
        return np.asarray(array[where])
    if at - first == depth - 1 and not is_small:
        DECODED.drop(key)  # its last image: the next one in order is of another chunk
    before = sum(isinstance(part, slice) for part in where[:axis])
    return cast(NDArray[Any], np.take(images, at - first, axis=before))


def _find_chunk_time(item: Item, array: Any, block: Sequence[int | slice]) -> int:
    """Return when the file of the first chunk of a block was changed; 0 if that isn't known."""
    sizes = array.shards or array.chunks
    first = (part.start or 0 if isinstance(part, slice) else part for part in block)
    place = tuple(at // size for at, size in zip(first, sizes, strict=True))
    try:
        name = array.metadata.encode_chunk_key(place)
        return Path(item.location, item.member or "", name).stat().st_mtime_ns
    except (OSError, ValueError, AttributeError):  # behind a URL, or a chunk that isn't written
        return 0


@lru_cache(16)
def _open_array(location: str, member: str | None, modified: int) -> Any:
    opened: Any = zarr.open(location, mode="r")
    return opened[member] if member else opened


def _find_time(location: str) -> int:
    """Return when the metadata of a local store was changed, in nanoseconds; 0 if not known."""
    files = (Path(location) / name for name in ZARR_FILES)
    return max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)


def _pick_array(name: str, opened: Any) -> tuple[Any, str | None, dict[str, Any]]:
    """Return the array of images, its name in the group, and the arrays that describe them."""
    if not isinstance(opened, zarr.Group):
        return opened, None, {}
    members = dict(opened.arrays())
    images = [key for key, array in members.items() if array.ndim > 1]
    member = "images" if "images" in members else images[0] if len(images) == 1 else None
    if member is None:
        found = ", ".join(repr(key) for key in sorted(images)) or "none of two axes or more"
        raise ImageFileError(
            f"{name}: a Zarr group without an array 'images', with these arrays: {found}. Give the "
            f"array itself: '{name}/NAME'"
        )
    tables: dict[str, Any] = {
        key: members[key]
        for key in ("paths", "labels", "bits")
        if key in members
        and members[key].shape == members[member].shape[:1]
        and (key == "paths" or members[key].dtype.kind in "iu")
    }
    return members[member], member, tables


def _find_named_axes(array: Any) -> str | None:
    """Return the layout that the array's own names of its axes tell, or None."""
    names = getattr(array.metadata, "dimension_names", None) or ()
    is_layout = all(isinstance(n, str) and len(n) == 1 and n.isupper() for n in names)
    return "".join(names) if is_layout and {"H", "W"} <= set(names) else None
