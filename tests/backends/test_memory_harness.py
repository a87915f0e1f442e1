"""The kernels' cache of memory, used by several threads at once and across forks, in C alone."""

import sys

import pytest

from .harness import SANITIZERS, build_harness, run_harness

SOURCE = "memory_harness.c"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_threads_and_forks(tmp_path, sanitizer):
    """Blocks are lent to one thread at a time, and every count is right at the end."""
    assert run_harness(build_harness(SOURCE, tmp_path, sanitizer), 0.3) == (0, "")


def test_without_the_lock_it_is_found(tmp_path):
    status, text = run_harness(build_harness(SOURCE, tmp_path, "thread", "-DPLANT=1"), 0.3)
    assert status
    assert "data race" in text


def test_a_lock_that_a_fork_leaves_taken_is_found(tmp_path):
    """The child waits for a lock that a thread of its parent holds, until its alarm ends it."""
    status, text = run_harness(
        build_harness(SOURCE, tmp_path, "none", "-DPLANT=2", "-DPATIENCE=1"), 60
    )
    assert status
    assert "wrong: a child died of a signal" in text
