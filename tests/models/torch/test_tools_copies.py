"""Copies and files of adapted networks: pickle, torch.save, safetensors, torch.package, meta."""

import copy
import io
import pickle

import numpy as np
import pytest

from graytorgb.models import adapt, restore_input

from ...support import needs, needs_package

needs("torchvision")
needs_package("safetensors")

import torch  # noqa: E402
from safetensors.torch import load_model, save_model  # noqa: E402
from torch import nn, package  # noqa: E402
from torchvision import models as tv  # noqa: E402

from ..networks import MEAN, STD, assert_same_outputs  # noqa: E402
from .tool_pairs import NETWORKS, SmallNetwork, assert_tool_keeps, make_pair  # noqa: E402


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request):
    return make_pair(NETWORKS[request.param]())


def save_whole(network, images):
    file = io.BytesIO()
    torch.save(network, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def package_whole(network, images):
    """Save a network by torch.package, which writes the code of its classes too."""
    file = io.BytesIO()
    with package.PackageExporter(file) as exporter:
        exporter.extern(["torch.**", "graytorgb.**", "numpy.**", "tests.**", "sys", "io"])
        exporter.save_pickle("network", "network.pkl", network)
    file.seek(0)
    return package.PackageImporter(file).load_pickle("network", "network.pkl")


COPIES = {
    "deepcopy": lambda network, images: copy.deepcopy(network),
    "deepcopy twice": lambda network, images: copy.deepcopy(copy.deepcopy(network)),
    "copy": lambda network, images: copy.copy(network),
    "pickle": lambda network, images: pickle.loads(pickle.dumps(network)),
    "old pickle": lambda network, images: pickle.loads(pickle.dumps(network, protocol=2)),
    "torch.save": save_whole,
    "torch.package": package_whole,
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_exact(pair, name):
    assert_tool_keeps(COPIES[name], pair)
    copied = COPIES[name](pair.adapted, pair.gray)
    assert type(copied).__name__ == type(pair.original).__name__
    assert isinstance(copied, type(pair.original))
    assert copied.graytorgb_preprocessing == pair.adapted.graytorgb_preprocessing
    assert_tool_keeps(lambda network, images: torch.jit.script(COPIES[name](network, 0)), pair)


def test_a_network_of_one_plane_is_loaded_without_this_package(tmp_path):
    """Its stem sees the gray itself, so the file names the network's own class, and no other."""
    pair = make_pair(NETWORKS["patches"]())
    del pair.adapted.graytorgb_preprocessing
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps(pair.adapted, protocol)
        assert type(pickle.loads(data)) is NETWORKS["patches"]
        assert b"graytorgb.models.torch.gray_class" not in data


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], ids=lambda way: way.__name__)
@pytest.mark.parametrize("stats", ["0..1", "imagenet"])
def test_a_copy_has_the_transform(copied, stats):
    """Also where the stem sees the gray itself; an average of weights is such a copy."""
    adapted = copied(copied(adapt(NETWORKS["patches"](), stats, example=16)))
    assert adapted.transform()(np.full((16, 16), 255, np.uint8)).shape == (1, 16, 16)


def test_a_copy_has_its_own_weights(pair):
    copied = copy.deepcopy(pair.adapted)
    with torch.no_grad():
        expected = pair.adapted(pair.gray)
        copied.conv1.weight.zero_()
        assert_same_outputs(pair.adapted(pair.gray), expected)


def test_names_and_classes_stay(pair):
    """Every layer keeps its name and exact class, as do the entries of the state dict."""
    before = {name: type(module) for name, module in pair.original.named_modules() if name}
    after = {name: type(module) for name, module in pair.adapted.named_modules() if name}
    assert after == before
    assert type(pair.adapted.conv1) is nn.Conv2d
    assert isinstance(pair.adapted, type(pair.original))
    assert type(pair.adapted).__name__ == type(pair.original).__name__
    assert not any(module._forward_pre_hooks for module in pair.adapted.modules())
    names = set(pair.original.state_dict())
    assert list(pair.adapted.state_dict())[: len(names)] == list(pair.original.state_dict())
    added = set(pair.adapted.state_dict()) - names
    assert not added


def test_a_state_dict_goes_into_another_adapted_network(pair):
    def load(network, images):
        other = type(pair.original)().double().eval()
        if images.shape[1] == 1:
            other = adapt(other, (MEAN, STD), example=16)
        assert not any(other.load_state_dict(network.state_dict()))
        return other

    assert_tool_keeps(load, pair)


def test_safetensors(pair, tmp_path):
    def through_a_file(network, images):
        save_model(network, tmp_path / "network.safetensors")
        other = copy.deepcopy(network)
        for parameter in other.parameters():
            parameter.data.zero_()
        assert not any(load_model(other, tmp_path / "network.safetensors"))
        return other

    assert_tool_keeps(through_a_file, pair)


def test_a_network_on_the_meta_device_is_filled(pair):
    def fill(network, images):
        weights = network.state_dict()
        empty = copy.deepcopy(network).to("meta")
        empty.load_state_dict(weights, assign=True)
        return empty

    assert_tool_keeps(fill, pair)


def test_an_empty_network_is_filled(pair):
    def fill(network, images):
        weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        empty = copy.deepcopy(network).to_empty(device="cpu")
        empty.load_state_dict(weights)
        return empty

    assert_tool_keeps(fill, pair)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_other_dtypes(pair, dtype):
    """Half precision is as far from float64 as in the original, times 3."""
    with torch.no_grad():
        expected = pair.original(pair.color)
        networks = pair.copy()
        gray = pair.gray.to(dtype)
        theirs = networks.original.to(dtype)(networks._replace(gray=gray).color)
        ours = networks.adapted.to(dtype)(gray)
    assert ours.dtype == dtype
    error = (theirs.double() - expected).abs().max()
    floor = torch.finfo(dtype).eps * expected.abs().max()
    assert (ours.double() - expected).abs().max() <= 3 * max(error, floor)


def test_channels_last(pair):
    last = torch.channels_last

    def convert(network, images):
        converted = network.to(memory_format=last)
        assert converted.conv1.weight.is_contiguous(memory_format=last)
        return lambda x: converted(x.to(memory_format=last))

    assert_tool_keeps(convert, pair)


def test_functional_call(pair):
    def call(network, images):
        weights = {name: 2 * tensor for name, tensor in network.named_parameters()}
        return lambda x: torch.func.functional_call(network, weights, (x,))

    assert_tool_keeps(call, pair)


def test_vmap_over_an_ensemble(pair):
    def stack(network, images):
        members = [network, copy.deepcopy(network)]
        parameters, buffers = torch.func.stack_module_state(members)

        def run(weights, others, x):
            return torch.func.functional_call(network, (weights, others), (x,))

        return lambda x: torch.vmap(run, (0, 0, None))(parameters, buffers, x)

    assert_tool_keeps(stack, pair)


@pytest.fixture(scope="module")
def resnet():
    return make_pair(tv.ResNet(tv.resnet.BasicBlock, [1, 1, 1, 1], num_classes=5), size=32)


class TestPartsOfANetwork:
    """The second plane enters at the root: a part of the network takes the planes themselves."""

    def test_the_children_alone_say_what_they_take(self, resnet):
        body = nn.Sequential(*list(resnet.adapted.children())[:-1])
        with pytest.raises(RuntimeError, match=r"to have 2 channels, but got 1 channels"):
            body(resnet.gray)

    def test_the_children_with_their_input_restored(self, resnet):
        def cut(network, images):
            body = nn.Sequential(*list(network.children())[:-1])
            return restore_input(body, (MEAN, STD)) if images.shape[1] == 1 else body

        assert_tool_keeps(cut, resnet)

    def test_another_head(self, resnet):
        """A head that replaces the last layer changes nothing at the root."""

        def replace(network, images):
            network.fc = nn.Identity()
            return network

        assert_tool_keeps(replace, resnet)

    def test_inside_another_network(self, resnet):
        def wrap(network, images):
            return nn.Sequential(network, nn.Softmax(-1))

        assert_tool_keeps(wrap, resnet)
        assert_tool_keeps(lambda n, x: copy.deepcopy(wrap(n, x)), resnet)
        assert_tool_keeps(lambda n, x: torch.jit.script(wrap(n, x)), resnet)

    def test_hooks_on_the_root_and_the_stem(self):
        """Hooks of the user's see one channel at the root, and two planes at the stem."""
        pair = make_pair(SmallNetwork())
        shapes = []
        for module in (pair.adapted, pair.adapted.conv1):
            module.register_forward_pre_hook(lambda module, args: shapes.append(args[0].shape[1]))
        pair.adapted(pair.gray)
        assert shapes == [1, 2]
