"""LoRA by peft on the stem of adapted networks: train, merge, save and load the adapter."""

import copy
import warnings

import pytest

from graytorgb.models import adapt

from ...support import needs, needs_package

needs("torchvision")
needs_package("peft", "timm")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import timm
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from torch import nn
    from torchvision import models as tv

from ..networks import MEAN, STD, assert_same_outputs  # noqa: E402
from .tool_pairs import NETWORKS, make_pair  # noqa: E402


def resnet():
    return tv.ResNet(tv.resnet.BasicBlock, [1, 1, 1, 1], num_classes=5)


def vit():
    return timm.create_model("vit_tiny_patch16_224", img_size=32, depth=1, num_classes=5)


CASES = {
    "padded": (NETWORKS["padded"], "conv1", 16),
    "patches": (NETWORKS["patches"], "conv1", 16),
    "torchvision's ResNet": (resnet, "conv1", 32),
    "timm's ViT": (vit, "patch_embed.proj", 32),
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    make, stem, size = CASES[request.param]
    return make_pair(make(), size), stem


def add_lora(network, *layers):
    return get_peft_model(network, LoraConfig(r=2, target_modules=list(layers))).double().eval()


def train(network, images):
    """Train the adapter alone; in eval mode, so that no BatchNorm changes its statistics."""
    learned = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learned, 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        network(images).pow(2).mean().backward()
        optimizer.step()
    return network


@pytest.fixture
def trained(case):
    """Return an adapted network with a trained adapter, its output, and the network before it."""
    pair, stem = case
    with torch.no_grad():
        before = pair.original(pair.color)
    network = add_lora(copy.deepcopy(pair.adapted), stem)
    assert_same_outputs(network(pair.gray), before)  # a new adapter adds nothing
    network = train(network, pair.gray)
    after = network(pair.gray).detach()
    assert float((after - before).abs().max()) > 1e-3 * float(before.abs().max())
    return network, after


def test_the_stem_is_trained_and_merged(case, trained):
    pair, stem = case
    network, after = trained
    merged = network.merge_and_unload()
    assert isinstance(merged, type(pair.original))
    assert type(merged.get_submodule(stem)) is nn.Conv2d
    assert_same_outputs(merged(pair.gray), after)
    assert merged.state_dict().keys() == pair.adapted.state_dict().keys()


def test_the_adapter_is_saved_and_loaded(case, trained, tmp_path):
    pair, _ = case
    network, after = trained
    network.save_pretrained(tmp_path)
    loaded = PeftModel.from_pretrained(copy.deepcopy(pair.adapted), tmp_path).eval()
    assert_same_outputs(loaded(pair.gray), after, rtol=1e-5)  # the file has float32


def test_the_adapter_can_be_disabled(case, trained):
    pair, _ = case
    network, _ = trained
    with network.disable_adapter(), torch.no_grad():
        assert_same_outputs(network(pair.gray), pair.original(pair.color))


def test_later_layers_learn_as_in_the_original():
    """LoRA on a layer after the stem learns the same in both networks."""
    pair = make_pair(NETWORKS["padded"]())
    outputs = []
    for network, images in ((pair.original, pair.color), (pair.adapted, pair.gray)):
        torch.manual_seed(0)
        outputs.append(train(add_lora(copy.deepcopy(network), "conv2", "fc"), images)(images))
    assert_same_outputs(outputs[1], outputs[0], rtol=1e-8)


class TestOrder:
    """An adapter that was trained on color is merged first, or adapted with the network."""

    @pytest.fixture
    def color(self, case):
        pair, stem = case
        network = train(add_lora(copy.deepcopy(pair.original), stem), pair.color)
        return network, network(pair.color).detach()

    def test_merged_then_adapted(self, case, color):
        pair, _ = case
        network, after = color
        adapted = adapt(network.merge_and_unload(), (MEAN, STD), example=pair.gray.shape[-1])
        assert_same_outputs(adapted(pair.gray), after)

    def test_adapted_then_merged(self, case, color):
        """The adapter's own convolution sees the image too, so it is a stem as well."""
        pair, stem = case
        network, after = color
        adapted = adapt(network, (MEAN, STD), example=pair.gray.shape[-1])
        assert_same_outputs(adapted(pair.gray), after)
        merged = adapted.merge_and_unload()
        gray = pair.gray
        if merged.get_submodule(stem).in_channels > 1:
            # the second plane entered at the root of the adapter, which is gone
            from graytorgb.models import restore_input

            merged = restore_input(merged, (MEAN, STD))
        assert_same_outputs(merged(gray), after)
