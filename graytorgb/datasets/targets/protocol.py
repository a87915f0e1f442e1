"""``Target``: what a conversion writes to, and the records that pass between it and the runner.

A conversion goes through these steps, and a target takes part in each:

1. The plan lists every image of the source that a header describes (:class:`PlannedImage`), in a
   fixed order. `Target.check` refuses what the target can't hold, before anything is written.
2. `Target.list_tasks` cuts the plan into tasks. The file that is kept for resuming tells the
   runner which of them are done: a record has the key of the task and its fingerprint, and
   `Target.is_done` looks at what is on the disk.
3. `Target.prepare` makes what the tasks write into.
4. `Target.write` writes one task in a worker process, and returns an :class:`Outcome`. Nothing of a
   task is at its final name before all of it is.
5. An image that can't be read is named in `Outcome.errors`. It keeps its number in the plan, and
   the task isn't done: the next run tries it again.
6. `Target.finish` writes what needs all images, such as their paths, leaves out the images that
   failed, and removes what is left over.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from ..conversions.notes import Note
from ..conversions.options import Options
from ..conversions.planned import PlannedImage


@dataclass(frozen=True, slots=True)
class Task:
    """What one call of `Target.write` writes: one file, or one shard of an array.

    Attributes
    ----------
    key : str
        The name in the target, relative to its root: ``"cats/a.png"``, ``"shard 17"``. Keys sort
        in the order of the target.
    start : int
        The number of the first image, in the order of the target.
    images : tuple of PlannedImage
        What it is made from.
    """

    key: str
    start: int
    images: tuple[PlannedImage, ...]

    @property
    def path(self) -> str:
        """The name of the first image, for messages."""
        return self.images[0].name if self.images else self.key

    @property
    def is_only_here(self) -> bool:
        """Whether other processes can't read an image of it."""
        return any(image.is_only_here for image in self.images)

    def fingerprint(self, options: Options) -> str:
        """Return a short text that differs for other options or another source.

        The place in the order isn't in it, so that one more file doesn't change all after it; a
        target whose tasks depend on their place has it in the key.
        """
        told = [options.fingerprint(), *(image.identify() for image in self.images)]
        return sha256(repr(told).encode(errors="surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task.

    Attributes
    ----------
    task : Task
    size : int
        The bytes that were written, as `Target.is_done` gets them; -1 if nothing was written.
    errors : tuple of (PlannedImage, str)
        The images that can't be read or converted, with the reason.
    notes : tuple of Note
        What a user should know, such as a depth that isn't used.
    details : dict
        What else the record of the task holds: the range that each file states, ...
    """

    task: Task
    size: int
    errors: tuple[tuple[PlannedImage, str], ...] = ()
    notes: tuple[Note, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether the target has all that the task was to write."""
        return self.size >= 0 and not self.errors


class Plan(Protocol):
    """The images to convert, in the order of the target; it stays the same during a run."""

    def __len__(self) -> int:
        """Return the number of images."""
        ...

    def __iter__(self) -> Iterator[PlannedImage]:
        """Yield every image, those that fail later too."""
        ...

    def list_failed(self) -> Iterator[int]:
        """Yield the numbers of the images that couldn't be read so far, sorted."""
        ...

    def list_kinds(self) -> list[tuple[tuple[int, ...], str, int]]:
        """Return each pair of a result's shape and dtype, and how many images have it."""
        ...


class Guard:
    """The right of a run to write: it ends when the kept file belongs to another run.

    A worker whose run was killed may live on for a moment. It asks its guard right before it puts
    something at its final name, and writes nothing more if another run has begun.

    Parameters
    ----------
    path : path
        The file that is kept for resuming; its first line names the run.
    run : str
        The name of the run.
    """

    def __init__(self, path: str | os.PathLike[str], run: str) -> None:
        self.path, self.run = str(path), run

    def check(self) -> None:
        """Raise RunEnded if the run isn't the one that the kept file names."""
        try:
            with Path(self.path).open("rb") as file:
                first = file.read(4096).partition(b"\n")[0]
        except OSError as error:
            raise RunEnded(f"{self.path}: {error.strerror}") from error
        if f'"run": "{self.run}"'.encode() not in first:
            raise RunEnded(f"{self.path} belongs to another run now")


class RunEnded(Exception):
    """The run that a worker works for has ended, and another one has begun or its file is gone."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a worker needs beside the task; it is the same for all tasks of a run.

    Attributes
    ----------
    options : Options
        With the range that was found for the whole set.
    guard : Guard
        To be asked right before something gets its final name.
    mark : str
        How the names of temporary files begin, which no other file has: ``.graytorgb-RUN-``. The
        runner removes what is left of them in `Target.list_temporaries`.
    """

    options: Options
    guard: Guard
    mark: str


class Target(ABC):
    """What a conversion writes to: a folder of images, an array or shards.

    A target is sent to worker processes, so it is small and can be pickled.

    Attributes
    ----------
    path : Path
        DST as an absolute path, which means the same in every process.
    kept : Path
        The one file that is kept for resuming. It lies in the target's root, or beside a target
        that is a file.
    """

    path: Path
    kept: Path

    @abstractmethod
    def check(self, plan: Plan, options: Options) -> None:
        """Raise an error if the target can't hold the images; nothing has been written yet."""

    def describe(self, dtype: str, options: Options) -> str:
        """Return what images of a dtype become in this target, for people."""
        return f"{dtype}, {'3 channels' if options.to == 'rgb' else '1 channel'}"

    @abstractmethod
    def list_tasks(self, plan: Plan, options: Options) -> Iterator[Task]:
        """Yield the tasks, in the order of the target."""

    @abstractmethod
    def is_done(self, task: Task, size: int) -> bool:
        """Return whether the target still has what the task wrote; `size` is what was recorded."""

    @abstractmethod
    def list_foreign(self, task: Task) -> Iterable[Path]:
        """Return what is already at the names that the task writes to, as far as it is a file.

        The runner calls this for a task that the kept file doesn't know. It refuses to run if
        anything is there.
        """

    def prepare(self, plan: Plan, request: Request) -> None:  # noqa: B027  # often nothing
        """Make what the tasks write into, if it isn't there; in the main process."""

    def still_has(self, key: str) -> bool:
        """Return whether the target has what an earlier run wrote that is no task of this one.

        Such a file stays, with its record, and the user is told.
        """
        return False

    @abstractmethod
    def write(self, task: Task, request: Request) -> Outcome:
        """Write a task in a worker: read, convert and encode its images, and rename at the end.

        :func:`graytorgb.datasets.conversions.reading.convert_images` reads and converts them.

        Raises
        ------
        OSError
            If the target can't be written. The run ends with a message on how to go on.
        """

    def finish(self, plan: Plan, request: Request) -> None:  # noqa: B027  # often nothing
        """Write what needs all images, after the last task; called once, in the main process."""

    @abstractmethod
    def list_temporaries(self) -> Iterable[Path]:
        """Return the temporary files of every run, to be removed."""
