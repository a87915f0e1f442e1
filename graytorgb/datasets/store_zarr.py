"""Zarr v3 stores of images: written shard by shard by several processes, and readable at the end.

Until :meth:`ZarrStore.finish`, the shards lie in the folder ``.partial`` of the store, and no
metadata exists, so that no reader takes an unfinished store for a whole one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.storage import MemoryStore

from ..core.writing import printable
from ..errors import ImageFileError
from .rows import Row, as_missing, count_shard_images, find_kept
from .staging import remove, write_staged

Array = NDArray[Any]

_METADATA, _SHARD = "zarr.json", "c/0/0/0/0"  # files of an array of one shard
_TABLE_ROWS = 65536  # rows of `labels`, `paths` and `bits` in a chunk
_TABLES = {"labels": "int64", "paths": "str", "bits": "uint8"}


@dataclass(frozen=True)
class ZarrStore:
    """A Zarr v3 store of images of one shape and dtype.

    It is a group with the arrays ``images``, ``labels``, ``paths`` and ``bits``, or one array of
    images. A chunk is one image, and a shard is a file of many; chunks are compressed by Zstandard.

    Attributes
    ----------
    path : Path
        The folder of the store.
    shape : tuple of int
        (N, H, W, C), with the images that turn out to be missing.
    dtype : str
        The name of the images' dtype.
    is_group : bool
        Whether it is a group, or one array.
    """

    path: Path
    shape: tuple[int, int, int, int]
    dtype: str
    is_group: bool = True

    @property
    def per_shard(self) -> int:
        """How many images a shard has; the last one may have fewer."""
        return count_shard_images(self.shape[1:], self.dtype)

    @property
    def starts(self) -> range:
        """The first image of each shard."""
        return range(0, self.shape[0], self.per_shard)

    @property
    def _partial(self) -> Path:
        return self.path / ".partial"

    @property
    def _scratch(self) -> Path:
        return self._partial / "scratch"

    @property
    def _images(self) -> Path:
        return self.path / "images" if self.is_group else self.path

    def create(self) -> None:
        """Make the folder of the store, unless it is there."""
        self._partial.mkdir(parents=True, exist_ok=True)

    def clear(self) -> None:
        """Remove the store's files, and leave others in its folder as they are."""
        remove(self.path / _METADATA)  # at once it looks as unfinished as it will be
        for name in (".partial", "images", "c", *_TABLES):
            remove(self.path / name)

    def is_written(self, start: int) -> bool:
        """Return whether the shard that begins with image `start` is there, and whole."""
        return self._find_shard("rows", start).exists()

    def is_finished(self) -> bool:
        """Return whether the whole store is written."""
        return (self.path / _METADATA).exists()

    def write(self, start: int, images: Array) -> None:
        """Write the shard that begins with image `start`.

        Parameters
        ----------
        start : int
            One of :attr:`starts`.
        images : ndarray of shape (n, H, W, C)
            All images of the shard; the values of a missing one don't matter.
        """
        self._write("rows", start, images)

    def finish(
        self, missing: Sequence[int], rows: Iterable[Row], attributes: Mapping[str, Any]
    ) -> None:
        """Leave out the missing images, add the tables and the metadata, and name it all.

        A call that was interrupted is called again with the same arguments, and gives the same
        bytes; a call after the last one changes nothing.

        Parameters
        ----------
        missing : sequence of int
            The images that couldn't be read.
        rows : iterable of Row
            What is recorded of each image that isn't missing, in order.
        attributes : mapping
            Attributes of the group or the array; JSON can hold their values.

        Raises
        ------
        ImageFileError
            If every image is missing.
        """
        if self.is_finished():
            remove(self._partial)
            return
        left_out = as_missing(missing)
        count = self.shape[0] - len(left_out)
        if count == 0:
            raise ImageFileError(f"{self.path}: no image could be read, so none is written")
        if not (self._images / "c").exists():
            kind = "rows"
            if len(left_out):
                kind = "kept"
                for start in self.list_repacks(missing):
                    self.repack(start, missing)
            self._images.mkdir(exist_ok=True)
            (self._partial / kind / "c").rename(self._images / "c")
        files, _ = self._plan_array(count, {} if self.is_group else attributes)
        if self.is_group:
            write_staged(self._images / _METADATA, files[_METADATA].to_bytes(), self._scratch)
            self._write_tables(count, iter(rows))
            files = {}
            zarr.create_group(MemoryStore(files), attributes=dict(attributes))
        write_staged(self.path / _METADATA, files[_METADATA].to_bytes(), self._scratch)
        remove(self._partial)

    def list_repacks(self, missing: Sequence[int]) -> list[int]:
        """Return the first images of the shards that are still to be repacked.

        Where images are missing, the shards are written again without them; :meth:`finish` does
        what is left of this.
        """
        count = self.shape[0] - len(as_missing(missing))
        starts = range(0, count, self.per_shard)
        return [start for start in starts if not self._find_shard("kept", start).exists()]

    def repack(self, start: int, missing: Sequence[int]) -> None:
        """Write the shard that begins with image `start` of those that aren't missing."""
        left_out = as_missing(missing)
        stop = min(start + self.per_shard, self.shape[0] - len(left_out))
        sources = find_kept(start, stop, left_out)
        images = np.empty((len(sources), *self.shape[1:]), self.dtype)
        shards = sources // self.per_shard
        for shard in np.unique(shards):
            first = int(shard) * self.per_shard
            inside = shards == shard
            images[inside] = self._read_shard(first)[sources[inside] - first]
        self._write("kept", start, images)

    def _find_shard(self, kind: str, start: int) -> Path:
        return self._partial / kind / "c" / str(start // self.per_shard) / "0" / "0" / "0"

    def _write(self, kind: str, start: int, images: Array) -> None:
        files, array = self._plan_array(len(images), {})
        array[:] = images
        write_staged(self._find_shard(kind, start), files[_SHARD].to_bytes(), self._scratch)

    def _read_shard(self, start: int) -> Array:
        files, array = self._plan_array(min(self.per_shard, self.shape[0] - start), {})
        data = self._find_shard("rows", start).read_bytes()
        files[_SHARD] = default_buffer_prototype().buffer.from_bytes(data)
        return np.asarray(array[:])

    def _plan_array(
        self, count: int, attributes: Mapping[str, Any]
    ) -> tuple[dict[str, Buffer], zarr.Array[Any]]:
        """Return an array of `count` images in memory, and the files that it consists of."""
        files: dict[str, Buffer] = {}
        array = zarr.create_array(
            MemoryStore(files),
            shape=(count, *self.shape[1:]),
            dtype=self.dtype,
            chunks=(1, *self.shape[1:]),
            shards=(self.per_shard, *self.shape[1:]),
            compressors=choose_codec(self.dtype, self.shape[3]),
            dimension_names=("N", "H", "W", "C"),
            attributes=dict(attributes),
            config={"write_empty_chunks": True},  # else a black image would be no chunk
        )
        return files, array

    def _write_tables(self, count: int, rows: Iterator[Row]) -> None:
        """Write the arrays that say what the images are, a part of the rows at a time."""
        folder = self._partial / "tables"
        remove(folder)
        group = zarr.create_group(str(folder))
        chunk = (min(count, _TABLE_ROWS),)
        tables = {
            name: group.create_array(name, shape=(count,), dtype=dtype, chunks=chunk)
            for name, dtype in _TABLES.items()
        }
        for start in range(0, count, _TABLE_ROWS):
            part = list(islice(rows, _TABLE_ROWS))
            here = slice(start, start + len(part))
            tables["labels"][here] = np.array([row.label for row in part], np.int64)
            tables["paths"][here] = np.array([printable(row.path) for row in part])
            tables["bits"][here] = np.array([row.bits for row in part], np.uint8)
        for name in _TABLES:
            remove(self.path / name)
            (folder / name).rename(self.path / name)


def choose_codec(dtype: str, channels: int) -> BloscCodec:
    """Return how images are compressed: by Zstandard, with the bytes in the order that suits it.

    For several channels a shuffle of whole pixels brings the planes apart, so that three equal
    planes take hardly more bytes than one. For one channel a shuffle of bits takes least.
    """
    size = np.dtype(dtype).itemsize
    if channels > 1:
        return BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=size * channels)
    return BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle", typesize=size)
