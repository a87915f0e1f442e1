"""Whole datasets: audit a folder or an array of images, convert it, and load it for training."""

from typing import Any

from ..extras import require
from .auditing import audit
from .audits.record import Record
from .audits.result import Audit
from .conversion import convert
from .conversion_run.result import Conversion

__all__ = ["Audit", "Conversion", "Record", "audit", "convert"]

# What needs torch, TensorFlow or Pillow is imported when it is first asked for
_LOADING = {
    "GrayBatches": "gray_batches",
    "GrayImageFolder": "image_folder",
    "SeededSampler": "seeds",
    "gray_dataset_from_directory": "directory",
    "loader": "torch_loader",
}


def __getattr__(name: str) -> Any:
    """Import a loader when it is first asked for."""
    if name in _LOADING:
        return getattr(require(f"{__name__}.loading.{_LOADING[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
