"""Whole datasets: audit a folder or an array of images, and convert it."""

from .conversion import convert
from .conversion_result import Conversion

__all__ = ["Conversion", "convert"]
