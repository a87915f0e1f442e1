"""Adapted networks that are a torch.fx.GraphModule, and scripted ones: what they carry."""

import copy
import pickle

import numpy as np
import pytest

from graytorgb import ModelError
from graytorgb.models import adapt, make_transform, verify

from ...support import needs_package

needs_package("torch")

import torch  # noqa: E402
from torch import nn  # noqa: E402

from ..networks import MEAN, STD, assert_same_outputs, make_color, make_rest  # noqa: E402
from .tool_pairs import NETWORKS, make_pair  # noqa: E402

IMAGES = np.random.default_rng(0).random((3, 16, 16))
COPIES = {
    "itself": lambda network: network,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "deepcopy of a copy": lambda network: copy.deepcopy(copy.copy(network)),
    "copy of a deepcopy": lambda network: copy.copy(copy.deepcopy(network)),
}


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request):
    return make_pair(torch.fx.symbolic_trace(NETWORKS[request.param]()))


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_keeps_the_record_and_the_transform(pair, name):
    copied = COPIES[name](pair.adapted)
    assert copied.graytorgb_preprocessing == pair.adapted.graytorgb_preprocessing
    assert_same_outputs(copied(pair.gray), pair.original(pair.color))
    assert copied.transform(size=8)(np.full((16, 16), 255, np.uint8)).shape == (1, 8, 8)
    assert verify(pair.original.eval(), copied.eval(), IMAGES, seconds=0).passed


def test_a_deep_copy_has_its_own_weights(pair):
    copied, again = copy.deepcopy([pair.adapted, pair.adapted])
    assert again is copied
    assert copied.conv1.weight is not pair.adapted.conv1.weight
    assert copy.copy(pair.adapted).conv1.weight is pair.adapted.conv1.weight


def test_a_pickle_has_the_record(pair):
    loaded = pickle.loads(pickle.dumps(pair.adapted))
    assert_same_outputs(loaded(pair.gray), pair.adapted(pair.gray))
    assert repr(make_transform(loaded)) == repr(pair.adapted.transform())


def test_another_network_has_neither(pair):
    for network in (pair.original, torch.fx.symbolic_trace(NETWORKS["padded"]())):
        assert not hasattr(network, "transform")
        assert not hasattr(copy.deepcopy(network), "graytorgb_preprocessing")


def test_a_network_that_is_refused_is_left_as_it_was():
    class Norm(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x):
            return self.stem(x) / self.stem.weight.norm()

    model = torch.fx.symbolic_trace(Norm())
    with pytest.raises(ModelError, match="uses more than the first convolution's output"):
        adapt(model, (MEAN, STD), inplace=True)
    assert not hasattr(model, "transform")
    assert (
        not hasattr(type(model), "__copy__")
        or type(model).__copy__ is torch.fx.GraphModule.__copy__
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:The TorchScript type system")
@pytest.mark.parametrize("way", ["script", "trace"])
@pytest.mark.parametrize("layer", [None, "0"])
def test_verify_of_a_scripted_network(way, layer):
    """Its stem isn't compared, since a scripted layer takes no hooks."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *make_rest()).double().eval()
    adapted, gray = adapt(model, (MEAN, STD)), torch.from_numpy(IMAGES[:, None])
    scripted = torch.jit.script(adapted) if way == "script" else torch.jit.trace(adapted, gray)
    proof = verify(model, scripted, IMAGES, (MEAN, STD), layer=layer, seconds=0)
    assert proof.passed
    assert_same_outputs(scripted(gray), model(make_color(gray)))
