"""Batches in processes of this machine: results, bounds, and workers that die."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from itertools import count, islice

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graytorgb.datasets.execution.batch_size import BatchSize
from graytorgb.datasets.execution.batches import run_batches, run_tasks
from graytorgb.datasets.execution.calls import Outcome, call
from graytorgb.errors import OptionError, WorkerLost

from ..processes import list_children
from ..support import ROOT, needs_package, run_python
from . import tasks

needs_package("dask", "loky", "psutil")

from graytorgb.datasets.execution import local  # noqa: E402

NUMBERS = range(300)


def join_results(done):
    """The results of all batches in the order of their items; every batch has one."""
    done = sorted(done, key=lambda each: each.start)
    assert not any(each.error for each in done)
    starts = [each.start for each in done]
    assert starts == [sum(len(each.items) for each in done[:k]) for k in range(len(done))]
    return [value for each in done for value in each.result]


def check_lost(done, numbers, killers):
    """Check that the killers alone are lost, and every other number has its square."""
    lost = [each for each in done if each.error]
    assert [each.items for each in lost] == [[number] for number in killers]
    assert all(isinstance(each.error, WorkerLost) and each.result is None for each in lost)
    assert f"{killers[0]}: a worker process died" in str(lost[0].error)
    results = {
        number: result
        for each in done if not each.error
        for number, result in zip(each.items, each.result, strict=True)
    }  # fmt: skip
    assert results == {n: n * n for n in numbers if n not in killers}


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_is_in_one_batch(workers):
    done = list(run_batches(tasks.square, NUMBERS, workers=workers))
    assert join_results(done) == tasks.square(NUMBERS)
    assert [n for each in sorted(done, key=lambda d: d.start) for n in each.items] == list(NUMBERS)


@pytest.mark.parametrize("workers", [1, 2])
def test_tasks_run_one_by_one(workers):
    done = list(run_tasks(tasks.double, ["a", "b", "c"], workers=workers))
    assert {each.start: (each.items, each.result) for each in done} == {
        0: (["a"], "aa"), 1: (["b"], "bb"), 2: (["c"], "cc"),
    }  # fmt: skip


def test_there_are_no_more_processes_than_tasks(monkeypatch):
    """A number of workers far above the number of tasks costs nothing."""
    started = []
    real = local.loky.ProcessPoolExecutor

    def make_pool(count, **options):
        started.append(count)
        return real(min(count, 3), **options)  # so that this test can't start thousands itself

    monkeypatch.setattr(local.loky, "ProcessPoolExecutor", make_pool)
    assert join_results(run_batches(tasks.square, range(3), workers=100_000)) == [0, 1, 4]
    assert started == [3]
    started.clear()
    assert join_results(run_batches(tasks.square, NUMBERS, workers=2)) == tasks.square(NUMBERS)
    assert started == [2]
    started.clear()
    assert list(run_batches(tasks.square, [], workers=2)) == []
    assert started == []


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_to_do(workers):
    assert list(run_batches(tasks.square, [], workers=workers)) == []


def test_one_worker_is_this_process():
    (done,) = run_tasks(tasks.find_processes, [0], workers=1)
    assert done.result[0] == os.getpid()


def test_workers_are_processes_with_their_share_of_the_processors(monkeypatch):
    monkeypatch.setattr("loky.cpu_count", lambda: 6)
    done = list(run_tasks(tasks.find_processes, range(8), workers=2))
    assert os.getpid() not in {each.result[0] for each in done}
    assert {each.result[1] for each in done} == {"3"}


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2", True])
def test_a_number_of_workers_that_is_none(workers):
    with pytest.raises(OptionError, match="workers is a number from 1"):
        run_batches(tasks.square, NUMBERS, workers=workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_items_are_taken_as_workers_become_free(workers):
    """An endless cursor: results come before it ends, and only a bounded number is taken."""
    taken = []

    def take():
        for number in count():
            taken.append(number)
            yield number

    results = run_tasks(tasks.double, take(), workers=workers)
    for seen, _ in enumerate(islice(results, 20), start=1):
        assert len(taken) <= seen + 2 * workers
    results.close()
    assert len(taken) <= 20 + 2 * workers


def test_a_batch_grows_to_its_time():
    size = BatchSize(target=0.4)
    for _ in range(20):
        size.learn(size.count, size.count * 0.001)
    assert size.count == 400
    size.learn(400, 400 * 0.1)  # larger files
    assert size.count == 8
    for _ in range(20):
        size.learn(size.count, size.count * 10.0)
    assert size.count == 1
    for _ in range(40):
        size.learn(size.count, 0.0)
    assert size.count == 4096


def test_a_batch_grows_step_by_step():
    size, counts = BatchSize(), []
    for _ in range(4):
        counts.append(size.count)
        size.learn(size.count, size.count * 1e-6)
    assert counts == [1, 8, 64, 512]


LOKY = "popen_loky"  # of the command lines of loky's workers, but not of its tracker


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_function_comes_through(workers):
    with pytest.raises(OSError, match="No space left on device") as caught:
        list(run_batches(partial(tasks.fail_at, wrong=70), NUMBERS, workers=workers))
    assert (caught.value.errno, caught.value.filename) == (28, "/full/disk")
    assert "tasks.py" in caught.value.__notes__[0]
    assert not list_children(LOKY)


def test_an_error_that_cannot_be_sent_comes_through_as_text():
    with pytest.raises(RuntimeError, match="Unportable: what went wrong"):
        list(run_batches(tasks.fail_unportably, NUMBERS, workers=2))


def test_a_caller_that_stops_ends_the_workers():
    results = run_tasks(tasks.double, count(), workers=2)
    next(results)
    assert len(list_children(LOKY)) == 2
    results.close()
    assert not list_children(LOKY)


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing(tmp_path):
    function = partial(tasks.die_once, mark=str(tmp_path / "died"))
    assert join_results(run_batches(function, NUMBERS, workers=2)) == tasks.square(NUMBERS)


@pytest.mark.slow
def test_an_item_that_ends_its_worker_is_found():
    done = list(run_batches(partial(tasks.crash_at, killers=(3,)), range(6), workers=2))
    check_lost(done, range(6), [3])


@pytest.mark.slow
def test_workers_that_cannot_start_end_the_run(monkeypatch):
    """Without this, a data set of a million files would be a million lost items."""
    monkeypatch.setattr("graytorgb.datasets.execution.local._prepare_worker", os._exit)
    with pytest.raises(WorkerLost, match="worker processes ended 5 times before they did anything"):
        list(run_batches(tasks.square, NUMBERS, workers=2))


class FakeCrew:
    """Workers that die of some numbers, and now and then of nothing, without any process.

    With a worker everything that is in flight is lost, as a broken pool loses it.
    """

    def __init__(self, killers, accidents, order):
        self.killers, self.accidents, self.order = killers, accidents, order
        self.flying, self.outcomes, self.most = {}, [], 0

    def count_slots(self):
        return 4

    def prepare(self, is_alone):
        assert not self.flying

    def submit(self, number, task):
        self.flying[number] = task
        self.most = max(self.most, len(self.flying))
        assert self.most <= 4

    def wait(self):
        if not self.outcomes:
            numbers = sorted(self.flying, key=lambda number: self.order.random())
            first = self.flying[numbers[0]]
            is_accident = len(self.flying) > 1 and self.order.random() < self.accidents
            if is_accident or set(first.argument) & self.killers:
                self.outcomes = [(number, Outcome(deaths=1)) for number in numbers]
            else:
                self.outcomes = [(numbers[0], call(first))]
        number, outcome = self.outcomes.pop()
        del self.flying[number]
        return number, outcome

    def close(self):
        self.is_closed = True


@given(
    killers=st.sets(st.integers(0, 59), max_size=4),
    accidents=st.sampled_from([0, 0.2]),
    order=st.randoms(use_true_random=False),
)
def test_nothing_is_lost_whoever_dies(killers, accidents, order):
    crew = FakeCrew(killers, accidents, order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graytorgb.datasets.execution.local.LocalCrew", lambda workers: crew)
        done = list(run_batches(tasks.square, range(60), workers=2))
    lost = sorted(each.items[0] for each in done if each.error)
    assert lost == sorted(killers)
    assert sorted(n for each in done for n in each.items) == list(range(60))
    assert all(each.error or each.result == tasks.square(each.items) for each in done)
    assert all(each.items[0] == each.start for each in done)
    assert crew.is_closed


SCRIPT = """
from graytorgb.datasets.execution.batches import run_batches
def triple(numbers):
    return [3 * number for number in numbers]
done = sorted(run_batches(triple, range(50), workers=2), key=lambda each: each.start)
print(sum((each.result for each in done), []) == triple(range(50)))
"""


@pytest.mark.slow
def test_a_script_needs_no_guard(tmp_path):
    """Workers don't run the caller's main module, which would start workers again."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    for arguments, text in (([str(script)], None), (["-"], SCRIPT)):
        done = subprocess.run(
            [sys.executable, *arguments], input=text, env=environment, capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.stdout, done.stderr) == ("True\n", "")


def start_waiting(folder):
    """Start a process whose two workers wait, in a group of its own; return it when they do."""
    code = f"""
from functools import partial
from graytorgb.datasets.execution.batches import run_tasks
from tests.datasets import tasks
list(run_tasks(partial(tasks.wait_in_worker, folder={str(folder)!r}), range(9), workers=2))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=dict(os.environ, PYTHONPATH=str(ROOT)),
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    wait_until(lambda: len(list(folder.iterdir())) == 2 or process.poll() is not None)
    return process, [psutil.Process(int(path.name)) for path in folder.iterdir()]


def wait_until(is_done):
    for _ in range(1200):
        if is_done():
            return
        time.sleep(0.05)
    raise AssertionError("it took more than a minute")


@pytest.mark.slow
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    process, workers = start_waiting(tmp_path)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert len(workers) == 2
    assert not alive


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_and_prints_one_traceback(tmp_path):
    process, workers = start_waiting(tmp_path)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, stderr = process.communicate(timeout=30)
    assert len(workers) == 2
    assert not any(worker.is_running() for worker in workers)
    assert process.returncode == -signal.SIGINT
    assert stderr.count("Traceback") == 1
    assert stderr.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.slow
def test_local_work_needs_no_distributed():
    code = """
import sys
sys.modules["distributed"] = None
from graytorgb.datasets.execution.batches import run_batches
from tests.datasets import tasks
for workers in (1, 2):
    print([each.result for each in run_batches(tasks.square, [5], workers=workers)])
try:
    run_batches(tasks.square, [5], scheduler="tcp://127.0.0.1:1")
except ImportError as error:
    print(error)
"""
    assert run_python(code).splitlines() == [
        "[[25]]", "[[25]]", "needs distributed: pip install 'graytorgb[cluster]'",
    ]  # fmt: skip
