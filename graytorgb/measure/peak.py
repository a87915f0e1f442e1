"""Peak memory of one call.

OpenCV's and torch's memory is invisible to Python's tracer, so this is the resident
high-water mark that the operating system keeps.
"""

import ctypes
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil


def peak_of(make: Callable[..., Callable[[], Any]], *arguments: Any) -> int:
    """Return the peak memory in bytes of ``make(*arguments)()``, once in a fresh process."""
    # spawn, because a forked process inherits its parent's high-water mark
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with _interrupts_held_back():
            measured = pool.submit(_measure, make, arguments)
        return measured.result()


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Hold Ctrl-C back, in this thread and in the processes that start here.

    A terminal interrupts the whole group. This process answers to it, as soon as the block ends;
    a child process would print a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def peak_here(call: Callable[[], Any]) -> int:
    """Return the peak memory, in bytes, of calling ``call()`` once in this process.

    Where the C library can't be told to give freed memory back (all but glibc can't), this is a
    lower bound: what is reused doesn't show.
    """
    _give_back()
    _reset_high_water_mark()
    before = psutil.Process().memory_info().rss
    result = call()
    peak = _high_water_mark()
    del result
    return max(0, peak - before)


def available_bytes() -> int:
    """Memory that can be had without swapping."""
    return int(psutil.virtual_memory().available)


def _measure(make: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> int:
    return peak_here(make(*arguments))


def _high_water_mark() -> int:
    """The most resident memory that this process has had, in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "linux":
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    import resource

    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _give_back() -> None:
    """Return memory that was freed, and kept for reuse, to the system."""
    with suppress(AttributeError, OSError, TypeError):  # TypeError: Windows has no CDLL(None)
        ctypes.CDLL(None).malloc_trim(0)


def _reset_high_water_mark() -> None:
    """Forget the peaks of imports, where the system can."""
    with suppress(OSError):  # the mark then holds the larger of both peaks
        Path("/proc/self/clear_refs").write_text("5")
