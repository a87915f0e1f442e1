"""adapt on networks in which a stem shares its parameters with another layer."""

import copy

import pytest

from graytorgb import ModelError
from graytorgb.models import adapt

from ...support import needs

needs("torchvision")

import torch  # noqa: E402
from torch import nn  # noqa: E402

from ..networks import MEAN, STD, assert_same_outputs, make_color, randomize_constants  # noqa: E402


class Tied(nn.Module):
    """Two convolutions of the image with one weight and one bias."""

    def __init__(self, function, second=None, padding=1):
        super().__init__()
        self.function = function
        self.a = nn.Conv2d(3, 4, 3, padding=padding)
        self.b = nn.Conv2d(3, 4, 3, padding=padding) if second is None else second
        self.b.weight = self.a.weight
        if self.b.bias is not None and self.b.bias.shape == self.a.bias.shape:
            self.b.bias = self.a.bias

    def forward(self, x):
        return self.function(self, x)


def add_flipped(network, x):
    """Return the sum of both convolutions, the second one of the darker, flipped image."""
    return network.a(x) + network.b(x.flip(2) * 0.5)


def train_once(network, images):
    """Train all parameters by one step, and return what the network then returns."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    network(images).pow(2).mean().backward()
    optimizer.step()
    return network(images).detach()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("padding", [0, 1])
def test_stems_stay_tied(padding, dtype):
    function = add_flipped if padding else (lambda net, x: net.a(x) + net.b(x.flip(2)))
    model = randomize_constants(Tied(function, padding=padding)).to(dtype)
    adapted = adapt(model, (MEAN, STD))
    assert adapted.a.in_channels == (2 if padding else 1)
    assert adapted.a.weight is adapted.b.weight
    assert adapted.a.bias is adapted.b.bias
    assert len(list(adapted.parameters())) == len(list(model.parameters())) == 2
    gray = torch.rand(2, 1, 12, 14, dtype=dtype)
    assert_same_outputs(
        adapted(gray), model(make_color(gray)), rtol=1e-10 if dtype.itemsize == 8 else 1e-4
    )


def test_tied_stems_are_trained_together():
    """The step of the one weight is the sum of the steps for both stems."""
    model = randomize_constants(Tied(add_flipped))
    adapted = adapt(model, "0..1")
    untied = copy.deepcopy(adapted)
    untied.b.weight, untied.b.bias = (nn.Parameter(p.clone()) for p in adapted.a.parameters())
    gray = torch.rand(2, 1, 12, 14, dtype=torch.float64)
    after = train_once(adapted, gray)
    assert torch.equal(adapted.a.weight, adapted.b.weight)
    assert not torch.allclose(after, train_once(untied, gray))


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("case", ["another layer", "other values"])
def test_what_cannot_stay_tied_is_refused(case, inplace):
    if case == "another layer":
        decoder = nn.ConvTranspose2d(4, 3, 3, padding=1)
        model = Tied(lambda net, x: net.b(net.a(x)), decoder)
    else:
        model = Tied(lambda net, x: net.a(x) + net.b(x.flip(1)))
    model = randomize_constants(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ModelError, match=r"'a\.weight', 'b\.weight' are one parameter"):
        adapt(model, (MEAN, STD), inplace=inplace)
    assert model.a.weight is model.b.weight
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
