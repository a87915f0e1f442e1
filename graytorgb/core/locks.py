"""Locks that work across a fork."""

import os
from threading import RLock

__all__ = ["make_lock"]


def make_lock() -> "RLock":  # quoted, because RLock is a function before Python 3.13
    """Return a reentrant lock that is free in a forked child, whichever thread held it before.

    The thread that forks takes it first, so it also waits until no other thread is in the middle of
    what the lock guards. A lock belongs to a module, because it lives as long as the process.
    """
    lock = RLock()
    if hasattr(os, "register_at_fork"):  # Windows has no fork
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )
    return lock
