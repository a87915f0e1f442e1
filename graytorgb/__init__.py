"""Greyscale images for networks pretrained on RGB.

>>> import numpy as np
>>> import graytorgb as g2r
>>> batch = np.zeros((64, 224, 224), np.uint8)
>>> g2r.to_rgb(batch, "NHW->NCHW").shape
(64, 3, 224, 224)
"""

from .choose import Choice, choose
from .convert import to_rgb
from .errors import (
    BackendUnavailable,
    ChannelError,
    DtypeError,
    GrayToRGBError,
    LayoutError,
    LevelsError,
    ModelError,
    UnknownBackend,
)
from .levels import to_uint8
from .registry import BackendInfo, backends

__version__ = "0.1.0"

__all__ = [
    "BackendInfo",
    "BackendUnavailable",
    "ChannelError",
    "Choice",
    "DtypeError",
    "GrayToRGBError",
    "LayoutError",
    "LevelsError",
    "ModelError",
    "UnknownBackend",
    "backends",
    "choose",
    "to_rgb",
    "to_uint8",
]
