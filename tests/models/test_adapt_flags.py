"""adapt keeps every mode, hook and attribute of a torch network's layers."""

import copy
import random
import warnings

import numpy as np
import pytest

from graytorgb import ModelError
from graytorgb.models import adapt, verify

from ..support import needs

needs("torchvision")

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torchvision import models as tv  # noqa: E402
from torchvision.models.feature_extraction import create_feature_extractor  # noqa: E402

from .networks import MEAN, STD, assert_same_outputs, make_color, randomize_constants  # noqa: E402

WAYS = [(how, inplace) for how in ("collapse", "expand", "learned") for inplace in (False, True)]


class Plain(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.width = width
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.Sequential(nn.BatchNorm2d(width), nn.Dropout(0.1), nn.Conv2d(width, 4, 3))
        self.register_buffer("grid", torch.ones(2), persistent=False)
        self.labels = []

    def forward(self, x):
        return self.body(self.stem(x))


class MadeAnew(Plain):
    """A layer whose ``__deepcopy__`` makes another: other weights, no hooks, in training mode."""

    def __deepcopy__(self, memo):
        return type(self)(self.width)


class Forgetful(Plain):
    def __getstate__(self):
        return {key: value for key, value in super().__getstate__().items() if key != "labels"}


class CountingLayer(Plain):
    """A layer whose attributes change in each run, in eval mode too."""

    def __init__(self):
        super().__init__()
        self.register_buffer("images", torch.zeros(()))
        self.calls, self.sizes = 0, []

    def forward(self, x):
        self.images += len(x)
        self.calls += 1
        self.sizes.append(x.shape)
        self.last = x
        return super().forward(x)


def make_narrow_resnet():
    """Return a ResNet of a few weights, with blocks in containers."""
    return tv.ResNet(tv.resnet.BasicBlock, [1, 1, 1, 1], 4, width_per_group=64)


NETWORKS = {
    "plain": Plain,
    "made anew": MadeAnew,
    "forgetful": Forgetful,
    "remembers": CountingLayer,
    "feature extractor": lambda: create_feature_extractor(
        make_narrow_resnet(), ["layer1", "avgpool"]
    ),
    "traced by fx": lambda: torch.fx.symbolic_trace(make_narrow_resnet()),
    "exported": lambda: torch.export.export(
        Plain().eval(), (torch.rand(1, 3, 32, 32, dtype=torch.float64),)
    ).module(),
}


def hook(module, *args):
    """Do nothing, as a hook of the user's."""


def make_prepared(name):
    """Return a network whose layers differ in mode, hooks and attributes."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    try:
        with warnings.catch_warnings(action="ignore"):
            model = NETWORKS[name]()
    finally:
        torch.set_default_dtype(torch.float32)
    for count, module in enumerate(model.modules()):
        module.training = bool(count % 2)
        module.note = f"layer {count}"
        if name != "exported":  # whose hooks are its own
            module.register_forward_hook(hook)
            module.register_forward_pre_hook(hook)
            module.register_full_backward_hook(hook)
            module.register_state_dict_post_hook(hook)
    for count, parameter in enumerate(model.parameters()):
        parameter.requires_grad_(bool(count % 3))
        parameter.tag = count
    model.labels = ["cat", "dog"]
    return model


_HOOKS = [name for name in vars(nn.Module()) if name.endswith(("_hooks", "_with_kwargs"))]


def describe_layers(model, *, stems=()):
    """Return all attributes of the layers, by name, without those that adapt changes in stems."""
    found = {}
    for name, module in model.named_modules():
        found[name, "training"] = module.training
        found[name, "note"] = getattr(module, "note", None)
        for kind in _HOOKS:
            found[name, kind] = list(getattr(module, kind))
        for key, tensor in [*module._parameters.items(), *module._buffers.items()]:
            is_weight = isinstance(tensor, nn.Parameter)
            if tensor is None:
                continue
            found[name, key] = (
                (tensor.requires_grad, tensor.tag) if is_weight else None,
                tensor.dtype,
                key in module._non_persistent_buffers_set,
            )
            if name not in stems:
                found[name, key, "values"] = tensor.detach().numpy().tobytes()
    return found


@pytest.mark.parametrize(("how", "inplace"), WAYS)
@pytest.mark.parametrize("name", NETWORKS)
def test_everything_stays(name, how, inplace):
    model = make_prepared(name)
    stems = ["stem" if hasattr(model, "stem") else "conv1"] if how == "collapse" else []
    if name == "exported" and how == "collapse":
        with pytest.raises(ModelError, match=r"then export the adapted one.*how=\"expand\" works"):
            adapt(model, (MEAN, STD), example=32, inplace=inplace)
        return
    expected, original = describe_layers(model, stems=stems), describe_layers(model)
    attributes = {key: value for key, value in vars(model).items() if isinstance(value, list | int)}
    adapted = adapt(model, (MEAN, STD), how=how, example=32, inplace=inplace)
    inner = adapted if how == "collapse" else adapted.model
    assert (inner is model) == inplace
    assert describe_layers(inner, stems=stems) == expected
    assert inner.labels == ["cat", "dog"]
    assert {key: vars(inner)[key] for key in attributes} == attributes
    assert adapted.training == model.training
    if not inplace:
        assert describe_layers(model) == original
        assert not {id(m) for m in model.modules()} & {id(m) for m in adapted.modules()}
        shared = {id(t) for t in model.state_dict(keep_vars=True).values()}
        assert not shared & {id(t) for t in adapted.state_dict(keep_vars=True).values()}


def test_a_feature_extractor_gives_the_same():
    """A copy in training mode would change its statistics, and give other outputs."""
    model = create_feature_extractor(
        randomize_constants(make_narrow_resnet()), ["layer4", "avgpool"]
    )
    gray = torch.rand(2, 1, 64, 64, dtype=torch.float64)
    for how in ("collapse", "expand", "learned"):
        adapted = adapt(model, (MEAN, STD), how=how, example=64)
        with torch.no_grad():
            assert_same_outputs(adapted(gray), model(make_color(gray)))
        assert not any(module.training for module in (*model.modules(), *adapted.modules()))


def test_a_feature_extractor_in_training_has_its_graph_for_training():
    model = create_feature_extractor(
        randomize_constants(tv.squeezenet1_1(num_classes=3)), ["classifier"]
    ).train()
    code = model.code
    adapted = adapt(model, (MEAN, STD), example=64)
    images = np.random.default_rng(0).random((2, 64, 64))
    assert verify(model, adapted, images, (MEAN, STD), seconds=0).passed
    assert model.code == code == adapted.code
    assert all(module.training for module in (*model.modules(), *adapted.modules()))


@pytest.mark.parametrize("how", ["expand", "learned"])
def test_frozen_layers_stay_in_eval_mode(how):
    """This is the usual way to freeze BatchNorm in training."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    model[1].eval()
    adapted = adapt(model, (MEAN, STD), how=how, inplace=True)
    assert adapted.training
    assert adapted.front.training
    assert [layer.training for layer in model] == [True, False]


def test_a_layer_that_is_folded_away_leaves_its_mode():
    from torchvision.transforms import v2

    model = nn.Sequential(v2.Normalize(MEAN, STD), nn.Conv2d(3, 4, 3)).eval()
    assert not any(module.training for module in adapt(model).modules())


def test_modes_are_set_without_calling_what_a_class_does_in_train():
    """LoRA layers add to their weights in train()."""

    class Merging(Plain):
        merges = 0

        def train(self, mode=True):
            self.merges += 1
            return super().train(mode)

    model = Merging().double()
    adapted = adapt(model, (MEAN, STD))
    verify(model, adapted, np.random.default_rng(0).random((2, 9, 9)), (MEAN, STD), seconds=0)
    assert model.merges == adapted.merges == 0


def test_weights_stay_tied():
    class Tied(MadeAnew):
        def __init__(self, width=8):
            super().__init__(width)
            self.again = nn.Conv2d(width, 4, 3)
            self.again.weight = self.body[2].weight
            self.body.append(nn.Identity())
            self.same = self.body

    model = Tied().double().eval()
    for how in ("collapse", "expand"):
        adapted = adapt(model, (MEAN, STD), how=how)
        inner = adapted if how == "collapse" else adapted.model
        assert inner.again.weight is inner.body[2].weight
        assert inner.same is inner.body


@pytest.mark.parametrize("where", ["itself", "a layer"])
def test_what_deepcopy_shares_is_not_changed(where):
    class Shared(Plain):
        def __deepcopy__(self, memo):
            return self

    model = Shared() if where == "itself" else nn.Sequential(Shared())
    before = list_weights(model)
    for how in ("collapse", "expand", "learned"):
        with pytest.raises(ModelError, match=r"isn't copied by deepcopy but shared.*inplace=True"):
            adapt(model, (MEAN, STD), how=how)
    assert list_weights(model) == before
    assert adapt(model, (MEAN, STD), inplace=True) is model


def list_weights(model):
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x: Plain.forward(self, x) / self.stem.weight.norm(),
        lambda self, x: (Plain.forward(self, x), x),
        lambda self, x: [Plain.forward(self, x)] * round(1e3 * float(self.stem.weight.norm())),
    ],
)
def test_one_that_is_refused_is_as_it_was(forward, inplace):
    class Refused(Plain):
        pass

    Refused.forward = forward
    model = Refused().double()
    model.body[0].eval()
    model.stem.register_forward_hook(hook)
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    attributes = {name: list(vars(module)) for name, module in model.named_modules()}
    with pytest.raises(ModelError, match="expand"):
        adapt(model, (MEAN, STD), example=12, inplace=inplace)
    assert [m.training for m in model.modules()] == modes
    assert {name: list(vars(module)) for name, module in model.named_modules()} == attributes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert len(model.stem._forward_hooks) == 1
    assert not model.stem._forward_pre_hooks
    assert (model.stem.in_channels, model.stem.weight.shape[1]) == (3, 3)


def test_random_numbers_go_on():
    """The caller's random numbers stay, whatever the network draws."""

    class Draws(Plain):
        def forward(self, x):
            y = super().forward(x)
            return y + torch.rand_like(y) + random.random() + np.random.random()  # noqa: NPY002

    model = Draws().double().eval()
    states = []
    for run in (lambda: None, lambda: adapt(model, (MEAN, STD))):
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        run()
        states.append((torch.rand(2).tolist(), random.random(), np.random.random()))  # noqa: NPY002
    assert states[0] == states[1]


@pytest.mark.parametrize(
    ("stem", "form"),
    [(nn.Conv2d(3, 8, 3, padding=1), torch.channels_last),
     (nn.Conv3d(3, 8, 3, padding=1), torch.channels_last_3d)],
)  # fmt: skip
@pytest.mark.parametrize("mean", [MEAN, 0])
def test_memory_format(stem, form, mean):
    model = nn.Sequential(copy.deepcopy(stem)).to(memory_format=form)
    adapted = adapt(model, (mean, STD), example=(9, 9, 9)[: stem.weight.ndim - 2])
    like = torch.empty_like(adapted[0].weight, memory_format=form)
    assert adapted[0].weight.stride() == like.stride()


def test_what_is_said_of_the_stems_weight_stays():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    model[0].weight.no_decay = model[1].weight.no_decay = True
    adapted = adapt(model, (MEAN, STD))
    assert adapted[0].weight.no_decay
    assert adapted[1].weight.no_decay
