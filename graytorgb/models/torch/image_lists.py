"""Torch networks that take a list of images, as torchvision's detection models do."""

import sys
from typing import Any

from torch import nn


def is_rcnn_transform(module: Any) -> bool:
    """Whether a module is the input transform of torchvision's detection models."""
    detection = sys.modules.get("torchvision.models.detection.transform")
    return detection is not None and isinstance(module, detection.GeneralizedRCNNTransform)


def takes_image_list(model: nn.Module) -> bool:
    """Whether a network takes a list of images, as torchvision's detection models do."""
    return is_rcnn_transform(getattr(model, "transform", None))
