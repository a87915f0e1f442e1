"""adapt on stems of every kind: exact, or an error that says what was found."""

import copy
import pickle
import warnings

import pytest

from graytorgb import ModelError
from graytorgb.models import adapt

from ...support import needs, needs_package

needs("torchvision")

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils import prune  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from ..networks import MEAN, STD, assert_same_outputs, awaken, planes  # noqa: E402


def rest(channels=8):
    return nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.Conv2d(channels, 4, 3)


def assert_exact(model, size=(17, 20), mean=MEAN, std=STD, **options):
    model = awaken(model)
    adapted = adapt(model, (mean, std), **options)
    for height, width in (size, (size[0] + 1, size[1] + 3)):
        gray = torch.rand(2, 1, height, width, dtype=torch.float64)
        with torch.no_grad():
            assert_same_outputs(adapted(gray), model(planes(gray, mean, std)))
    return adapted


STEMS = {
    "zeros": ({"padding": 1}, 2),
    "zeros, one axis": ({"padding": (0, 1)}, 2),
    "no padding": ({}, 1),
    "no padding, with a bias": ({"bias": False}, 1),
    "valid": ({"padding": "valid"}, 1),
    "same": ({"padding": "same"}, 2),
    "reflect": ({"padding": 1, "padding_mode": "reflect"}, 1),
    "replicate": ({"padding": 2, "padding_mode": "replicate"}, 1),
    "circular": ({"padding": 1, "padding_mode": "circular"}, 1),
    "strided": ({"padding": 1, "stride": 2}, 2),
    "dilated": ({"padding": 2, "dilation": 2}, 2),
    "padded more than the kernel reaches": ({"padding": 3}, 2),
}


@pytest.mark.parametrize("name", STEMS)
def test_padding(name):
    options, channels = STEMS[name]
    adapted = assert_exact(nn.Sequential(nn.Conv2d(3, 8, 3, **options), *rest()))
    assert adapted[0].weight.shape == (8, channels, 3, 3)
    assert adapted[0].in_channels == channels
    assert (adapted[0].bias is not None) == (options.get("bias", True) or channels == 1)


def test_equal_planes_have_no_offset():
    adapted = assert_exact(
        nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *rest()), mean=(0,) * 3, std=(1,) * 3
    )
    assert adapted[0].weight.shape == (8, 1, 3, 3)


def test_one_group_for_each_channel():
    adapted = assert_exact(nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, groups=3), *rest(6)))
    assert (adapted[0].groups, adapted[0].weight.shape) == (1, (6, 2, 3, 3))


@pytest.mark.parametrize("groups", [1, 3])
def test_transposed(groups):
    stem = nn.ConvTranspose2d(3, 6, 3, stride=2, padding=1, output_padding=1, groups=groups)
    adapted = assert_exact(nn.Sequential(stem, *rest(6)))
    assert adapted[0].weight.shape == (2, 6, 3, 3)


def test_volumes():
    model = awaken(nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.BatchNorm3d(4), nn.ReLU()))
    adapted = adapt(model, (MEAN, STD), example=(5, 8, 8))
    gray = torch.rand(2, 1, 4, 7, 9, dtype=torch.float64)
    with torch.no_grad():
        assert_same_outputs(adapted(gray), model(planes(gray)))


@pytest.mark.parametrize(
    ("value_range", "normalized", "convert"),
    [
        ((0, 255), None, lambda g: g * 255),
        ((-1, 1), None, lambda g: g * 2 - 1),
        (None, (0.449, 0.226), lambda g: (g - 0.449) / 0.226),
    ],
)
def test_the_range_of_the_gray(value_range, normalized, convert):
    model = awaken(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *rest()))
    gray = torch.rand(2, 1, 12, 12, dtype=torch.float64)
    for how in ("collapse", "expand", "learned"):
        adapted = adapt(model, (MEAN, STD), how=how, value_range=value_range, normalized=normalized)
        with torch.no_grad():
            assert_same_outputs(adapted(convert(gray)), model(planes(gray)))


class Forward(nn.Module):
    """A network whose forward() is a function of its convolution."""

    def __init__(self, function, stem=None):
        super().__init__()
        self.stem = stem or nn.Conv2d(3, 8, 3, padding=1)
        self.function = function

    def forward(self, x):
        return self.function(self, x)


class TestOnTheWay:
    """What happens to the image before the stem."""

    @pytest.mark.parametrize(
        "way",
        [
            lambda x: F.interpolate(x, size=(9, 9), mode="bilinear", antialias=True),
            lambda x: x[..., 1:-1, 2:].flip(-1),
            lambda x: x.contiguous(memory_format=torch.channels_last),
            lambda x: F.pad(x, (1, 1, 2, 2), mode="reflect"),
            lambda x: torch.stack([x[0], x[-1]]),
        ],
    )
    def test_pixels_move(self, way):
        adapted = assert_exact(Forward(lambda self, x: self.stem(way(x)).relu()))
        assert adapted.stem.weight.shape == (8, 2, 3, 3)

    @pytest.mark.parametrize("stem", [nn.Conv2d(3, 8, 3), nn.Conv2d(3, 8, 3, padding=1)])
    def test_zeros_around_it_in_forward(self, stem):
        """The ones have to be there before."""
        assert_exact(Forward(lambda self, x: self.stem(F.pad(x, (1, 2, 0, 3))), stem))

    def test_zeros_around_it_in_a_layer_of_its_own(self):
        assert_exact(nn.Sequential(nn.ZeroPad2d(2), nn.Conv2d(3, 8, 3), *rest()))

    def test_zeros_that_only_some_sizes_need(self):
        def forward(self, x):
            return self.stem(F.pad(x, (0, -x.shape[-1] % 4, 0, -x.shape[-2] % 4)))

        adapted = assert_exact(Forward(forward, nn.Conv2d(3, 8, 4, stride=4)))
        assert adapted.stem.weight.shape == (8, 2, 4, 4)

    @pytest.mark.parametrize(
        "front",
        [
            lambda: v2.Normalize(MEAN, STD),
            lambda: nn.Sequential(v2.Resize((9, 9)), v2.Normalize((0.1, 0.2, 0.3), STD)),
        ],
    )
    def test_a_normalization_of_its_own(self, front):
        """It is folded, and then nothing has to be said."""
        model = awaken(nn.Sequential(front(), nn.Conv2d(3, 8, 3, padding=1), *rest()))
        adapted = adapt(model)
        gray = torch.rand(2, 1, 12, 14, dtype=torch.float64)
        with torch.no_grad():
            assert_same_outputs(adapted(gray), model(gray.expand(-1, 3, -1, -1)))
            assert_same_outputs(adapt(model, (MEAN, STD))(gray), model(planes(gray)))

    @pytest.mark.parametrize(
        ("function", "message"),
        [
            (lambda self, x: self.stem(2 * x - 1), "own forward.. calculates with the image"),
            (lambda self, x: self.stem(F.pad(x, (1, 1), value=0.5)), "goes into constant_pad_nd"),
            (lambda self, x: self.stem(F.pad(x, (1, 1)) * 2), "is padded before arithmetic"),
            (lambda self, x: self.stem(x.clamp(0, 1)), "goes into clamp"),
            (lambda self, x: self.stem(x - x.mean()), "goes into mean"),
            (lambda self, x: self.stem(x)[:, :3] + x, "add.*beside the convolution.* 'stem'"),
            (lambda self, x: self.stem(x)[:, :3].mul_(x), "goes into mul_"),
            (lambda self, x: self.stem(x.relu_()), "goes into relu_"),
            (lambda self, x: self.stem(x.flip(1)), "order of the channels perhaps"),
            (
                lambda self, x: self.stem(x[:, [2, 1, 0]]),
                "with one channel the network raises Index",
            ),
            (lambda self, x: F.conv2d(x, self.stem.weight * 2), "network's own forward"),
        ],
    )
    def test_what_one_plane_cannot_give(self, function, message):
        model = awaken(Forward(function))
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(ModelError, match=rf"(?s){message}.*how=\"expand\""):
            adapt(model, (MEAN, STD), inplace=True)
        assert model.stem.in_channels == 3
        assert not model.stem._forward_pre_hooks
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
        gray = torch.rand(2, 1, 12, 14, dtype=torch.float64)
        with torch.no_grad():
            expected = model(planes(gray))
            assert_same_outputs(adapt(model, (MEAN, STD), how="expand")(gray), expected)


class TestWhich:
    """Which convolution it is."""

    def test_several_see_the_image(self):
        class Branches(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 1)

            def forward(self, x):
                return self.a(x) * self.b(x)

        adapted = assert_exact(Branches())
        assert (adapted.a.in_channels, adapted.b.in_channels) == (2, 1)

    def test_one_that_is_used_twice(self):
        assert_exact(Forward(lambda self, x: self.stem(x) * self.stem(x.flip(-1))))

    def test_the_first_registered_is_not_the_stem(self):
        """An auxiliary head, a decoder: 3 channels, and not the image's."""

        class Head(nn.Module):
            def __init__(self):
                super().__init__()
                self.refine = nn.Conv2d(3, 3, 3, padding=1)
                self.stem = nn.Conv2d(3, 3, 3, padding=1)

            def forward(self, x):
                return self.refine(self.stem(x))

        adapted = assert_exact(Head())
        assert adapted.refine.in_channels == 3

    def test_named(self):
        """Where it can't be followed; nothing is run."""

        class Streams(nn.Module):
            def __init__(self):
                super().__init__()
                self.stem, self.other = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(2, 4, 3)

            def forward(self, image, flow):
                return self.stem(image).mean() * self.other(flow)

        model = awaken(Streams())
        with pytest.raises(ModelError, match=r"TypeError.*missing 1 required.*example=.*layer="):
            adapt(model, (MEAN, STD))
        adapted = adapt(model, (MEAN, STD), layer="stem")
        gray = torch.rand(2, 1, 8, 8, dtype=torch.float64)
        flow = torch.rand(2, 2, 8, 8, dtype=torch.float64)
        assert_same_outputs(adapted(gray, flow), model(planes(gray), flow))
        followed = adapt(model, (MEAN, STD), example={"image": gray, "flow": flow[:1]})
        assert_same_outputs(followed(gray, flow), model(planes(gray), flow))

    @pytest.mark.parametrize("padding", [0, 1])
    def test_named_whose_forward_does_more(self, padding):
        class Standardized(nn.Conv2d):
            def forward(self, x):
                return self._conv_forward(x, self.weight / self.weight.std(), self.bias)

        model = awaken(nn.Sequential(Standardized(3, 4, 3, padding=padding), *rest(4)))
        with pytest.raises(ModelError, match="layer '0' doesn't give for gray what it gave"):
            adapt(model, (MEAN, STD), layer="0", inplace=True)
        assert model[0].in_channels == 3

    @pytest.mark.parametrize(
        ("layer", "message"),
        [
            (
                "0.stm",
                "no layer is called '0.stm'; did you mean layer='0.stem'.*channels: '0.stem'",
            ),
            ("1", "layer '1' is a torch.nn.*BatchNorm2d, not a convolution"),
            ("3", "layer '3' is a convolution of 8 channels, not 3"),
        ],
    )
    def test_named_wrong(self, layer, message):
        model = nn.Sequential(Forward(lambda self, x: self.stem(x)), *rest())
        with pytest.raises(ModelError, match=message):
            adapt(model, (MEAN, STD), layer=layer)

    @pytest.mark.parametrize(
        ("model", "message"),
        [
            (nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2)), "goes into addmm, in layer '1'"),
            (nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 4, 3)), "of 12 channels, not 3"),
            (nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)), "batch_norm, in layer '0'"),
            (nn.Identity(), "doesn't reach any operation"),
            (
                nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))),
                "remove_parametrizations",
            ),
        ],
    )
    def test_none(self, model, message):
        with pytest.raises(ModelError, match=message):
            adapt(model, (MEAN, STD), example=8)

    @pytest.mark.parametrize(
        ("compute", "stop"),
        [
            (nn.utils.weight_norm, nn.utils.remove_weight_norm),
            (nn.utils.spectral_norm, nn.utils.remove_spectral_norm),
            (
                lambda conv: prune.random_unstructured(conv, "weight", 0.5),
                lambda conv: prune.remove(conv, "weight"),
            ),
        ],
    )
    @pytest.mark.parametrize("layer", [None, "0"])
    @pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
    def test_a_weight_that_a_hook_computes(self, compute, stop, layer):
        """Nothing is changed, and what the message says works."""
        model = awaken(nn.Sequential(compute(nn.Conv2d(3, 4, 3)), nn.ReLU()))
        color = torch.rand(1, 3, 9, 9, dtype=torch.float64)
        expected, state = model(color), model.state_dict().keys()
        with pytest.raises(ModelError, match=r"computed at each call.*prune.remove first"):
            adapt(model, (MEAN, STD), layer=layer, inplace=True)
        assert torch.equal(model(color), expected)
        assert model.state_dict().keys() == state
        stop(model[0])
        assert_exact(model)

    @pytest.mark.parametrize("how", ["collapse", "expand"])
    def test_without_weights_yet(self, how):
        with pytest.raises(ModelError, match=r"lazy layers.*run it once"):
            adapt(nn.Sequential(nn.LazyConv2d(4, 3)), (MEAN, STD), how=how)

    def test_patches_by_a_linear_layer(self):
        needs_package("einops")
        from einops.layers.torch import Rearrange

        patches = Rearrange("n c (h a) (w b) -> n (h w) (a b c)", a=4, b=4)
        model = awaken(nn.Sequential(patches, nn.Linear(48, 8)))
        with pytest.raises(ModelError, match=r"in layer '1'; how=\"expand\""):
            adapt(model, (MEAN, STD), example=16)
        gray = torch.rand(2, 1, 16, 16, dtype=torch.float64)
        expanded = adapt(model, (MEAN, STD), how="expand")
        assert_same_outputs(expanded(gray), model(planes(gray)))

    def test_quantized(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = nn.Sequential(
                torch.ao.quantization.QuantStub(), nn.Conv2d(3, 4, 3), nn.ReLU()
            ).eval()
            model.qconfig = torch.ao.quantization.get_default_qconfig("x86")
            torch.ao.quantization.prepare(model, inplace=True)
            model(torch.rand(1, 3, 8, 8))
            torch.ao.quantization.convert(model, inplace=True)
            with pytest.raises(ModelError, match="quantized in layer '0': adapt the float network"):
                adapt(model, (MEAN, STD), example=8)

    def test_fake_quantized(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = torch.ao.quantization.get_default_qat_qconfig("x86")
            stem = torch.ao.nn.qat.Conv2d(3, 4, 3, qconfig=config)
        with pytest.raises(ModelError, match="weight is computed at each call"):
            adapt(nn.Sequential(stem), (MEAN, STD), example=8)


class TestArguments:
    @pytest.fixture
    def model(self):
        return awaken(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *rest()))

    @pytest.mark.parametrize("how", ["collapse", "expand", "learned"])
    def test_no_statistics(self, model, how):
        with pytest.raises(ModelError, match=r"adapt\(model, stats.*\"imagenet\""):
            adapt(model, how=how)

    def test_statistics_of_one_channel(self, model):
        gray = torch.rand(2, 1, 9, 9, dtype=torch.float64)
        adapted = adapt(model, {"mean": [0.5], "std": [0.25]})
        assert_same_outputs(adapted(gray), model(planes(gray, [0.5] * 3, [0.25] * 3)))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"how": "sum"}, 'how is "collapse", "expand" or "learned"'),
            ({"how": "expand", "layer": "0"}, "layer= names what"),
            ({"freeze": True}, 'freeze=True leaves the layer of how="learned"'),
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
            ("resnet.pt", r"isn't: 'resnet.pt'.*adapt_file\(path, dst, stats"),
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
            expected = model(planes(gray))
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

    def test_no_hooks_are_left_but_the_ones(self, model):
        adapted = adapt(model, (MEAN, STD))
        for network, expected in ((model, 0), (adapted, 1)):
            hooks = [len(m._forward_pre_hooks) + len(m._forward_hooks) for m in network.modules()]
            assert sum(hooks) == expected

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


class TestLife:
    """What an adapted network goes through."""

    @pytest.fixture
    def pair(self):
        model = awaken(nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), *rest()))
        return model, adapt(model, (MEAN, STD))

    @pytest.fixture
    def gray(self):
        torch.manual_seed(1)
        return torch.rand(2, 1, 15, 18, dtype=torch.float64)

    @pytest.fixture
    def expected(self, pair, gray):
        with torch.no_grad():
            return pair[0](planes(gray))

    def test_copies_and_pickles(self, pair, gray, expected, tmp_path):
        torch.save(pair[1], tmp_path / "model.pt")
        for other in (
            copy.deepcopy(pair[1]),
            pickle.loads(pickle.dumps(pair[1])),
            torch.load(tmp_path / "model.pt", weights_only=False),
        ):
            assert_same_outputs(other(gray), expected)

    def test_state_dict(self, pair, gray, expected):
        model = awaken(nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), *rest()))
        other = adapt(model, (MEAN, STD))
        assert other.load_state_dict(pair[1].state_dict()).missing_keys == []
        assert_same_outputs(other(gray), expected)
        assert list(pair[1].state_dict()) == list(pair[0].state_dict())

    @pytest.mark.slow
    def test_compiled(self, pair, gray, expected):
        compiled = torch.compile(pair[1], fullgraph=True, dynamic=True)
        assert_same_outputs(compiled(gray), expected)
        larger = torch.rand(3, 1, 21, 16, dtype=torch.float64)
        assert_same_outputs(compiled(larger), pair[0](planes(larger)))

    def test_compiled_graph(self, pair, gray, expected):
        compiled = torch.compile(pair[1], fullgraph=True, backend="eager")
        assert_same_outputs(compiled(gray), expected)

    @pytest.mark.slow
    def test_exported(self, pair, gray, expected):
        free = [torch.export.Dim.DYNAMIC, torch.export.Dim.STATIC, *[torch.export.Dim.AUTO] * 2]
        program = torch.export.export(pair[1], (gray,), dynamic_shapes=(dict(enumerate(free)),))
        assert_same_outputs(program.module()(gray), expected)
        larger = torch.rand(3, 1, 21, 16, dtype=torch.float64)
        assert_same_outputs(program.module()(larger), pair[0](planes(larger)))

    def test_traced_by_fx_and_fused(self, pair, gray, expected):
        """A convolution and its BatchNorm become one, the plane of ones with them."""
        fused = torch.nn.utils.fusion.fuse_conv_bn_eval(pair[1][0], pair[1][1])
        assert_same_outputs(torch.fx.symbolic_trace(pair[1])(gray), expected)
        assert_same_outputs(nn.Sequential(fused, *pair[1][2:])(gray), expected)

    def test_vmap(self, pair, gray, expected):
        each = torch.vmap(pair[1])(gray[:, None])
        assert_same_outputs(each[:, 0], expected)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
    def test_other_dtypes(self, pair, gray, expected, dtype):
        other = copy.deepcopy(pair[1]).to(dtype)
        result = other(gray.to(dtype))
        assert result.dtype == dtype
        assert_same_outputs(result.double(), expected, rtol=8 * torch.finfo(dtype).eps)

    def test_adapted_in_half_precision(self, pair, gray, expected):
        adapted = adapt(copy.deepcopy(pair[0]).bfloat16(), (MEAN, STD))
        assert adapted[0].weight.dtype == torch.bfloat16
        assert_same_outputs(adapted(gray.bfloat16()).double(), expected, rtol=0.06)

    def test_autocast(self, pair, gray, expected):
        single = copy.deepcopy(pair[1]).float()
        with torch.autocast("cpu", torch.bfloat16):
            result = single(gray.float())
        assert result.dtype == torch.bfloat16
        assert_same_outputs(result.double(), expected, rtol=0.06)

    def test_channels_last(self, pair, gray, expected):
        last = torch.channels_last
        adapted = adapt(copy.deepcopy(pair[0]).to(memory_format=last), (MEAN, STD))
        assert adapted[0].weight.is_contiguous(memory_format=last)
        assert_same_outputs(adapted(gray.to(memory_format=last)), expected)

    def test_empty_batches(self, pair):
        assert pair[1](torch.zeros(0, 1, 15, 18, dtype=torch.float64)).shape[0] == 0

    def test_hooks_see_the_stem(self, pair, gray):
        seen = []
        handle = pair[1][0].register_forward_hook(lambda module, args, out: seen.append(out))
        pair[1](gray)
        handle.remove()
        assert len(seen) == 1


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("how", ["collapse", "expand", "learned"])
def test_gradients_are_those_of_the_three_channels(how, padding):
    """Of every layer the same, of the image the sum, of the stem by the chain rule."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=padding), *rest()).double().train()
    adapted = adapt(model, (MEAN, STD), how=how, example=9)
    gray = torch.rand(4, 1, 9, 11, dtype=torch.float64, requires_grad=True)
    color = planes(gray.detach()).requires_grad_()
    for network, images in ((model, color), (adapted, gray)):
        network(images).pow(2).sum().backward()
    inner = adapted if how == "collapse" else adapted.model
    for before, after in zip(model[1:].parameters(), inner[1:].parameters(), strict=True):
        torch.testing.assert_close(after.grad, before.grad)
    torch.testing.assert_close(model[0].bias.grad, inner[0].bias.grad)
    std = torch.tensor(STD, dtype=torch.float64)[:, None, None]
    summed = (color.grad / std).sum(1, keepdim=True)
    torch.testing.assert_close(gray.grad, summed)
    mean = torch.tensor(MEAN, dtype=torch.float64)[:, None, None]
    if how == "collapse" and padding:
        of_gray, of_ones = inner[0].weight.grad.split(1, 1)
        torch.testing.assert_close(model[0].weight.grad, (of_gray - mean * of_ones) / std)
    elif how != "collapse":
        torch.testing.assert_close(model[0].weight.grad, inner[0].weight.grad)


def test_training_steps_stay_equal():
    """With every layer but the stem trained, the two networks learn the same."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *rest()).double().train()
    adapted = adapt(model, (MEAN, STD), example=9)
    for network in (model, adapted):
        network[0].requires_grad_(False)
        optimizer = torch.optim.Adam(network[1:].parameters(), 0.01)
        torch.manual_seed(1)
        for _ in range(3):
            gray = torch.rand(4, 1, 9, 11, dtype=torch.float64)
            loss = network(planes(gray) if network is model else gray).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for before, after in zip(model[1:].parameters(), adapted[1:].parameters(), strict=True):
        torch.testing.assert_close(after, before, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(adapted[1].running_mean, model[1].running_mean)
