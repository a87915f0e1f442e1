"""A library of networks to which everything happens that the coverage can report."""

import os
from itertools import count

import torch
from torch import nn

from benchmarks.accuracy.coverage_networks.cases import Case
from benchmarks.accuracy.coverage_networks.torch_trial import Specimen

NETWORKS = (
    "padded",
    "unpadded",
    "sorting",
    "unbuildable",
    "blind",
    "changing",
    "failing",
    "hanging",
    "crashing",
    "hungry",
)
_CALLS = count()


def list_cases():
    return [Case("specimens", "family", network) for network in NETWORKS]


class Sorting(nn.Module):
    """A network that sorts its channels, which no weights can do for one channel."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.stem(x.sort(1).values)


class Changing(nn.Module):
    """A network that returns something else in each call."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.stem(x) + next(_CALLS)


class Failing(nn.Module):
    """A network that fails if its first weights aren't those of the first call."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.sum = None

    def forward(self, x):
        found = float(self.stem.weight.detach().double().sum())
        self.sum = found if self.sum is None else self.sum
        if found != self.sum:
            raise RuntimeError("the weights have changed")
        return self.stem(x)


class Hanging(nn.Module):
    def forward(self, x):
        while True:
            x = x + 0


def build(case):
    match case.network:
        case "padded":
            model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))
        case "unpadded":
            model = nn.Conv2d(3, 4, 3)
        case "sorting":
            model = Sorting()
        case "unbuildable":
            raise ImportError("this needs another library")
        case "blind":
            model = nn.Sequential(nn.Conv2d(3, 4, 3), Blind())
        case "changing":
            model = Changing()
        case "failing":
            model = Failing()
        case "hanging":
            model = Hanging()
        case "crashing":
            os.abort()
        case "hungry":
            model = nn.Sequential(nn.Conv2d(3, 4, 1))
            torch.ones(2**31)
    return Specimen(model, (1, 3, 9, 9))


class Blind(nn.Module):
    """A layer whose output is the same for every image."""

    def forward(self, x):
        return 0 * x + 1
