"""``python -m graytorgb``, and the ``graytorgb`` command."""

import sys

from .errors import BackendUnavailable
from .extras import require


def main() -> None:
    """Run the command line, or say which extra it needs."""
    try:
        require("rich", "rich", "cli")
        cli = require("graytorgb.cli", "click", "cli")
    except BackendUnavailable as error:
        sys.exit(f"graytorgb: the command line {error}")
    cli.main()


if __name__ == "__main__":
    main()
