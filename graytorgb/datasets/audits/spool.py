"""``Spool``: the records of an audit on the disk, so that memory doesn't grow with the files."""

import json
import pickle
import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, overload

from ...errors import GrayToRGBError, OptionError
from ...io.formats import has_image_name
from ..sources.items import Skipped
from .depths import find_depth
from .findings import COPY
from .record import Record

_TABLES = """
CREATE TABLE records(
    position INTEGER PRIMARY KEY, text TEXT, item BLOB, digest TEXT, folder TEXT,
    mode TEXT, depth TEXT, size TEXT, copy_of INTEGER);
CREATE TABLE skipped(path TEXT, reason TEXT, may_hide_images INTEGER);
"""


_FINISH = (
    """CREATE TABLE firsts AS SELECT digest, MIN(position) AS position FROM records
        WHERE digest IS NOT NULL GROUP BY digest HAVING COUNT(*) > 1""",
    "CREATE INDEX firsts_by_digest ON firsts(digest)",
    """UPDATE records SET copy_of = firsts.position FROM firsts
        WHERE firsts.digest = records.digest AND firsts.position < records.position""",
    "CREATE TABLE numbers(number INTEGER PRIMARY KEY, position INTEGER)",
    """INSERT INTO numbers
        SELECT ROW_NUMBER() OVER (ORDER BY position) - 1, position FROM records""",
)


class Row(NamedTuple):
    """A record as it is spooled: as JSON, beside what the tables of the whole set need of it.

    Attributes
    ----------
    position : int
        Where the file is in the order of the source.
    text : str
        The record as JSON, in ASCII.
    item : bytes
        What reads the file again, pickled.
    digest, folder : str
    mode, depth, size : str or None
        The record's mode, its depth by `find_depth`, and WIDTHxHEIGHT; None if unreadable.
    """

    position: int
    text: str
    item: bytes
    digest: str | None
    folder: str
    mode: str | None
    depth: str | None
    size: str | None


def make_row(position: int, item: object, record: Record) -> Row:
    """Return a record as it is spooled."""
    shape, layout = record["shape"], record["layout"]
    size = None
    if shape is not None:
        sides = dict(zip(layout, shape, strict=False)) if layout else {}
        size = f"{sides['W']}x{sides['H']}" if {"H", "W"} <= sides.keys() else str(shape)
    return Row(
        position, json.dumps(record, allow_nan=False, separators=(",", ":")), pickle.dumps(item),
        record["digest"], json.dumps(record["folder"]), record["mode"], find_depth(record), size,
    )  # fmt: skip


class Spool:
    """Records and skipped files in a database of SQLite that the system deletes.

    The database is a temporary file without a name, in the folder that ``SQLITE_TMPDIR`` or
    ``TMPDIR`` names. It is gone when the process ends, however it ends.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.executescript(_TABLES)
        self.close = weakref.finalize(self, self._database.close)

    def query(self, command: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run a command of SQL.

        Raises
        ------
        OptionError
            If the spool is closed.
        """
        if not self.close.alive:
            raise OptionError("the audit is closed, and its records are gone: audit(src) again")
        return self._run(self._database.execute, command, values)

    def add(self, rows: Iterable[Row], skipped: Iterable[Skipped]) -> None:
        """Add records, in any order, and files that were skipped."""
        many = self._database.executemany
        self._run(many, f"INSERT INTO records VALUES({'?,' * len(Row._fields)}NULL)", rows)
        # as JSON, because SQLite's text has no surrogates
        escaped = (
            (json.dumps(each.path), json.dumps(each.reason), each.may_hide_images)
            for each in skipped
        )
        self._run(many, "INSERT INTO skipped VALUES(?,?,?)", escaped)

    def finish(self) -> None:
        """Number the records and find the copies, once all files are in."""
        for command in _FINISH:
            self.query(command)

    @staticmethod
    def _run(call: Any, command: str, values: Any) -> sqlite3.Cursor:
        try:
            done: sqlite3.Cursor = call(command, values)
        except sqlite3.OperationalError as error:
            raise GrayToRGBError(
                f"the records can't be kept in a temporary file: {error}. Set TMPDIR to a folder "
                "on a disk that has room: 2 KB for each file"
            ) from error
        return done


_SELECT = """
SELECT records.text, records.copy_of, firsts.text FROM numbers
    JOIN records ON records.position = numbers.position
    LEFT JOIN records AS firsts ON firsts.position = records.copy_of
"""


class Records(Sequence[Record]):
    """The records of an audit in the order of the source, read from the disk one by one."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def __len__(self) -> int:
        return int(self._spool.query("SELECT COUNT(*) FROM records").fetchone()[0])

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]  # which raises an IndexError
        row = self._spool.query(f"{_SELECT} WHERE number = ?", [number]).fetchone()
        return _load(*row)

    def __iter__(self) -> Iterator[Record]:
        for row in self._spool.query(f"{_SELECT} ORDER BY number"):
            yield _load(*row)

    def __repr__(self) -> str:
        return f"<{len(self)} records>"


class Skips(Sequence[dict[str, str]]):
    """The files that aren't images, sorted by path: ``{"path": ..., "reason": ...}`` each."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def __len__(self) -> int:
        return int(self._spool.query("SELECT COUNT(*) FROM skipped").fetchone()[0])

    @overload
    def __getitem__(self, index: int) -> dict[str, str]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, str]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, str] | list[dict[str, str]]:
        return list(self)[index]

    def __iter__(self) -> Iterator[dict[str, str]]:
        for path, reason in self._spool.query(
            "SELECT path, reason FROM skipped ORDER BY path, reason"
        ):
            yield {"path": json.loads(path), "reason": json.loads(reason)}

    def count_unlisted(self) -> int:
        """Return how many are folders that can't be listed, so that images may be in them."""
        counted = self._spool.query("SELECT COUNT(*) FROM skipped WHERE may_hide_images")
        return int(counted.fetchone()[0])

    def list_named(self) -> list[dict[str, str]]:
        """Return those that have an image's name, such as broken links, which data sets read."""
        return [each for each in self if has_image_name(each["path"])]

    def __repr__(self) -> str:
        return f"<{len(self)} skipped files>"


def _load(text: str, copy_of: int | None, first: str | None) -> Record:
    """Return a record from its JSON, with the path of the file that it is a copy of."""
    record: Record = json.loads(text)
    if copy_of is not None and first is not None:
        record["copy_of"] = json.loads(first)["path"]
        record["findings"].append(COPY)
    return record
