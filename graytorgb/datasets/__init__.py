"""Whole datasets: audit a folder or an array of images, and convert it."""

from .audit_record import Record
from .audit_result import Audit
from .auditing import audit
from .conversion import convert
from .conversion_result import Conversion

__all__ = ["Audit", "Conversion", "Record", "audit", "convert"]
