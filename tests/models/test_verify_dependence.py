"""verify: outputs have to depend on the images, and rounding is measured."""

import numpy as np
import pytest

from graytorgb import ModelError
from graytorgb.models import adapt, verify

from ..support import needs, needs_package

needs("torchvision")
needs_package("onnx", "onnxruntime")

import onnx  # noqa: E402
import torch  # noqa: E402
from onnx import numpy_helper, parser  # noqa: E402
from torch import nn  # noqa: E402

from .networks import MEAN, STD, drop_preprocessing, randomize_constants  # noqa: E402


def images(*shape, seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


class Through(nn.Module):
    """A classifier that returns a function of its scores and its image."""

    def __init__(self, function):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Linear(8, 10)
        self.function = function

    def forward(self, x):
        return self.function(self.head(self.stem(x).relu().mean((2, 3))), x)


def pair(function):
    model = randomize_constants(Through(function)).float()
    return model, adapt(model, (MEAN, STD))


def constant(y, x):
    return torch.arange(10.0).expand(len(x), 10) + 0 * y


INDEPENDENT = {
    "a constant": constant,
    "an untrained head": lambda y, x: torch.softmax(0 * y, 1),
    "almost a constant": lambda y, x: 1 + 1e-9 * y,
    "saturated": lambda y, x: torch.sigmoid(1e4 + y),
    "rounded": lambda y, x: (y * 1e-3).round() + 7,
    "several": lambda y, x: {"a": constant(y, x), "b": [constant(y, x)[:, 0]]},
    "its size": lambda y, x: 0 * y + x.shape[-1],
}


@pytest.mark.parametrize("name", INDEPENDENT)
@pytest.mark.parametrize(
    "given",
    [images(5, 12, 14), images(1, 12, 14), np.zeros((2, 12, 14)), np.ones((1, 12, 14)),
     [images(12, 14), images(9, 9)], np.repeat(images(1, 12, 14), 3, 0)],
    ids=["several", "one", "black", "white", "of several sizes", "equal"],
)  # fmt: skip
def test_outputs_that_do_not_depend_on_the_image(name, given):
    if name == "its size" and isinstance(given, list):
        given = given[:1]
    with pytest.raises(ModelError, match=r"nothing is proven: .*stats, value_range.*trained"):
        verify(*pair(INDEPENDENT[name]), given, (MEAN, STD), seconds=0)


@pytest.mark.parametrize(
    "function",
    [
        lambda y, x: y,
        lambda y, x: torch.softmax(y, 1),
        lambda y, x: 1 + 1e-5 * y,
        lambda y, x: (constant(y, x), y),
        lambda y, x: y.mean(0),  # of the whole batch
        lambda y, x: y[:, y[0] >= y[0].median()],
    ],
)
@pytest.mark.parametrize(
    "given",
    [images(5, 12, 14), images(1, 12, 14), np.zeros((2, 12, 14)), np.ones((1, 12, 14))],
    ids=["several", "one", "black", "white"],
)
def test_outputs_that_do(function, given):
    proof = verify(*pair(function), given, (MEAN, STD), seconds=0)
    assert proof.passed
    assert proof.variation > 0
    assert proof.reason == ""


def test_a_negative_that_looks_the_same():
    """Edges of an image and of its negative are equal, so other images are tried too."""

    class Edges(nn.Module):
        def forward(self, x):
            return (x[..., 1:] - x[..., :-1]).abs().mean((1, 2, 3))[:, None]

    assert verify(Edges(), Edges(), images(3, 9, 9), (0, 1), seconds=0).passed
    assert verify(Edges(), Edges(), images(1, 9, 9), (0, 1), seconds=0).passed


def test_images_of_a_wrong_range():
    """The network takes bytes, and both networks see black in all of these."""

    class Bytes(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 1)
            nn.init.ones_(self.stem.weight)
            nn.init.zeros_(self.stem.bias)

        def forward(self, x):
            return (self.stem(x).mean((2, 3)) - 30).relu() + 1

    model = Bytes()
    adapted = adapt(model, (0, 1 / 255))
    given = images(3, 9, 9)
    with pytest.raises(ModelError, match="don't depend on these images"):
        verify(model, adapted, given / 255, (0, 1 / 255), seconds=0)
    assert verify(model, adapted, given, (0, 1 / 255), seconds=0).passed


def test_a_network_that_ignores_its_image_fails():
    """If images change outputs by little, the tolerance is relative to that change."""
    model, adapted = pair(lambda y, x: 1 + 1e-5 * y[:, :1])
    with torch.no_grad():
        adapted.stem.weight.zero_()
    proof = verify(model, adapted, images(5, 12, 14), (MEAN, STD), seconds=0)
    assert proof.max_difference < 1e-4
    assert not proof.passed
    assert "the original adapted with the same stats" in proof.reason


def test_a_proof_that_fails_is_no_error():
    model, adapted = pair(constant)
    adapted.function = lambda y, x: constant(y, x) + 1
    proof = verify(model, adapted, images(2, 9, 9), (MEAN, STD), seconds=0)
    assert not proof.passed
    assert proof.variation is None


class TestRounding:
    def test_tiny_outputs_that_large_values_leave(self):
        """Their differences are all rounding, and a part of 1e-6 isn't."""

        def cancelling(y, x):
            y = y[:, :1]
            return 1e-6 * y + ((y + 3) - 3 - y)

        model, adapted = pair(cancelling)
        given = images(6, 12, 14)
        proof = verify(model, adapted, given, (MEAN, STD), seconds=0)
        assert proof.largest_output < 1e-6
        assert proof.max_difference > 1e-4 * proof.largest_output
        assert proof.rounding >= proof.max_difference
        assert proof.passed

    def test_tiny_outputs_that_are_wrong(self):
        model, adapted = pair(lambda y, x: y[:, :1] * 1e-6)
        given = images(6, 12, 14)
        assert verify(model, adapted, given, (MEAN, STD), seconds=0).passed
        with torch.no_grad():
            adapted.stem.weight[:, :1] *= 1.01
        proof = verify(model, adapted, given, (MEAN, STD), seconds=0)
        assert proof.max_difference < 1e-7
        assert not proof.passed

    def test_which_tolerance_rounding_explains(self):
        """Boxes in pixels are such outputs; the tolerance in the message works."""
        model, adapted = pair(lambda y, x: y * 1e5)
        given = images(6, 12, 14)
        proof = verify(model, adapted, given, (MEAN, STD), seconds=0)
        assert not proof.passed
        assert proof.max_difference <= proof.rounding < 1e-4 * proof.largest_output
        assert f"rounding explains up to {proof.rounding:.2g}: tolerance=" in proof.reason
        assert proof.reason in str(proof)
        tolerance = float(proof.reason.rpartition("tolerance=")[2])
        assert tolerance == proof.sufficient_tolerance
        assert verify(model, adapted, given, (MEAN, STD), seconds=0, tolerance=tolerance).passed

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_half_precision(self, dtype):
        model = randomize_constants(Through(lambda y, x: y)).to(dtype)
        proof = verify(model, adapt(model, (MEAN, STD)), images(6, 12, 14), (MEAN, STD), seconds=0)
        assert not proof.passed
        assert "rounding explains up to" in proof.reason
        again = verify(model, adapt(model, (MEAN, STD)), images(6, 12, 14), (MEAN, STD), seconds=0,
            tolerance=proof.sufficient_tolerance)  # fmt: skip
        assert again.limit >= again.max_difference

    def test_what_rounding_does_not_explain(self):
        model, _ = pair(lambda y, x: y)
        adapted = drop_preprocessing(adapt(model, (0.5, 0.25)))
        proof = verify(model, adapted, images(6, 12, 14), (MEAN, STD), seconds=0)
        assert proof.max_difference > 100 * proof.rounding
        assert proof.sufficient_tolerance is None
        assert "isn't the original adapted with the same stats and value_range" in proof.reason
        assert "tolerance=" not in proof.reason

    def test_other_shapes(self):
        model, adapted = pair(lambda y, x: y)
        adapted.function = lambda y, x: y[:, :3]
        proof = verify(model, adapted, images(6, 12, 14), (MEAN, STD), seconds=0)
        assert (
            proof.reason
            == "outputs have other shapes than the original's, or values that aren't finite"
        )

    def test_the_measure_is_near_to_what_adapted_networks_differ_by(self):
        from torchvision import models as tv

        model = randomize_constants(tv.resnet18()).float()
        proof = verify(model, adapt(model, (MEAN, STD), example=64), images(4, 64, 64), (MEAN, STD),
            seconds=0, tolerance=0)  # fmt: skip
        assert proof.rounding / 50 < proof.max_difference < proof.rounding

    def test_figures(self):
        """The reason is in the printed text and in rich's table."""
        import io
        import json

        from rich.console import Console

        model, adapted = pair(lambda y, x: y * 1e5)
        proof = verify(model, adapted, images(2, 9, 9), (MEAN, STD), seconds=0, tolerance=1e-12)
        figures = json.loads(proof.to_json())
        assert (figures["variation"], figures["rounding"]) == (None, proof.rounding)
        console = Console(width=200, file=io.StringIO())
        console.print(proof)
        assert "rounding explains up to" in " ".join(console.file.getvalue().split())


def graph(end, given="float[N, 3, H, W] x", body="c = Identity(x)"):
    text = f"""<ir_version: 8, opset_import: ["": 17]> net ({given}) => (float[N, 8] y) {{
        {body} a = Conv <pads = [1, 1, 1, 1]> (c, w) b = Relu(a) m = GlobalAveragePool(b)
        flat = Flatten(m) {end} }}"""
    model = parser.parse_model(text)
    kernel = np.random.default_rng(0).standard_normal((8, 3, 3, 3)).astype(np.float32)
    tensors = {"w": kernel, "zero": np.float32(0), "one": np.float32(1), "large": np.float32(1e6)}
    model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in tensors.items())
    onnx.checker.check_model(model)
    return model


class TestOnnx:
    @pytest.mark.parametrize("given", [images(3, 9, 9), images(1, 9, 9), np.zeros((1, 9, 9))])
    def test_outputs_that_do_not_depend_on_the_image(self, given):
        proto = graph("z = Mul(flat, zero) y = Add(z, one)")
        with pytest.raises(ModelError, match="don't depend on these images"):
            verify(proto, adapt(proto, (MEAN, STD)), given, (MEAN, STD), seconds=0)

    def test_bytes(self):
        options = {"given": "uint8[N, 3, H, W] x", "body": "c = Cast <to = 1> (x)"}
        given = np.random.default_rng(0).integers(0, 256, (3, 9, 9), np.uint8)
        for end in ("z = Mul(flat, zero) y = Add(z, one)", "y = Identity(flat)"):
            proto = graph(end, **options)
            adapted = adapt(proto, (0, 1))
            for batch in (given, given[:1], 0 * given):
                if "zero" in end:
                    with pytest.raises(ModelError, match="don't depend on these images"):
                        verify(proto, adapted, batch, (0, 1), seconds=0)
                elif batch.any():
                    proof = verify(proto, adapted, batch, (0, 1), seconds=0, tolerance=1e-2)
                    assert proof.passed, proof

    def test_rounding(self):
        proto = graph("y = Mul(flat, large)")
        adapted = adapt(proto, (MEAN, STD))
        proof = verify(proto, adapted, images(3, 9, 9), (MEAN, STD), seconds=0)
        assert not proof.passed
        assert proof.max_difference <= proof.rounding
        assert verify(proto, adapted, images(3, 9, 9), (MEAN, STD), seconds=0,
            tolerance=proof.sufficient_tolerance).passed  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": []}, "layer is the name of one convolution"),
        ({"layer": ["stem"]}, "layer is the name of one convolution"),
        ({"tolerance": -1}, "tolerance is a number, 0 or more"),
        ({"tolerance": float("nan")}, "tolerance is a number, 0 or more"),
    ],
)
def test_arguments(options, message):
    with pytest.raises(ModelError, match=message):
        verify(*pair(lambda y, x: y), images(1, 9, 9), (MEAN, STD), **options)
