"""Warnings that a thread collects for itself, while other threads show or collect theirs.

``warnings.catch_warnings`` changes the whole process before Python 3.14: a second thread's warnings
land in the first one's list, and the filters of the thread that ends last may stay for good.
"""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import get_ident
from typing import Any

from .locks import make_lock

Collected = list[warnings.WarningMessage]

_own: ContextVar[Collected | None] = ContextVar("own", default=None)  # what this thread collects in
_lock = make_lock()
_collecting: list[int] = []  # the threads that collect now, each once for each of its blocks
_outer = warnings.catch_warnings()  # holds the filters as they are when no thread collects
_show: Callable[..., Any] = warnings.showwarning


def get_own() -> Collected | None:
    """Return the list in which this thread collects warnings, or None if it shows them."""
    return _own.get()


@contextmanager
def collect_warnings() -> Iterator[Collected]:
    """Collect every warning that this thread causes in the block, and show none of them.

    Warnings of other threads, which don't collect, are shown meanwhile, each time.

    Yields
    ------
    list of warnings.WarningMessage
        It grows while the block runs.
    """
    if getattr(sys.flags, "context_aware_warnings", False):  # the thread has filters of its own
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield caught
        return
    found: Collected = []
    token = _own.set(found)
    thread = get_ident()
    _begin(thread)
    try:
        yield found
    finally:
        _end(thread)
        _own.reset(token)


def _begin(thread: int) -> None:
    """Let all warnings through to `_sort`, if no other thread has done so already."""
    global _outer, _show
    with _lock:
        if not _collecting:
            _outer = warnings.catch_warnings()
            _outer.__enter__()
            warnings.simplefilter("always")
            _show, warnings.showwarning = warnings.showwarning, _sort
        _collecting.append(thread)


def _end(thread: int) -> None:
    """Put the filters back, if no other thread collects any more."""
    with _lock:
        _collecting.remove(thread)
        if not _collecting:
            _outer.__exit__(None, None, None)


def _forget_other_threads() -> None:
    """Go on without the threads that a forked child doesn't have, and which end no block there."""
    thread = get_ident()
    for other in [ident for ident in _collecting if ident != thread]:
        _end(other)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_forget_other_threads)  # by then the lock is free


def _sort(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    """Add a warning to the list of the thread that causes it, or show it if the thread has none."""
    own = _own.get()
    if own is None:
        _show(message, category, filename, lineno, file, line)
    else:
        own.append(warnings.WarningMessage(message, category, filename, lineno, file, line))
