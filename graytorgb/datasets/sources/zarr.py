"""A Zarr array of images, or a group that holds one, as a source."""

import math
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, cast

import numpy as np
import zarr
from numpy.typing import NDArray

from ...errors import GrayToRGBError, ImageFileError
from .arrays import make_npy_header
from .items import ZARR_FILES, Item, Skipped, find_parent, is_safe
from .stack_layout import Stack, find_stack

_ROWS = 65536  # of the array of paths that are read at a time
_LARGEST_CHUNK = 64 << 20  # bytes of images that stay decoded for the next item
_AGE = 5.0  # seconds that they stay: the array may change, and nothing tells it
_decoded = threading.local()  # the chunk that a thread has decoded last


class ZarrArray:
    """The images of a Zarr array, or of the array ``images`` or the only array of a group.

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
            self._array, self._member, self._paths = _pick_array(name, opened)
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

    def items(self) -> Iterator[Item | Skipped]:
        """Yield each image, under its own path where the group has one array ``paths``."""
        stack, base = self._stack, PurePath(self.location).name
        size = math.prod(stack.image_shape) * self._array.dtype.itemsize
        for index in range(stack.images):
            path = f"{base}{stack.name_image(index)}"
            if self._paths is not None:
                if index % _ROWS == 0:
                    rows = self._paths[index : index + _ROWS]
                stored = str(rows[index % _ROWS])
                path = stored if is_safe(stored) else path
            yield Item(
                path, self.location, index if stack.leading_shape else None, size, self.modified,
                "zarr", self._member, stack.layout,
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
    """Return one image; the chunk that it is in is decoded once for all images of it."""
    place = iter(stack.find_place(cast(int, item.index or 0)))
    where = tuple(next(place) if axis not in "HWC" else slice(None) for axis in stack.layout)
    axis = next((k for k, at in enumerate(where) if not isinstance(at, slice)), None)
    depth = 1 if axis is None else array.chunks[axis]
    size = math.prod(stack.image_shape) * array.dtype.itemsize * depth
    if axis is None or depth == 1 or size > _LARGEST_CHUNK:
        return np.asarray(array[where])
    at = cast(int, where[axis])
    first = at - at % depth
    block = (*where[:axis], slice(first, first + depth), *where[axis + 1 :])
    images = _read_block((item.location, item.member, item.modified, str(block)), array, block)
    if at - first == depth - 1:
        _decoded.key = None  # its last image
    before = sum(isinstance(part, slice) for part in where[:axis])
    return cast(NDArray[Any], np.take(images, at - first, axis=before))


def _read_block(key: Any, array: Any, block: Any) -> NDArray[Any]:
    """Return a part of an array; the one that a thread has read last is decoded once."""
    now = time.monotonic()
    if getattr(_decoded, "key", None) != key or now > _decoded.time + _AGE:
        _decoded.key = None
        _decoded.images, _decoded.time, _decoded.key = np.asarray(array[block]), now, key
    images: NDArray[Any] = _decoded.images
    return images


@lru_cache(16)
def _open_array(location: str, member: str | None, modified: int) -> Any:
    opened: Any = zarr.open(location, mode="r")
    return opened[member] if member else opened


def _find_time(location: str) -> int:
    """Return when the metadata of a local store was changed, in nanoseconds; 0 if not known."""
    files = (Path(location) / name for name in ZARR_FILES)
    return max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)


def _pick_array(name: str, opened: Any) -> tuple[Any, str | None, Any]:
    """Return the array of images, its name in the group, and the array of their paths if any."""
    if not isinstance(opened, zarr.Group):
        return opened, None, None
    members = dict(opened.arrays())
    images = [key for key, array in members.items() if array.ndim > 1]
    member = "images" if "images" in members else images[0] if len(images) == 1 else None
    if member is None:
        found = ", ".join(repr(key) for key in sorted(images)) or "none of two axes or more"
        raise ImageFileError(
            f"{name}: a Zarr group without an array 'images', with these arrays: {found}. Give the "
            f"array itself: '{name}/NAME'"
        )
    paths = members.get("paths")
    if paths is None or paths.shape != members[member].shape[:1]:
        return members[member], member, None
    return members[member], member, paths


def _find_named_axes(array: Any) -> str | None:
    """Return the layout that the array's own names of its axes tell, or None."""
    names = getattr(array.metadata, "dimension_names", None) or ()
    is_layout = all(isinstance(n, str) and len(n) == 1 and n.isupper() for n in names)
    return "".join(names) if is_layout and {"H", "W"} <= set(names) else None
