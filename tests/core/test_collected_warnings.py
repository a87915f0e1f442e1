"""Warnings collected by several threads at once: each gets its own, and nothing stays changed."""

import os
import threading
import warnings

import pytest

from graytorgb.core import collected_warnings, notice
from graytorgb.core.collected_warnings import collect_warnings

from ..interleave import codes_of, interleavings

THREADS = 6


def texts(caught):
    return [str(warning.message) for warning in caught]


def collect(name):
    with collect_warnings() as caught:
        warnings.warn(name, stacklevel=1)
        warnings.warn(name, stacklevel=1)
    return texts(caught)


def test_each_thread_collects_its_own():
    """Threads meet inside their blocks, and leave them in the order in which they came."""
    before = list(warnings.filters), warnings.filters, warnings.showwarning
    turns = [threading.Event() for _ in range(THREADS)]
    together, found = threading.Barrier(THREADS), {}

    def work(number):
        with collect_warnings() as caught:
            together.wait(60)
            warnings.warn(f"of {number}", stacklevel=1)
            notice.warn_once("a key of all", "said once in each block")
            together.wait(60)
            if number:
                turns[number - 1].wait(60)
        turns[number].set()
        found[number] = texts(caught)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {n: [f"of {n}", "said once in each block"] for n in range(THREADS)}
    assert (list(warnings.filters), warnings.filters, warnings.showwarning) == before


def test_wherever_two_threads_meet():
    """Before each instruction of one thread's block, another one collects its own."""
    before = warnings.filters, warnings.showwarning
    codes = codes_of(collected_warnings) | {collect_warnings.__wrapped__.__code__}
    calls = (lambda: collect("mine"), lambda: collect("theirs"))
    for mine, theirs in interleavings(*calls, codes, patience=0.02):
        assert mine == ["mine"] * 2
        assert theirs == ["theirs"] * 2
        assert (warnings.filters, warnings.showwarning) == before


def test_a_thread_that_does_not_collect_shows_its_own():
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        inside, done = threading.Event(), threading.Event()
        found = []

        def work():
            with collect_warnings() as caught:
                inside.set()
                done.wait(60)
                warnings.warn("collected", stacklevel=1)
            found.extend(texts(caught))

        thread = threading.Thread(target=work)
        thread.start()
        inside.wait(60)
        warnings.warn("shown", stacklevel=1)
        done.set()
        thread.join(60)
    assert texts(shown) == ["shown"]
    assert found == ["collected"]


def test_blocks_inside_each_other_and_an_error_that_ends_one():
    before = warnings.filters, warnings.showwarning
    with collect_warnings() as outer:
        try:
            with collect_warnings() as inner:
                warnings.warn("inner", stacklevel=1)
                raise KeyError("an error")
        except KeyError:
            pass
        warnings.warn("outer", stacklevel=1)
    assert (texts(outer), texts(inner)) == (["outer"], ["inner"])
    assert (warnings.filters, warnings.showwarning) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("depth", [0, 2])
def test_a_child_has_none_of_the_other_threads(depth):
    """A process is forked while another thread collects, and inside blocks of its own or not."""
    inside, forked = threading.Event(), threading.Event()

    def work():
        with collect_warnings():
            inside.set()
            forked.wait(60)

    def fork(depth):
        if depth:
            with collect_warnings():
                return fork(depth - 1)
        return os.fork()

    before = warnings.filters, warnings.showwarning
    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(60)
    child = fork(depth)
    if not child:
        status = 1
        try:
            with collect_warnings() as caught:
                warnings.warn("of the child", stacklevel=1)
            same = (warnings.filters, warnings.showwarning) == before
            status = 0 if same and texts(caught) == ["of the child"] else 2
        finally:
            os._exit(status)
    forked.set()
    thread.join(60)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (warnings.filters, warnings.showwarning) == before
