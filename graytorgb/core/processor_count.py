"""``count_processors``: how many processors this process may use."""

import os


def count_processors() -> int:
    """Return how many processors this process may use.

    On Linux it may be fewer than the machine has, as ``taskset`` and job schedulers arrange it.

    >>> count_processors() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
