"""Networks that write into their input: they get memory of their own, and the gray stays."""

import pickle

import numpy as np
import pytest

from graytorgb.models import adapt, verify

from ...support import needs

needs("torchvision")

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from ..networks import MEAN, STD, assert_same_outputs, randomize_constants  # noqa: E402


class Halve(nn.Module):
    """A layer that writes into a view of its input."""

    def forward(self, x):
        x[:, 1:].mul_(0.5)
        return x


FIRST = {
    "ReLU": lambda: nn.ReLU(inplace=True),
    "a view": Halve,
    "Normalize": lambda: v2.Normalize(MEAN, STD, inplace=True),
}


def make_network(name):
    network = nn.Sequential(FIRST[name](), nn.Conv2d(3, 4, 3), nn.Flatten())
    return randomize_constants(network).float().eval()


@pytest.mark.parametrize("name", FIRST)
@pytest.mark.parametrize("how", ["expand", "learned"])
@pytest.mark.parametrize("batch", [1, 2])
def test_a_front_gives_it_memory_of_its_own(name, how, batch):
    model, gray = make_network(name), torch.rand(batch, 1, 16, 16)
    before = gray.clone()
    adapted = adapt(model, "0..1", how=how, example=16)
    expected = model(gray.repeat(1, 3, 1, 1))
    for network in (adapted, pickle.loads(pickle.dumps(adapted))):
        assert_same_outputs(network(gray), expected, rtol=1e-5)
    assert torch.equal(gray, before)


@pytest.mark.parametrize("name", FIRST)
def test_verify_leaves_the_images_as_they_are(name):
    model = make_network(name)
    images = np.random.default_rng(0).random((2, 16, 16), np.float32) * [[[1]], [[0.5]]]
    images = images.astype(np.float32)
    before = images.copy()
    assert verify(model, adapt(model, "0..1", how="expand"), images, seconds=0).passed
    assert np.array_equal(images, before)


def test_verify_of_an_adapted_network_that_writes():
    """The stem of one plane sees the gray itself, which its network halves in place."""

    class Network(nn.Sequential):
        def forward(self, x):
            return super().forward(x.mul_(0.5))

    model = randomize_constants(Network(nn.Conv2d(3, 4, 3), nn.Flatten())).float()
    images = np.random.default_rng(0).random((2, 16, 16), np.float32)
    before = images.copy()
    assert verify(model, adapt(model, "0..1", example=16), images, seconds=0).passed
    assert np.array_equal(images, before)
