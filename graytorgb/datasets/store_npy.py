"""A .npy file of images, for a memory map: filled in parts by several processes.

Until :meth:`NpyStore.finish`, the rows lie in the folder ``.NAME.partial`` beside the file.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ..errors import ImageFileError
from .rows import Row, as_missing, count_shard_images, find_kept
from .staging import remove, staging

Array = NDArray[Any]


@dataclass(frozen=True)
class NpyStore:
    """A .npy file of images of one shape and dtype, with its labels and its paths beside it.

    For ``train.npy`` these are ``train.labels.npy``, an int64 for each image, and
    ``train.npy.json`` with the attributes, and with path, label and bits of each image. Where the
    source is an array, only the attributes are written.

    Attributes
    ----------
    path : Path
        The file.
    shape : tuple of int
        (N, H, W, C), with the images that turn out to be missing.
    dtype : str
        The name of the images' dtype.
    has_rows : bool
        Whether something is recorded of each image: labels and paths.
    """

    path: Path
    shape: tuple[int, int, int, int]
    dtype: str
    has_rows: bool = True

    @property
    def per_shard(self) -> int:
        """How many images are written at a time; the last part may have fewer."""
        return count_shard_images(self.shape[1:], self.dtype)

    @property
    def starts(self) -> range:
        """The first image of each part."""
        return range(0, self.shape[0], self.per_shard)

    @property
    def _partial(self) -> Path:
        return self.path.with_name(f".{self.path.name}.partial")

    @property
    def _rows(self) -> Path:
        return self._partial / "rows"

    @property
    def _scratch(self) -> Path:
        return self._partial / "scratch"

    @property
    def _labels(self) -> Path:
        return self.path.with_name(f"{self.path.stem}.labels.npy")

    @property
    def _attributes(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def create(self) -> None:
        """Make the file that the rows are written to, unless it is there.

        After its last row it has one byte for each part: 1 once the part is written.
        """
        if self._rows.exists():
            return
        with staging(self._rows, self._scratch) as written, written.open("wb") as file:
            file.write(_encode_header(self.shape, self.dtype))
            file.truncate(self._whole_size + len(self.starts))

    def clear(self) -> None:
        """Remove the store's files."""
        for path in (self.path, self._partial, self._labels, self._attributes):
            remove(path)

    def is_written(self, start: int) -> bool:
        """Return whether the part that begins with image `start` is there, and whole."""
        try:
            with self._rows.open("rb") as file:
                if file.seek(0, os.SEEK_END) == self._whole_size:
                    return True  # the last step but one has removed the marks
                file.seek(self._whole_size + start // self.per_shard)
                return file.read(1) == b"\1"
        except FileNotFoundError:
            return False

    def is_finished(self) -> bool:
        """Return whether the whole file is written."""
        return self.path.exists() and not self._rows.exists()

    def write(self, start: int, images: Array) -> None:
        """Write the images of one part, and then its mark.

        Parameters
        ----------
        start : int
            One of :attr:`starts`.
        images : ndarray of shape (n, H, W, C)
            All images of the part; the values of a missing one don't matter.
        """
        data = np.ascontiguousarray(images, self.dtype).reshape(-1).view(np.uint8)
        # not by a memory map, because a process whose map finds the disk full is killed
        with self._rows.open("r+b", buffering=0) as file:
            file.seek(self._header_size + start * self._image_size)
            _write_all(file, data)
            file.seek(self._whole_size + start // self.per_shard)
            _write_all(file, np.ones(1, np.uint8))

    def finish(
        self, missing: Sequence[int], rows: Iterable[Row], attributes: Mapping[str, Any]
    ) -> None:
        """Leave out the missing images, write what is recorded of the others, and name it all.

        A call that was interrupted is called again with the same arguments, and gives the same
        bytes; a call after the last one changes nothing.

        Parameters
        ----------
        missing : sequence of int
            The images that couldn't be read.
        rows : iterable of Row
            What is recorded of each image that isn't missing, in order.
        attributes : mapping
            JSON can hold their values.

        Raises
        ------
        ImageFileError
            If every image is missing.
        """
        if self.is_finished():
            remove(self._partial)
            return
        left_out = as_missing(missing)
        shape = (self.shape[0] - len(left_out), *self.shape[1:])
        if shape[0] == 0:
            raise ImageFileError(f"{self.path}: no image could be read, so none is written")
        self._write_rows(shape[0], rows, attributes)
        if len(left_out):
            with staging(self.path, self._scratch) as written, written.open("wb") as file:
                file.write(_encode_header(shape, self.dtype))
                source = np.memmap(self._rows, self.dtype, "r", self._header_size, self.shape)
                for start in range(0, shape[0], self.per_shard):
                    stop = min(start + self.per_shard, shape[0])
                    file.write(source[find_kept(start, stop, left_out)].data)
        else:
            os.truncate(self._rows, self._whole_size)
            os.replace(self._rows, self.path)
        remove(self._partial)

    def _write_rows(self, count: int, rows: Iterable[Row], attributes: Mapping[str, Any]) -> None:
        """Write the files beside the array, a row at a time."""
        with staging(self._attributes, self._scratch) as written, written.open("w") as file:
            file.write(json.dumps(attributes, indent=1)[:-2])
            if self.has_rows:
                file.write(',\n "images": [\n' if attributes else '{\n "images": [\n')
                with staging(self._labels, self._scratch) as second, second.open("wb") as labels:
                    labels.write(_encode_header((count,), "int64"))
                    for text in _write_labels(rows, labels):
                        file.write(text)
                file.write("\n ]")
            file.write("\n}\n")

    @property
    def _header_size(self) -> int:
        return len(_encode_header(self.shape, self.dtype))

    @property
    def _image_size(self) -> int:
        return int(np.prod(self.shape[1:])) * np.dtype(self.dtype).itemsize

    @property
    def _whole_size(self) -> int:
        return self._header_size + self.shape[0] * self._image_size


def _write_labels(rows: Iterable[Row], labels: Any) -> Iterator[str]:
    """Write each row's label, and yield each row as JSON."""
    for number, row in enumerate(rows):
        labels.write(np.int64(row.label).astype("<i8").tobytes())
        yield (",\n  " if number else "  ") + json.dumps(row._asdict())


def _encode_header(shape: tuple[int, ...], dtype: str) -> bytes:
    """Return the bytes of a .npy file before its values."""
    header = BytesIO()
    descr = npy.dtype_to_descr(np.dtype(dtype))
    fields = {"shape": shape, "fortran_order": False, "descr": descr}
    npy.write_array_header_1_0(header, fields)
    return header.getvalue()


def _write_all(file: Any, data: NDArray[np.uint8]) -> None:
    """Write all bytes to an unbuffered file, which may take only some at a time."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
