"""Keep the processors busy with other processes, as on a machine that trains: `keep_busy`."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from graytorgb.core.processor_count import count_processors

# The process also ends after the seconds of its argument, and when the one that started it is gone.
WORK = """
import os, sys, time
parent, end = os.getppid(), time.monotonic() + float(sys.argv[1])
print("busy", flush=True)
while time.monotonic() < end and os.getppid() == parent:
    pass
"""


@contextmanager
def keep_busy(limit: float = 3600) -> Iterator[None]:
    """Let a process for each processor work without end, until the block is left.

    Parameters
    ----------
    limit : float
        The seconds after which the processes end in any case.
    """
    with ExitStack() as stack:
        processes = []
        for _ in range(count_processors()):
            command = [sys.executable, "-c", WORK, str(limit)]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
            stack.callback(process.kill)
            processes.append(process)
        for process in processes:
            if process.stdout is None or process.stdout.readline() != b"busy\n":
                raise RuntimeError("a process that keeps a processor busy ended early")
        yield
