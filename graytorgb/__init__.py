"""Grayscale images for networks pretrained on RGB.

>>> import numpy as np
>>> import graytorgb as g2r
>>> batch = np.zeros((64, 224, 224), np.uint8)
>>> g2r.to_rgb(batch, "NHW->NCHW").shape
(64, 3, 224, 224)
"""

from typing import TYPE_CHECKING, Any

from .backends.choose import Choice, choose
from .backends.registry import BackendInfo, backends
from .backends.result_cache import CacheInfo, cache_info, set_cache
from .core.stats import stats
from .errors import (
    BackendUnavailable,
    ChannelError,
    DtypeError,
    GrayToRGBError,
    ImageFileError,
    LayoutError,
    LevelsError,
    ModelError,
    UnknownBackend,
)
from .extras import require
from .functional.prepare import prepare
from .functional.to_rgb import to_rgb
from .functional.to_uint8 import to_uint8

if TYPE_CHECKING:
    from . import io
    from .bench.recommendation import recommend

__version__ = "0.1.0"

__all__ = [
    "BackendInfo",
    "BackendUnavailable",
    "CacheInfo",
    "ChannelError",
    "Choice",
    "DtypeError",
    "GrayToRGBError",
    "ImageFileError",
    "LayoutError",
    "LevelsError",
    "ModelError",
    "UnknownBackend",
    "backends",
    "cache_info",
    "choose",
    "io",
    "prepare",
    "recommend",
    "set_cache",
    "stats",
    "to_rgb",
    "to_uint8",
]


def __getattr__(name: str) -> Any:
    """`io` and `recommend`, imported when first asked for; `recommend` needs extra ``bench``."""
    if name == "io":
        return require("graytorgb.io", "numpy", "io")
    if name == "recommend":
        return require("graytorgb.bench.recommendation", "psutil", "bench").recommend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
