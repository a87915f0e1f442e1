"""The command line. Each command is a file here and a name in ``COMMANDS``, in commands.py."""

from .commands import COMMANDS, main

__all__ = ["COMMANDS", "main"]
