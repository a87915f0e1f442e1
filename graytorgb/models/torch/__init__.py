"""What :mod:`graytorgb.models` does with torch networks, and with their weights alone."""

from .adaptation import adapt, adapt_file, find_input_size
from .runner import Runner

__all__ = ["Runner", "adapt", "adapt_file", "find_input_size"]
