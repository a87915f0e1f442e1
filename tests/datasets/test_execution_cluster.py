"""Batches on a dask cluster of several processes, with a real scheduler on this machine."""

import threading
from functools import partial
from itertools import count, islice

import dask
import numpy as np
import pytest

from graytorgb.datasets.execution.batches import run_batches, run_tasks
from graytorgb.datasets.sources.opening import open_source
from graytorgb.errors import OptionError, WorkerLost

from ..processes import list_cluster_workers
from ..support import needs_package
from . import tasks
from .test_execution import check_lost, join_results

needs_package("distributed", "psutil")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    """A scheduler and two workers, each a process, that give up a task after one death."""
    from distributed import LocalCluster

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0",
            silence_logs=50,
        ) as cluster,
    ):  # fmt: skip
        yield cluster


def test_the_results_are_those_of_one_machine(cluster, tmp_path):
    stack = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8)
    np.save(tmp_path / "stack.npy", stack)
    items = list(open_source(tmp_path / "stack.npy").items())
    assert len(items) == 60
    here = join_results(run_batches(tasks.read_sums, items, workers=1))
    there = join_results(run_batches(tasks.read_sums, items, scheduler=cluster.scheduler_address))
    assert there == here == [(f"stack.npy[{k}]", int(stack[k].sum())) for k in range(60)]


def test_workers_that_are_killed_lose_nothing(cluster, tmp_path):
    """One dies in the middle of a task, and another is killed from outside."""
    function = partial(tasks.die_once, mark=str(tmp_path / "died"))
    results = run_batches(function, range(3000), scheduler=cluster.scheduler_address)
    done = list(islice(results, 3))
    list_cluster_workers(cluster)[0].kill()
    assert join_results([*done, *results]) == tasks.square(range(3000))
    assert (tmp_path / "died").exists()


def test_an_item_that_ends_its_worker_is_found(cluster):
    function = partial(tasks.die_at, killers=(1,))
    done = list(run_batches(function, range(2), scheduler=cluster.scheduler_address))
    check_lost(done, range(2), [1])


def test_the_scheduler_has_a_bounded_number_of_tasks(cluster):
    """An endless cursor: the scheduler's own count of tasks stays that of two for each thread."""
    taken, counts = [], []

    def take():
        for number in count():
            taken.append(number)
            yield number

    results = run_tasks(tasks.double, take(), scheduler=cluster.scheduler_address)
    for _ in islice(results, 50):
        counts.append(len(cluster.scheduler.tasks))
    assert max(counts) <= 4 + 1  # and the one that was just taken in
    assert len(taken) <= 50 + 4
    results.close()
    wait = threading.Event()
    for _ in range(100):
        if not cluster.scheduler.tasks:
            break
        wait.wait(0.05)
    assert not cluster.scheduler.tasks


def test_the_memory_of_a_worker_is_bounded(cluster):
    """Workers return what they were asked for, and keep nothing of it."""
    address = cluster.scheduler_address
    list(run_tasks(tasks.make_large, range(4), scheduler=address))
    before = max(find_memory(cluster))
    for _ in run_tasks(tasks.make_large, range(60), scheduler=address):
        pass
    assert max(find_memory(cluster)) - before < 6 * tasks.LARGE


def find_memory(cluster):
    return [worker.memory_info().rss for worker in list_cluster_workers(cluster)]


def test_an_error_of_the_function_comes_through(cluster):
    with pytest.raises(OSError, match="No space left on device") as caught:
        list(run_batches(
            partial(tasks.fail_at, wrong=7), range(20), scheduler=cluster.scheduler_address
        ))  # fmt: skip
    assert (caught.value.errno, caught.value.filename) == (28, "/full/disk")


def test_a_client_of_the_caller_stays_open(cluster):
    from distributed import Client

    with Client(cluster.scheduler_address, set_as_default=False) as client:
        assert join_results(run_batches(tasks.square, range(9), scheduler=client)) == tasks.square(
            range(9)
        )
        assert client.status == "running"


def test_a_scheduler_that_stops_is_an_error():
    from distributed import LocalCluster

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.5s"}),  # else it waits for 30 s
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0",
            silence_logs=50,
        ) as cluster,
    ):  # fmt: skip
        results = run_tasks(tasks.double, count(), scheduler=cluster.scheduler_address)
        next(results)
        cluster.sync(cluster.scheduler.close)
        with pytest.raises(WorkerLost, match="the dask scheduler has cancelled a task"):
            for _ in results:
                pass


def test_an_address_without_a_scheduler(monkeypatch):
    monkeypatch.setattr("graytorgb.datasets.execution.cluster._PATIENCE", 0.5)
    with pytest.raises(OptionError, match=r"no dask scheduler answers at 'tcp://127\.0\.0\.1:1'"):
        list(run_batches(tasks.square, [1], scheduler="tcp://127.0.0.1:1"))
    with pytest.raises(OptionError, match="scheduler is the address of a dask scheduler"):
        list(run_batches(tasks.square, [1], scheduler=8786))


def test_a_cluster_without_workers(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr("graytorgb.datasets.execution.cluster._PATIENCE", 0.5)
    with (
        LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", silence_logs=50) as cluster,
        pytest.raises(OptionError, match="has no workers"),
    ):
        list(run_batches(tasks.square, [1], scheduler=cluster.scheduler_address))
