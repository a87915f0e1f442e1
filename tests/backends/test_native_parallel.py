"""The compiled kernels in several threads and processes, and how many threads they use."""

import multiprocessing
import sys
import threading

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb.backends.registry import load

from ..support import needs, random_bits

needs("native")

from graytorgb import _kernels  # noqa: E402


def work(seed):
    gray = random_bits((40, 300, 301), np.uint8, seed)
    result = g2r.to_rgb(gray, "NHW->NHWC", backend="native")
    return bool((result == gray[..., None]).all())


# Without a GIL, nothing but the system decides when a thread runs.
needs_gil = pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="this Python has no GIL to give up"
)


@needs_gil
def test_other_threads_run_meanwhile():
    gray = np.zeros(200_000_000, np.uint8)
    out = np.zeros(3 * gray.size, np.uint8)
    arguments = (gray, out, 1, gray.size, 1, True, False, 1, 0)
    thread = threading.Thread(target=_kernels.expand, args=arguments)
    thread.start()
    turns = 0
    while thread.is_alive():
        turns += 1
    assert turns > 1000


@needs_gil
def test_other_threads_run_while_values_are_counted():
    values, numbers = np.zeros(100_000_000, np.uint8), np.zeros(256, np.uint64)
    for function, arguments in (
        (_kernels.count, (values, numbers, 1, 0, 1, 1)),
        (_kernels.spread, (values[:99_999_999], 1, 3, 255)),
    ):
        thread = threading.Thread(target=function, args=arguments)
        thread.start()
        turns = 0
        while thread.is_alive():
            turns += 1
        assert turns > 1000


def test_threads_of_the_caller():
    done = []
    threads = [threading.Thread(target=lambda i=i: done.append(work(i))) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert done == [True] * 8


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes(method):
    assert work(0)  # the parent has used threads and the cache before
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map_async(work, range(4)).get(60) == [True] * 4
        assert pool.apply_async(load("native").get_threads).get(60) == 1


def test_measuring_leaves_workers_their_one_thread():
    from graytorgb.bench.run import use_threads

    native = load("native")
    with use_threads(["native"], native.get_threads() + 1):
        pass
    with use_threads(["native"], native.get_threads()):
        pass
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(native.get_threads).get(60) == 1


def test_set_threads():
    native = load("native")
    before = native.get_threads()
    native.set_threads(3)
    try:
        assert native.get_threads() == 3
        assert native.count_threads(1 << 30) == 3
        assert native.count_threads(1 << 30, most=2) == 2
        assert native.count_threads(1000) == 1
        assert work(1)
    finally:
        native.set_threads(None)
    assert native.get_threads() == before
