"""A .npy file as the target of a conversion, to be opened as a memory map."""

import json
import math
import os
import shutil
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..sources.arrays import make_npy_header
from .arrays import ArrayTarget
from .folder import KEPT
from .rows import Row, Summary, find_label

Array = NDArray[Any]

_COPIED = 16 << 20  # bytes that are copied at a time


class NpyTarget(ArrayTarget):
    """A .npy file of images (N, H, W, C). See :class:`graytorgb.datasets.targets.protocol.Target`.

    Beside ``train.npy`` are ``train.labels.npy``, an int64 for each image, and ``train.npy.json``
    with the classes and with path, label and bits of each image. If the source is an array, there
    are no labels, and nothing is said of each image.
    """

    def __init__(self, path: Path) -> None:
        self.path = self.mark = path
        self.kept = self.path.with_name(f"{self.path.name}.{KEPT}")
        self.partial = self.path.with_name(f".{self.path.name}.partial")
        self.notes = self.path.with_name(f"{self.path.name}.json")
        self._labels = self.path.with_name(f"{self.path.stem}.labels.npy")

    def list_data(self) -> Iterable[Path]:
        """Return the array and its labels."""
        return [self.path, self._labels]

    def write_shard(self, path: Path, images: Array) -> None:
        """Write the values of the images."""
        path.write_bytes(images.data)  # `tofile` doesn't tell why a disk can't be written to

    def load_shard(self, path: Path, count: int) -> Array:
        """Return all images of a shard."""
        return np.fromfile(path, self.dtype).reshape(count, *self.image_shape)

    def assemble(
        self, final: Path, shards: Sequence[Path], summary: Summary, rows: Iterator[Row]
    ) -> list[str]:
        """Append one shard after the other, and empty each, so that no byte is there twice.

        If images are missing, the shards stay as they are: it isn't known yet whether the next run
        can read these images.
        """
        header = self._make_header(summary.count)
        with (final / self.path.name).open("ab") as file:
            if file.tell() < len(header):
                file.truncate(0)
                file.write(header)
                file.flush()
            for number in range(-(-summary.count // self.form["per_shard"])):
                if file.tell() < self._find_end(number, summary.count):
                    file.truncate(self._find_end(number - 1, summary.count))
                    if len(summary.missing):
                        file.write(self.load_kept(shards, summary, number).data)
                    else:
                        with shards[number].open("rb") as values:
                            shutil.copyfileobj(values, file, _COPIED)
                    file.flush()
                if len(summary.missing) == 0:
                    os.truncate(shards[number], 0)
        if self.form["is_array"]:
            return [self.path.name]
        with (final / self._labels.name).open("wb") as labels:
            labels.write(make_npy_header((summary.count,), np.dtype("<i8")))
            for row in rows:
                labels.write(struct.pack("<q", find_label(row.path, self.form["classes"])))
        return [self.path.name, self._labels.name]

    def has_assembled(self, final: Path, number: int) -> bool:
        """Return whether the array's file has the values of the shard."""
        path = final / self.path.name
        return path.exists() and path.stat().st_size >= self._find_end(number, self.count)

    def write_notes(
        self, path: Path, attributes: dict[str, Any], summary: Summary, rows: Iterator[Row]
    ) -> None:
        """Write the attributes, and what is recorded of each image, a row at a time."""
        with path.open("w") as file:
            file.write(json.dumps(attributes, indent=1).removesuffix("\n}"))
            if not self.form["is_array"]:
                file.write(',\n "images": [')
                for number, row in enumerate(rows):
                    label = find_label(row.path, self.form["classes"])
                    told = {"path": row.path, "label": label, "bits": row.bits}
                    file.write((",\n  " if number else "\n  ") + json.dumps(told))
                file.write("\n ]")
            file.write("\n}\n")

    def _make_header(self, count: int) -> bytes:
        return make_npy_header((count, *self.image_shape), np.dtype(self.dtype))

    def _find_end(self, number: int, count: int) -> int:
        """Return where the values of a shard end in a file of `count` images."""
        images: int = min((number + 1) * self.form["per_shard"], count)
        size = math.prod(self.image_shape) * np.dtype(self.dtype).itemsize
        return len(self._make_header(count)) + images * size
