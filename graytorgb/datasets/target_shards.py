"""``ShardTarget``: a target that several processes write shard by shard, and that is named last.

Until the end, all that is written lies in one hidden folder, so that no reader takes an unfinished
target for a whole one. In this folder are

- ``shards-.../NUMBER``: each shard under its task's fingerprint, and beside it a file of JSON with
  a :class:`Row` for each of its images;
- ``final-...``: the files of the target under their names, while they are put together from the
  shards;
- ``scratch``: files that aren't whole yet.

An image that turns out to be unreadable leaves no row: the plan is cut into shards anew without it,
and these take the other images from the shards that are there, and not from the source.
"""

import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from .conversion_options import Options
from .conversion_reading import Converted, convert_images
from .journal import MARK
from .known_images import Known
from .rows import Row, Summary, describe_image
from .staging import Staging, count_bytes, remove
from .targets import Outcome, Plan, PlannedImage, Request, Target, Task

Entry = Any  # one image of a shard: pixels, or the bytes of an encoded file
Form = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ShardTask(Task):
    """A task whose fingerprint also differs for another form of the whole target.

    Attributes
    ----------
    form : str
        The digest of what all shards have in common: shape, dtype, ...
    """

    form: str = ""

    def fingerprint(self, options: Options) -> str:
        """Return a short text that differs for other options, another source or another form."""
        told = Task.fingerprint(self, options) + self.form
        return sha256(told.encode()).hexdigest()[:16]


class NoEntry(Exception):
    """An image was read, and the target can't hold it."""


class Shard(Protocol):
    """A new shard that images are added to."""

    def add(self, entry: Entry, row: Row) -> None:
        """Add the next image, and what is recorded of it."""
        ...


class ShardTarget(Target):
    """A target that is cut into shards: the part that doesn't depend on its format.

    Attributes
    ----------
    partial : Path
        The folder of what is unfinished.
    notes : Path
        The file that holds the attributes.
    mark : Path
        The file that gets its name last, and so makes the target whole.
    """

    moves_up = True
    partial: Path
    notes: Path
    mark: Path
    is_finished = False

    # What a format does

    @abstractmethod
    def find_form(self, plan: Plan, options: Options) -> Form:
        """Return what all shards have in common; ``"per_shard"`` is the number of their images.

        Raises
        ------
        TargetError
            If the target can't hold the images together.
        """

    @abstractmethod
    def make_entry(self, converted: Converted, options: Options) -> Entry:
        """Return an image as a shard holds it, or raise NoEntry."""

    @abstractmethod
    def open_shard(self, path: Path, task: Task) -> AbstractContextManager[Shard]:
        """Open a new shard for images of a task; it is written when it is closed."""

    @abstractmethod
    def read_shard(self, path: Path, count: int) -> Callable[[int], Entry]:
        """Return a function that gives an image of a shard of `count` images by its place."""

    @abstractmethod
    def assemble(
        self, final: Path, shards: Sequence[Path], summary: Summary, rows: Iterable[Row]
    ) -> list[str]:
        """Put the data of the target together, and return the names of the files and folders.

        It may have been interrupted before, and then goes on with what is in `final`.

        Parameters
        ----------
        final : Path
            The folder for the files.
        shards : sequence of Path
            The shards in order. Those that `has_assembled` names were moved or emptied before.
        summary : Summary
            What is recorded of the whole.
        rows : iterable of Row
            What is recorded of each image.
        """

    @abstractmethod
    def write_notes(
        self, path: Path, attributes: dict[str, Any], summary: Summary, rows: Iterable[Row]
    ) -> None:
        """Write the file of attributes."""

    @abstractmethod
    def has_assembled(self, final: Path, number: int) -> bool:
        """Return whether an interrupted `assemble` has taken this shard already."""

    @abstractmethod
    def read_attributes(self) -> dict[str, Any]:
        """Return the attributes of a target that is there."""

    @abstractmethod
    def list_data(self) -> Iterable[Path]:
        """Return the files and folders of data that a target that is there has."""

    # What is the same for all formats

    @property
    def final(self) -> Path:
        """The folder that the files of the target are put together in."""
        return self.partial / f"final-{self.digest}"

    def check(self, plan: Plan, options: Options) -> None:
        """Find what all shards have in common, and whether the target is whole already."""
        self.options = options
        self.form = self.find_form(plan, options) if len(plan) else {"per_shard": 1}
        told = json.dumps([options.fingerprint(), options.describe(), self.form])
        self.common = sha256(told.encode()).hexdigest()[:16]
        self.count = len(plan)
        digest = sha256(self.common.encode())
        for image in plan:
            digest.update(repr(image.identify()).encode(errors="surrogatepass"))
        self.digest = digest.hexdigest()[:32]
        self.is_finished = not self.final.exists() and self._is_whole()

    def list_tasks(self, plan: Plan, options: Options) -> Iterator[Task]:
        """Yield a task for each shard."""
        self.check(plan, options)
        images, per_shard = iter(plan), self.form["per_shard"]
        for number, start in enumerate(range(0, len(plan), per_shard)):
            part = tuple(islice(images, per_shard))
            yield ShardTask(f"shard {number:06d}", start, part, self.common)

    def is_done(self, task: Task, size: int) -> bool:
        """Return whether the shard is there, alone or as a part of the target."""
        if self.is_finished or (self.final / "whole").exists():
            return True
        if self.has_assembled(self.final, self._find_number(task)):
            return True
        shard = self._find_shard(task)
        return shard.exists() and shard.stat().st_size == size

    def list_foreign(self, task: Task) -> Iterable[Path]:
        """Return what already has the name of a file of the target."""
        if task.start:
            return []
        return [path for path in self._list_files() if path.exists()]

    def still_has(self, key: str) -> bool:
        """Return False, because an earlier target is removed as a whole when a new one is named."""
        return False

    def prepare(self, plan: Plan, request: Request) -> None:
        """Remove what is unfinished of other images or options."""
        for folder in self.partial.glob("final-*"):
            if folder != self.final:
                for name in _read_names(folder):
                    if not (folder / name).exists():  # it was moved to its place
                        remove(self.mark.with_name(name))
                remove(folder)
        for folder in self.partial.glob("shards-*"):
            if folder.name != f"shards-{self.common}":
                remove(folder)

    def write(self, task: Task, request: Request) -> Outcome:
        """Write one shard, of the images of earlier shards and else of the source's."""
        staging = Staging(self.partial / "scratch", request.mark, request.guard.check)
        known = Known(self._find_shard(task), self.read_shard)
        new = [image for image in task.images if known.find(image) is None]
        converted = convert_images(new, request.options)
        rows: list[Row] = []
        errors: list[tuple[PlannedImage, str]] = []
        notes: dict[str, None] = {}
        path = self._find_shard(task)
        with staging.replacing(path) as written, self.open_shard(written, task) as shard:
            for image in task.images:
                row = known.find(image)
                if row is not None:
                    entry = known.read(image)
                else:
                    result = next(converted)
                    notes.update(dict.fromkeys(result.notes))
                    if result.pixels is None:
                        errors.append((image, result.error))
                        continue
                    try:
                        entry = self.make_entry(result, request.options)
                    except NoEntry as error:
                        errors.append((image, str(error)))
                        continue
                    row = describe_image(result)
                shard.add(entry, row)
                rows.append(row)
        staging.write(path.with_suffix(".json"), json.dumps(rows).encode())
        size = -1 if errors else path.stat().st_size
        return Outcome(task, size, tuple(errors), tuple(notes))

    def finish(self, plan: Plan, request: Request) -> None:
        """Put the target together, replace the one that was there, and remove what is left."""
        self.check(plan, request.options)
        if len(plan) and not self.is_finished:
            request.guard.check()
            if not (self.final / "whole").exists():
                self._assemble(plan, request)
            if (self.final / self.mark.name).exists():
                self._remove_old()
                for name in _read_names(self.final):
                    if (self.final / name).exists():
                        remove(self.mark.with_name(name))
                        (self.final / name).replace(self.mark.with_name(name))
        remove(self.partial)

    def list_temporaries(self) -> Iterable[Path]:
        """Return the files that a killed run left unfinished."""
        kept = self.kept.parent.glob(f"{MARK}*-{self.kept.name}")
        return [*(self.partial / "scratch").glob("*"), *kept]

    def _list_files(self) -> set[Path]:
        return {self.mark, self.notes, *self.list_data()}

    def _is_whole(self) -> bool:
        """Return whether the target that is there is of these images, and has all its bytes."""
        if not self.mark.exists():
            return False
        made = self.read_attributes().get("graytorgb", {})
        size = sum(map(count_bytes, self.list_data()))
        return (made.get("digest"), made.get("bytes")) == (self.digest, size)

    def _assemble(self, plan: Plan, request: Request) -> None:
        """Put the target together of the shards of the plan."""
        shards = [self._find_shard(task) for task in self.list_tasks(plan, request.options)]

        def read_rows() -> Iterator[Row]:
            for shard in shards:
                for row in json.loads(shard.with_suffix(".json").read_bytes()):
                    yield Row(*row)

        self.final.mkdir(parents=True, exist_ok=True)
        summary = Summary.of_rows(read_rows(), request.options)
        names = self.assemble(self.final, shards, summary, read_rows())
        size = sum(count_bytes(self.final / name) for name in names)
        made = {"digest": self.digest, "bytes": size, "options": request.options.describe()}
        attributes = {**summary.describe(), "graytorgb": made}
        self.write_notes(self.final / self.notes.name, attributes, summary, read_rows())
        others = sorted({*names, self.notes.name} - {self.mark.name})
        staging = Staging(self.partial / "scratch", request.mark, request.guard.check)
        staging.write(self.final / "whole", json.dumps([*others, self.mark.name]).encode())

    def _remove_old(self) -> None:
        """Remove the target that was there: from the first moment on it isn't whole."""
        old = self.partial / "old"
        if self.mark.exists():
            files = [str(path) for path in self._list_files() - {self.mark}]
            (self.partial / "old.json").write_text(json.dumps(files))
            self.mark.replace(old)
        if old.exists():
            for path in json.loads((self.partial / "old.json").read_bytes()):
                remove(Path(path))
            remove(old)

    def _find_number(self, task: Task) -> int:
        number: int = task.start // self.form["per_shard"]
        return number

    def _find_shard(self, task: Task) -> Path:
        folder = self.partial / f"shards-{self.common}" / str(self._find_number(task))
        return folder / task.fingerprint(self.options)


def _read_names(final: Path) -> list[str]:
    """Return the names of the files in their order, once they are all put together."""
    try:
        names: list[str] = json.loads((final / "whole").read_bytes())
    except FileNotFoundError:
        return []
    return names
