"""Try networks one after the other, each in a process with bounds: ``python -m ...worker``.

The worker imports the library once, and what torch loads at the first use. Each network then has a
forked process of its own, so that one which takes too much time or memory, or crashes, ends nothing
else.
"""

import json
import multiprocessing
import os
import pickle
import resource
import signal
import sys
from importlib import import_module
from multiprocessing.connection import Connection
from pkgutil import resolve_name
from typing import NamedTuple

from .cases import Case, Library
from .results import Result, describe_error
from .trial import try_network

# How many seconds a trial may take by the clock on the wall, for each second of processor time and
# at least. Only a trial that waits forever comes to this.
_SLACK, _LEAST = 10, 120


class Bounds(NamedTuple):
    """What a trial may take: processor time in seconds, and memory in bytes."""

    seconds: float
    memory: int


def try_bounded(library: Library, case: Case, bounds: Bounds) -> Result:
    """Return the result of a network, which is tried in a forked process.

    The library has to be imported already, because the process inherits it.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = context.Process(target=_try, args=(sender, library, case, bounds), daemon=True)
    process.start()
    sender.close()
    patience = max(_LEAST, _SLACK * bounds.seconds)
    try:
        # the result comes before the end of the process, or the pipe ends without it
        result = receiver.recv() if receiver.poll(patience) else None
    except EOFError:
        result = Result.of_case(case, "crashed")
    if result is None:
        process.kill()
        result = Result.of_case(case, "timeout", f"no result in {patience:.0f} s")
    process.join()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = sum(getattr(used, k) - getattr(before, k) for k in ("ru_utime", "ru_stime"))
    if result.verdict == "crashed" and not result.reason:
        result = _describe_end(case, process.exitcode or 0, seconds, bounds)
    return result._replace(seconds=round(seconds, 1))


def _try(sender: Connection, library: Library, case: Case, bounds: Bounds) -> None:
    """Try a network in this process, and send the result."""
    soft = int(bounds.seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, soft + 5))
    resource.setrlimit(resource.RLIMIT_DATA, (bounds.memory, bounds.memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        result = try_network(resolve_name(f"{library.module}:build"), case)
    except MemoryError as error:
        result = Result.of_case(case, "crashed", describe_error(error))
    except Exception as error:
        result = Result.of_case(case, "error", describe_error(error))
    if "memory" in result.reason.lower() and "alloc" in result.reason.lower():
        result = result._replace(verdict="crashed")
    sender.send(result)
    sender.close()
    os._exit(0)  # threads of the libraries are not waited for


def _describe_end(case: Case, code: int, seconds: float, bounds: Bounds) -> Result:
    """Return the result of a process that ended without one, after some processor time."""
    if seconds >= bounds.seconds - 1:  # the system counts whole seconds
        reason = f"no result in {bounds.seconds:.0f} s of processor time"
        return Result.of_case(case, "timeout", reason)
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with the code {code}"
    return Result.of_case(case, "crashed", f"the process ended {how}")


def main() -> None:
    """Read a library, cases and bounds, pickled, and write a line of JSON for each result."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not come between
    library, cases, bounds = pickle.load(sys.stdin.buffer)
    resolve_name(library.module)
    if library.backend:
        import_module("keras")
    else:
        resolve_name(f"{__package__}.torch_trial:adapt_small_network")()
    with answer:
        for case in cases:
            result = try_bounded(library, Case(*case), bounds)
            print(json.dumps(result._asdict()), file=answer, flush=True)


if __name__ == "__main__":
    main()
