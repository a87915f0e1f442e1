"""The peak memory of one call, in this process or in a fresh one.

OpenCV's and torch's memory is invisible to Python's tracer, so the peak is the resident
high-water mark that the operating system keeps.
"""

import ctypes
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil


def measure_peak_apart(make: Callable[..., Callable[[], Any]], *arguments: Any) -> int:
    """Return the peak memory in bytes of ``make(*arguments)()``, called once in a fresh process.

    Only the call that `make` returns is measured. `make` and its arguments have to be picklable.
    """
    # spawn, because a forked process inherits its parent's high-water mark
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with _interrupts_held_back():
            measured = pool.submit(_measure, make, arguments)
        return measured.result()


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Hold Ctrl-C back, in this process and in those that start in the block.

    A terminal interrupts the whole group of processes. This process answers as soon as the block
    ends; a child process would print a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    held: list[Any] = []
    in_main = threading.current_thread() is threading.main_thread()
    if in_main:  # another thread may take the signal, which then interrupts the main thread
        handler = signal.signal(signal.SIGINT, lambda *arguments: held.append(arguments))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if in_main:
            signal.signal(signal.SIGINT, handler or signal.SIG_DFL)
        if held:
            signal.raise_signal(signal.SIGINT)


def measure_peak(call: Callable[[], Any]) -> int:
    """Return the peak memory in bytes of calling ``call()`` once in this process.

    Where the C library can't be told to give freed memory back (only glibc can), this is a lower
    bound, because memory that is reused doesn't show.
    """
    _return_freed_memory()
    _reset_high_water_mark()
    before = psutil.Process().memory_info().rss
    result = call()
    peak = _read_high_water_mark()
    del result
    return max(0, peak - before)


def available_bytes() -> int:
    """Return the bytes of memory that can be had without swapping."""
    return int(psutil.virtual_memory().available)


def _measure(make: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> int:
    return measure_peak(make(*arguments))


def _read_high_water_mark() -> int:
    """Return the most resident memory that this process has had, in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "linux":
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    import resource

    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _return_freed_memory() -> None:
    """Return memory that was freed, and is kept for reuse, to the system."""
    with suppress(AttributeError, OSError, TypeError):  # TypeError: Windows has no CDLL(None)
        ctypes.CDLL(None).malloc_trim(0)


def _reset_high_water_mark() -> None:
    """Forget the peaks of imports, where the system can."""
    with suppress(OSError):  # the mark is then the larger of both peaks
        Path("/proc/self/clear_refs").write_text("5")
