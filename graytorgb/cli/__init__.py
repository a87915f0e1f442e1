"""The command line. Each command is a file here and one entry of ``COMMANDS`` in commands.py."""

from .commands import COMMANDS, main

__all__ = ["COMMANDS", "main"]
