"""Calls of a function: what is sent to a worker, what comes back, and calls in this process."""

import pickle
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its argument, as they are sent to a worker."""

    function: Callable[[Any], Any]
    argument: Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call.

    Attributes
    ----------
    result : object
        What the function returned.
    seconds : float
        How long it took in the worker.
    error : BaseException or None
        What the function raised.
    deaths : int
        How many workers died, one after the other, without an end of the call.
    """

    result: Any = None
    seconds: float = 0.0
    error: BaseException | None = None
    deaths: int = 0


def call(task: Call) -> Outcome:
    """Call a function in a worker, and return what came of it."""
    start = time.perf_counter()
    try:
        result = task.function(task.argument)
    except Exception as error:
        return Outcome(error=_make_portable(error))
    return Outcome(result, time.perf_counter() - start)


def _make_portable(error: Exception) -> Exception:
    """Return an error that another process can load, with the traceback of this one as a note."""
    trace = "".join(traceback.format_exception(error))
    error.add_note(f"In the worker:\n{trace}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}\n\n{trace}")
    return error


class OwnCrew:
    """The one worker is this process: no other is started."""

    def __init__(self) -> None:
        self._outcomes: list[tuple[int, Outcome]] = []

    def count_slots(self) -> int:
        """Return 1: a task is done when it is submitted."""
        return 1

    def submit(self, number: int, task: Call) -> None:
        """Do a task."""
        self._outcomes.append((number, call(task)))

    def wait(self) -> tuple[int, Outcome]:
        """Return the number and the outcome of the task."""
        return self._outcomes.pop()

    def prepare(self, is_alone: bool) -> None:
        """Do nothing: this process has no workers."""

    def close(self) -> None:
        """Do nothing: this process has no workers."""
