"""What a call takes, its worker processes included: seconds, processor time and peak memory."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from statistics import median, quantiles
from typing import Any, NamedTuple

import psutil

_PAUSE = 0.05  # seconds between two looks at the memory


class Usage(NamedTuple):
    """What a call took.

    Attributes
    ----------
    seconds : float
        By the clock on the wall.
    cpu_seconds : float
        Processor time of this process and of its children that have ended.
    """

    seconds: float
    cpu_seconds: float


def use(call: Callable[[], Any]) -> Usage:
    """Call a function once and return what it took."""
    start, cpu = time.perf_counter(), _read_cpu_seconds()
    call()
    return Usage(time.perf_counter() - start, _read_cpu_seconds() - cpu)


def _read_cpu_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def take_turns(calls: Mapping[str, Callable[[], Any]], turn: int = 0) -> dict[str, Usage]:
    """Use each call once; odd turns go backward, so that drift hits all calls alike."""
    names = list(calls) if turn % 2 == 0 else list(calls)[::-1]
    return {name: use(calls[name]) for name in names}


class Spread(NamedTuple):
    """The median and the quartiles of some values."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def summarize(values: Sequence[float]) -> Spread:
    """Return the median and the quartiles.

    >>> print(summarize([1, 2, 3, 4, 5]))
    3.00 (2.00 to 4.00)
    """
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, _, high = quantiles(values, n=4, method="inclusive")
    return Spread(median(values), low, high)


class Memory(NamedTuple):
    """Memory in bytes of a process and its workers.

    Attributes
    ----------
    total : int
        Of all of them; what several share is counted once (PSS).
    worker : int
        What the largest worker has for itself (USS); 0 if there is none.
    """

    total: int
    worker: int


def read_memory(pid: int) -> Memory:
    """Return the memory that a process and its children have now."""
    total, worker = 0, 0
    with suppress(psutil.Error):
        parent = psutil.Process(pid)
        total += parent.memory_full_info().pss
        for child in parent.children(recursive=True):
            with suppress(psutil.Error):
                memory = child.memory_full_info()
                total, worker = total + memory.pss, max(worker, memory.uss)
    return Memory(total, worker)


class Peak(NamedTuple):
    """The most resident memory in bytes of a program, of its largest worker, and its seconds."""

    parent: int
    worker: int
    seconds: float


def measure_peaks(module: str, *arguments: str) -> Peak:
    """Run ``python -m module arguments`` and return its peak memory and that of its workers.

    The memory is looked at every 50 ms. The processor's own loads, such as the peak of one image,
    are seen if they last that long.

    Raises
    ------
    subprocess.CalledProcessError
        If the program fails.
    """
    command = [sys.executable, "-m", module, *arguments]
    start, parent, worker = time.perf_counter(), 0, 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as program:
        watched = psutil.Process(program.pid)
        while program.poll() is None:
            with suppress(psutil.Error):
                parent = max(parent, watched.memory_info().rss)
                for child in watched.children(recursive=True):
                    with suppress(psutil.Error):
                        worker = max(worker, child.memory_info().rss)
            time.sleep(_PAUSE)
        seconds = time.perf_counter() - start
        if program.returncode:
            told = program.stderr.read() if program.stderr else b""
            raise subprocess.CalledProcessError(program.returncode, command, stderr=told)
    return Peak(parent, worker, seconds)
