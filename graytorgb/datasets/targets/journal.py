"""``Journal``: the one file that a conversion keeps in its target, so that it can be resumed.

The file is lines of JSON. The first line is the head: the options and the range of the whole set.
Each other line is a record, of one of these kinds:

- ``{"key": "a/b.png", "fingerprint": ..., "size": ...}``: a task that is done;
- ``{"key": "a/b.png", "planned": true}``: a task that may have been written, so that what is at its
  name was written by this package;
- ``{"error": "...", "path": "a/b.dcm"}``: an image that can't be read, with the reason;
- ``{"path": "notes.txt", "skipped": "..."}``: a file that isn't an image.

While a run goes on, lines are appended, and the last one may be torn by a kill. At the end the file
is written anew, sorted, and without anything that depends on time or on the order of completion.
The file also is the lock: two runs can't have it at the same time.
"""

import json
import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ...errors import TargetError

if sys.platform != "win32":
    import fcntl

Record = dict[str, Any]

MARK = ".graytorgb-"  # how the names of temporary files begin


class Journal:
    """The kept file of a target, locked for one run.

    Parameters
    ----------
    path : Path
        The kept file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = secrets.token_hex(8)
        self._file: int | None = None

    @property
    def mark(self) -> str:
        """How the names of this run's temporary files begin."""
        return f"{MARK}{self.run}-"

    @property
    def is_locked(self) -> bool:
        """Whether this run has the file."""
        return self._file is not None

    def lock(self, *, create: bool) -> None:
        """Lock the file for this run, if it is there.

        Parameters
        ----------
        create : bool
            Whether to make the file, and the folders that it lies in, if it isn't there.

        Raises
        ------
        TargetError
            If another run has it, or it can't be written.
        """
        try:
            if self.is_locked or not (create or self.path.exists()):
                return
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._open()
        except OSError as error:
            if isinstance(error, TargetError):
                raise
            raise TargetError(
                f"{self.path}: {error.strerror}, so the target can't be written to. When this is "
                "solved, run the same conversion again"
            ) from error

    def _open(self) -> int:
        """Open and lock the file that has the name when both are done."""
        while True:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                _lock(file, self.path)
                # another run may have put a new file there, between the opening and the lock
                if os.fstat(file).st_ino == os.stat(self.path).st_ino:  # noqa: PTH116
                    return file
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(file)
                raise
            os.close(file)

    def begin(self, head: Record, records: Iterable[Record]) -> None:
        """Write the file anew for a run that begins, with the head and the records so far."""
        self._replace({**_name_program(), "run": self.run, **head}, records)

    def add(self, records: Iterable[Record]) -> None:
        """Append records; a kill may tear the last one, which is left out on reading."""
        assert self._file is not None
        data = memoryview(b"".join(map(_to_line, records)))
        while data:
            data = data[os.write(self._file, data) :]

    def finish(self, head: Record, records: Iterable[Record]) -> None:
        """Write the file anew with its final content, and release it.

        `head` and `records` have to be the same for the same result.
        """
        self._replace({**_name_program(), **head}, records)
        self.close()

    def close(self) -> None:
        """Release the lock."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _replace(self, head: Record, records: Iterable[Record]) -> None:
        """Replace the file by another one that is locked already."""
        written = self.path.with_name(f"{self.mark}{self.path.name}")
        file = os.open(written, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)
        try:
            _lock(file, self.path)
            with open(file, "wb", closefd=False) as stream:  # a descriptor
                stream.write(_to_line(head))
                stream.writelines(map(_to_line, records))
            written.replace(self.path)
        except BaseException:
            os.close(file)
            written.unlink(missing_ok=True)
            raise
        self.close()
        self._file = file


def read_journal(path: Path) -> Iterator[Record]:
    """Yield the head of a kept file and then its records; nothing if there is none.

    A line that was torn by a kill is left out.

    Raises
    ------
    TargetError
        If the file is there and wasn't written by a conversion.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for number, line in enumerate(file):
            record = _from_line(line)
            if number == 0 and line and (record is None or record.get("graytorgb") != "convert"):
                if not line.endswith(b"\n"):
                    return  # torn before the first line was whole: nothing had been written
                raise TargetError(
                    f"{path} is there, and isn't the file that graytorgb convert keeps: move it "
                    "away, or name another target"
                )
            if record is not None:
                yield record


def _name_program() -> Record:
    return {"graytorgb": "convert", "version": 1}


def _to_line(record: Record) -> bytes:
    return json.dumps(record, allow_nan=False).encode() + b"\n"


def _from_line(line: bytes) -> Record | None:
    """Return the record of a line, or None for one that was torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _lock(file: int, path: Path) -> None:
    """Lock an open file, or raise TargetError if another run has it."""
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise TargetError(
            f"{path} is in use: another run is writing to this target. Wait for its end, or name "
            "another target"
        ) from None
    except OSError as error:
        raise TargetError(
            f"{path} can't be locked ({error.strerror}), so two runs could write to this target: "
            "name one on a file system with locks"
        ) from error
