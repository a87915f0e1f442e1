"""``python -m graytorgb``, and the ``graytorgb`` command."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import BackendUnavailable
from .extras import require
from .measure.versions import describe_versions


def main() -> None:
    """Run the command line, or end with the extra that it needs.

    The versions are told without the libraries of the command line, which may be what is missing.
    """
    if sys.argv[1:] == ["--version"]:
        _print_versions()
        return
    try:
        with _ended_by_interrupts():
            require("rich")
            cli = require("graytorgb.cli")
    except BackendUnavailable as error:
        sys.exit(f"graytorgb: the command line {error}")
    cli.main()


@contextmanager
def _ended_by_interrupts() -> Iterator[None]:
    """Let the system end this process at Ctrl-C in the block, without a traceback of imports.

    Nothing is changed where the caller has SIGINT ignored, as ``nohup`` and a shell's ``&`` do.
    """
    handler = signal.getsignal(signal.SIGINT)
    if handler is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _print_versions() -> None:
    """Print the versions, or one line on why they can't be written, as on a full disk.

    Nothing more is told to a pipe whose reader has gone, as for `| head`.
    """
    try:
        print(describe_versions(), flush=True)
    except OSError as error:
        sys.stdout = None  # else Python flushes it at its end
        sys.exit(1 if isinstance(error, BrokenPipeError) else f"Error: {error.strerror}")


if __name__ == "__main__":
    main()
