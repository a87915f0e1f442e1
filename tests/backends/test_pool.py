"""The kernels' pool of threads: forks, exit, signals, many callers, and what it leaves behind.

``pool_harness.c`` tests the pool's logic, under sanitizers, and ``processors_harness.c`` how a
worker moves to another processor. The other tests here use the pool through the package, in
processes of their own.
"""

import signal
import sys

import pytest

from ..support import needs, needs_package, run_python
from .harness import SANITIZERS, build_harness, run_harness

needs("native")

# What each script begins with. `check()` makes a result that is large enough for all threads.
START = """
import os, signal, sys, threading, time
import numpy as np, psutil
import graytorgb as g2r
from graytorgb import _kernels
from graytorgb.backends.registry import load

native = load("native")
gray = np.random.default_rng(0).integers(0, 256, (40, 200, 300), np.uint8)


def check(threads=4):
    native.set_threads(threads)
    result = g2r.to_rgb(gray, "NHW", backend="native")
    assert (result[..., 0] == gray).all() and (result[..., 1:] == gray[..., None]).all()


def count():
    return psutil.Process().num_threads()


def wait_for(child):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    raise AssertionError("a child hangs")
"""

# A child that uses its own workers, and whose child does so too
FORKS = """
def fork(depth):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for _ in range(3):
                check()
            assert count() == 4  # this thread and three workers
            status = fork(depth - 1) if depth else 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(wait_for(child))
"""

unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork and no such signals")
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def run(code):
    """Run a script after `START`; return what it printed."""
    return run_python(START + code)


@unix
@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_many_callers_forks_and_signals(tmp_path, sanitizer):
    assert run_harness(build_harness("pool_harness.c", tmp_path, sanitizer), 1) == (0, "")


@unix
def test_the_harness_finds_atomic_words_without_order(tmp_path):
    program = build_harness("pool_harness.c", tmp_path, "thread", "-DPLANT=1")
    status, printed = run_harness(program, 1)
    assert status != 0
    assert "data race" in printed


@unix
def test_the_harness_finds_calls_that_return_while_workers_are_inside(tmp_path):
    """It tells of a task, unless the worker writes where there is no memory any more."""
    program = build_harness("pool_harness.c", tmp_path, "none", "-DPLANT=2")
    status, printed = run_harness(program, 1)
    assert (status == 1 and "wrong: a task" in printed) or status == -signal.SIGSEGV


@linux
@pytest.mark.parametrize("sanitizer", ["none", "address"])
def test_a_worker_keeps_the_processors_that_it_was_given_meanwhile(tmp_path, sanitizer):
    program = build_harness("processors_harness.c", tmp_path, sanitizer)
    assert run_harness(program, 1) == (0, "")


def test_workers_start_when_needed_and_stay():
    run("""
before = count()
g2r.to_rgb(gray[:2], "NHW", backend="native")
assert count() == before  # too small a result
check(threads=1)
assert count() == before
for threads in (2, 4, 3, 2):
    for _ in range(5):
        check(threads)
        assert count() <= before + 3
assert before < count() <= before + 3
""")


def test_the_first_call_starts_every_worker_that_it_wants():
    run("""
before = count()
check(threads=4)
assert count() == before + 3
check(threads=10_000)
assert count() <= before + _kernels.most_threads - 1
""")


def test_an_idle_pool_takes_no_time():
    run("""
for _ in range(20):
    check()
time.sleep(0.05)
before = time.process_time()
time.sleep(0.4)
assert time.process_time() - before < 0.1
""")


@unix
def test_a_fork_before_after_and_inside_a_fork():
    run(
        FORKS
        + """
assert fork(1) == 0
for _ in range(5):
    check()
assert fork(2) == 0
check()
"""
    )


@unix
def test_a_fork_while_another_thread_is_in_a_call():
    run(
        FORKS
        + """
stop = False
def loop():
    while not stop:
        _kernels.write(memory, False, 4)
memory = np.empty(4_000_000, np.uint8)
threads = [threading.Thread(target=loop) for _ in range(2)]
for thread in threads:
    thread.start()
try:
    for _ in range(4):
        assert fork(0) == 0
finally:
    stop = True
check()
"""
    )


@unix
def test_other_processes_start_while_workers_sleep():
    run("""
import subprocess
check()
command = [sys.executable, "-c", "print(5)"]
assert subprocess.run(command, capture_output=True, timeout=60).stdout.split() == [b"5"]
check()
""")


def test_workers_of_a_data_loader():
    needs_package("torch")
    run("""
import torch
class Images(torch.utils.data.Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, index):
        if index % 2:
            native.set_threads(2)
        else:
            native.set_threads(None)
            assert native.get_threads() == 1
        image = gray[index : index + 20]
        return g2r.to_rgb(image, "NHW->NCHW", backend="native")[:, :, ::50]
check()
loader = torch.utils.data.DataLoader(Images(), batch_size=2, num_workers=2, timeout=60)
for number, batch in enumerate(loader):
    for place, images in enumerate(batch.numpy()):
        index = 2 * number + place
        assert (images == gray[index : index + 20, None, ::50]).all()
assert number == 3
check()
""")


@pytest.mark.parametrize("ends", ["", "raise SystemExit", "os._exit(0)"])
def test_the_end_of_a_process_with_a_thread_in_a_call(ends):
    run(f"""
memory = np.empty(4_000_000, np.uint8)
def loop():
    while True:
        _kernels.write(memory, False, 4)
        g2r.to_rgb(gray[:20], "NHW", backend="native")
for _ in range(3):
    threading.Thread(target=loop, daemon=True).start()
check()
time.sleep(0.02)
{ends}
""")


@unix
def test_control_c_during_calls():
    run("""
check()
memory = np.empty(60_000_000, np.uint8)
main = threading.main_thread()
for _ in range(5):
    timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        while True:
            _kernels.write(memory, False, 4)
    except KeyboardInterrupt:
        pass
    timer.join()
    check()
""")


@linux
def test_workers_take_no_signals():
    run("""
def blocked(task):
    with open(f"/proc/self/task/{task}/status") as file:
        return int(dict(line.split(":", 1) for line in file)["SigBlk"], 16)
before = set(os.listdir("/proc/self/task"))
mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
check()
workers = set(os.listdir("/proc/self/task")) - before
assert len(workers) == 3
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGPROF, signal.SIGUSR1):
    assert all(blocked(task) >> (number - 1) & 1 for task in workers)
# faults end the process with faulthandler's report
assert not any(blocked(task) >> (signal.SIGSEGV - 1) & 1 for task in workers)
assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
""")


def test_eight_threads_that_expand_normalize_and_write():
    run("""
native.set_threads(4)
expected = (gray.astype(np.float32)[:, None] / 127.5 - 1)[:30, :, ::20]
wrong = []
def work(number):
    try:
        for turn in range(4):
            kind = (number + turn) % 3
            if kind == 0:
                result = g2r.to_rgb(gray, "NHW->NCHW", backend="native")
                assert (result == gray[:, None]).all()
            elif kind == 1:
                result = g2r.prepare(gray[:30], (0.5, 0.5), "NHW->NCHW")
                assert np.allclose(result[:, :, ::20], expected, rtol=0, atol=1e-6)
            else:
                memory = np.full(5_000_000, number + 1, np.uint8)
                _kernels.write(memory, False, 4)
                assert not memory.any()
    except BaseException as error:
        wrong.append(repr(error))
threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(60)
assert not wrong, wrong
""")
