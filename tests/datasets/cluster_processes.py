"""The processes of a dask cluster's workers, which tests look at and kill."""

import psutil


def list_workers(cluster):
    """Return the running worker processes; one that is starting again has no id yet.

    psutil takes None for the id of this process itself, and a test that kills it kills pytest.
    """
    pids = [worker.pid for worker in cluster.workers.values()]
    return [psutil.Process(pid) for pid in pids if pid is not None]
