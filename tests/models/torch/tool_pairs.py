"""Networks and their adapted copies, which the tests of tools put through the same tool."""

from copy import deepcopy
from typing import NamedTuple

import torch
from torch import nn

from graytorgb.models import adapt

from ..networks import MEAN, STD, assert_same_outputs, make_color, randomize_constants


class Pair(NamedTuple):
    """A network, its adapted copy, and gray images for it.

    The tools may change the networks that `copy` returns.
    """

    original: nn.Module
    adapted: nn.Module
    gray: torch.Tensor

    @property
    def color(self):
        """The original's input for the gray images."""
        return make_color(self.gray)

    def copy(self):
        return self._replace(original=deepcopy(self.original), adapted=deepcopy(self.adapted))


class SmallNetwork(nn.Module):
    """A network with the layers and names of a ResNet's beginning, whose stem pads with zeros."""

    def __init__(self, classes=5):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.fc = nn.Linear(16, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu2(self.conv2(x))
        return self.fc(x.mean((2, 3)))


class PatchNetwork(nn.Module):
    """A network whose stem has a bias and pads nothing, as that of a ViT or a ConvNeXt."""

    def __init__(self, classes=5):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 4, 4)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.relu(self.bn1(self.conv1(x))).mean((2, 3)))


NETWORKS = {"padded": SmallNetwork, "patches": PatchNetwork}


def make_pair(model, size=16, dtype=torch.float64, batch=2):
    """Return a network with random constants, adapted and with images of this size."""
    model = randomize_constants(model).to(dtype)
    adapted = adapt(model, (MEAN, STD), example=size)
    return Pair(model, adapted, torch.rand(batch, 1, size, size, dtype=dtype))


def assert_tool_keeps(tool, pair, rtol=1e-10):
    """Assert that both networks, put through a tool, have the same outputs.

    Parameters
    ----------
    tool : callable
        ``tool(network, images)`` returns what is called with images. It may change the network.
    pair : Pair
    rtol : float
        The largest difference, as a part of the largest output. In float32 it is 1e-5.
    """
    networks = pair.copy()
    torch.manual_seed(0)
    expected = tool(networks.original, pair.color)(pair.color)
    torch.manual_seed(0)
    actual = tool(networks.adapted, pair.gray)(pair.gray)
    assert_same_outputs(actual, expected, rtol)
