"""A Zarr v3 store as the target of a conversion: a group of images, labels and paths, or one array.

A chunk is one image, so that reading one is cheap, and a shard is a file of many.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.storage import MemoryStore

from ...core.writing import printable
from .arrays import ArrayTarget
from .folder import KEPT
from .journal import MARK
from .protocol import Task
from .rows import Row, Summary, find_label
from .staging import remove

Array = NDArray[Any]

_METADATA, _SHARD = "zarr.json", "c/0/0/0/0"  # files of an array of one shard
_TABLES = {"labels": "int64", "paths": "str", "bits": "uint8"}
_TABLE_ROWS = 65536  # rows of them in a chunk


class ZarrTarget(ArrayTarget):
    r"""A Zarr store. See :class:`graytorgb.datasets.targets.protocol.Target`.

    It is a group with the arrays ``images`` (N, H, W, C), ``labels``, ``paths`` and ``bits``. If
    the source is an array, it is one array (N, H, W, C).

    A name whose bytes aren't UTF-8 has ``\xff`` in ``paths`` for such a byte, because Zarr's
    strings are UTF-8.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kept = self.path / KEPT
        self.partial = self.path / ".partial"
        self.mark = self.notes = self.path / _METADATA

    def read_attributes(self) -> dict[str, Any]:
        """Return the attributes of the store that is there."""
        attributes = super().read_attributes().get("attributes")
        return attributes if isinstance(attributes, dict) else {}

    def list_foreign(self, task: Task) -> Iterable[Path]:
        """Return all that is in the folder, if an earlier run hasn't made it."""
        if task.start or not self.path.is_dir():
            return []
        own = (self.kept.name, self.partial.name)
        names = (path for path in self.path.iterdir() if not path.name.startswith(MARK))
        return [path for path in names if path.name not in own]

    def list_data(self) -> Iterable[Path]:
        """Return the arrays of the group, or the chunks of the array."""
        return [self.path / name for name in ("c", "images", *_TABLES)]

    def write_shard(self, path: Path, images: Array) -> None:
        """Write the images of a shard as one shard of Zarr."""
        files, array = self._plan_array(len(images))
        array[:] = images
        path.write_bytes(files[_SHARD].to_bytes())

    def load_shard(self, path: Path, count: int) -> Array:
        """Return all images of a shard."""
        files, array = self._plan_array(count)
        files[_SHARD] = default_buffer_prototype().buffer.from_bytes(path.read_bytes())
        return np.asarray(array[:])

    def assemble(
        self, final: Path, shards: Sequence[Path], summary: Summary, rows: Iterator[Row]
    ) -> list[str]:
        """Move the shards to their places, or write new ones without the missing images."""
        for number in range(-(-summary.count // self.form["per_shard"])):
            place = self._find_place(final, number)
            place.parent.mkdir(parents=True, exist_ok=True)
            if len(summary.missing) == 0:
                if shards[number].exists():
                    shards[number].replace(place)
            elif not place.exists():
                written = final / "scratch"
                self.write_shard(written, self.load_kept(shards, summary, number))
                written.replace(place)
        if self.form["is_array"]:
            return ["c"]
        files, _ = self._plan_array(summary.count)
        (final / "images" / _METADATA).write_bytes(files[_METADATA].to_bytes())
        _write_tables(final, summary.count, rows, self.form["classes"])
        return ["images", *_TABLES]

    def has_assembled(self, final: Path, number: int) -> bool:
        """Return whether the shard is in its place."""
        return self._find_place(final, number).exists()

    def write_notes(
        self, path: Path, attributes: dict[str, Any], summary: Summary, rows: Iterator[Row]
    ) -> None:
        """Write the metadata of the store."""
        if self.form["is_array"]:
            files, _ = self._plan_array(summary.count, attributes)
        else:
            files = _plan_group(path.parent, attributes)
        path.write_bytes(files[_METADATA].to_bytes())

    def _find_place(self, final: Path, number: int) -> Path:
        images = final if self.form["is_array"] else final / "images"
        return images / "c" / str(number) / "0" / "0" / "0"

    def _plan_array(
        self, count: int, attributes: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Buffer], Any]:
        """Return an array of `count` images in memory, and the files that it consists of."""
        files: dict[str, Buffer] = {}
        shape = self.image_shape
        array = zarr.create_array(
            MemoryStore(files),
            shape=(count, *shape),
            dtype=self.dtype,
            chunks=(1, *shape),
            shards=(self.form["per_shard"], *shape),
            compressors=choose_codec(self.dtype, shape[2]),
            dimension_names=("N", "H", "W", "C"),
            attributes=dict(attributes or {}),
            config={"write_empty_chunks": True},  # else a black image would be no chunk
        )
        return files, array


def choose_codec(dtype: str, channels: int) -> BloscCodec:
    """Return how images are compressed: by Zstandard, with the bytes in the order that suits it.

    For several channels a shuffle of whole pixels brings the planes apart, so that three equal
    planes take hardly more bytes than one. For one channel a shuffle of bits takes least.
    """
    size = np.dtype(dtype).itemsize
    if channels > 1:
        return BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=size * channels)
    return BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle", typesize=size)


def _write_tables(folder: Path, count: int, rows: Iterator[Row], classes: dict[str, int]) -> None:
    """Write the arrays that say what the images are, a part of the rows at a time."""
    chunk = (min(count, _TABLE_ROWS),)
    tables = {}
    for name, dtype in _TABLES.items():
        remove(folder / name)
        tables[name] = zarr.create_array(
            str(folder / name), shape=(count,), dtype=dtype, chunks=chunk
        )
    for start in range(0, count, _TABLE_ROWS):
        part = list(islice(rows, _TABLE_ROWS))
        here = slice(start, start + len(part))
        labels = [find_label(row.path, classes) for row in part]
        tables["labels"][here] = np.array(labels, np.int64)
        tables["paths"][here] = np.array([printable(row.path) for row in part])
        tables["bits"][here] = np.array([row.bits for row in part], np.uint8)


def _plan_group(folder: Path, attributes: Mapping[str, Any]) -> dict[str, Buffer]:
    """Return the files of metadata of a group of the arrays in a folder.

    The group's own file has the arrays' metadata too. So readers open one file, and don't look at
    what else is in the folder.
    """
    files: dict[str, Buffer] = {}
    for name in ("images", *_TABLES):
        data = (folder / name / _METADATA).read_bytes()
        files[f"{name}/{_METADATA}"] = default_buffer_prototype().buffer.from_bytes(data)
    store = MemoryStore(files)
    zarr.create_group(store, attributes=dict(attributes))
    with warnings.catch_warnings():  # it isn't in Zarr's specification yet, and may be ignored
        warnings.simplefilter("ignore", UserWarning)
        zarr.consolidate_metadata(store)
    return files
