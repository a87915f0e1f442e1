"""The processes that others have started, which tests look at and kill.

A process may end at any moment, so one that is found here may be gone when it is asked again.
"""

from contextlib import suppress

import psutil


def list_children(word, pid=None):
    """Return the processes below this one, or another, whose command line has a word."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if any(word in part for part in child.cmdline()):
                found.append(child)
    return found


def list_cluster_workers(cluster):
    """Return the worker processes of a dask cluster; one that is starting again has no id yet.

    psutil takes None for the id of this process itself, and a test that kills it kills pytest.
    """
    found = []
    for worker in cluster.workers.values():
        if (pid := worker.pid) is not None:
            with suppress(psutil.NoSuchProcess):  # the cluster doesn't know yet
                found.append(psutil.Process(pid))
    return found
