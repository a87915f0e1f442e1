"""Run a function over many items in worker processes, here or on a dask cluster.

Tasks are made from a cursor over the items, a bounded number at a time, and results come as they
are ready. A worker that dies loses nothing: its tasks run again.
"""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from ...errors import OptionError, WorkerLost
from ...extras import require
from .batch_size import BatchSize
from .calls import Call, Outcome, OwnCrew, call

_STARTS = 5  # times that a worker may die before it does anything

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Done(Generic[T, R]):
    """A task that has ended.

    Attributes
    ----------
    start : int
        The number of the first item, counted from 0 over all items.
    items : list
        The items of the task, one after the other.
    result : object
        What the function returned; None if there is an error.
    error : WorkerLost or None
        That the one item of the task ended its worker, twice.
    """

    start: int
    items: list[T]
    result: R | None = None
    error: WorkerLost | None = None


class Crew(Protocol):
    """The workers: where tasks go, and where outcomes come from."""

    def count_slots(self) -> int:
        """Return how many tasks may be in flight."""
        ...

    def submit(self, number: int, task: Call) -> None:
        """Send a task, and return at once."""
        ...

    def wait(self) -> tuple[int, Outcome]:
        """Return the number of a task that has ended, and its outcome."""
        ...

    def prepare(self, is_alone: bool) -> None:
        """Have workers ready when no task is in flight: one for a task that runs alone, or all."""
        ...

    def close(self) -> None:
        """End the workers, whatever they do."""
        ...


def run_batches(
    function: Callable[[list[T]], R],
    items: Iterable[T],
    *,
    workers: int | None = None,
    scheduler: Any = None,
) -> Iterator[Done[T, R]]:
    """Call a function on batches of items, in worker processes.

    Parameters
    ----------
    function : callable
        Takes a list of items. It is sent to the workers by its name, so it is a function of a
        module, or a :func:`functools.partial` of one.
    items : iterable
        The items, taken one by one as workers become free.
    workers : int, optional
        The number of processes on this machine. 1 works in this process. None is one for each
        processor that this process may use; in a daemonic process, which may have no children, 1.
    scheduler : str or distributed.Client, optional
        The address of a dask cluster, such as ``"tcp://10.0.0.1:8786"``, which does the work
        instead.

    Yields
    ------
    Done
        Each batch when it is ready, in any order. A batch has as many items as take about 0.4
        seconds, by the time that the batches before it took.

    Raises
    ------
    Exception
        What the function raises ends everything, and comes through.
    OptionError
        If `workers` isn't a number from 1.
    BackendUnavailable
        If dask and loky, or distributed, aren't installed.
    """
    size = BatchSize()
    cursor = iter(items)

    def take() -> list[T]:
        return list(islice(cursor, size.count))

    return _run(function, take, size, _hire(workers, scheduler))


def run_tasks(
    function: Callable[[T], R],
    tasks: Iterable[T],
    *,
    workers: int | None = None,
    scheduler: Any = None,
) -> Iterator[Done[T, R]]:
    """Call a function on each of some ready-made tasks, as :func:`run_batches` does on batches.

    Yields
    ------
    Done
        Each task when it is ready, in any order; ``items`` is a list of this one task.
    """
    cursor = iter(tasks)

    def take() -> list[T]:
        return list(islice(cursor, 1))

    return _run(_First(function), take, BatchSize(), _hire(workers, scheduler))


@dataclass(frozen=True, slots=True)
class _First(Generic[T, R]):
    """A function of one task as a function of a list of one."""

    function: Callable[[T], R]

    def __call__(self, tasks: list[T]) -> R:
        return self.function(tasks[0])


def _hire(workers: int | None, scheduler: Any) -> Callable[[], Crew]:
    """Return what starts the workers, once the caller asks for the first result."""
    is_number = isinstance(workers, int) and not isinstance(workers, bool)
    if workers is not None and not (is_number and workers > 0):
        raise OptionError(
            f"workers is a number from 1, or None for one each processor, not {workers!r}"
        )
    if scheduler is not None:
        cluster = require("graytorgb.datasets.execution.cluster")
        return lambda: cluster.ClusterCrew(scheduler)
    is_daemon = bool(multiprocessing.current_process().daemon)
    if workers == 1 or (workers is None and is_daemon):
        return OwnCrew
    if is_daemon:
        raise OptionError(
            f"a daemonic process starts no others, so workers={workers} is impossible here: "
            "workers=1, or leave it away, to work in this process"
        )
    local = require("graytorgb.datasets.execution.local", extra="datasets")
    return lambda: local.LocalCrew(workers)


@dataclass(slots=True)
class _Unit(Generic[T]):
    """Items that are one task, and how often they ended a worker when nothing else ran."""

    start: int
    items: list[T]
    deaths: int = 0

    def split(self) -> "list[_Unit[T]]":
        """Return the halves, or the unit itself if it is one item."""
        half = len(self.items) // 2
        if not half:
            return [self]
        return [
            _Unit(self.start, self.items[:half]),
            _Unit(self.start + half, self.items[half:]),
        ]


def _run(
    function: Callable[[list[T]], R],
    take: Callable[[], list[T]],
    size: BatchSize,
    hire: Callable[[], Crew],
) -> Iterator[Done[T, R]]:
    """Start workers, yield what is done, and end the workers whatever happens."""
    crew = hire()
    try:
        yield from _Run(function, take, size, crew).work()
    finally:
        crew.close()


class _Run(Generic[T, R]):
    """One run of a function over all that there is to take.

    When a worker dies, all that was in flight is suspect. Suspects run alone, so that a second
    death tells which of them it was: that one is halved, until it is one item.
    """

    def __init__(
        self,
        function: Callable[[list[T]], R],
        take: Callable[[], list[T]],
        size: BatchSize,
        crew: Crew,
    ) -> None:
        self.function, self.take, self.size, self.crew = function, take, size, crew
        self.suspects: deque[_Unit[T]] = deque()
        self.flying: dict[int, _Unit[T]] = {}
        self.submitted = self.taken = 0

    def work(self) -> Iterator[Done[T, R]]:
        """Keep the workers busy until there is nothing to take, and yield what is done."""
        while True:
            is_alone = not self.flying and bool(self.suspects)
            if is_alone:
                self._wake_worker()
                self._submit(self.suspects.popleft())
            elif not self.suspects:
                if not self.flying:
                    self.crew.prepare(is_alone=False)
                yield from self._fill()
            if not self.flying:
                return
            number, outcome = self.crew.wait()
            unit = self.flying.pop(number)
            if outcome.error is not None:
                raise outcome.error
            if not outcome.deaths:
                self.size.learn(len(unit.items), outcome.seconds)
                yield Done(unit.start, unit.items, outcome.result)
            elif not is_alone:
                self.suspects.append(unit)
            else:
                yield from self._judge(unit, outcome.deaths)

    def _submit(self, unit: _Unit[T]) -> None:
        self.flying[self.submitted] = unit
        self.crew.submit(self.submitted, Call(self.function, unit.items))
        self.submitted += 1

    def _fill(self) -> Iterator[Done[T, R]]:
        """Take items until enough is in flight; what only this process can see is done here."""
        while len(self.flying) < self.crew.count_slots():
            items = self.take()
            if not items:
                return
            unit = _Unit(self.taken, items)
            self.taken += len(items)
            if not any(getattr(item, "is_only_here", False) for item in items):
                self._submit(unit)
                continue
            own = call(Call(self.function, items))
            if own.error is not None:
                raise own.error
            yield Done(unit.start, items, own.result)

    def _judge(self, unit: _Unit[T], deaths: int) -> Iterator[Done[T, R]]:
        """Halve a unit that ended its worker when it ran alone, or give its one item up."""
        unit.deaths += deaths
        if len(unit.items) > 1 or unit.deaths == 1:
            self.suspects.extendleft(reversed(unit.split()))
            return
        yield Done(unit.start, unit.items, error=WorkerLost(_explain(unit.items[0])))

    def _wake_worker(self) -> None:
        """Have one worker that has done something, so that it isn't killed while it starts.

        Else what kills processes from outside would be blamed on the unit that runs next.
        """
        for _ in range(_STARTS):
            self.crew.prepare(is_alone=True)
            self.crew.submit(self.submitted, Call(len, ()))
            self.submitted += 1
            outcome = self.crew.wait()[1]
            if outcome.error is not None:
                raise outcome.error
            if not outcome.deaths:
                return
        raise WorkerLost(
            f"worker processes ended {_STARTS} times before they did anything: see what they "
            "printed, or work in this process, workers=1"
        )


def _explain(item: Any) -> str:
    name = getattr(item, "path", None) or repr(item)
    return (
        f"{name}: a worker process died twice while it worked on this alone: a crash in a decoder, "
        "or not enough memory"
    )
