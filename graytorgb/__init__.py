"""Grayscale images for networks pretrained on RGB.

>>> import numpy as np
>>> import graytorgb as g2r
>>> batch = np.zeros((64, 224, 224), np.uint8)
>>> g2r.to_rgb(batch, "NHW->NCHW").shape
(64, 3, 224, 224)
"""

from typing import TYPE_CHECKING, Any

from .backends import (
    BackendInfo,
    CacheInfo,
    Choice,
    cache_info,
    choose_backend,
    list_backends,
    register_backend,
    set_cache,
    unregister_backend,
)
from .core.stats import Stats, stats
from .errors import (
    BackendUnavailable,
    ChannelError,
    DtypeError,
    GrayToRGBError,
    ImageFileError,
    LayoutError,
    LevelsError,
    ModelError,
    OptionError,
    TargetError,
    UnknownBackend,
)
from .extras import require
from .functional.prepare import prepare
from .functional.to_gray import to_gray
from .functional.to_rgb import to_rgb
from .functional.to_uint8 import to_uint8

if TYPE_CHECKING:
    from . import albumentations as albumentations
    from . import bench as bench
    from . import datasets as datasets
    from . import io
    from . import layers as layers
    from . import models as models
    from . import testing as testing
    from . import transforms as transforms
    from .bench import Recommendation, recommend

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
    "OptionError",
    "Recommendation",
    "Stats",
    "TargetError",
    "UnknownBackend",
    "cache_info",
    "choose_backend",
    "io",
    "list_backends",
    "prepare",
    "recommend",
    "register_backend",
    "set_cache",
    "stats",
    "to_gray",
    "to_rgb",
    "to_uint8",
    "unregister_backend",
]


# Submodules that are imported when first asked for. They aren't among dir()'s names, of which some
# tools ask for every one.
_SUBMODULES = (
    "albumentations",
    "bench",
    "datasets",
    "io",
    "layers",
    "models",
    "testing",
    "transforms",
)


def __getattr__(name: str) -> Any:
    """Import a submodule, or what comes from one that needs an extra, when first asked for."""
    if name in _SUBMODULES:
        return require(f"{__name__}.{name}")
    if name in ("Recommendation", "recommend"):
        return getattr(require(f"{__name__}.bench"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
