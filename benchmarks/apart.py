"""Call a function in a fresh process: `call_apart`.

It isn't a process of :mod:`multiprocessing`, because in such a worker this package's kernels, and
torch, use fewer threads than in a user's own program.
"""

import os
import pickle
import subprocess
import sys
from pkgutil import resolve_name
from typing import Any


def call_apart(function: str, *arguments: Any) -> Any:
    """Return what a function returns in a fresh process.

    Parameters
    ----------
    function : str
        Its module and name, ``"package.module:name"``.
    *arguments
        Anything that can be pickled.

    Raises
    ------
    subprocess.CalledProcessError
        If the function fails; its traceback is printed.

    Examples
    --------
    >>> call_apart("math:sqrt", 9)
    3.0
    """
    command = [sys.executable, "-m", "benchmarks.apart"]
    sent = pickle.dumps((function, arguments))
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3"} | os.environ
    completed = subprocess.run(
        command, input=sent, stdout=subprocess.PIPE, env=environment, check=True
    )
    return pickle.loads(completed.stdout)


def _answer() -> None:
    """Call the function that was sent, and write what it returns to the standard output."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between
    function, arguments = pickle.load(sys.stdin.buffer)
    with answer:
        pickle.dump(resolve_name(function)(*arguments), answer)


if __name__ == "__main__":
    _answer()
