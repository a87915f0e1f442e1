"""Tar shards as the target of a conversion, as the library webdataset reads them.

``train.tar`` names the target, and its shards are ``train-000000.tar``, ``train-000001.tar``, ...
"""

import json
import math
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..conversions.encoding import FILE_FORMATS, choose_format, encode
from ..conversions.options import Options
from ..conversions.reading import Converted
from ..sources.items import find_class
from .array_form import count_shard_images
from .folder import KEPT, FolderTarget
from .protocol import Plan, Task
from .rows import NO_CLASS, Row, Summary, find_label, number_classes
from .shard_format import NoEntry
from .shards import ShardTarget

_SHARD_BYTES = 128 << 20  # of pixels; the encoded files take about half
_SHARD_IMAGES = 8192


class Encoded(NamedTuple):
    """The file of one image: its suffix, ``".png"``, and its bytes."""

    suffix: str
    data: bytes


class _Writer:
    """A new shard, which samples are added to."""

    def __init__(self, shard: tarfile.TarFile, start: int, classes: dict[str, int]) -> None:
        self._shard, self._number, self._classes = shard, start, classes

    def add(self, entry: Encoded, row: Row) -> None:
        """Add the files of the next sample: the image, its label and its record."""
        key = f"{self._number:09d}"  # without a dot, which would end it
        self._number += 1
        self._add_file(f"{key}{entry.suffix}", entry.data)
        label = find_label(row.path, self._classes)
        if label != NO_CLASS:
            self._add_file(f"{key}.cls", str(label).encode())
        told = {
            "path": row.path, "class": find_class(row.path), "bits": row.bits or None,
            "value_range": row.value_range,
        }  # fmt: skip
        self._add_file(f"{key}.json", json.dumps(told).encode())

    def skip(self) -> None:
        """Leave out the key of an image."""
        self._number += 1

    def _add_file(self, name: str, data: bytes) -> None:
        """Add a file, whose owner and time are the same everywhere."""
        member = tarfile.TarInfo(name)
        member.size = len(data)
        self._shard.addfile(member, BytesIO(data))


class TarTarget(ShardTarget):
    """Tar shards of samples. See :class:`graytorgb.datasets.targets.protocol.Target`.

    A sample is an image file, ``.cls`` with the number of its class, and ``.json`` with its path,
    class, bits and range. Its key is the number of the image. An image without a class has no
    ``.cls``. ``train.tar.json`` lists the shards and the classes, and is written last.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kept = self.path.with_name(f"{self.path.name}.{KEPT}")
        self.partial = self.path.with_name(f".{self.path.name}.partial")
        self.notes = self.mark = self.path.with_name(f"{self.path.name}.json")

    def find_form(self, plan: Plan, options: Options) -> dict[str, Any]:
        """Return the classes of the images, and how many images a shard has."""
        FolderTarget(self.path).check(plan, options)
        size, count, names = 0, 0, set()
        for image in plan:
            size += math.prod(image.shape) * np.dtype(image.dtype).itemsize
            count += 1
            names.add(find_class(image.name))
        # a power of two, so that an image more or less seldom changes it
        images = count_shard_images(size / count, _SHARD_BYTES, _SHARD_IMAGES)
        return {"per_shard": 1 << images.bit_length() - 1, "classes": number_classes(names)}

    def describe(self, dtype: str, options: Options) -> str:
        """Return what images of a dtype become, for people."""
        return FolderTarget(self.path).describe(dtype, options)

    def make_entry(self, converted: Converted, options: Options) -> Encoded:
        """Return an image as a file, as in a folder."""
        assert converted.pixels is not None, "an image that was read"
        name = choose_format(options.format, converted.planned.dtype)
        try:
            return Encoded(FILE_FORMATS[name].suffix, encode(converted.pixels, name))
        except Exception as error:  # codecs have classes of their own
            raise NoEntry(f"it can't be encoded: {error}") from error

    @contextmanager
    def open_shard(self, path: Path, task: Task) -> Iterator[_Writer]:
        """Open a new tar file, which is written an image at a time."""
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as shard:
            yield _Writer(shard, task.start, self.form["classes"])

    def assemble(
        self, final: Path, shards: Sequence[Path], summary: Summary, rows: Iterator[Row]
    ) -> list[str]:
        """Give each shard its name."""
        names = list(map(self._name_shard, range(len(shards))))
        for name, shard in zip(names, shards, strict=True):
            if shard.exists():
                shard.replace(final / name)
            elif not (final / name).exists():  # no image of it could be read
                tarfile.open(final / name, "w").close()
        return names

    def tell_missing(self, summary: Summary) -> str:
        """Return always the same, because a missing image leaves a gap in the keys alone."""
        return "none"

    def has_assembled(self, final: Path, number: int) -> bool:
        """Return whether the shard has its name."""
        return (final / self._name_shard(number)).exists()

    def write_notes(
        self, path: Path, attributes: dict[str, Any], summary: Summary, rows: Iterator[Row]
    ) -> None:
        """Write the list of the shards."""
        per_shard = self.form["per_shard"]
        lost = Counter((summary.missing // per_shard).tolist())
        shards = []
        for number, start in enumerate(range(0, self.count, per_shard)):
            images = min(per_shard, self.count - start) - lost[number]
            shards.append({"name": self._name_shard(number), "images": images})
        told = json.dumps({**attributes, "shards": shards}, indent=1)
        path.write_text(told + "\n")

    def list_data(self) -> Iterable[Path]:
        """Return the shards that are listed, or the first one's place if there is no list."""
        listed = self.read_attributes().get("shards")
        count = len(listed) if isinstance(listed, list) and listed else 1
        return [self.path.with_name(self._name_shard(number)) for number in range(count)]

    def _name_shard(self, number: int) -> str:
        return f"{self.path.stem}-{number:06d}.tar"
