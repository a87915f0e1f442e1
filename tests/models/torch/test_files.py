"""adapt_state_dict: dicts, .pt and .safetensors files."""

import warnings

import pytest

from graytorgb import ModelError
from graytorgb.models import adapt, adapt_state_dict

from ...support import needs, needs_package

needs("torchvision")
needs_package("safetensors")

import torch  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torch import nn  # noqa: E402
from torchvision import models as tv  # noqa: E402

from ..networks import MEAN, STD, assert_same_outputs, make_color, randomize_constants  # noqa: E402


def network(padding=1):
    return randomize_constants(
        nn.Sequential(nn.Conv2d(3, 8, 3, padding=padding), nn.BatchNorm2d(8))
    )


@pytest.mark.parametrize("padding", [0, 1])
def test_the_plane_form_is_exact_in_a_convolution_of_two_planes(padding):
    model = network(padding)
    weights = adapt_state_dict(model.state_dict(), (MEAN, STD))
    other = nn.Sequential(nn.Conv2d(2, 8, 3, padding=padding), nn.BatchNorm2d(8)).double().eval()
    other.load_state_dict(weights)
    gray = torch.rand(2, 1, 9, 9, dtype=torch.float64)
    assert_same_outputs(other(torch.cat((gray, 1 - gray), 1)), model(make_color(gray)))


@pytest.mark.parametrize("bias", [True, False])
def test_the_bias_form_is_exact_without_padding(bias):
    model = randomize_constants(nn.Sequential(nn.Conv2d(3, 8, 3, bias=bias)))
    weights = adapt_state_dict(model.state_dict(), (MEAN, STD), offset="bias")
    assert set(weights) == {"0.weight", "0.bias"}
    other = nn.Sequential(nn.Conv2d(1, 8, 3)).double()
    other.load_state_dict(weights)
    gray = torch.rand(2, 1, 9, 9, dtype=torch.float64)
    assert_same_outputs(other(gray), model(make_color(gray)))


def test_without_an_offset_the_weights_are_summed():
    state = network().state_dict()
    for offset in ("plane", "bias"):
        weights = adapt_state_dict(state, (0, 1), offset=offset)
        torch.testing.assert_close(weights["0.weight"], state["0.weight"].sum(1, keepdim=True))
        assert weights["0.bias"] is state["0.bias"]


@pytest.mark.parametrize(
    ("make", "offset"),
    [(lambda: tv.resnet18(), "plane"), (lambda: tv.VisionTransformer(32, 8, 1, 2, 16, 32), "bias")],
)
def test_it_loads_into_what_adapt_makes(make, offset):
    model = make()
    adapted = adapt(model, (MEAN, STD), example=32)
    expected = {name: tensor.clone() for name, tensor in adapted.state_dict().items()}
    weights = adapt_state_dict(model.state_dict(), (MEAN, STD), offset=offset)
    assert not any(adapted.load_state_dict(weights))
    for name, tensor in adapted.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_the_source_stays():
    state = network().state_dict()
    before = {name: tensor.clone() for name, tensor in state.items()}
    adapt_state_dict(state, (MEAN, STD), offset="bias")
    assert all(torch.equal(state[name], before[name]) for name in before)
    assert state.keys() == before.keys()


def test_dtypes_stay():
    state = {"conv.weight": torch.rand(4, 3, 3, 3).bfloat16(), "n": torch.tensor(3)}
    weights = adapt_state_dict(state, (MEAN, STD))
    assert weights["conv.weight"].dtype == torch.bfloat16
    exact = adapt_state_dict({"conv.weight": state["conv.weight"].double()}, (MEAN, STD))
    assert torch.equal(weights["conv.weight"], exact["conv.weight"].bfloat16())


@pytest.mark.parametrize("ending", ["pt", "pth", "safetensors"])
def test_files(tmp_path, ending):
    state = network().state_dict()
    source, out = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    if ending == "safetensors":
        save_file(state, source, {"format": "pt", "author": "someone"})
    else:
        torch.save(state, source)
    weights = adapt_state_dict(str(source), (MEAN, STD), dst=out)
    if ending == "safetensors":
        written = load_file(out)
        with safe_open(out, "pt") as file:
            assert file.metadata() == {"format": "pt", "author": "someone"}
    else:
        written = torch.load(out, weights_only=True)
    for name, tensor in adapt_state_dict(state, (MEAN, STD)).items():
        assert torch.equal(written[name], tensor)
        assert torch.equal(weights[name], tensor)


def test_clips():
    assert adapt_state_dict({"a.weight": torch.rand(4, 3, 2, 3, 3)}, (MEAN, STD))[
        "a.weight"
    ].shape == (4, 2, 2, 3, 3)


class TestWhichWeight:
    state = {  # noqa: RUF012
        "rgb.weight": torch.rand(4, 3, 3, 3),
        "refine.weight": torch.rand(8, 3, 1, 1),
        "fc.weight": torch.rand(4, 3),
    }

    def test_several(self):
        with pytest.raises(ModelError, match=r"'rgb.weight' \(4, 3, 3, 3\), 'refine.weight'.*key="):
            adapt_state_dict(self.state, (MEAN, STD))
        weights = adapt_state_dict(self.state, (MEAN, STD), key="rgb.weight")
        assert weights["rgb.weight"].shape == (4, 2, 3, 3)
        assert weights["refine.weight"] is self.state["refine.weight"]

    def test_none(self):
        with pytest.raises(ModelError, match=r"no weight here has the shape.*\(out, 3, height"):
            adapt_state_dict({"fc.weight": torch.rand(4, 3)}, (MEAN, STD))

    @pytest.mark.parametrize(
        ("key", "message"),
        [
            ("conv.weight", "no weight is called 'conv.weight'.*'rgb.weight'"),
            ("fc.weight", "its shape is"),
        ],
    )
    def test_named_wrong(self, key, message):
        with pytest.raises(ModelError, match=message):
            adapt_state_dict(self.state, (MEAN, STD), key=key)


class TestRefused:
    @pytest.mark.parametrize(
        ("source", "options", "message"),
        [
            ({"w": 3}, {}, "is no state dict of names and tensors, but a dict of int"),
            (nn.Conv2d(3, 4, 3), {}, r"not a Conv2d; for a network, pass model.state_dict\(\)"),
            (None, {}, "not a NoneType"),
            ({"a.weight": torch.rand(4, 3, 3, 3)}, {"dst": "no/a.pt"}, "there is no folder 'no'"),
            ({"a.weight": torch.rand(4, 3, 3, 3)}, {"dst": "no/a.safetensors"}, "no folder 'no'"),
            ({}, {}, "is no state dict"),
            ({"state_dict": {"a.weight": torch.ones(1)}, "epoch": 3}, {}, r"\['state_dict'\]"),
            ({"a.weight": torch.rand(4, 3, 3, 3)}, {"offset": "map"}, '"plane" or "bias"'),
            ({"a.weight": torch.rand(4, 3, 3, 3)}, {"stats": None}, '"0..1" for no normalization'),
            ({"w": torch.rand(4, 3, 3, 3)}, {"key": "w", "offset": "bias"}, "'w' has no such name"),
            ({"a.weight": torch.ones(4, 3, 3, 3, dtype=torch.int8)}, {"key": "a.weight"}, "int8"),
        ],
    )
    def test_what_cannot_be_meant(self, source, options, message):
        with pytest.raises(ModelError, match=message):
            adapt_state_dict(source, **{"stats": (MEAN, STD), **options})

    def test_no_file(self):
        """The error is the one that open() raises."""
        with pytest.raises(FileNotFoundError, match=r"missing\.pt"):
            adapt_state_dict("missing.pt", (MEAN, STD))

    def test_a_file_that_runs_code_is_not_run(self, tmp_path):
        torch.save(network(), tmp_path / "model.pt")  # the network itself, not its weights
        with pytest.raises(ModelError, match="isn't safe"):
            adapt_state_dict(tmp_path / "model.pt", (MEAN, STD))

    @pytest.mark.parametrize("ending", ["pt", "safetensors"])
    @pytest.mark.parametrize("content", [b"", b"no weights at all" * 9])
    def test_broken_files(self, tmp_path, ending, content):
        path = tmp_path / f"broken.{ending}"
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"broken.*(can't be read|isn't safe)"):
            adapt_state_dict(path, (MEAN, STD))

    def test_truncated(self, tmp_path):
        path = tmp_path / "model.pt"
        torch.save(network().state_dict(), path)
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(ModelError, match="can't be read"):
            adapt_state_dict(path, (MEAN, STD))

    def test_a_checkpoint(self, tmp_path):
        """The call in the message works."""
        path = tmp_path / "last.pt"
        torch.save({"epoch": 3, "state_dict": network().state_dict()}, path)
        with pytest.raises(ModelError, match=r"weights in \['state_dict'\]: ") as caught:
            adapt_state_dict(path, (MEAN, STD))
        call = str(caught.value).partition("weights in ['state_dict']: ")[2]
        weights = eval(call.replace("...", "(MEAN, STD)"))
        assert weights["0.weight"].shape[1] == 2

    def test_a_scripted_network(self, tmp_path):
        path = tmp_path / "scripted.pt"
        with warnings.catch_warnings(action="ignore"):
            torch.jit.save(torch.jit.script(network()), path)
        with pytest.raises(ModelError, match=r"scripted network.*torch.jit.load\(.*weights.pt"):
            adapt_state_dict(path, (MEAN, STD))

    def test_tied_weights(self, tmp_path):
        """safetensors can't store that two tensors share memory."""
        tied = torch.rand(2, 2)
        state = {**network().state_dict(), "a": tied, "b": tied}
        with pytest.raises(ModelError, match=r"share memory.*dst='.*tied.pt'"):
            adapt_state_dict(state, (MEAN, STD), dst=tmp_path / "tied.safetensors")
        assert not list(tmp_path.iterdir())
        adapt_state_dict(state, (MEAN, STD), dst=tmp_path / "tied.pt")
        assert torch.equal(torch.load(tmp_path / "tied.pt", weights_only=True)["b"], tied)
