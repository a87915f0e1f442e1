"""``ShardFormat``: what the format of a target that is cut into shards has to do."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from .conversion_options import Options
from .conversion_reading import Converted
from .rows import Row, Summary
from .targets import Plan, Target, Task

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

    def skip(self) -> None:
        """Leave out the next image."""
        ...


class ShardFormat(Target):
    """A target that is cut into shards: what each format does.

    Attributes
    ----------
    partial : Path
        The folder of what is unfinished.
    notes : Path
        The file that holds the attributes.
    mark : Path
        The file that gets its name last, and so makes the target whole.
    form : dict
        What all shards have in common.
    count : int
        How many images are planned.
    """

    partial: Path
    notes: Path
    mark: Path
    form: Form
    count: int

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
    def assemble(
        self, final: Path, shards: Sequence[Path], summary: Summary, rows: Iterator[Row]
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
            Which images are missing.
        rows : iterator of Row
            What is recorded of each image that isn't missing.
        """

    @abstractmethod
    def write_notes(
        self, path: Path, attributes: dict[str, Any], summary: Summary, rows: Iterator[Row]
    ) -> None:
        """Write the file of attributes."""

    @abstractmethod
    def has_assembled(self, final: Path, number: int) -> bool:
        """Return whether an interrupted `assemble` has taken this shard already."""

    @abstractmethod
    def list_data(self) -> Iterable[Path]:
        """Return the files and folders of data that a target that is there has."""
