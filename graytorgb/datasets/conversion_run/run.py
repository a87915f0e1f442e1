"""``ConversionRun``: one run of a conversion, from the first pass over the headers to the end."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import Any, TypeVar

from ...errors import ImageFileError, TargetError
from ..conversions.notes import Note, Notes
from ..conversions.options import Options
from ..conversions.planned import PlannedImage
from ..conversions.reading import forget_stack
from ..execution.batches import Done, run_batches
from ..sources.items import Item, Skipped, Source
from ..sources.opening import open_source
from ..targets.journal import Journal, Record, read_journal
from .checks import (
    check_alpha,
    check_folders,
    ignores_case,
    refuse_equal,
    refuse_foreign,
)
from .facts import Facts, find_facts
from .ledger import Ledger
from .places import check_apart, check_item_apart, choose_target
from .range import find_range_of_values, find_stated_range, list_too_shallow
from .result import Conversion, KindOfFile
from .watch import Watch
from .writing import Writer, close_after, list_left_over, tell_loss

T = TypeVar("T")


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
        self.source: Source = open_source(src, layout=options.layout)
        self.options, self.watch = options, watch
        self._map = partial(run_batches, workers=workers, scheduler=scheduler)
        self.journal = Journal(self.target.kept)
        self.notes = Notes()
        self.already_done = self.converted = 0

    def run(self, *, is_dry_run: bool) -> Conversion:
        """Convert, or find out what would be done."""
        try:
            with Ledger() as self.ledger, closing(self.journal):
                if not is_dry_run:
                    self.journal.lock(create=False)
                self.prepare()
                if not is_dry_run:
                    self.write()
                return self.tell(is_dry_run)
        except sqlite3.OperationalError as error:  # as on a full disk
            raise TargetError(
                f"what is known of the images can't be written to {gettempdir()!r} ({error}): free "
                "space there, or set TMPDIR to another folder; then run the same conversion again"
            ) from error
        finally:
            forget_stack()  # of a run in this process

    def prepare(self) -> None:
        """Find out all that has to be known before anything is written."""
        self.ledger.load(read_journal(self.target.kept))
        self.scan()
        check_alpha(self.ledger, self.options)
        self.target.check(self.ledger, self.options)
        self.settle_range()
        self.ledger.freeze()
        self.plan()

    def scan(self) -> None:
        """Read every file's header."""
        self.watch.begin("reading headers", self.source.count)
        numbers = 0
        batches = self._map(partial(find_facts, options=self.options), self._list_items())
        for done in close_after(batches):
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
            if isinstance(item, Skipped) and item.may_hide_images:
                self.ledger.add_unreadable(item.path, item.reason)
            elif isinstance(item, Skipped):
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
            self.notes.add([Note(text, images)])

    def _pass_over_images(self, function: Callable[[list[PlannedImage]], T]) -> Iterator[T]:
        """Yield the results of a function over all images; of a lost image there is none."""
        self.watch.begin("finding the range", len(self.ledger))
        for done in close_after(self._map(function, iter(self.ledger))):
            if done.error is not None:
                self.ledger.fail_image(done.items[0], tell_loss(done))
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
        writer = Writer(self.target, self.ledger, self.journal, self.options, self.already_done)
        writer.write(self._map, self.watch)
        self.converted = writer.converted
        self.notes.add(writer.notes.sort())

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
            left_over=[record["key"] for record in list_left_over(self.ledger, self.target)],
            notes=self.notes.sort(),
            value_range=self.options.value_range,
            kinds=kinds,
            kept=self.target.kept,
            is_dry_run=is_dry_run,
        )


def _name(problem: Record) -> str:
    """Return the name of an image that can't be read."""
    frame = problem.get("frame")
    return str(problem["path"] if frame is None else f"{problem['path']}[{frame}]")


def _lose(item: Item, done: Done[Any, Any]) -> Facts:
    """Return the facts of a file whose header ended its worker."""
    return Facts(PlannedImage(item, None, 1, (), ""), error=tell_loss(done))
