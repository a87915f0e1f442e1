"""The time of several calls, measured in rounds of random order so that drift hits them all."""

import random
import statistics
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple


class Timing(NamedTuple):
    """The seconds that a call takes: the median and the quartiles of `rounds` measurements."""

    median: float
    low: float
    high: float
    rounds: int


def format_milliseconds(median: float, low: float, high: float) -> str:
    """Format a median of seconds as milliseconds, ± half the distance between the quartiles.

    >>> format_milliseconds(0.0012345, 0.0012, 0.0013), format_milliseconds(2.0813, 1.9, 2.3)
    ('1.23 ± 0.05', '2081 ± 200')
    """
    middle, spread = 1e3 * median, 1e3 * (high - low) / 2
    shown = f"{middle:.3g}" if middle < 100 else f"{middle:.0f}"
    return f"{shown} ± {float(f'{spread:.1g}'):g}"


class Rounds:
    """Times several calls in rounds; a call that fails drops out.

    The times stay readable when a round is interrupted.

    Parameters
    ----------
    calls : mapping of str to callable
        What to time. A result is dropped before the next call starts, so that its memory is
        free again; dropping isn't timed.
    clock : callable
        A clock in seconds: ``time.process_time`` leaves out what other processes take.
    before : callable
        Called with the name of each call right before that call; it isn't timed.
    in_a_row : int
        How many times a round makes each call. With more than 1, most calls follow themselves, as
        in a loop, and find the threads and the caches as they left them.

    Attributes
    ----------
    failures : dict of str to str
        The error of each call that failed.
    """

    def __init__(
        self,
        calls: Mapping[str, Callable[[], Any]],
        clock: Callable[[], float] = time.perf_counter,
        before: Callable[[str], Any] = lambda name: None,
        in_a_row: int = 1,
    ) -> None:
        self.failures: dict[str, str] = {}
        self._calls = dict(calls)
        self._clock = clock
        self._before = before
        self._in_a_row = in_a_row
        self._taken: dict[str, list[float]] = {name: [] for name in calls}

    def run(self, budget: float, least: int = 5, warm_up: int = 2) -> None:
        """Time rounds until `budget` seconds are spent, and at least `least` rounds.

        The order is new in each round. The warm-up comes on top of the budget.
        """
        for _ in range(warm_up):
            self._round(keep=False)
        end = time.perf_counter() + budget
        done = 0
        while self._calls and (done < least or time.perf_counter() < end):
            self._round(keep=True)
            done += 1

    def keep(self, names: Collection[str]) -> None:
        """Time only these calls in later rounds; what was measured of the others stays."""
        self._calls = {name: call for name, call in self._calls.items() if name in names}

    def timings(self) -> dict[str, Timing]:
        """Return the times of each call that was measured and didn't fail."""
        return {name: _summarize(times) for name, times in self.seconds().items()}

    def seconds(self) -> dict[str, list[float]]:
        """Return every measurement, in order, of each call that was measured and didn't fail."""
        return {
            name: list(times)
            for name, times in self._taken.items()
            if times and name not in self.failures
        }

    def _round(self, *, keep: bool) -> None:
        names = list(self._calls)
        random.shuffle(names)
        for name in names:
            try:
                taken = [self._time(name) for _ in range(self._in_a_row)]
            except Exception as error:  # whatever a library raises is told in its row
                self.failures[name] = f"{type(error).__name__}: {error}"
                del self._calls[name]
                continue
            if keep:
                self._taken[name] += taken

    def _time(self, name: str) -> float:
        self._before(name)
        start = self._clock()
        result = self._calls[name]()
        seconds = self._clock() - start
        del result
        return seconds


def _summarize(times: list[float]) -> Timing:
    if len(times) == 1:
        return Timing(times[0], times[0], times[0], 1)
    low, median, high = statistics.quantiles(times, n=4, method="inclusive")
    return Timing(median, low, high, len(times))
