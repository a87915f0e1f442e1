"""Tar shards of image files, as the library webdataset reads them.

``train.tar`` names the target, and its shards are ``train-000000.tar``, ``train-000001.tar``, ...
Until :meth:`TarStore.finish`, they lie in the folder ``.train.tar.partial``.
"""

import json
import os
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import ImageFileError, OptionError
from .rows import NO_CLASS, as_missing
from .staging import remove, staging, write_staged


class Sample(NamedTuple):
    """One image of a shard.

    Attributes
    ----------
    number : int
        The number of the image in the source, which becomes its key.
    suffix : str
        The suffix of the image's format, ``"png"``.
    data : bytes
        The encoded image.
    label : int
        The number of the image's class, or NO_CLASS, for which no ``.cls`` is written.
    record : mapping
        What ``.json`` says of the image.
    """

    number: int
    suffix: str
    data: bytes
    label: int
    record: Mapping[str, Any]


@dataclass(frozen=True)
class TarStore:
    """Tar shards of images and their labels, and ``NAME.tar.json``, which lists the shards.

    Attributes
    ----------
    path : Path
        ``NAME.tar``, which names the shards; no file has this name itself.
    count : int
        The number of images, with those that turn out to be missing.
    per_shard : int
        How many images a shard has; the last one may have fewer.
    """

    path: Path
    count: int
    per_shard: int

    @property
    def starts(self) -> range:
        """The first image of each shard."""
        return range(0, self.count, self.per_shard)

    @property
    def _partial(self) -> Path:
        return self.path.with_name(f".{self.path.name}.partial")

    @property
    def _scratch(self) -> Path:
        return self._partial / "scratch"

    @property
    def index(self) -> Path:
        """The file that lists the shards; it is written last."""
        return self.path.with_name(f"{self.path.name}.json")

    def create(self) -> None:
        """Make the folder for the unfinished shards, unless it is there.

        Raises
        ------
        OptionError
            If a file has the name of a shard, and isn't this store's.
        """
        if not self._partial.exists() and not self.is_finished():
            first = self._name_shard(0)
            if first.exists():
                raise OptionError(
                    f"{first} exists, and isn't the beginning of an unfinished conversion: name "
                    "another target, or remove it"
                )
        self._partial.mkdir(parents=True, exist_ok=True)

    def clear(self) -> None:
        """Remove the store's files: the shards that its list names, and the list."""
        for listing in (self.index, self._listing):
            if listing.exists():
                for shard in json.loads(listing.read_bytes())["shards"]:
                    remove(self.path.with_name(shard["name"]))
                remove(listing)
        remove(self._partial)

    def is_written(self, start: int) -> bool:
        """Return whether the shard that begins with image `start` is there, and whole."""
        return self._find_shard(start).exists() or self._listing.exists()

    def is_finished(self) -> bool:
        """Return whether all shards are written and named."""
        return self.index.exists() and not self._listing.exists()

    def write(self, start: int, samples: Iterable[Sample]) -> None:
        """Write the shard that begins with image `start`, one sample at a time."""
        with (
            staging(self._find_shard(start), self._scratch) as written,
            tarfile.open(written, "w", format=tarfile.USTAR_FORMAT) as shard,
        ):
            for sample in samples:
                key = f"{sample.number:09d}"
                _add(shard, f"{key}.{sample.suffix}", sample.data)
                if sample.label != NO_CLASS:
                    _add(shard, f"{key}.cls", str(sample.label).encode())
                _add(shard, f"{key}.json", json.dumps(sample.record).encode())

    def finish(self, missing: Sequence[int], attributes: Mapping[str, Any]) -> None:
        """Name the shards, without those that hold no image, and list them.

        A call that was interrupted is called again with the same arguments, and gives the same
        files; a call after the last one changes nothing.

        Parameters
        ----------
        missing : sequence of int
            The images that couldn't be read.
        attributes : mapping
            What the list says beside the shards; JSON can hold its values.

        Raises
        ------
        ImageFileError
            If every image is missing.
        """
        if self.is_finished():
            remove(self._partial)
            return
        left_out = as_missing(missing)
        edges = np.append(np.array(self.starts), self.count)
        counts = np.diff(edges) - np.diff(np.searchsorted(left_out, edges))
        kept = [(start, int(n)) for start, n in zip(self.starts, counts, strict=True) if n]
        if not kept:
            raise ImageFileError(f"{self.path}: no image could be read, so none is written")
        shards = [
            {"name": self._name_shard(place).name, "images": n} for place, (_, n) in enumerate(kept)
        ]
        listing = json.dumps({**attributes, "shards": shards}, indent=1) + "\n"
        write_staged(self._listing, listing.encode(), self._scratch)
        for place, (start, _) in enumerate(kept):
            if self._find_shard(start).exists():
                os.replace(self._find_shard(start), self._name_shard(place))
        os.replace(self._listing, self.index)
        remove(self._partial)

    @property
    def _listing(self) -> Path:
        return self._partial / "index.json"

    def _find_shard(self, start: int) -> Path:
        return self._partial / f"{start // self.per_shard:06d}"

    def _name_shard(self, place: int) -> Path:
        return self.path.with_name(f"{self.path.stem}-{place:06d}.tar")


def _add(shard: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file to a tar archive; its owner and its time are the same everywhere."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    shard.addfile(member, BytesIO(data))
