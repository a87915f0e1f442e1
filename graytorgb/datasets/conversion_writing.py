"""``Writer``: write the tasks of a conversion, and keep the record of what is done."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from ..errors import GrayToRGBError, TargetError
from .conversion_options import Options
from .conversion_watch import Watch
from .execution import Done
from .journal import MARK, Journal, Record
from .ledger import Ledger
from .targets import Guard, Outcome, Request, RunEnded, Target, Task

T = TypeVar("T")
Results = list[tuple[Task, "Outcome | Stopped"]]
_TEMPORARY = re.compile(re.escape(MARK) + "[0-9a-f]{16}-")


class Stopped(NamedTuple):
    """Why a worker could write nothing more."""

    reason: str


def write_tasks(tasks: list[Task], target: Target, request: Request) -> Results:
    """Write tasks in a worker; the first one that can't be written is the last."""
    results: Results = []
    for task in tasks:
        try:
            results.append((task, target.write(task, request)))
        except (OSError, RunEnded) as error:
            reason = f"{error.strerror}" if isinstance(error, OSError) and error.strerror else error
            results.append((task, Stopped(str(reason))))
            break
    return results


class Writer:
    """Writes the tasks that aren't done, and records each in the kept file.

    Parameters
    ----------
    target : Target
    ledger : Ledger
        With the tasks, and the records of those that are done.
    journal : Journal
    options : Options
        With the range that was found.
    already_done : int
        How many images are done already.

    Attributes
    ----------
    converted : int
        How many images were written.
    notes : Counter of str
        What a user should know, and of how many images.
    """

    def __init__(
        self, target: Target, ledger: Ledger, journal: Journal, options: Options,
        already_done: int,
    ) -> None:  # fmt: skip
        self.target, self.ledger, self.journal = target, ledger, journal
        self.options, self.already_done = options, already_done
        self.converted = 0
        self.notes: Counter[str] = Counter()

    def write(self, run_batches: Callable[..., Iterator[Any]], watch: Watch) -> None:
        """Write all tasks that aren't done.

        Parameters
        ----------
        run_batches : callable
            :func:`graytorgb.datasets.execution.run_batches` with the workers.
        watch : Watch
        """
        self._begin()
        request = Request(
            self.options, Guard(self.target.kept, self.journal.run), self.journal.mark
        )
        try:
            self.target.prepare(self.ledger, request)
            watch.begin("converting", len(self.ledger))
            watch.advance(self.already_done)
            every = self.target.list_tasks(self.ledger, self.options)
            tasks = (task for task in every if not self.ledger.is_finished(task.key))
            function = partial(write_tasks, target=self.target, request=request)
            for done in close_after(run_batches(function, tasks)):
                self._take(done)
                watch.advance(sum(len(task.images) for task in done.items))
            self.target.finish(self.ledger, request)
            self._sweep()
            self.journal.finish(self._head(), self._list_final_records())
        except OSError as error:
            if isinstance(error, GrayToRGBError):
                raise
            raise self._stop(f"{error.strerror or error}") from error
        finally:
            self._sweep()

    def _begin(self) -> None:
        """Lock the target, and record what is going to be written."""
        try:
            is_new = not self.journal.is_locked
            self.journal.lock(create=True)
            if is_new and self.target.kept.stat().st_size:
                raise TargetError(
                    f"{self.target.kept}: another run has written to this target meanwhile. Run "
                    "the same conversion again"
                )
            records = chain(
                self.ledger.list_records(),
                list_left_over(self.ledger, self.target),
                self.ledger.list_problems(),
            )
            self.journal.begin(self._head(), records)
        except OSError as error:
            if isinstance(error, GrayToRGBError):
                raise
            raise self._stop(f"{self.target.path}: {error.strerror or error}") from error
        self._sweep()

    def _take(self, done: Done[Task, Results]) -> None:
        """Record what became of a batch of tasks.

        Raises
        ------
        TargetError
            If a task couldn't be written.
        """
        if done.result is None:
            lost = done.items[0]
            failed = tuple((image, tell_loss(done)) for image in lost.images)
            results: Results = [(lost, Outcome(lost, -1, failed))]
        else:
            results = done.result
        records: list[Record] = []
        for task, outcome in results:
            if isinstance(outcome, Stopped):
                self.journal.add(records)
                raise self._stop(f"{self.target.path / task.key}: {outcome.reason}")
            self.notes.update(outcome.notes)
            failed_images = {image for image, _ in outcome.errors}
            self.converted += len(set(task.images) - failed_images) if outcome.size >= 0 else 0
            for image, error in outcome.errors:
                self.ledger.fail_image(image, error)
            if outcome.is_complete:
                records.append(self._make_record(task, outcome))
                self.ledger.finish_task(task.key, records[-1])
        self.journal.add(records)

    def _make_record(self, task: Task, outcome: Outcome) -> Record:
        """Return the record of a task that is done."""
        return {
            "key": task.key,
            "fingerprint": task.fingerprint(self.options),
            "size": outcome.size,
            **outcome.details,
        }

    def _stop(self, reason: str) -> TargetError:
        """Return the error for a run that can't go on."""
        done = self.already_done + self.converted
        return TargetError(
            f"{reason}. {done:,} of {len(self.ledger):,} images are converted, and nothing is "
            "half-written. When this is solved, run the same conversion again: it goes on from "
            "there"
        )

    def _sweep(self) -> None:
        """Remove the temporary files that killed workers left, of this run or an earlier one."""
        with suppress(OSError):  # what can't be removed now is removed by the next run
            for path in self.target.list_temporaries():
                if _TEMPORARY.match(path.name):
                    path.unlink(missing_ok=True)

    def _head(self) -> Record:
        """Return the first line of the kept file."""
        return {
            "options": self.options.describe(),
            "value_range": self.options.value_range,
            "images": self.ledger.count_images(),
            "unreadable": self.ledger.count_rows("failures"),
            "skipped": self.ledger.count_rows("skipped"),
        }

    def _list_final_records(self) -> Iterator[Record]:
        """Yield the records of the kept file at the end."""
        for record in self.ledger.list_records():
            if "planned" not in record or self.target.still_has(record["key"]):
                yield record
        yield from list_left_over(self.ledger, self.target)
        yield from self.ledger.list_problems()


def list_left_over(ledger: Ledger, target: Target) -> Iterator[Record]:
    """Yield the records of what an earlier run wrote, and is no part of this conversion."""
    for record in ledger.list_left_over():
        if target.still_has(record["key"]):
            yield record


def close_after(batches: Iterator[T]) -> Iterator[T]:
    """Yield the batches, and end the workers if the caller stops before the last one."""
    with closing(batches):  # type: ignore[type-var]  # it is a generator
        yield from batches


def tell_loss(done: Done[Any, Any]) -> str:
    """Return why a worker was lost, without the file's name."""
    return str(done.error).partition(": ")[2] or str(done.error)
