"""Tests of a PrepareBatch that several threads share, and of its copies."""

import copy
import os
import pickle
import sys
import threading

import numpy as np
import pytest

from ..interleave import codes_of, interleavings
from ..support import needs

needs("torchvision")

import torch  # noqa: E402

from graytorgb.transforms import PrepareBatch  # noqa: E402


def samples(level, count=2, size=(4, 5)):
    return [np.full(size, level, np.uint8)] * count


def holds(batch, level):
    return bool((batch == level).all())


@pytest.fixture
def collate():
    """Return a PrepareBatch that leaves the levels as they are."""
    return PrepareBatch((0, 1 / 255), buffers=2)


def addresses(*batches):
    return [batch.untyped_storage().data_ptr() for batch in batches]


@pytest.mark.parametrize("kept", [1, 2])
def test_no_two_threads_get_one_memory_wherever_they_meet(kept):
    """Before each instruction of a call, another thread makes a batch and holds it."""
    collate = PrepareBatch((0, 1 / 255), buffers=2)

    def first():
        collate._kept.clear()
        batches = [collate(samples(1)) for _ in range(kept)]
        del batches  # so much memory is kept, and nothing holds it
        return collate(samples(2))

    def second():
        return collate(samples(3))

    met = 0
    for mine, theirs in interleavings(first, second, codes_of(PrepareBatch)):
        assert holds(mine, 2)
        assert holds(theirs, 3)
        assert len(set(addresses(mine, theirs))) == 2
        met += 1
    assert met > 100


def test_eight_threads_hold_their_batches(collate):
    """Threads switch as Python likes; each holds two batches, as a training loop does."""
    wrong, before = [], sys.getswitchinterval()

    def loop(number):
        held = []
        for turn in range(150):
            level = (number * 31 + turn) % 256
            held = [*held[-1:], (level, collate(samples(level, count=1 + turn % 3)))]
            wrong.extend(level for level, batch in held if not holds(batch, level))

    threads = [threading.Thread(target=loop, args=(number,)) for number in range(8)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(before)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong
    assert len(collate._kept) <= 2


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))]
)
def test_a_copy_has_memory_of_its_own(collate, copied):
    collate(samples(1))
    other = copied(collate)
    mine, theirs = collate(samples(2)), other(samples(3))
    assert holds(mine, 2)
    assert holds(theirs, 3)
    assert len(set(addresses(mine, theirs))) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_call_leaves_nothing_locked(collate):
    """Another thread forks before each 20th instruction; the child makes batches."""
    turn = 0

    def fork():
        nonlocal turn
        turn += 1
        if turn % 20:
            return 0
        child = os.fork()
        if not child:
            threading.Timer(20, os._exit, [1]).start()
            os._exit(0 if holds(collate(samples(3)), 3) and holds(collate(samples(4)), 4) else 2)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    for mine, status in interleavings(lambda: collate(samples(2)), fork, codes_of(PrepareBatch)):
        assert holds(mine, 2)
        assert status == 0
    assert turn > 100


def test_in_one_thread_two_take_turns(collate):
    held = [collate(samples(1))]
    seen = set(addresses(*held))
    for level in range(2, 20):
        held = [held[-1], collate(samples(level))]
        seen |= set(addresses(*held))
        assert holds(held[0], level - 1)
    assert len(seen) == 3  # the one that is made, the one before, and the one before that


def test_a_kept_batch_is_given_up_for_a_larger_one(collate):
    small = [collate(samples(1, size=(4, 4))) for _ in range(2)]
    del small
    large = [collate(samples(level, size=(8, 8))) for level in (2, 3)]
    assert [holds(batch, level) for batch, level in zip(large, (2, 3), strict=True)] == [True] * 2
    assert len(collate._kept) == 2
    assert {array.nbytes for array in collate._kept} == {torch.zeros(2, 3, 8, 8).nbytes}


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_images_without_pixels(collate, size):
    for _ in range(3):
        assert collate(samples(7, size=size)).shape == (2, 3, *size)
