"""``ConversionRun``: one run of a conversion, from the first pass over the headers to the end."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from ..errors import ImageFileError, TargetError
from .conversion_checks import (
    check_alpha,
    check_folders,
    ignores_case,
    refuse_equal,
    refuse_foreign,
)
from .conversion_facts import Facts, find_facts
from .conversion_options import Options
from .conversion_places import check_apart, check_item_apart, choose_target
from .conversion_range import find_range_of_values, find_stated_range, list_too_shallow
from .conversion_result import Conversion, KindOfFile
from .execution import Done, run_batches
from .journal import MARK, Journal, Record, read_journal
from .ledger import Ledger
from .sources import Item, Skipped, Source, open_source
from .targets import Guard, Outcome, PlannedImage, Request, RunEnded, Target, Task

T = TypeVar("T")
_TEMPORARY = re.compile(re.escape(MARK) + "[0-9a-f]{16}-")


class Watch(Protocol):
    """What is told of a run while it goes on."""

    def begin(self, step: str, total: int | None) -> None:
        """Begin a step, with the number of its images if that is known."""
        ...

    def advance(self, images: int) -> None:
        """So many images more are done."""
        ...


class Silence:
    """A watch that tells nothing."""

    def begin(self, step: str, total: int | None) -> None:
        """Do nothing."""

    def advance(self, images: int) -> None:
        """Do nothing."""


class Stopped(NamedTuple):
    """Why a worker could write nothing more."""

    reason: str


def write_tasks(
    tasks: list[Task], target: Target, request: Request
) -> list[tuple[Task, Outcome | Stopped]]:
    """Write tasks in a worker; the first one that can't be written is the last."""
    results: list[tuple[Task, Outcome | Stopped]] = []
    for task in tasks:
        try:
            results.append((task, target.write(task, request)))
        except (OSError, RunEnded) as error:
            reason = f"{error.strerror}" if isinstance(error, OSError) and error.strerror else error
            results.append((task, Stopped(str(reason))))
            break
    return results


class ConversionRun:
    """One run of a conversion.

    Parameters
    ----------
    src, dst
        As :func:`graytorgb.datasets.convert` takes them.
    options : Options
    workers, scheduler
        As :func:`graytorgb.datasets.convert` takes them.
    watch : Watch
        Is told how far the run is.
    """

    def __init__(
        self, src: Any, dst: Any, options: Options, workers: int | None, scheduler: Any,
        watch: Watch,
    ) -> None:  # fmt: skip
        self.target = choose_target(dst)
        check_apart(src, self.target.path)
        self.source: Source = open_source(src)
        self.options, self.watch = options, watch
        self._map = partial(run_batches, workers=workers, scheduler=scheduler)
        self.journal = Journal(self.target.kept)
        self.notes: Counter[str] = Counter()
        self.already_done = self.converted = 0

    def run(self, *, is_dry_run: bool) -> Conversion:
        """Convert, or find out what would be done."""
        with Ledger() as self.ledger, closing(self.journal):
            if not is_dry_run:
                self.journal.lock(create=False)
            self.ledger.load(read_journal(self.target.kept))
            self.scan()
            check_alpha(self.ledger, self.options)
            self.target.check(self.ledger, self.options)
            self.settle_range()
            self.ledger.freeze()
            self.plan()
            if not is_dry_run:
                self.write()
            return self.tell(is_dry_run)

    def scan(self) -> None:
        """Read every file's header."""
        self.watch.begin("reading headers", self.source.count)
        numbers = 0
        batches = self._map(partial(find_facts, options=self.options), self._list_items())
        for done in _close_after(batches):
            for k, item in enumerate(done.items):
                facts = _lose(item, done) if done.result is None else done.result[k]
                self.ledger.add_facts(done.start + k, facts)
            numbers += len(done.items)
            self.watch.advance(len(done.items))
        if not numbers or not (len(self.ledger) or self.ledger.count_rows("failures")):
            raise ImageFileError(f"{self.source.name}: no image is in it")

    def _list_items(self) -> Iterator[Item]:
        """Yield the items of the source, and take the names that are skipped."""
        for item in self.source.items():
            if isinstance(item, Skipped):
                self.ledger.add_skipped(item.path, item.reason)
            else:
                check_item_apart(item.location, self.target.path)
                yield item

    def settle_range(self) -> None:
        """Find the one range of the set, if values are to be converted."""
        options = self.options
        if options.bits == "keep":
            return
        if options.needs_values:
            found = find_range_of_values(self.ledger, options, self._pass_over_images)
            self.options = options.with_range(found, "values")
        elif options.value_range is None:
            self.options = options.with_range(find_stated_range(self.ledger), "headers")
        for images, path in list_too_shallow(self.ledger, self.options.value_range):
            text = f"they have 8 bits, too few for this range, and are left out, such as {path!r}"
            self.notes[text] += images

    def _pass_over_images(self, function: Callable[[list[PlannedImage]], T]) -> Iterator[T]:
        """Yield the results of a function over all images; of a lost image there is none."""
        self.watch.begin("finding the range", len(self.ledger))
        for done in _close_after(self._map(function, iter(self.ledger))):
            if done.error is not None:
                self.ledger.fail_image(done.items[0], _tell_loss(done))
            elif done.result is not None:
                yield done.result
            self.watch.advance(len(done.items))

    def plan(self) -> None:
        """Cut the images into tasks, and find out which are done; refuse what can't be written.

        Raises
        ------
        TargetError
            If two sources have one target, or a file that isn't this package's is at its name.
        """
        equal: list[tuple[str, str, str]] = []
        foreign: dict[Path, None] = {}
        folders: set[str] = set()
        is_case_ignored = ignores_case(self.target.path)
        for number, task in enumerate(self.target.list_tasks(self.ledger, self.options)):
            name = task.fingerprint(self.options)
            other = self.ledger.add_task(number, task, name, is_case_ignored=is_case_ignored)
            if other is not None:
                equal.append((task.key, other, task.path))
                continue
            folders.add(task.key.rpartition("/")[0])
            earlier = self.ledger.find_earlier(task.key)
            if earlier is None:
                foreign |= dict.fromkeys(self.target.list_foreign(task))
            elif earlier.get("fingerprint") == name and self.target.is_done(task, earlier["size"]):
                self.ledger.finish_task(task.key, earlier)
                self.already_done += len(task.images)
        if equal:
            raise refuse_equal(equal)
        check_folders(folders, self.ledger, self.target.path)
        if foreign:
            raise refuse_foreign(list(foreign))

    def write(self) -> None:
        """Write all tasks that aren't done."""
        self._begin()
        request = Request(
            self.options, Guard(self.target.kept, self.journal.run), self.journal.mark
        )
        try:
            self.target.prepare(self.ledger, request)
            self.watch.begin("converting", len(self.ledger))
            self.watch.advance(self.already_done)
            every = self.target.list_tasks(self.ledger, self.options)
            tasks = (task for task in every if not self.ledger.is_finished(task.key))
            function = partial(write_tasks, target=self.target, request=request)
            for done in _close_after(self._map(function, tasks)):
                self._take(done)
            self.target.finish(self.ledger, request)
            self._sweep()
            self.journal.finish(self._head(), self._list_final_records())
        except OSError as error:
            if isinstance(error, TargetError):
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
                self.ledger.list_records(), self._list_left_over(), self.ledger.list_problems()
            )
            self.journal.begin(self._head(), records)
        except OSError as error:
            if isinstance(error, TargetError):
                raise
            raise self._stop(f"{self.target.path}: {error.strerror or error}") from error
        self._sweep()

    def _take(self, done: Done[Task, list[tuple[Task, Outcome | Stopped]]]) -> None:
        """Record what became of a batch of tasks.

        Raises
        ------
        TargetError
            If a task couldn't be written.
        """
        if done.result is None:
            lost = done.items[0]
            failed = tuple((image, _tell_loss(done)) for image in lost.images)
            results: list[tuple[Task, Outcome | Stopped]] = [(lost, Outcome(lost, -1, failed))]
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
        self.watch.advance(sum(len(task.images) for task, _ in results))

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

    def _list_left_over(self) -> Iterator[Record]:
        """Yield the records of what an earlier run wrote, and is no part of this conversion."""
        for record in self.ledger.list_left_over():
            if self.target.still_has(record["key"]):
                yield record

    def _list_final_records(self) -> Iterator[Record]:
        """Yield the records of the kept file at the end."""
        for record in self.ledger.list_records():
            if "planned" not in record or self.target.still_has(record["key"]):
                yield record
        yield from self._list_left_over()
        yield from self.ledger.list_problems()

    def tell(self, is_dry_run: bool) -> Conversion:
        """Return what was done, or would be."""
        problems = list(self.ledger.list_problems())
        errors = [(_name(each), each["error"]) for each in problems if "error" in each]
        kinds = [
            KindOfFile(kind, self.target.describe(dtype, self.options), images, path)
            for kind, dtype, images, path in self.ledger.count(("kind", "dtype"))
        ]
        planned = len(self.ledger) - self.already_done
        return Conversion(
            dst=self.target.path,
            converted=planned if is_dry_run else self.converted,
            already_done=self.already_done,
            errors=errors,
            skipped=[(each["path"], each["skipped"]) for each in problems if "skipped" in each],
            left_over=[record["key"] for record in self._list_left_over()],
            notes=dict(sorted(self.notes.items())),
            value_range=self.options.value_range,
            kinds=kinds,
            kept=self.target.kept,
            is_dry_run=is_dry_run,
        )


def _name(problem: Record) -> str:
    """Return the name of an image that can't be read."""
    frame = problem.get("frame")
    return str(problem["path"] if frame is None else f"{problem['path']}[{frame}]")


def _close_after(batches: Iterator[T]) -> Iterator[T]:
    """Yield the batches, and end the workers if the caller stops before the last one."""
    with closing(batches):  # type: ignore[type-var]  # it is a generator
        yield from batches


def _lose(item: Item, done: Done[Any, Any]) -> Facts:
    """Return the facts of a file whose header ended its worker."""
    return Facts(PlannedImage(item, None, 1, (), ""), error=_tell_loss(done))


def _tell_loss(done: Done[Any, Any]) -> str:
    """Return why a worker was lost, without the file's name."""
    return str(done.error).partition(": ")[2] or str(done.error)
