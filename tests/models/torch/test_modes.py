"""adapt under torch's modes, and with weights that aren't finite."""

import re

import numpy as np
import pytest

from graytorgb import ModelError, OptionError
from graytorgb.models import adapt, restore_input, verify

from ...support import needs_package

needs_package("torch")

import torch  # noqa: E402
from torch import nn  # noqa: E402

from ..networks import MEAN, STD, assert_same_outputs, make_color, make_rest  # noqa: E402
from ..networks import randomize_constants as randomize  # noqa: E402


def make_network(padding=1):
    return randomize(nn.Sequential(nn.Conv2d(3, 8, 3, padding=padding), *make_rest())).eval()


MODES = [
    torch.inference_mode,
    lambda: torch.autocast("cpu", torch.bfloat16),
    lambda: torch.autocast("cpu", torch.float16),
    torch.no_grad,
]


class TestModes:
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("how", ["collapse", "expand", "learned"])
    def test_the_result_is_that_of_no_mode(self, mode, how):
        model = make_network().float()
        expected = adapt(model, (MEAN, STD), how=how, example=16)
        with mode():
            was_grad = torch.is_grad_enabled()
            adapted = adapt(model, (MEAN, STD), how=how, example=16)
            assert torch.is_grad_enabled() == was_grad
        for name, tensor in expected.state_dict().items():
            assert torch.equal(adapted.state_dict()[name], tensor), name
        assert not any(p.is_inference() for p in adapted.parameters())
        adapted(torch.rand(1, 1, 16, 16)).sum().backward()  # it can be trained

    @pytest.mark.parametrize("inplace", [False, True])
    def test_a_network_that_was_made_in_inference_mode(self, inplace):
        with torch.inference_mode():
            model = make_network()
        gray = torch.rand(2, 1, 16, 16, dtype=torch.float64)
        with torch.no_grad():
            expected = model(make_color(gray))
            adapted = adapt(model, (MEAN, STD), inplace=inplace)
            assert_same_outputs(adapted(gray), expected)

    @pytest.mark.parametrize("mode", MODES)
    def test_a_restored_network_is_that_of_no_mode(self, mode):
        weights = adapt(make_network().float(), (MEAN, STD), example=16).state_dict()
        built = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), *make_rest()).eval()
        built.load_state_dict(weights)
        gray = torch.rand(2, 1, 16, 16)
        expected = restore_input(built, (MEAN, STD))
        with mode():
            restored = restore_input(built, (MEAN, STD))
        assert torch.equal(restored(gray), expected(gray))
        assert not any(p.is_inference() for p in restored.parameters())
        restored(gray).sum().backward()  # it can be trained

    @pytest.mark.parametrize("mode", MODES)
    def test_proof(self, mode):
        model = make_network().float()
        adapted = adapt(model, (MEAN, STD), example=16)
        images = np.random.default_rng(0).random((3, 16, 16), np.float32)
        expected = verify(model, adapted, images, seconds=0)
        with mode():
            proof = verify(model, adapted, images, seconds=0)
        assert proof.passed
        assert proof.max_difference == expected.max_difference


class TestNotFinite:
    @pytest.mark.parametrize("value", ["nan", "inf"])
    @pytest.mark.parametrize("name", ["0.weight", "0.bias", "1.running_var", "1.weight"])
    def test_the_weight_is_named(self, name, value):
        model = make_network().float()
        with torch.no_grad():
            (dict(model.named_parameters()) | dict(model.named_buffers()))[name][1] = float(value)
        what = "NaN" if value == "nan" else "infinite values"
        if name == "1.running_var" and value == "inf":
            adapt(model, (MEAN, STD))  # divided by, an infinite variance gives 0
            return
        with pytest.raises(ModelError, match=re.escape(f"{name!r} holds {what}")) as caught:
            adapt(model, (MEAN, STD))
        assert "order of the channels" not in str(caught.value)

    def test_a_weight_that_is_not_used(self):
        model = make_network().float()
        model.register_parameter("unused", nn.Parameter(torch.full((3,), float("nan"))))
        adapt(model, (MEAN, STD))

    @pytest.mark.parametrize("padding", [0, 1])
    def test_float16_overflows(self, padding):
        model = make_network(padding).float()
        with torch.no_grad():
            model[0].weight *= 60000
        adapt(model, (MEAN, STD))
        with pytest.raises(ModelError, match=r"float16 overflows in layer '0'.*model.float\(\)"):
            adapt(model.half(), (MEAN, STD))

    def test_overflow_behind_the_stem(self):
        model = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        ).eval()
        with torch.no_grad():
            for layer in model[:3]:
                layer.weight.fill_(500)
            model[2].weight[:, ::2].neg_()
        with pytest.raises(ModelError, match="float16 overflows inside the network"):
            adapt(model.half(), "0..1", example=16)

    def test_a_range_beyond_float16(self):
        with pytest.raises(
            ModelError, match=r"float16, whose largest number is 65504.*value_range"
        ):
            adapt(make_network().half(), (MEAN, STD), value_range=(0, 65535))
        adapt(make_network().float(), (MEAN, STD), value_range=(0, 65535))


class TestExample:
    @pytest.mark.parametrize(
        "example",
        [
            np.int64(16), np.array(16), np.array([16, 18]), [16, 18], (np.int32(16), 18),
            np.zeros((1, 3, 16, 18)), np.zeros((2, 1, 16, 18), np.float32),
            np.array([16, 18], "u1"),
            torch.zeros(1, 3, 16, 18), torch.tensor([16, 18]), {"input": np.zeros((1, 3, 16, 18))},
        ],
    )  # fmt: skip
    def test_arrays_state_a_size(self, example):
        gray = torch.rand(1, 1, 16, 18, dtype=torch.float64)
        model = make_network()
        adapted = adapt(model, (MEAN, STD), example=example)
        assert_same_outputs(adapted(gray), model(make_color(gray)))

    @pytest.mark.parametrize("dtype", [np.uint8, np.int64])
    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("how", ["collapse", "expand"])
    def test_integers_need_a_range(self, dtype, channels, how):
        """A network that takes bytes can't be adapted to them without value_range."""
        batch = np.zeros((1, channels, 16, 18), dtype)
        model = nn.Sequential(CastBytes(), *make_network())
        examples = [batch, torch.from_numpy(batch)]
        if dtype == np.uint8:  # in a call, other integers are no images
            examples += [{"input": batch}, (torch.from_numpy(batch),)]
        for example in examples:
            with pytest.raises(OptionError, match=r"value_range=\(0, 255\).*float\(\) / 255"):
                adapt(model, (MEAN, STD), how=how, example=example)
        adapted = adapt(model, (MEAN, STD), how=how, example=batch, value_range=(0, 255))
        gray = torch.randint(0, 256, (2, 1, 16, 18), dtype=torch.uint8)
        expected = model(make_color(gray / torch.tensor(255, dtype=torch.float64)))
        assert_same_outputs(adapted(gray), expected, rtol=1e-5)  # planes of bytes are float32

    @pytest.mark.parametrize("padding", [0, 1])
    def test_bytes_that_a_layer_scales_by_their_dtype(self, padding):
        """The stem sees two planes, which are floats, so nothing is scaled twice."""
        model = nn.Sequential(ScaleBytes(), *make_network(padding)).float().eval()
        gray = torch.randint(0, 256, (2, 1, 16, 18), dtype=torch.uint8)
        adapted = adapt(model, "0..1", example=gray[:1], value_range=(0, 255))
        expected = model(gray.expand(-1, 3, -1, -1))
        assert_same_outputs(adapted(gray), expected, rtol=1e-5)
        assert_same_outputs(adapted(gray.float()), expected, rtol=1e-5)

    def test_integers_beside_an_image(self):
        mask = torch.ones(1, 1, 16, 18, dtype=torch.int64)
        example = {"image": torch.zeros(1, 1, 16, 18), "mask": mask}
        assert adapt(Masked(), (MEAN, STD), example=example).stem.in_channels == 2


class Masked(nn.Module):
    """A network that multiplies features by a mask."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, image, mask):
        return self.stem(image) * mask


class ScaleBytes(nn.Module):
    """A layer that scales bytes, and no floats, to 0 to 1."""

    def forward(self, x):
        return x.float() / 255 if x.dtype == torch.uint8 else x


class CastBytes(nn.Module):
    """A layer that takes bytes as numbers."""

    def forward(self, x):
        return x.double()
