"""The ways into timm's and torchvision's networks besides forward, on adapted networks."""

import warnings

import pytest

from ...support import needs, needs_package

needs("torchvision")
needs_package("timm")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import timm
    import timm.optim
    import torch
    from timm.models._features import FeatureGetterNet
    from torchvision import models as tv
    from torchvision.models._utils import IntermediateLayerGetter
    from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork

from ..networks import assert_same_outputs  # noqa: E402
from .tool_pairs import assert_tool_keeps, make_pair  # noqa: E402

VIT = {"img_size": 32, "depth": 2, "embed_dim": 32, "num_heads": 2}
# The first three pad with zeros in their stems.
NETWORKS = {
    "resnet10t": ({}, 32),
    "mobilenetv3_small_050": ({}, 32),
    "efficientvit_b0": ({}, 32),
    "vit_tiny_patch16_224": (VIT, 32),
    "vit_base_patch16_clip_224": (VIT, 32),  # without a bias in its stem
    "convnext_atto": ({"depths": (1, 1, 1, 1), "dims": (8, 16, 16, 16)}, 32),
    "swin_tiny_patch4_window7_224": (
        {"img_size": 56, "embed_dim": 12, "depths": (1, 1), "num_heads": (1, 1)},
        56,
    ),
}


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request):
    options, size = NETWORKS[request.param]
    return make_pair(timm.create_model(request.param, num_classes=5, **options), size)


def get_layers(network, images):
    return lambda x: network.get_intermediate_layers(x, n=2)


WAYS = {
    "forward": lambda network, images: network,
    "forward, by name": lambda network, images: lambda x: network(x=x),
    "forward_features": lambda network, images: network.forward_features,
    "forward_features, forward_head": lambda network, images: (
        lambda x: network.forward_head(network.forward_features(x), pre_logits=True)
    ),
    "forward_intermediates": lambda network, images: network.forward_intermediates,
    "forward_intermediates, last two": lambda network, images: (
        lambda x: network.forward_intermediates(x, indices=2, intermediates_only=True)
    ),
    "get_intermediate_layers": get_layers,
    "without its classifier": lambda network, images: (network.reset_classifier(0), network)[1],
}


@pytest.mark.parametrize("name", WAYS)
def test_ways_in(pair, name):
    if name == "get_intermediate_layers" and not hasattr(pair.original, name):
        return  # only ViTs have it
    with torch.no_grad():
        assert_tool_keeps(WAYS[name], pair)


@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv3_small_050", "vit_tiny_patch16_224"])
def test_features_only(name):
    """timm wraps such a network in a module of its own, of which the adapted copy is made."""
    options, size = NETWORKS[name]
    network = timm.create_model(name, features_only=True, out_indices=(0, 1), **options)
    pair = make_pair(network, size)
    with torch.no_grad():
        assert_tool_keeps(lambda network, images: network, pair)
    assert pair.adapted.feature_info.channels() == pair.original.feature_info.channels()


def test_an_adapted_network_in_timms_feature_getter(pair):
    def get(network, images):
        return FeatureGetterNet(network, out_indices=2)

    with torch.no_grad():
        assert_tool_keeps(get, pair)


def test_checkpointed_gradients(pair):
    """timm's own gradient checkpointing doesn't change the gradients of the layers."""

    def compute_gradients(network, images):
        network.set_grad_checkpointing(True)
        network.train()
        network(images).pow(2).sum().backward()
        network.eval()
        gradients = [p.grad for p in network.get_classifier().parameters()]
        return lambda x: gradients

    assert_tool_keeps(compute_gradients, pair, rtol=1e-8)


def test_what_the_network_says_of_itself(pair):
    """timm's descriptions and groups of parameters are those of the original."""
    original, adapted = pair.original, pair.adapted
    assert adapted.num_classes == original.num_classes
    assert adapted.num_features == original.num_features
    assert timm.data.resolve_model_data_config(adapted)["input_size"][0] == 1
    if hasattr(original, "group_matcher"):
        assert adapted.group_matcher() == original.group_matcher()
    groups = [timm.optim.param_groups_weight_decay(network, 0.1) for network in (original, adapted)]
    assert [len(g["params"]) for g in groups[1]] == [len(g["params"]) for g in groups[0]]


class TestTorchvision:
    """Networks that torchvision takes apart to build others of them."""

    def test_as_a_backbone(self):
        """A layer getter holds the children, so it takes planes; adapt the whole of it instead."""
        backbone = tv.ResNet(tv.resnet.BasicBlock, [1, 1, 1, 1])
        layers = {"layer1": "0", "layer3": "1"}
        getter = IntermediateLayerGetter(backbone, return_layers=layers)
        pair = make_pair(getter, size=32)
        with torch.no_grad():
            assert_tool_keeps(lambda network, images: network, pair)

    def test_with_a_pyramid(self):
        backbone = tv.ResNet(tv.resnet.BasicBlock, [1, 1, 1, 1])
        layers = {"layer1": "0", "layer2": "1"}
        getter = IntermediateLayerGetter(backbone, return_layers=layers)
        pair = make_pair(torch.nn.Sequential(getter, FeaturePyramidNetwork([64, 128], 8)), size=32)
        with torch.no_grad():
            assert_tool_keeps(lambda network, images: network, pair)
            assert_same_outputs(pair.adapted(pair.gray), pair.original(pair.color))
