"""Runtimes on which converted networks run: the table, conversions, and networks that run there.

A runtime has a file here and a line in table.py. ``verify(..., runtime=...)`` and
``graytorgb adapt --runtime`` read the table.
"""

from .conversion import convert
from .table import RUNTIMES, Runtime, RuntimeLine, Session, TensorInfo, find_runtime

__all__ = [
    "RUNTIMES",
    "Runtime",
    "RuntimeLine",
    "Session",
    "TensorInfo",
    "convert",
    "find_runtime",
]
