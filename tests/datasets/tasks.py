"""Functions that the tests send to worker processes, which import them by name."""

import ctypes
import os
import signal
import time
from pathlib import Path


def square(numbers):
    return [number * number for number in numbers]


def double(number):
    return 2 * number


def find_processes(numbers):
    """Return the worker's process, and how many threads its libraries may use."""
    return os.getpid(), os.environ.get("OMP_NUM_THREADS")


def wait_in_worker(numbers, folder):
    """Leave the worker's process id in a folder, and wait for longer than a test may last."""
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(60)


def fail_at(numbers, wrong):
    if wrong in numbers:
        raise OSError(28, "No space left on device", "/full/disk")
    return numbers


class Unportable(Exception):
    """An error that can't be loaded in another process."""

    def __init__(self, first, second):
        super().__init__(first)
        self.lock = open(os.devnull)  # noqa: PTH123, SIM115


def fail_unportably(numbers):
    raise Unportable("what went wrong", 2)


def die_at(numbers, killers):
    """Kill the worker that gets one of the killers, as the system does without memory."""
    if set(killers) & set(numbers):
        os.kill(os.getpid(), signal.SIGKILL)
    return square(numbers)


def crash_at(numbers, killers):
    """Crash the worker that gets one of the killers, as a faulty decoder does."""
    if set(killers) & set(numbers):
        ctypes.string_at(0)
    return square(numbers)


def die_once(numbers, mark):
    """Kill the first worker that comes here."""
    try:
        Path(mark).touch(exist_ok=False)
    except FileExistsError:
        return square(numbers)
    return os.kill(os.getpid(), signal.SIGKILL)


def read_sums(items):
    """Return each item's path with the sum of its values."""
    return [(item.path, int(item.read().array.sum())) for item in items]


LARGE = 4 << 20


def make_large(number):
    """Return some MB, as no task of this package does."""
    return bytes(LARGE)
