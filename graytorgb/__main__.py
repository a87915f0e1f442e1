"""``python -m graytorgb``, and the ``graytorgb`` command."""

import sys

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
        require("rich")
        cli = require("graytorgb.cli")
    except BackendUnavailable as error:
        sys.exit(f"graytorgb: the command line {error}")
    cli.main()


def _print_versions() -> None:
    """Print the versions; nothing more is told to a pipe whose reader has gone, as for `| head`."""
    try:
        print(describe_versions(), flush=True)
    except BrokenPipeError:
        sys.stdout = None  # else Python flushes it at its end
        sys.exit(1)


if __name__ == "__main__":
    main()
