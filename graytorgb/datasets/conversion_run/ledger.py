"""``Ledger``: what a conversion knows of its images and tasks, in a temporary database.

The database keeps memory flat, however many images there are, and leaves nothing behind, also after
a kill.
"""

import json
import os
import pickle
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..conversions.planned import PlannedImage
from ..targets.journal import Record
from ..targets.protocol import Task
from .facts import Facts, list_frames

_TABLES = """
CREATE TABLE files (number INTEGER PRIMARY KEY, image BLOB, frames INTEGER, shape TEXT, dtype TEXT,
                    value_range TEXT, kind TEXT, has_alpha INTEGER, is_depth INTEGER,
                    source_dtype TEXT, path BLOB);
CREATE INDEX paths ON files (path);
CREATE TABLE failures (number INTEGER, frame INTEGER, path BLOB, error TEXT, is_planned INTEGER,
                       PRIMARY KEY (number, frame));
CREATE TABLE skipped (path BLOB, reason TEXT);
CREATE TABLE earlier (key BLOB PRIMARY KEY, record TEXT);
CREATE TABLE tasks (key BLOB PRIMARY KEY, place BLOB UNIQUE, number INTEGER,
                    fingerprint TEXT, record TEXT, path BLOB);
"""
_WHOLE = -1  # the frame of a failure that is of the whole file


class Ledger:
    """The images of a source, the tasks made of them, and the records of earlier runs.

    It is also the conversion's :class:`~graytorgb.datasets.targets.protocol.Plan`: the images
    whose headers could be read, in the order of the source.
    """

    def __init__(self) -> None:
        # without a name: SQLite puts what memory doesn't hold into a file that is removed at once
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = MEMORY")
        self._db.executescript(_TABLES)
        self._db.execute("BEGIN")
        self._is_frozen = False

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    # The records of earlier runs

    def load(self, records: Iterable[Record]) -> Record | None:
        """Take the records of a kept file, and return its head, or None if there is none."""
        head = None
        for record in records:
            if "graytorgb" in record:
                head = record
            elif "key" in record:
                told = _encode(record["key"]), json.dumps(record)
                self._db.execute("INSERT OR REPLACE INTO earlier VALUES (?, ?)", told)
        return head

    def find_earlier(self, key: str) -> Record | None:
        """Return the record of a task from an earlier run."""
        found = self._db.execute("SELECT record FROM earlier WHERE key = ?", (_encode(key),))
        row = found.fetchone()
        return json.loads(row[0]) if row else None

    def list_left_over(self) -> Iterator[Record]:
        """Yield the records of earlier tasks that are none of this conversion's."""
        left = "SELECT record FROM earlier WHERE key NOT IN (SELECT key FROM tasks) ORDER BY key"
        for (record,) in self._db.execute(left):
            yield json.loads(record)

    # The images

    def add_facts(self, number: int, facts: Facts) -> None:
        """Take what the first pass found about a file; its number gives the order."""
        image = facts.image
        path = _encode(image.item.path)
        if not facts.is_image:
            self.add_skipped(image.item.path, "not an image by its name or its content")
            return
        if facts.error:
            self._add_failure(number, _WHOLE, path, facts.error)
            return
        row = (
            number, pickle.dumps(image), image.frames, json.dumps(image.shape), image.dtype,
            json.dumps(image.value_range), facts.kind, facts.has_alpha, facts.is_depth,
            facts.source_dtype, path,
        )  # fmt: skip
        self._db.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def add_skipped(self, path: str, reason: str) -> None:
        """Take a file that isn't an image."""
        self._db.execute("INSERT INTO skipped VALUES (?, ?)", (_encode(path), reason))

    def add_unreadable(self, path: str, reason: str) -> None:
        """Take what may be images and can't be read, and is no item: a folder without its names."""
        number = -1 - self.count_rows("failures")  # one that no item has
        self._add_failure(number, _WHOLE, _encode(path), reason)

    def freeze(self) -> None:
        """Keep the plan as it is from now on: images that fail later stay in it."""
        self._is_frozen = True

    def fail_image(self, image: PlannedImage, error: str) -> None:
        """Record that an image can't be read."""
        path = _encode(image.item.path)
        found = self._db.execute("SELECT number FROM files WHERE path = ?", (path,)).fetchone()
        self._add_failure(found[0], image.frame or 0, path, error)

    def _add_failure(self, number: int, frame: int, path: bytes, error: str) -> None:
        row = (number, frame, path, error, self._is_frozen)
        self._db.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?)", row)

    def __len__(self) -> int:
        frames = self._db.execute("SELECT TOTAL(frames) FROM files").fetchone()[0]
        failed = f"SELECT COUNT(*) FROM failures WHERE frame != {_WHOLE} AND NOT is_planned"
        return int(frames) - int(self._db.execute(failed).fetchone()[0])

    def count_images(self) -> int:
        """Return how many images of the plan haven't failed."""
        failed = "SELECT COUNT(*) FROM failures WHERE is_planned"
        return len(self) - int(self._db.execute(failed).fetchone()[0])

    def __iter__(self) -> Iterator[PlannedImage]:
        for image, _ in self._list_images():
            yield image

    def list_failed(self) -> Iterator[int]:
        """Yield the numbers of the images that couldn't be read so far, sorted."""
        for number, (_, has_failed) in enumerate(self._list_images()):
            if has_failed:
                yield number

    def _list_images(self) -> Iterator[tuple[PlannedImage, bool]]:
        """Yield each image of the plan, and whether it couldn't be read."""
        of_file = "SELECT frame, is_planned FROM failures WHERE number = ?"
        for number, blob in self._db.execute("SELECT number, image FROM files ORDER BY number"):
            image: PlannedImage = pickle.loads(blob)
            failed = dict(self._db.execute(of_file, (number,)).fetchall())
            for each in [image] if image.frame is None else list_frames(image):
                is_planned = failed.get(each.frame or 0)
                if is_planned is None or is_planned:
                    yield each, bool(is_planned)

    def list_kinds(self) -> list[tuple[tuple[int, ...], str, int]]:
        """Return each pair of a result's shape and dtype, and how many images have it."""
        counted = (
            "SELECT shape, dtype, SUM(frames) FROM files GROUP BY shape, dtype ORDER BY 3 DESC"
        )
        return [(tuple(json.loads(s)), d, n) for s, d, n in self._db.execute(counted)]

    def count(self, columns: Sequence[str], where: str = "1") -> list[tuple[Any, ...]]:
        """Return each combination of columns of the files, the number of images, and a path."""
        names = ", ".join(columns)
        rows = self._db.execute(
            f"SELECT {names}, SUM(frames), MIN(path) FROM files WHERE {where} "
            f"GROUP BY {names} ORDER BY {names}"
        )
        return [(*row[:-1], os.fsdecode(row[-1])) for row in rows]

    @staticmethod
    def decode(value_range: str) -> Any:
        """Return a range of the database as :func:`graytorgb.io.read_header` told it."""
        told = json.loads(value_range)
        return tuple(told) if isinstance(told, list) else told

    def list_problems(self) -> Iterator[Record]:
        """Yield the records of what can't be read and of what isn't an image, in order."""
        failed = """
            SELECT failures.path, frame, error, frames FROM failures LEFT JOIN files USING (number)
            ORDER BY number, frame"""
        for path, frame, error, frames in self._db.execute(failed):
            where = {"frame": frame} if frame != _WHOLE and frames > 1 else {}
            yield {"error": error, "path": os.fsdecode(path), **where}
        for path, reason in self._db.execute("SELECT path, reason FROM skipped ORDER BY path"):
            yield {"path": os.fsdecode(path), "skipped": reason}

    def count_rows(self, table: str) -> int:
        """Return how many rows a table has."""
        return int(self._db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])

    # The tasks

    def add_task(
        self, number: int, task: Task, fingerprint: str, *, is_case_ignored: bool
    ) -> str | None:
        """Take a task; return the path of another one's image if both have the same place."""
        place = task.key.casefold() if is_case_ignored else task.key
        row = (_encode(task.key), _encode(place), number, fingerprint, _encode(task.path))
        try:
            self._db.execute("INSERT INTO tasks VALUES (?, ?, ?, ?, NULL, ?)", row)
        except sqlite3.IntegrityError:
            found = "SELECT path FROM tasks WHERE place = ?"
            return os.fsdecode(self._db.execute(found, row[1:2]).fetchone()[0])
        return None

    def has_task(self, key: str) -> str | None:
        """Return the path of the first image of the task with this key, or None."""
        row = self._db.execute("SELECT path FROM tasks WHERE key = ?", (_encode(key),)).fetchone()
        return os.fsdecode(row[0]) if row else None

    def finish_task(self, key: str, record: Record) -> None:
        """Take the record of a task that is done."""
        row = (json.dumps(record), _encode(key))
        self._db.execute("UPDATE tasks SET record = ? WHERE key = ?", row)

    def is_finished(self, key: str) -> bool:
        """Return whether a task is done."""
        found = "SELECT 1 FROM tasks WHERE key = ? AND record IS NOT NULL"
        return self._db.execute(found, (_encode(key),)).fetchone() is not None

    def list_records(self) -> Iterator[Record]:
        """Yield the record of each task, in order; one that isn't done is planned."""
        for key, record in self._db.execute("SELECT key, record FROM tasks ORDER BY number"):
            yield json.loads(record) if record else {"key": os.fsdecode(key), "planned": True}


def _encode(text: str) -> bytes:
    """Return text as bytes; a name of a file may have bytes that aren't text."""
    return text.encode(errors="surrogateescape")
