"""Warnings that are shown once: by one of several threads, and anew under other filters."""

import os
import threading
import warnings

import pytest

from graytorgb.core import locks, notice

from ..interleave import interleavings


@pytest.fixture(autouse=True)
def forgotten():
    notice.forget()
    yield
    notice.forget()


def test_of_two_threads_one_shows_the_warning(monkeypatch):
    """Before each instruction of a thread that warns, another one warns of the same."""
    shown = []
    monkeypatch.setattr(notice.warnings, "warn", lambda *args, **options: shown.append(args))

    def warn():
        shown.clear()
        notice.forget()
        notice.warn_once("key", "text")

    other, codes = lambda: notice.warn_once("key", "text"), {notice.warn_once.__code__}
    for _ in interleavings(warn, other, codes, patience=0.02):
        assert len(shown) == 1


def test_inside_catch_warnings_it_is_new():
    for _ in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(3):
                notice.warn_once("key", "text")
        assert [str(warning.message) for warning in caught] == ["text"]


def test_the_filters_of_a_context_count(monkeypatch):
    """Python 3.14 may have a list of filters for each context, and then tells which is in force."""
    lists = [], []
    shown = []
    monkeypatch.setattr(notice.warnings, "warn", lambda *args, **options: shown.append(args))
    for filters in (lists[0], lists[0], lists[1], lists[1]):
        monkeypatch.setattr(
            warnings, "_get_filters", lambda filters=filters: filters, raising=False
        )
        notice.warn_once("key", "text")
    assert len(shown) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_finds_the_lock_free():
    """A thread holds a lock for a moment, and the process is forked by another one then."""
    lock = locks.make_lock()
    inside, forked = threading.Event(), threading.Event()

    def hold():
        with lock:
            inside.set()
            forked.wait(0.2)  # the fork waits for the lock, so this isn't set

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(60)
    child = os.fork()
    if not child:
        found = lock.acquire(timeout=10)
        os._exit(0 if found else 1)
    forked.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with lock:
        pass
