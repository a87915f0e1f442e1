"""Small networks and images for proofs on a runtime."""

import warnings

import numpy as np

from ...support import needs, needs_package

needs("torchvision")
needs_package("torch")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch  # noqa: F401
    from torch import nn

from ..networks import randomize_constants  # noqa: E402

# What a proof on a runtime from torch imports, the conversion included
NEEDED = {
    "onnxruntime": ("onnx", "onnxruntime", "onnxscript"),
    "openvino": ("openvino",),
    "litert": ("ai_edge_litert", "litert_torch"),
    "executorch": ("executorch",),
}


def small(classes=10):
    """Return a classifier whose stem pads with zeros."""
    layers = (
        nn.Conv2d(3, 8, 3, padding=1, stride=2), nn.BatchNorm2d(8), nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes),
    )  # fmt: skip
    return randomize_constants(nn.Sequential(*layers)).float().eval()


def images(count=3, side=16):
    """Return random gray images of values from 0 to 1."""
    return np.random.default_rng(0).random((count, side, side), np.float32)
