"""Time of several calls, measured in rounds of random order so that drift hits them all."""

import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Timing(NamedTuple):
    """Seconds a call: the median and the quartiles of `rounds` measurements."""

    median: float
    low: float
    high: float
    rounds: int


def time_calls(
    calls: Mapping[str, Callable[[], Any]], budget: float, least: int = 5
) -> dict[str, Timing]:
    """Time each call once a round, in a new order each round, until the budget is spent.

    Parameters
    ----------
    calls : mapping of str to callable
        What to time. A result is dropped before the next call starts, so that its memory is
        free again; dropping isn't timed.
    budget : float
        Seconds for all rounds together; the warm-up, two calls each, comes on top.
    least : int
        Rounds that are measured however long they take.

    Returns
    -------
    dict of str to Timing
        For each call.
    """
    for call in calls.values():
        call()
        call()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    end = time.perf_counter() + budget
    done = 0
    while done < least or time.perf_counter() < end:
        random.shuffle(names)
        for name in names:
            start = time.perf_counter()
            result = calls[name]()
            taken[name].append(time.perf_counter() - start)
            del result
        done += 1
    return {name: _summary(times) for name, times in taken.items()}


def _summary(times: list[float]) -> Timing:
    low, median, high = statistics.quantiles(times, n=4, method="inclusive")
    return Timing(median, low, high, len(times))
