"""Re-parameterization: branches of timm's networks are merged after adapting, stems among them."""

import warnings

import pytest

from graytorgb.models import adapt

from ...support import needs_package

needs_package("timm")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import timm
    import torch
    from timm.models.byobnet import model_cfgs
    from timm.utils.model import reparameterize_model
    from torch import nn

from ..networks import MEAN, STD, assert_same_outputs  # noqa: E402
from .tool_pairs import assert_tool_keeps, make_pair  # noqa: E402

MOBILEONE, REPVGG = (model_cfgs[name].blocks[:2] for name in ("mobileone_s0", "repvgg_a0"))

# What makes the network small, the stem after merging, and an image's side. timm's own merging
# makes layers in float32, whatever the network is in, so these networks are in float32.
NETWORKS = {
    "mobileone_s0": ({"blocks": MOBILEONE, "num_features": 0}, "stem.reparam_conv", 32),
    "repvgg_a0": ({"blocks": REPVGG}, "stem.reparam_conv", 32),
    "fastvit_t8": (
        {"layers": (1,) * 4, "embed_dims": (48, 48, 96, 96)},
        "stem.0.reparam_conv",
        64,
    ),
    "repvit_m1": ({"embed_dim": (16, 24, 32, 48), "depth": (1,) * 4}, "stem.conv1", 64),
    "levit_128s": (
        {"img_size": 64, "embed_dim": (32, 48, 64), "depth": (1,) * 3, "num_heads": (2,) * 3},
        "stem.conv1",
        64,
    ),
    "efficientvit_m0": (
        {"img_size": 64, "embed_dim": (16, 32, 48), "depth": (1,) * 3, "num_heads": (2,) * 3,
         "window_size": (4,) * 3},
        "patch_embed.conv1",
        64,
    ),
    "tiny_vit_5m_224": (
        {"embed_dims": (16, 32, 48, 64), "depths": (1,) * 4, "num_heads": (1, 1, 1, 2)},
        "patch_embed.conv1",
        224,
    ),
    "shvit_s1": (
        {"embed_dim": (32, 48, 64), "depth": (1,) * 3, "partial_dim": (8,) * 3},
        "patch_embed.0",
        64,
    ),
    "iformer_t": ({}, "stem.conv1", 64),
    "ghostnetv3_050": ({}, "conv_stem", 64),
    "repghostnet_050": ({}, "conv_stem", 64),
}  # fmt: skip
SLOW = {"ghostnetv3_050", "repghostnet_050", "iformer_t"}


def make_network_pair(name):
    options, _, size = NETWORKS[name]
    network = timm.create_model(name, num_classes=5, **options)
    return make_pair(network, size, torch.float32, batch=1)


@pytest.fixture(
    scope="module",
    params=[pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in NETWORKS],
)
def case(request):
    return make_network_pair(request.param), NETWORKS[request.param][1]


def test_merged(case):
    """The merged network is exact, with fewer layers, and its stem states what it takes."""
    pair, stem = case
    assert_tool_keeps(lambda network, images: reparameterize_model(network), pair, rtol=1e-5)
    merged = reparameterize_model(pair.adapted)
    assert len(list(merged.modules())) < len(list(pair.adapted.modules()))
    layer = merged.get_submodule(stem)
    assert type(layer) is nn.Conv2d
    assert layer.in_channels == layer.weight.shape[1] == 2
    assert isinstance(merged, type(pair.original))


def test_merged_in_place_and_traced():
    """Deployment goes on with the merged network."""
    pair = make_network_pair("repvgg_a0")

    def merge_and_trace(network, images):
        reparameterize_model(network, inplace=True)
        return torch.jit.trace(network, images)

    assert_tool_keeps(merge_and_trace, pair, rtol=1e-5)


@pytest.mark.parametrize("name", ["repvgg_a0", "fastvit_t8", "repvit_m1"])
def test_merged_first(name):
    """A merged network can be adapted as well: its stem has a bias, and pads with zeros."""
    pair = make_network_pair(name)
    merged = reparameterize_model(pair.original)
    adapted = adapt(merged, (MEAN, STD), example=pair.gray.shape[-1])
    with torch.no_grad():
        assert_same_outputs(adapted(pair.gray), pair.original(pair.color), rtol=1e-5)


def test_merged_by_its_own_methods():
    """A block of RepVGG that merges itself, as in the network's own repository."""
    pair = make_network_pair("repvgg_a0")

    def merge(network, images):
        for module in network.modules():
            if hasattr(module, "reparameterize"):
                module.reparameterize()
        return network

    assert_tool_keeps(merge, pair, rtol=1e-5)
