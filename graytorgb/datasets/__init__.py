"""Whole datasets: audit a folder or an array of images, and convert it."""

from .auditing import audit
from .audits.record import Record
from .audits.result import Audit
from .conversion import convert
from .conversion_run.result import Conversion

__all__ = ["Audit", "Conversion", "Record", "audit", "convert"]
