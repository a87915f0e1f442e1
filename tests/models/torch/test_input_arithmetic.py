"""adapt on networks whose first layer normalizes the image, and does more than that."""

import pytest

from graytorgb import ModelError
from graytorgb.models import adapt

from ...support import needs

needs("torchvision")

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from ..networks import (  # noqa: E402
    MEAN,
    STD,
    assert_same_outputs,
    make_rest,
    randomize_constants,
)


class Normalizing(nn.Module):
    """A layer that normalizes its image, and then does what a function of it and the image does."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        for name, values in (("mean", MEAN), ("std", STD)):
            self.register_buffer(name, torch.tensor(values)[:, None, None])

    def forward(self, x):
        return self.function(self, (x - self.mean) / self.std)


def shrink(layer, x):
    """Return an image of at most 256 pixels a side."""
    return F.interpolate(x, size=(64, 64)) if max(x.shape[-2:]) > 256 else x


def crop(layer, x):
    """Return the upper left of an image."""
    return x[..., :256, :256]


def darken(layer, x):
    """Return an image of random brightness, in training."""
    return x * (0.5 + torch.rand(len(x), 1, 1, 1, dtype=x.dtype)) if layer.training else x


def double(layer, x):
    """Return twice the image, in training."""
    return x * 2 if layer.training else x


def add_noise(layer, x):
    """Return an image with almost no noise, which draws random numbers."""
    return x + 1e-12 * torch.randn_like(x)


def flip():
    return v2.Compose([v2.Normalize(MEAN, STD), v2.RandomHorizontalFlip(0.3)])


MORE = {
    "resizes large images": lambda: Normalizing(shrink),
    "crops large images": lambda: Normalizing(crop),
    "augments in training": lambda: Normalizing(darken),
    "scales in training": lambda: Normalizing(double),
    "draws random numbers": lambda: Normalizing(add_noise),
    "flips at random": flip,
}


def make_network(first):
    pooled = nn.Sequential(*make_rest(), nn.AdaptiveAvgPool2d(1))
    return randomize_constants(nn.Sequential(first, nn.Conv2d(3, 8, 3, padding=1), *pooled))


def run_seeded(network, images, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        return network(images)


@pytest.mark.parametrize("name", MORE)
def test_a_layer_that_does_more_is_kept_or_refused(name):
    """Whatever becomes of the network, it does the same at each size and in training."""
    model = make_network(MORE[name]())
    try:
        adapted = adapt(model)
    except ModelError:
        return
    assert type(adapted[0]) is type(model[0])
    for is_training in (False, True):
        for network in (model, adapted):
            network[0].train(is_training)
        for sides in ((32, 32), (300, 400)):
            gray = torch.rand(1, 1, *sides, dtype=torch.float64)
            for seed in range(3):
                expected = run_seeded(model, gray.expand(-1, 3, -1, -1), seed)
                assert_same_outputs(run_seeded(adapted, gray, seed), expected)


@pytest.mark.parametrize("kind", ["forward", "forward_pre", "full_backward"])
def test_a_layer_with_a_hook_stays(kind):
    model = make_network(Normalizing(lambda layer, x: x))
    getattr(model[0], f"register_{kind}_hook")(lambda *args: None)
    try:
        adapted = adapt(model)
    except ModelError:
        return
    hooks = {k: len(v) for k, v in vars(adapted[0]).items() if k.endswith("_hooks") and v}
    assert hooks == {k: len(v) for k, v in vars(model[0]).items() if k.endswith("_hooks") and v}
    assert hooks


@pytest.mark.parametrize("is_training", [False, True])
@pytest.mark.parametrize(
    "first", [lambda: nn.BatchNorm2d(3), lambda: Normalizing(lambda layer, x: x)]
)
def test_arithmetic_alone_is_folded_and_nothing_is_touched(first, is_training):
    model = make_network(first())
    model[0].train(is_training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    adapted = adapt(model, "0..1")
    assert isinstance(adapted[0], nn.Identity)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert model[0].training == adapted[0].training == is_training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    gray = torch.rand(2, 1, 32, 20, dtype=torch.float64)
    for network in (model, adapted):
        network.eval()
    with torch.no_grad():
        assert_same_outputs(adapted(gray), model(gray.expand(-1, 3, -1, -1)))
