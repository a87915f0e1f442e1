"""torch for :mod:`graytorgb.models`: networks are adapted and run, weights are adapted."""

from .adaptation import adapt, adapt_file, find_input_size
from .runner import Runner

__all__ = ["Runner", "adapt", "adapt_file", "find_input_size"]
