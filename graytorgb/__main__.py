"""``python -m graytorgb``, and the ``graytorgb`` command."""

import sys

from .errors import BackendUnavailable
from .extras import require


def main() -> None:
    """Run the command line, or end with the extra that it needs."""
    try:
        require("rich")
        cli = require("graytorgb.cli")
    except BackendUnavailable as error:
        sys.exit(f"graytorgb: the command line {error}")
    cli.main()


if __name__ == "__main__":
    main()
