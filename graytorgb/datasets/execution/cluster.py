"""Tasks on a dask cluster, by its scheduler."""

from concurrent.futures import CancelledError
from queue import SimpleQueue
from typing import Any

from distributed import Client, Future
from distributed.comm.addressing import get_address_host_port
from distributed.scheduler import KilledWorker

from ...errors import OptionError, WorkerLost
from .calls import Call, Outcome, call

_RECOUNT = 32  # tasks between two questions how many threads the cluster has
_PATIENCE = 10  # seconds for a scheduler to answer, and for its first worker to come


class ClusterCrew:
    """The workers of a dask cluster.

    Parameters
    ----------
    scheduler : str or distributed.Client
        The scheduler's address, such as ``"tcp://10.0.0.1:8786"``, or a client of it, which stays
        open.

    Raises
    ------
    OptionError
        If no scheduler answers there, or it has no worker.
    """

    def __init__(self, scheduler: Any) -> None:
        self._is_ours = not isinstance(scheduler, Client)
        self._client = _connect(scheduler) if self._is_ours else scheduler
        self._ended: SimpleQueue[Future[Any]] = SimpleQueue()
        self._flying: dict[str, tuple[int, Future[Any]]] = {}  # by the keys of the scheduler
        self._slots = self._asked = 0
        self._wait_for_worker()

    def prepare(self, is_alone: bool) -> None:
        """Do nothing: the cluster itself replaces a worker that died."""

    def count_slots(self) -> int:
        """Return how many tasks may be in flight: two for each thread of the cluster."""
        if self._asked % _RECOUNT == 0:
            self._slots = max(2, 2 * sum(self._client.nthreads().values()))
        self._asked += 1
        return self._slots

    def submit(self, number: int, task: Call) -> None:
        """Send a task to the scheduler."""
        future = self._client.submit(call, task, pure=False)
        self._flying[future.key] = number, future
        future.add_done_callback(self._ended.put)

    def wait(self) -> tuple[int, Outcome]:
        """Return the number of a task that has ended, and its outcome."""
        key = self._ended.get().key
        number, future = self._flying.pop(key)
        try:
            return number, future.result()
        except KilledWorker as error:
            # The scheduler has tried it on several workers, and each has died
            return number, Outcome(deaths=error.allowed_failures + 1)
        except CancelledError as error:
            return number, Outcome(error=_explain_cancellation(error))
        except Exception as error:
            return number, Outcome(error=error)

    def close(self) -> None:
        """Cancel what is in flight, and leave the cluster."""
        try:
            self._client.cancel([future for _, future in self._flying.values()])
        finally:
            self._flying.clear()
            if self._is_ours:
                self._client.close()

    def _wait_for_worker(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            address = self._client.scheduler_info()["address"]
            self.close()
            raise OptionError(
                f"the scheduler {address!r} has no workers: start some, dask worker {address}"
            ) from error


def _connect(scheduler: Any) -> Client:
    """Return a client of the scheduler at an address."""
    if not isinstance(scheduler, str):
        raise OptionError(
            "scheduler is the address of a dask scheduler, such as 'tcp://10.0.0.1:8786', or a "
            f"distributed.Client, not {scheduler!r}"
        )
    try:
        if not scheduler.startswith("inproc://"):  # where there is nothing to look up
            # of an address that it can't parse, a client prints a traceback when it is deleted
            get_address_host_port(scheduler)
        return Client(scheduler, timeout=_PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise OptionError(
            f"no dask scheduler answers at {scheduler!r}: start one, dask scheduler, and give the "
            f"address that it prints, such as 'tcp://10.0.0.1:8786' ({error})"
        ) from error


def _explain_cancellation(error: BaseException) -> WorkerLost:
    """Return the error for a scheduler that is gone, or a task that another client cancelled."""
    lost = WorkerLost(f"the dask scheduler has cancelled a task, or has stopped: {error}")
    lost.__cause__ = error
    return lost
