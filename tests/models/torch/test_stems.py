"""adapt on stems of every kind: exact, or an error that says what was found."""

import copy
import pickle
import warnings

import pytest

from graytorgb import ChannelError, ModelError
from graytorgb.models import adapt

from ...support import needs, needs_package

needs("torchvision")

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils import prune  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from ..networks import (  # noqa: E402
    MEAN,
    STD,
    CustomForward,
    assert_same_outputs,
    make_color,
    make_rest,
    randomize_constants,
)


def assert_exact(model, size=(17, 20), mean=MEAN, std=STD, steps=(1, 3), **options):
    """Assert that an adapted network is exact at two sizes, and return it."""
    model = randomize_constants(model)
    options.setdefault("example", 12)
    adapted = adapt(model, (mean, std), **options)
    for height, width in (size, (size[0] + steps[0], size[1] + steps[1])):
        gray = torch.rand(2, 1, height, width, dtype=torch.float64)
        with torch.no_grad():
            assert_same_outputs(adapted(gray), model(make_color(gray, mean, std)))
    return adapted


STEMS = {
    "zeros": ({"padding": 1}, 2),
    "zeros, one axis": ({"padding": (0, 1)}, 2),
    "no padding": ({}, 1),
    "no padding, no bias": ({"bias": False}, 2),
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
    adapted = assert_exact(nn.Sequential(nn.Conv2d(3, 8, 3, **options), *make_rest()))
    assert adapted[0].weight.shape == (8, channels, 3, 3)
    assert adapted[0].in_channels == channels
    assert (adapted[0].bias is not None) == options.get("bias", True)


def test_equal_planes_have_no_offset():
    adapted = assert_exact(
        nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *make_rest()), mean=(0,) * 3, std=(1,) * 3
    )
    assert adapted[0].weight.shape == (8, 1, 3, 3)


def test_one_group_for_each_channel():
    adapted = assert_exact(nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, groups=3), *make_rest(6)))
    assert (adapted[0].groups, adapted[0].weight.shape) == (1, (6, 2, 3, 3))


@pytest.mark.parametrize("groups", [1, 3])
def test_transposed(groups):
    stem = nn.ConvTranspose2d(3, 6, 3, stride=2, padding=1, output_padding=1, groups=groups)
    adapted = assert_exact(nn.Sequential(stem, *make_rest(6)))
    assert adapted[0].weight.shape == (2, 6, 3, 3)


def test_volumes():
    model = randomize_constants(
        nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.BatchNorm3d(4), nn.ReLU())
    )
    adapted = adapt(model, (MEAN, STD), example=(5, 8, 8))
    gray = torch.rand(2, 1, 4, 7, 9, dtype=torch.float64)
    with torch.no_grad():
        assert_same_outputs(adapted(gray), model(make_color(gray)))


@pytest.mark.parametrize(
    ("value_range", "normalized", "convert"),
    [
        ((0, 255), None, lambda g: g * 255),
        ((-1, 1), None, lambda g: g * 2 - 1),
        (None, (0.449, 0.226), lambda g: (g - 0.449) / 0.226),
    ],
)
def test_the_range_of_the_gray(value_range, normalized, convert):
    model = randomize_constants(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *make_rest()))
    gray = torch.rand(2, 1, 12, 12, dtype=torch.float64)
    weight = adapt(model, (MEAN, STD), example=12)[0].weight
    for how in ("collapse", "expand", "learned"):
        options = {"how": how, "value_range": value_range, "normalized": normalized}
        adapted = adapt(model, (MEAN, STD), example=12, **options)
        with torch.no_grad():
            assert_same_outputs(adapted(convert(gray)), model(make_color(gray)))
        if how == "collapse":
            # the planes are normalized, so the stem sees the same whatever the range
            torch.testing.assert_close(adapted[0].weight, weight)


def test_the_planes_of_another_range_are_of_the_usual_size():
    """Weights that are of the size of the original's can be rounded to 8 bits as well."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False))
    largest = float(model[0].weight.detach().abs().max())
    adapted = adapt(model, (MEAN, STD), value_range=(0, 4095), example=12)
    seen = []
    adapted[0].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    adapted(4095 * torch.rand(4, 1, 12, 12))
    [planes] = seen
    assert planes.shape == (4, 2, 12, 12)
    assert float(planes.abs().max()) < 3
    assert bool((planes[:, 1] == planes[0, 1, 0, 0]).all())
    assert float(adapted[0].weight.detach().abs().max()) < 4 * largest


class TestOnTheWay:
    """Operations on the image before the stem."""

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
        adapted = assert_exact(CustomForward(lambda self, x: self.stem(way(x)).relu()))
        assert adapted.stem.weight.shape == (8, 2, 3, 3)

    @pytest.mark.parametrize("stem", [nn.Conv2d(3, 8, 3), nn.Conv2d(3, 8, 3, padding=1)])
    def test_zeros_around_it_in_forward(self, stem):
        """The ones have to be appended before the padding."""
        assert_exact(CustomForward(lambda self, x: self.stem(F.pad(x, (1, 2, 0, 3))), stem))

    def test_zeros_around_it_in_a_layer_of_its_own(self):
        assert_exact(nn.Sequential(nn.ZeroPad2d(2), nn.Conv2d(3, 8, 3), *make_rest()))

    def test_zeros_that_only_some_sizes_need(self):
        def forward(self, x):
            return self.stem(F.pad(x, (0, -x.shape[-1] % 4, 0, -x.shape[-2] % 4)))

        adapted = assert_exact(CustomForward(forward, nn.Conv2d(3, 8, 4, stride=4)))
        assert adapted.stem.weight.shape == (8, 2, 4, 4)

    @pytest.mark.parametrize(
        "front",
        [
            lambda: v2.Normalize(MEAN, STD),
            lambda: nn.Sequential(v2.Resize((9, 9)), v2.Normalize((0.1, 0.2, 0.3), STD)),
        ],
    )
    def test_a_normalization_of_its_own(self, front):
        """It is folded into the stem, and adapt needs no statistics."""
        model = randomize_constants(
            nn.Sequential(front(), nn.Conv2d(3, 8, 3, padding=1), *make_rest())
        )
        adapted = adapt(model)
        gray = torch.rand(2, 1, 12, 14, dtype=torch.float64)
        with torch.no_grad():
            assert_same_outputs(adapted(gray), model(gray.expand(-1, 3, -1, -1)))
            assert_same_outputs(adapt(model, (MEAN, STD))(gray), model(make_color(gray)))

    @pytest.mark.parametrize(
        ("function", "planes"),
        [
            (lambda self, x: self.stem(2 * x - 1), 2),
            (lambda self, x: self.stem(F.pad(x, (1, 1)) * 2), 2),
            (lambda self, x: self.stem(F.pad(x, (1, 2)) * 2 - 1), 3),
            (lambda self, x: self.stem(x.flip(1)), 2),
            (lambda self, x: self.stem(x[:, [2, 1, 0]]), 3),
            (lambda self, x: self.stem(x) * x.shape[1], 3),
            (lambda self, x: self.stem(x.view(-1, 3, *x.shape[-2:]) - x.new_ones(3, 1, 1)), 3),
        ],
    )
    def test_arithmetic_and_the_order_of_the_channels(self, function, planes):
        """What is linear is exact. Code for three channels gets three planes, one of zeros."""
        adapted = assert_exact(CustomForward(function))
        assert adapted.stem.weight.shape == (8, planes, 3, 3)
        if planes == 3:
            with pytest.raises(ChannelError, match="adapted to one channel"):
                adapted(torch.rand(1, 3, 8, 8, dtype=torch.float64))

    def test_arithmetic_without_statistics(self):
        """The network normalizes bytes, in its own forward()."""
        model = randomize_constants(
            CustomForward(lambda self, x: self.stem((x / 255 - 0.45) / 0.2), nn.Conv2d(3, 8, 3))
        )
        gray = torch.rand(2, 1, 9, 12, dtype=torch.float64)
        with torch.no_grad():
            expected = model(gray.expand(-1, 3, -1, -1))
            adapted = adapt(model)
            assert_same_outputs(adapted(gray), expected)
        assert adapted.stem.weight.shape == (8, 1, 3, 3)

    def test_code_for_a_list_of_three_channels(self):
        """Each channel is normalized by numbers that the code counts."""

        def forward(self, x):
            planes = [(plane - k) / (k + 1) for k, plane in enumerate(x.unbind(1))]
            red, green, blue = planes
            return self.stem(torch.stack([blue, red, green], 1))

        adapted = assert_exact(CustomForward(forward, nn.Conv2d(3, 8, 3, padding=2)))
        assert adapted.stem.weight.shape == (8, 3, 3, 3)

    @pytest.mark.parametrize("padding", [0, 1])
    def test_batch_norm_of_the_image(self, padding):
        """The statistics are constants, so it is linear."""
        stem = nn.Conv2d(3, 8, 3, padding=padding)
        adapted = assert_exact(nn.Sequential(nn.BatchNorm2d(3), stem, *make_rest()))
        assert type(adapted[0]) is nn.Identity
        assert adapted[1].weight.shape == (8, 1 + padding, 3, 3)

    @pytest.mark.parametrize(
        ("function", "message"),
        [
            (lambda self, x: self.stem(F.pad(x, (1, 1), value=0.5)), "goes into constant_pad_nd"),
            (lambda self, x: self.stem(x.clamp(0, 1)), "goes into clamp"),
            (lambda self, x: self.stem(x.exp()), "goes into exp"),
            (lambda self, x: self.stem(x * x), "goes into mul"),
            (lambda self, x: self.stem(1 / x), "goes into reciprocal"),
            (lambda self, x: self.stem(x - x.mean()), "goes into mean"),
            (lambda self, x: self.stem(F.instance_norm(x)), "goes into native_batch_norm"),
            (lambda self, x: self.stem(F.batch_norm(x, None, None, training=True)), "batch_norm"),
            (lambda self, x: self.stem(x)[:, :3] + x, "add.*beside the convolution.* 'stem'"),
            (lambda self, x: self.stem(x)[:, :3].mul_(x), "goes into mul_"),
            (lambda self, x: self.stem(x.relu_()), "goes into relu_"),
            (lambda self, x: (self.stem(x), x), r"returns output \[1\] of shape"),
            (lambda self, x: self.stem(x) * self.stem.weight.sum(), "weight of that convolution"),
            (lambda self, x: F.conv2d(x, self.stem.weight * 2), "network's own forward"),
        ],
    )
    def test_what_planes_cannot_give(self, function, message):
        model = randomize_constants(CustomForward(function))
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(ModelError, match=rf"(?s){message}.*how=\"expand\""):
            adapt(model, (MEAN, STD), example=12, inplace=True)
        assert type(model) is CustomForward
        assert model.stem.in_channels == 3
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
        gray = torch.rand(2, 1, 12, 14, dtype=torch.float64)
        with torch.no_grad():
            color = make_color(gray)
            expected = model(color.clone())
            if isinstance(expected, tuple):  # the image itself, in color
                assert torch.equal(expected[1], color)
            assert_same_outputs(adapt(model, (MEAN, STD), how="expand")(gray), expected)


class TestPatches:
    """Stems that see pixels of a patch as channels or as features."""

    @pytest.mark.parametrize(("bias", "planes"), [(True, 1), (False, 2)])
    @pytest.mark.parametrize("channels_last", [False, True])
    def test_a_linear_layer_of_a_whole_image(self, bias, planes, channels_last):
        front = Permuted() if channels_last else nn.Identity()
        model = nn.Sequential(front, nn.Flatten(), nn.Linear(3 * 6 * 8, 5, bias=bias))
        adapted = assert_same_patches(model, (6, 8))
        assert adapted[2].weight.shape == (5, planes * 6 * 8)
        assert adapted[2].in_features == planes * 6 * 8

    def test_an_image_of_too_many_pixels(self):
        model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 80 * 80, 1))
        with pytest.raises(ModelError, match="'1' has 19200 features, too many"):
            adapt(model, (MEAN, STD), example=80)

    @pytest.mark.parametrize(("padding", "planes"), [(0, 1), (1, 2)])
    def test_pixels_as_channels(self, padding, planes):
        model = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 4, 3, padding=padding))
        adapted = assert_exact(model, (16, 20), steps=(2, 4), example=8)
        assert adapted[1].weight.shape == (4, 4 * planes, 3, 3)

    @pytest.mark.parametrize("order", ["a b c", "c a b", "b c a"])
    def test_patches_by_einops(self, order):
        needs_package("einops")
        from einops.layers.torch import Rearrange

        patches = Rearrange(f"n c (h a) (w b) -> n (h w) ({order})", a=4, b=4)
        model = nn.Sequential(patches, nn.Linear(48, 8))
        adapted = assert_exact(model, (16, 20), steps=(4, 8), example=16)
        assert adapted[1].weight.shape == (8, 16)

    @pytest.mark.parametrize(("bias", "planes"), [(True, 1), (False, 2)])
    def test_patches_by_unfold(self, bias, planes):
        def forward(self, x):
            n, c, height, width = x.shape
            x = x.reshape(n, c, height // 4, 4, width // 4, 4).permute(0, 2, 4, 3, 5, 1)
            return self.stem(x.reshape(n, height // 4 * (width // 4), 16 * c))

        model = CustomForward(forward, nn.Linear(48, 8, bias=bias))
        adapted = assert_exact(model, (16, 20), steps=(4, 8), example=16)
        assert adapted.stem.weight.shape == (8, 16 * planes)


class Permuted(nn.Module):
    """A layer that moves the channels to the end."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1)


def assert_same_patches(model, sides):
    """Assert that a network of one size of images is exact, and return the adapted one."""
    model = randomize_constants(model)
    adapted = adapt(model, (MEAN, STD), example=sides)
    for count in (1, 3):
        gray = torch.rand(count, 1, *sides, dtype=torch.float64)
        with torch.no_grad():
            assert_same_outputs(adapted(gray), model(make_color(gray)))
    return adapted


class Standardized(nn.Conv2d):
    """A convolution that standardizes its weight, as BiT's do."""

    def forward(self, x):
        mean = self.weight.mean((1, 2, 3), keepdim=True)
        weight = (self.weight - mean) / self.weight.std((1, 2, 3), keepdim=True)
        return self._conv_forward(x, weight, self.bias)


class StandardizedSame(Standardized):
    """A convolution that pads as TensorFlow does, as NFNet's do."""

    def forward(self, x):
        pad = []
        for side, kernel, stride in zip(x.shape[:1:-1], self.kernel_size, self.stride, strict=True):
            missing = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            pad += [missing // 2, missing - missing // 2]
        return super().forward(F.pad(x, pad))


class TestComputedWeights:
    """Stems that compute their weight at each call become plain convolutions of that weight."""

    @pytest.mark.parametrize("layer", [None, "0"])
    @pytest.mark.parametrize("padding", [0, 1])
    def test_standardized(self, padding, layer):
        model = nn.Sequential(Standardized(3, 4, 3, padding=padding), *make_rest(4))
        adapted = assert_exact(model, layer=layer)
        assert type(adapted[0]) is nn.Conv2d
        assert adapted[0].weight.shape == (4, 2, 3, 3)
        assert list(adapted.state_dict()) == list(model.state_dict())

    @pytest.mark.parametrize("kernel", [2, 3, 4])
    @pytest.mark.parametrize("size", [(16, 20), (17, 21), (18, 23)])
    def test_same_padding(self, size, kernel):
        """How many zeros are needed depends on the size, which may be odd."""
        model = nn.Sequential(StandardizedSame(3, 4, kernel, stride=2), *make_rest(4))
        adapted = assert_exact(model, size, example=16)
        assert type(adapted[0]).__name__ == "SameConv2d"
        gray = torch.rand(1, 1, *size, dtype=torch.float64)
        assert_same_outputs(copy.deepcopy(adapted)(gray), adapted(gray))
        assert_same_outputs(pickle.loads(pickle.dumps(adapted))(gray), adapted(gray))
        assert_same_outputs(torch.jit.script(adapted)(gray), adapted(gray))


class TestWhich:
    """Which convolutions are the stems."""

    def test_several_see_the_image(self):
        class Branches(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 1)

            def forward(self, x):
                return self.a(x) * self.b(x)

        adapted = assert_exact(Branches())
        assert (adapted.a.in_channels, adapted.b.in_channels) == (2, 2)

    def test_one_that_is_used_twice(self):
        assert_exact(CustomForward(lambda self, x: self.stem(x) * self.stem(x.flip(-1))))

    def test_the_first_registered_is_not_the_stem(self):
        """An auxiliary head or a decoder may have 3 channels that aren't the image's."""

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
        """A stem is named if no image can be traced; only the stem is run."""

        class Streams(nn.Module):
            def __init__(self):
                super().__init__()
                self.stem, self.other = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(2, 4, 3)

            def forward(self, image, flow):
                return self.stem(image).mean() * self.other(flow)

        model = randomize_constants(Streams())
        with pytest.raises(ModelError, match=r"requires 'image', 'flow', .*example=.*layer="):
            adapt(model, (MEAN, STD))
        gray = torch.rand(2, 1, 8, 8, dtype=torch.float64)
        flow = torch.rand(2, 2, 8, 8, dtype=torch.float64)
        expected = model(make_color(gray), flow)
        assert_same_outputs(adapt(model, (MEAN, STD), layer="stem")(gray, flow), expected)
        traced = adapt(model, (MEAN, STD), example={"image": gray, "flow": flow[:1]})
        assert_same_outputs(traced(gray, flow), expected)
        assert_same_outputs(traced(flow=flow, image=gray), expected)

    def test_named_in_a_network_that_cannot_be_run(self):
        """Only a convolution of the image itself can be adapted by its name alone."""

        class Two(nn.Module):
            def __init__(self, stem):
                super().__init__()
                self.stem = stem

            def forward(self, image, factor):
                return self.stem(F.pixel_unshuffle(image, 2)) * factor["it"]

        model, factor = randomize_constants(Two(nn.Conv2d(12, 4, 3))), {"it": 3}
        with pytest.raises(ModelError, match=r"'stem' doesn't see the image itself.*example="):
            adapt(model, (MEAN, STD), layer="stem")
        gray = torch.rand(2, 1, 8, 10, dtype=torch.float64)
        adapted = adapt(model, (MEAN, STD), layer="stem", example=(gray[:1], factor))
        assert_same_outputs(adapted(gray, factor), model(make_color(gray), factor))

    def test_named_and_no_argument_says_that_it_is_an_image(self):
        class Unclear(CustomForward):
            def forward(self, target, settings):
                return self.stem(target) * settings["factor"]

        model = randomize_constants(Unclear(None))
        with pytest.raises(ModelError, match=r"isn't clear which arguments are.*example={name"):
            adapt(model, (MEAN, STD), layer="stem")
        gray, settings = torch.rand(2, 1, 8, 8, dtype=torch.float64), {"factor": 3}
        adapted = adapt(model, (MEAN, STD), layer="stem", example=(gray, settings))
        assert_same_outputs(adapted(gray, settings), model(make_color(gray), settings))

    @pytest.mark.parametrize(
        ("layer", "message"),
        [
            (
                "0.stm",
                "no layer is called '0.stm', did you mean '0.stem'.*channels: '0.stem'",
            ),
            ("1", "layer '1' is a torch.nn.*BatchNorm2d, not a convolution"),
            ("3", "layer '3' is a convolution of 8 channels, not 3"),
        ],
    )
    def test_named_wrong(self, layer, message):
        model = nn.Sequential(CustomForward(lambda self, x: self.stem(x)), *make_rest())
        with pytest.raises(ModelError, match=message):
            adapt(model, (MEAN, STD), layer=layer)

    @pytest.mark.parametrize(
        ("model", "message"),
        [
            (nn.Sequential(nn.Softmax(1), nn.Conv2d(3, 4, 3)), "softmax, in layer '0'"),
            (nn.Sequential(nn.InstanceNorm2d(3), nn.Conv2d(3, 4, 3)), "batch_norm, in layer '0'"),
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
        """The network isn't changed, and the call in the message works."""
        model = randomize_constants(nn.Sequential(compute(nn.Conv2d(3, 4, 3)), nn.ReLU()))
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
        with pytest.raises(ModelError, match="prepared for quantization: adapt the float network"):
            adapt(nn.Sequential(stem), (MEAN, STD), example=8)
