"""Tasks in other processes of this machine, by dask's local scheduler."""

import multiprocessing
import os
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import resource_tracker
from queue import SimpleQueue
from typing import Any

import loky
from dask._task_spec import Task
from dask.multiprocessing import get
from loky.process_executor import BrokenProcessPool

from .calls import Call, Outcome, call

# The variables that limit the threads of the libraries that decode. Each worker has its share of
# the processors.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLOSC_NTHREADS",
    "IMAGECODECS_NUM_THREADS", "TIFFFILE_NUM_THREADS", "OPENCV_FOR_THREADS_NUM",
    "ZARR_THREADING__MAX_WORKERS",
)  # fmt: skip
_POLL = 0.3  # seconds between two looks whether the parent still lives


class LocalCrew:
    """Worker processes on this machine.

    Each task is a graph of its own for dask's local scheduler, run by one thread for each task
    that may be in flight.

    Parameters
    ----------
    workers : int or None
        The number of processes at most; None is one for each processor that this process may use.
        There are never more than tasks.
    """

    def __init__(self, workers: int | None) -> None:
        self.workers = loky.cpu_count() if workers is None else workers
        self._outcomes: SimpleQueue[tuple[int, Outcome]] = SimpleQueue()
        self._executor: Any = None
        self._count = 0  # of the processes that there are
        self._is_growing = False  # whether tasks are held until it is known how many there are
        self._held: list[tuple[int, Call]] = []
        self._lanes = ThreadPoolExecutor(self.count_slots(), "graytorgb", _block_interrupts)

    def count_slots(self) -> int:
        """Return how many tasks may be in flight: one that runs and one that waits, a worker."""
        return 2 * self.workers

    def submit(self, number: int, task: Call) -> None:
        """Send a task to the workers, once there are as many tasks as workers or no more come."""
        self._held.append((number, task))
        if not self._is_growing or len(self._held) >= self.workers:
            self._send()

    def wait(self) -> tuple[int, Outcome]:
        """Return the number of a task that has ended, and its outcome."""
        self._send()
        return self._outcomes.get()

    def prepare(self, is_alone: bool) -> None:
        """Have one worker for a task that runs alone, or as many as the next tasks need."""
        self._is_growing = not is_alone and self._count < self.workers
        if is_alone and self._count != 1:
            self._start_workers(1)

    def close(self) -> None:
        """End the workers, whatever they do."""
        self._end_workers()
        self._lanes.shutdown(wait=True, cancel_futures=True)

    def _send(self) -> None:
        """Send the tasks that are held, to more workers than before if there are more tasks."""
        count = min(self.workers, len(self._held))
        if self._is_growing and self._count < count:
            self._start_workers(count)
        self._is_growing = self._is_growing and not self._held
        for number, task in self._held:
            self._lanes.submit(self._run, number, task)
        self._held.clear()

    def _start_workers(self, count: int) -> None:
        """Start so many workers in place of those that there are."""
        self._end_workers()
        _start_tracker()
        # loky replaces a worker that has grown by 300 MB, as large images make it, and warns
        # from a thread of its own, which ends if a filter turns the warning into an error
        warnings.filterwarnings("ignore", "A worker was restarted", UserWarning, "loky")
        threads = str(max(1, loky.cpu_count() // self.workers))
        self._executor = loky.ProcessPoolExecutor(
            count,
            initializer=_prepare_worker,
            initargs=(os.getpid(),),
            env=dict.fromkeys(_THREAD_VARIABLES, threads),
        )
        self._count = count

    def _end_workers(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, kill_workers=True)

    def _run(self, number: int, task: Call) -> None:
        """Run a task as a graph of one node, and pass its outcome on."""
        key = f"task-{number}"
        try:
            graph = {key: Task(key, call, task)}
            outcome = get(graph, key, pool=self._executor, optimize_graph=False, chunksize=1)
        except BrokenProcessPool:
            outcome, self._count = Outcome(deaths=1), 0
        except BaseException as error:
            outcome = Outcome(error=error)
        self._outcomes.put((number, outcome))


def _start_tracker() -> None:
    """Start the process that loky's workers share with this one, Python's resource tracker.

    Its start lets interrupts through again in the thread that starts it. So it isn't a thread that
    starts workers afterwards.
    """
    if hasattr(signal, "pthread_sigmask"):
        resource_tracker.ensure_running()


def _block_interrupts() -> None:
    """Keep SIGINT from this thread and from the processes that it starts, which inherit this.

    Ctrl-C reaches every process of a terminal. The parent alone answers it; a worker that is still
    importing would print a traceback.
    """
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _prepare_worker(parent: int) -> None:
    """Let Ctrl-C to the parent, and end this process when the parent has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "fork" in multiprocessing.get_all_start_methods():
        # A lock for forked processes has no name. One with a name, as a compressor makes it under
        # loky's method, is left when the worker is killed, and Python warns of leaked semaphores.
        multiprocessing.set_start_method("fork", force=True)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when the parent has ended, even by SIGKILL, whatever else it does."""
    while os.getppid() == parent:
        time.sleep(_POLL)
    os._exit(1)
