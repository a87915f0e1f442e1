"""Tar files as a source: WebDataset shards, those of a conversion, and tars of class folders."""

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import cast

from ...errors import ImageFileError
from .items import Item, Skipped, is_safe
from .notes import Notes
from .tar_members import Member, Refused, Sample, list_samples
from .tar_names import count_images, find_notes

_OPEN_SHARDS = 64  # that a process keeps open
_MOST_CLASSES = 1 << 20


@dataclass
class TarShards:
    """The images of tar files: each member whose name ends as an image's does.

    The headers of all members are read in one pass for each listing, about 0.07 ms an image, and
    an image is read from its own place, in any order.

    Files with the same name up to the first dot are a sample: ``000017.png`` and ``000017.cls``.
    The class of an image is what ``.cls`` says, or ``"label"`` or ``"class"`` of ``.json``. Where
    no image has one, it is the first folder of the path, as in a tar of class folders.

    The path of an image is the one that a conversion recorded, or else the member's name. A name
    without a folder gets the class as its folder and, among several tars, the tar's name.

    Attributes
    ----------
    shards : sequence of Path
        The tar files, as absolute paths.
    name : str
        What the caller gave, for people.

    Raises
    ------
    ImageFileError
        If a tar is given twice.
    """

    shards: Sequence[Path]
    name: str
    is_array: bool = False
    count: int | None = field(init=False)

    def __post_init__(self) -> None:
        if len(set(self.shards)) < len(self.shards):
            twice = next(each for each in self.shards if self.shards.count(each) > 1)
            raise ImageFileError(f"{twice} is given twice, so its images would be there twice")
        notes = find_notes(self.shards)
        shared = {each.classes for each in notes.values()}
        self._notes: dict[Path, Notes] = notes
        # One list of classes, if all shards are of conversions that agree on it
        is_known = len(notes) == len(self.shards) and len(shared) == 1
        self._known = list(next(iter(shared))) if is_known else None
        self.count = None
        if len(notes) == len(self.shards):
            self.count = sum(count_images(shard, notes[shard]) for shard in self.shards)

    @property
    def base(self) -> str:
        """The folder that the tars are in."""
        return os.path.commonpath([shard.parent for shard in self.shards])

    @property
    def classes(self) -> list[str] | None:
        """The names of the classes, by label; None if the folders of the paths are the classes."""
        return self._classes if self._known is None else self._known

    def items(self) -> Iterator[Item | Skipped]:
        """Yield each image, tar by tar, and what isn't read.

        A tar that is damaged is skipped from there on, with the reason.

        Raises
        ------
        ImageFileError
            If the only tar is none, or if labels and classes don't fit together.
        """
        for shard in self.shards:
            status, found = shard.stat(), 0
            try:
                for sample in list_samples(shard):
                    if isinstance(sample, Refused):
                        yield self._skip(shard, sample)
                        found = -1 if not sample.name else found
                        continue
                    for member in sample.images:
                        item = self._describe(shard, status, sample, member)
                        found += found >= 0
                        yield item
            except (ImageFileError, OSError) as error:
                if len(self.shards) == 1 or isinstance(error, ClassesDiffer):
                    raise
                reason = error.strerror if isinstance(error, OSError) and error.strerror else error
                yield Skipped(shard.name, str(reason), may_hide_images=True)
                continue
            yield from self._check_count(shard, found)

    def _check_count(self, shard: Path, found: int) -> Iterator[Skipped]:
        """Yield why a shard isn't whole, if its list says that it has more images."""
        listed = count_images(shard, self._notes[shard]) if shard in self._notes else found
        if 0 <= found < listed:
            reason = f"it has {found:,} images, and the list of the shards says {listed:,}"
            yield Skipped(shard.name, reason, may_hide_images=True)

    def _skip(self, shard: Path, refused: Refused) -> Skipped:
        """Return what isn't read of a tar."""
        if not refused.name:
            return Skipped(shard.name, refused.reason, may_hide_images=True)
        return Skipped(f"{shard.name}/{refused.name}", refused.reason)

    def _describe(
        self, shard: Path, status: os.stat_result, sample: Sample, member: Member
    ) -> Item:
        """Return one image."""
        notes = self._notes.get(shard)
        return Item(
            self._find_path(shard, sample, member), str(shard), member.start, member.size,
            status.st_mtime_ns, "tar", member.name, None, self._find_label(shard, sample),
            notes.find_range(sample.record["bits"]) if notes and sample.record else None,
        )  # fmt: skip

    def _find_path(self, shard: Path, sample: Sample, member: Member) -> str:
        """Return the path of an image in the source."""
        told = sample.record.get("path")
        if isinstance(told, str) and is_safe(told) and len(sample.images) == 1:
            return told
        path = member.name
        if "/" in path:
            return path
        if len(self.shards) > 1:
            path = f"{shard.stem}/{path}"
        folder = None if sample.label is None else str(sample.label)
        return f"{folder}/{path}" if folder and is_safe(folder) and "/" not in folder else path

    def _find_label(self, shard: Path, sample: Sample) -> int | None:
        """Return the number of an image's class.

        Raises
        ------
        ClassesDiffer
            If the list of the shards has no such class.
        """
        if self._known is None:
            return self._labels.get(sample.label) if isinstance(sample.label, str) else sample.label
        if sample.label is None:
            return None
        if isinstance(sample.label, int) and 0 <= sample.label < len(self._known):
            return sample.label
        raise ClassesDiffer(
            f"{shard}: the class of {sample.key} is {sample.label!r}, which isn't one of the "
            f"{len(self._known)} classes in the list of the shards: the tars or their list were "
            "changed since they were converted"
        )

    @cached_property
    def _labels(self) -> dict[str, int]:
        """The label of each class; none where `classes` tells that they don't fit together."""
        try:
            return {name: label for label, name in enumerate(self.classes or ())}
        except ClassesDiffer:
            return {}

    @cached_property
    def _classes(self) -> list[str] | None:
        """The classes that the samples tell."""
        names: dict[int, str] = {}  # of the numbers, as far as the records of a conversion tell it
        texts: set[str] = set()
        largest, has_folders = -1, False
        for shard in self.shards:
            for sample in list_samples(shard):
                if isinstance(sample, Refused):
                    continue
                if isinstance(sample.label, str):
                    texts.add(sample.label)
                elif sample.label is not None:
                    largest = max(largest, sample.label)
                    self._name_class(names, sample, shard)
                has_folders = has_folders or any("/" in member.name for member in sample.images)
        if texts and largest >= 0:
            raise ClassesDiffer(
                f"{self.name}: some samples have a number as their class, such as {largest}, and "
                f"some a name, such as {min(texts)!r}: give them one at a time"
            )
        if texts:
            return sorted(texts)
        if largest < 0:
            return None if has_folders else []
        return [names.get(label, str(label)) for label in range(largest + 1)]

    def _name_class(self, names: dict[int, str], sample: Sample, shard: Path) -> None:
        """Take the name of a class from the record of an image, and check the number."""
        label = cast(int, sample.label)
        if not 0 <= label < _MOST_CLASSES:
            raise ClassesDiffer(
                f"{shard}: the class of {sample.key} is {label}, and classes are counted from 0"
            )
        name = sample.record.get("class")
        if isinstance(name, str) and names.setdefault(label, name) != name:
            raise ClassesDiffer(
                f"{self.name}: class {label} is {names[label]!r} in one place, and {name!r} in "
                f"{shard.name}: these tars don't belong together, so give them one at a time"
            )


class ClassesDiffer(ImageFileError):
    """The labels and the classes of a set don't fit together."""


def read_data(item: Item) -> bytes:
    """Return the bytes of an image's file in a tar.

    Threads and forked processes may read at the same time.

    Raises
    ------
    ImageFileError
        If the tar was changed since it was listed.
    """
    return _open_shard(item.location, item.modified).read(cast(int, item.index), item.size)


@lru_cache(_OPEN_SHARDS)
def _open_shard(location: str, modified: int) -> "_Shard":
    """Open a tar, which stays open while it is among those that were read last."""
    return _Shard(location, modified)


class _Shard:
    """An open tar file."""

    def __init__(self, location: str, modified: int) -> None:
        self._location, self._modified = location, modified
        self._lock = threading.Lock()
        self._file = -1
        self._file = os.open(location, os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def __del__(self) -> None:
        if self._file >= 0:  # when the last thread that reads is done
            os.close(self._file)

    def read(self, start: int, size: int) -> bytes:
        """Return some bytes."""
        if os.fstat(self._file).st_mtime_ns != self._modified:
            _open_shard.cache_clear()
            raise ImageFileError(f"{self._location}: changed since it was listed: list it again")
        data = self._read(start, size)
        while len(data) < size:  # the system gives at most 2 GiB at a time
            more = self._read(start + len(data), size - len(data))
            if not more:
                raise ImageFileError(
                    f"{self._location}: truncated: an image lacks {size - len(data):,} of its bytes"
                )
            data += more
        return data

    def _read(self, start: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file, size, start)
        with self._lock:  # Windows, where no process is forked
            os.lseek(self._file, start, os.SEEK_SET)
            return os.read(self._file, size)
