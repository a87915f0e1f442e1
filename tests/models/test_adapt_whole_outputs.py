"""adapt compares all that a torch network returns, at two sizes."""

import random
import types
from dataclasses import dataclass

import pytest

from graytorgb import ModelError
from graytorgb.models import adapt

from ..support import needs, needs_package

needs("torchvision")
needs_package("transformers")

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
import transformers  # noqa: E402
from torch import nn  # noqa: E402
from torchvision import models as tv  # noqa: E402

from .networks import (  # noqa: E402
    MEAN,
    STD,
    CustomForward,
    assert_same_outputs,
    make_color,
    randomize_constants,
)


def make_network(function, dtype=torch.float64):
    """Return a network that returns a function of its layers, the image and the stem's output."""
    network = CustomForward(lambda net, x: function(net, x, net.stem(x)))
    return randomize_constants(network).to(dtype)


@dataclass
class Result:
    features: torch.Tensor
    extra: object = None


def decode(net, y):
    return F.conv_transpose2d(y.relu(), net.stem.weight, padding=1)


# All of these take one channel without a word, and give something else for it.
BEYOND_THE_STEM = {
    "tied decoder": lambda net, x, y: decode(net, y),
    "tied decoder, averaged": lambda net, x, y: decode(net, y).mean((1, 2, 3)),
    "tied decoder among others": lambda net, x, y: {"y": y, "loss": [decode(net, y).mean()]},
    "the weight's norm": lambda net, x, y: y / net.stem.weight.norm(),
    "the image": lambda net, x, y: (y, x),
    "the image in a dict": lambda net, x, y: {"y": y, "image": x},
    "the image, cropped": lambda net, x, y: (y, x[..., 1:]),
    "the image in an object": lambda net, x, y: Result(y, types.SimpleNamespace(image=x)),
    "an array": lambda net, x, y: (y, (y.mean() / net.stem.weight.norm()).detach().numpy()),
    "a distribution": lambda net, x, y: torch.distributions.Normal(y / net.stem.weight.norm(), 1.0),
    "classes": lambda net, x, y: (y[:, :3] + 3 * net.stem.weight.norm() * y[:, 1:4]).argmax(1),
    "sparse": lambda net, x, y: (y / net.stem.weight.norm()).to_sparse(),
    "complex": lambda net, x, y: torch.complex(y, y / net.stem.weight.norm()),
}  # fmt: skip


# These need three channels, and get them.
WRITTEN_FOR_THREE = {
    "the number of channels": lambda net, x: net.stem(x) / x.shape[1],
    "the size of the image": lambda net, x: net.head(net.stem(x)).sum((1, 2, 3)) / x.numel(),
    "its channels as a number": lambda net, x: (net.stem(x), x.shape[1]),
    "its channels in a tensor": lambda net, x: (net.stem(x), torch.tensor(x.shape)),
    "in_channels": lambda net, x: net.stem(x) * net.stem.in_channels,
    "other channels": lambda net, x: net.head(net.stem(x))[:, : x.shape[1]],
    "one more output": lambda net, x: [net.stem(x)] * x.shape[1],
    "a number in an object": lambda net, x: types.SimpleNamespace(y=net.stem(x), n=x.shape[1]),
    "another shape": lambda net, x: net.stem(x.view(-1, 3, *x.shape[2:])),
    "another order": lambda net, x: net.stem(x[:, [2, 1, 0]]),
    "a check": lambda net, x: net.stem(x) if x.shape[1] == 3 else 1 / 0,
    "its own normalization": lambda net, x: net.stem((x - NUMBERS) / (2 * NUMBERS)),
}  # fmt: skip
NUMBERS = torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)[:, None, None]


@pytest.mark.parametrize("layer", [None, "stem"])
@pytest.mark.parametrize("name", WRITTEN_FOR_THREE)
def test_code_that_is_written_for_three_channels(name, layer):
    function = WRITTEN_FOR_THREE[name]
    model = randomize_constants(CustomForward(function))
    adapted = adapt(model, (MEAN, STD), layer=layer, example=32)
    gray = torch.rand(3, 1, 9, 12, dtype=torch.float64)
    assert adapted.stem.weight.shape[1] == 3
    given, expected = adapted(gray), model(make_color(gray))
    if name == "a number in an object":
        assert given.n == expected.n == 3
        given, expected = given.y, expected.y
    assert_same_outputs(given, expected)


@pytest.mark.parametrize("layer", [None, "stem"])
@pytest.mark.parametrize("name", BEYOND_THE_STEM)
def test_what_a_network_does_beyond_its_stem(name, layer):
    """A network that can be run is compared even if its stem is named."""
    model = make_network(BEYOND_THE_STEM[name])
    with pytest.raises(ModelError, match=r"(?s)^the network returns .*; how=\"expand\" works"):
        adapt(model, (MEAN, STD), layer=layer, example=32)
    gray = torch.rand(1, 1, 12, 14, dtype=torch.float64)
    expanded = adapt(model, (MEAN, STD), how="expand")(gray)
    assert str(expanded) == str(model(make_color(gray)))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda net, x, y: {"a": y, "b": [y / net.stem.weight.norm()]},
            r"output \['b'\]\[0\] differs by \d",
        ),
        (
            lambda net, x, y: (y, x),
            r"output \[1\] of shape \(1, 2, 32, 32\) .*\(1, 3, 32, 32\)",
        ),
        (
            lambda net, x, y: [y] * round(20 * float(net.stem.weight.norm())),
            r"returns \d+ tensors for gray and \d+",
        ),
    ],
)
def test_the_message_says_which_output(function, message):
    with pytest.raises(ModelError, match=message):
        adapt(make_network(function), (MEAN, STD), example=32)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize(
    "function",
    [
        lambda net, x, y: net.head(y) / net.stem.weight.norm(),
        lambda net, x, y: decode(net, y).mean((1, 2, 3)),
    ],
)
def test_every_precision(function, dtype):
    with pytest.raises(ModelError, match="returns other values for gray"):
        adapt(make_network(function, dtype), (MEAN, STD), example=32)
    adapt(make_network(lambda net, x, y: net.head(y.relu()), dtype), (MEAN, STD), example=32)


@pytest.mark.parametrize("value_range", [(0, 255), (-1, 1), (0, 65535)])
def test_every_range(value_range):
    for function, is_exact in (
        (lambda net, x, y: net.head(y), True),
        (lambda net, x, y: net.head(y) / net.stem.weight.norm(), False),
    ):
        model = make_network(function, torch.float32)
        if is_exact:
            adapt(model, (MEAN, STD), value_range=value_range)
        else:
            with pytest.raises(ModelError, match="other values"):
                adapt(model, (MEAN, STD), value_range=value_range)


class TestSizes:
    def test_an_example_does_not_hide_what_other_sizes_pad(self):
        """Swin pads what isn't a multiple of its patches; 128 is one."""
        config = transformers.SwinConfig(
            image_size=128, embed_dim=8, depths=[1], num_heads=[2], window_size=4
        )
        model = randomize_constants(transformers.SwinModel(config))
        adapted = adapt(model, (MEAN, STD), example=128)
        for size in ((133, 138), (128, 128), (130, 128)):
            gray = torch.rand(1, 1, *size, dtype=torch.float64)
            with torch.no_grad():
                assert_same_outputs(adapted(gray), model(make_color(gray)))

    @pytest.mark.parametrize(
        "example", [128, (128, 64), torch.rand(2, 3, 128, 128), {"x": torch.rand(2, 1, 64, 64)}]
    )
    def test_every_kind_of_example(self, example):
        def forward(net, x, y):
            wanted = (-x.shape[-2] % 4, -x.shape[-1] % 4)
            return net.stem(F.pad(x, (0, wanted[1], 0, wanted[0])))

        model = make_network(forward)
        adapted = adapt(model, (MEAN, STD), example=example)
        gray = torch.rand(1, 1, 33, 38, dtype=torch.float64)
        assert_same_outputs(adapted(gray), model(make_color(gray)))

    def test_what_differs_at_one_size_alone(self):
        """A network may resize an image of a size that it doesn't expect."""

        def forward(net, x, y):
            return y if x.shape[-1] == x.shape[-2] else y / net.stem.weight.norm()

        for example in (None, 64, 128):
            with pytest.raises(ModelError, match=r"with images of \d+ x \d+\. "):
                adapt(make_network(forward), (MEAN, STD), example=example)

    def test_a_network_of_one_size_is_run_at_that(self):
        model = randomize_constants(
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 30 * 30, 2))
        )
        gray = torch.rand(2, 1, 32, 32, dtype=torch.float64)
        assert_same_outputs(adapt(model, (MEAN, STD))(gray), model(make_color(gray)))

    def test_a_stem_that_is_named_where_the_network_needs_more(self):
        """Only the stem can be run then."""

        class Two(nn.Module):
            def __init__(self):
                super().__init__()
                self.stem = nn.Conv2d(3, 4, 3)

            def forward(self, x, scale):
                return self.stem(x) * scale / self.stem.weight.norm()

        model = Two().double().eval()
        assert adapt(model, (MEAN, STD), layer="stem").stem.in_channels == 1
        with pytest.raises(ModelError, match="returns other values"):
            adapt(
                model, (MEAN, STD), layer="stem", example={"x": torch.rand(1, 3, 9, 9), "scale": 2}
            )


class TestRounding:
    """Outputs that differ by rounding, or that are random, are no error."""

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
    def test_what_is_amplified(self, dtype):
        """Differences of large values leave a rounding error alone in float32."""

        def forward(net, x, y):
            y = net.head(y)
            return ((y * 1000 + y.new_tensor(1e3)) - y.new_tensor(1e3)).sin()

        adapt(make_network(forward, dtype), (MEAN, STD))
        with pytest.raises(ModelError, match="other values"):
            adapt(
                make_network(lambda net, x, y: forward(net, x, y) / net.stem.weight.norm(), dtype),
                (MEAN, STD),
            )

    def test_what_cancels(self):
        model = make_network(
            lambda net, x, y: y.mean((1, 2, 3)) - y.mean((2, 3)).mean(1), torch.float32
        )
        adapt(model, (MEAN, STD))
        adapt(model.double(), (MEAN, STD))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_decisions(self, dtype):
        """Rounding changes an argmax among near ties, and an order."""
        model = make_network(lambda net, x, y: (y.argmax(1), y.flatten().argsort()[:50]), dtype)
        adapt(model, (MEAN, STD))

    def test_code_that_says_float32(self):
        def forward(net, x, y):
            return net.head(y.float().relu()).sum((1, 2, 3)) * 1e-3

        model = make_network(forward, torch.float32)
        adapt(model, (MEAN, STD))

    @pytest.mark.parametrize(
        "draw",
        [lambda y: torch.rand_like(y), lambda y: F.dropout(y, 0.5),
         lambda y: y * random.random(), lambda y: y * torch.randn(())],
    )  # fmt: skip
    def test_random_numbers(self, draw):
        """Both networks draw the same numbers, so another difference is found."""
        adapt(make_network(lambda net, x, y: draw(net.head(y))), (MEAN, STD))
        with pytest.raises(ModelError, match="other values"):
            adapt(make_network(lambda net, x, y: draw(y) + y / net.stem.weight.norm()), (MEAN, STD))

    def test_outputs_that_are_never_the_same(self):
        """The stem's outputs alone are compared then."""
        own = random.Random(0)
        model = make_network(lambda net, x, y: y * own.random())
        adapted = adapt(model, (MEAN, STD), example=32)
        gray = torch.rand(1, 1, 9, 9, dtype=torch.float64)
        seen = []
        for network, image in ((adapted, gray), (model, make_color(gray))):
            network.stem.register_forward_hook(lambda module, args, output: seen.append(output))
            network(image)
        assert_same_outputs(*seen)
        wrong = make_network(lambda net, x, y: net.stem(x.flip(1)) * own.random())
        with pytest.raises(ModelError, match="'stem' doesn't see the image as a sum of planes"):
            adapt(wrong, (MEAN, STD), example=32)

    def test_dropout_and_batch_norm_in_training_mode(self):
        model = make_network(lambda net, x, y: F.dropout(net.head(y), 0.5, net.training)).train()
        assert adapt(model, (MEAN, STD)).training

    def test_infinite_and_not_a_number(self):
        adapt(make_network(lambda net, x, y: (y, torch.log(y), 1 / (0 * y))), (MEAN, STD))
        with pytest.raises(ModelError, match="other values"):
            adapt(make_network(lambda net, x, y: y / net.stem.weight.norm()), (MEAN, STD))


def test_a_detection_models_features_are_compared():
    """The boxes aren't compared, because rounding decides which there are."""
    model = tv.detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).eval()
    assert adapt(model).transform.image_std == [1.0]

    class Counting(nn.Module):
        def __init__(self, backbone):
            super().__init__()
            self.inner, self.out_channels = backbone, 0

        def forward(self, x):
            weight = next(self.inner.parameters())
            return {k: v / weight.norm() for k, v in self.inner(x).items()}

    model.backbone = Counting(model.backbone)
    with pytest.raises(ModelError, match="returns other values for gray"):
        adapt(model)


class TestLayer:
    def test_none_is_named(self):
        model = make_network(lambda net, x, y: y)
        for layer in ([], ()):
            with pytest.raises(ModelError, match=r"names no layer.*leave layer out"):
                adapt(model, (MEAN, STD), layer=layer)

    @pytest.mark.parametrize("layer", [3, [3], [None], {"stem": 1}, nn.Conv2d(3, 8, 3)])
    def test_no_name(self, layer):
        with pytest.raises(ModelError, match=r"layer is the name of a layer, or a list of names"):
            adapt(make_network(lambda net, x, y: y), (MEAN, STD), layer=layer)

    def test_named_twice(self):
        """A stem that has two names is changed once."""
        model = make_network(lambda net, x, y: net.head(y))
        model.same = model.stem
        gray = torch.rand(1, 1, 9, 9, dtype=torch.float64)
        for layer in (["stem", "stem"], ["stem", "same"], "same", ["same"]):
            adapted = adapt(model, (MEAN, STD), layer=layer)
            assert adapted.same is adapted.stem
            assert_same_outputs(adapted(gray), model(make_color(gray)))

    def test_one_of_two_is_named(self):
        class Two(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)

            def forward(self, x):
                return self.a(x) + self.b(x)

        model = randomize_constants(Two())
        for layer in ("a", ["b"]):
            with pytest.raises(ModelError, match="the network raises"):
                adapt(model, (MEAN, STD), layer=layer)
        gray = torch.rand(1, 1, 9, 9, dtype=torch.float64)
        assert_same_outputs(
            adapt(model, (MEAN, STD), layer=["b", "a"])(gray), model(make_color(gray))
        )
