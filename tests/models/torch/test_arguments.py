"""Arguments of adapt for torch networks, and what stays as it was in the result."""

import warnings

import pytest

from graytorgb import ModelError
from graytorgb.models import adapt

from ...support import needs_package

needs_package("torch")

import torch  # noqa: E402
from torch import nn  # noqa: E402

from ..networks import (  # noqa: E402
    MEAN,
    STD,
    assert_same_outputs,
    make_color,
    make_rest,
    randomize_constants,
)


class TestArguments:
    @pytest.fixture
    def model(self):
        return randomize_constants(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *make_rest()))

    @pytest.mark.parametrize("how", ["collapse", "expand", "learned"])
    def test_no_statistics(self, model, how):
        with pytest.raises(ModelError, match=r"adapt\(model, stats.*\"imagenet\""):
            adapt(model, how=how)

    def test_statistics_of_one_channel(self, model):
        gray = torch.rand(2, 1, 9, 9, dtype=torch.float64)
        adapted = adapt(model, {"mean": [0.5], "std": [0.25]})
        assert_same_outputs(adapted(gray), model(make_color(gray, [0.5] * 3, [0.25] * 3)))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"how": "sum"}, 'how is "collapse", "expand" or "learned"'),
            ({"how": "expand", "layer": "0"}, "layer= names the stem"),
            ({"freeze": True}, 'freeze=True is for how="learned"'),
            ({"example": "224"}, "example is the size of an image"),
            ({"example": (224,)}, "example is the size of an image"),
            ({"example": torch.zeros(1, 4, 8, 8)}, "a tensor of shape"),
            ({"example": {"image": 3}}, "example is the size"),
            ({"example": 2}, "no image can be traced.*: given images of shape \\(1, 3, 2, 2\\)"),
            ({"stats": ((2, 3, 4), 1)}, "divide both by 255"),
        ],
    )
    def test_what_cannot_be_meant(self, model, options, message):
        with pytest.raises(ModelError, match=message):
            adapt(model, **{"stats": (MEAN, STD), **options})

    @pytest.mark.parametrize(
        ("thing", "message"),
        [
            ("resnet.pt", r"not 'resnet.pt'.*adapt_file\(path, dst, stats"),
            (3, "expected one of keras.Model, torch.nn.Module, .*, not int"),
            (nn.Conv2d, "expected one of keras.Model, torch.nn.Module, .*, not type"),
        ],
    )
    def test_no_network(self, thing, message):
        with pytest.raises(ModelError, match=message):
            adapt(thing, (MEAN, STD))

    def test_no_layers_to_change(self, model):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scripted = torch.jit.script(model)
            with pytest.raises(ModelError, match=r"scripted.*then torch\.jit\.trace"):
                adapt(scripted, (MEAN, STD))
            gray = torch.rand(1, 1, 9, 9, dtype=torch.float64)
            adapted = adapt(model.eval(), (MEAN, STD))
            traced = torch.jit.trace(adapted, gray)
            assert_same_outputs(traced(gray), adapted(gray))
        with pytest.raises(ModelError, match="_orig_mod"):
            adapt(torch.compile(model), (MEAN, STD))
        with pytest.raises(ModelError, match="meta device"):
            adapt(nn.Conv2d(3, 4, 3, device="meta"), (MEAN, STD))

    def test_in_place(self, model):
        gray = torch.rand(1, 1, 9, 9, dtype=torch.float64)
        with torch.no_grad():
            expected = model(make_color(gray))
            assert adapt(model, (MEAN, STD), inplace=True) is model
            assert_same_outputs(model(gray), expected)

    def test_a_network_that_cannot_be_copied(self, model):
        model.cache = torch.ones(1, requires_grad=True) * 2
        with pytest.raises(ModelError, match=r"can't be copied.*inplace=True"):
            adapt(model, (MEAN, STD))
        adapt(model, (MEAN, STD), inplace=True)

    def test_modes_and_frozen_layers_stay(self, model):
        model.train()
        model[1].eval()
        model[0].weight.requires_grad_(False)
        adapted = adapt(model, (MEAN, STD))
        assert [m.training for m in adapted.modules()] == [m.training for m in model.modules()]
        assert [m.training for m in model] == [True, False, True, True]
        assert not adapted[0].weight.requires_grad
        assert adapted[1].num_batches_tracked == model[1].num_batches_tracked

    def test_no_hooks_are_left(self, model):
        adapted = adapt(model, (MEAN, STD))
        for network in (model, adapted):
            for module in network.modules():
                assert not module._forward_pre_hooks
                assert not module._forward_hooks

    @pytest.mark.parametrize("again", ["collapse", "expand", "learned"])
    @pytest.mark.parametrize("how", ["collapse", "expand", "learned"])
    def test_adapted_twice(self, model, how, again):
        with pytest.raises(ModelError, match="adapted already, and takes one channel"):
            adapt(adapt(model, (MEAN, STD), how=how), (MEAN, STD), how=again)

    def test_what_is_trained_stays_trained(self):
        model = nn.Conv2d(3, 4, 3)
        model.weight.requires_grad_(False)
        adapted = adapt(model, (MEAN, STD))
        assert (adapted.weight.requires_grad, adapted.bias.requires_grad) == (False, True)
