"""verify: networks that it finds equal, and where it finds that others differ."""

import io
import json
import math
import re
import sys
import tracemalloc

import numpy as np
import pytest

from graytorgb import BackendUnavailable, ModelError
from graytorgb.models import adapt, verify

from ..support import needs, needs_package, run_python

needs("torchvision")
needs_package("matplotlib", "rich", "psutil")

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torchvision import models as tv  # noqa: E402

from .networks import MEAN, STD, randomize_constants  # noqa: E402


def network(**options):
    stem = nn.Conv2d(3, 8, 3, **{"padding": 1, **options})
    layers = stem, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    return randomize_constants(nn.Sequential(*layers)).float()


@pytest.fixture
def images():
    return np.random.default_rng(0).random((11, 16, 18), np.float32)


def one_channel(model, weight, bias):
    stem = nn.Conv2d(1, 8, 3, padding=1)
    stem.weight, stem.bias = nn.Parameter(weight), nn.Parameter(bias)
    return nn.Sequential(stem, *model[1:])


def test_equal(images):
    model = network()
    proof = verify(
        model, adapt(model, (MEAN, STD)), images, (MEAN, STD), batch_size=4, seconds=0.02
    )
    assert proof.passed
    assert (proof.images, proof.top1, proof.top5) == (11, 1, 1)
    assert 0 < proof.max_difference < 1e-5
    assert proof.median_difference <= proof.max_difference
    assert proof.stem_difference.shape == (16, 18)
    assert max(proof.border_difference, proof.inside_difference) == proof.stem_difference.max()
    assert proof.batch == (4, 1, 16, 18)
    assert proof.speedup == proof.original_s.median / proof.adapted_s.median
    assert proof.original_s.rounds >= 5
    assert proof.adapted_peak_bytes >= 0


def test_a_bias_in_place_of_the_ones_differs_at_the_border_alone(images):
    model = network()
    weight, (mean, std) = model[0].weight.detach(), (torch.tensor(v) for v in (MEAN, STD))
    gray = (weight / std[:, None, None]).sum(1, keepdim=True)
    offset = (weight * (mean / std)[:, None, None]).sum((1, 2, 3))
    wrong = one_channel(model, gray, model[0].bias - offset)
    proof = verify(model, wrong, images, (MEAN, STD), seconds=0)
    assert not proof.passed
    assert proof.border_difference > 0.1
    assert proof.inside_difference < 1e-5
    edge = np.ones((16, 18), bool)
    edge[1:-1, 1:-1] = False
    assert (proof.stem_difference[edge] > 1e-3).all()


def test_the_usual_way_differs_everywhere(images):
    """The usual way sums the weights and averages the statistics."""
    model = network()
    mean, std = float(np.mean(MEAN)), float(np.mean(STD))
    summed = model[0].weight.detach().sum(1, keepdim=True) / std
    wrong = one_channel(model, summed, model[0].bias - mean * summed.sum((1, 2, 3)))
    proof = verify(model, wrong, images, (MEAN, STD), seconds=0)
    assert not proof.passed
    assert proof.inside_difference > 0.01
    assert proof.border_difference > 0.01


@pytest.mark.parametrize("how", ["expand", "learned"])
def test_a_network_behind_a_front(images, how):
    model = network()
    proof = verify(model, adapt(model, (MEAN, STD), how=how), images, (MEAN, STD), seconds=0)
    assert proof.passed
    assert proof.stem_difference.shape == (16, 18)


@pytest.mark.parametrize(
    ("options", "border", "inside"),
    [({"padding": 0}, None, True), ({"padding": 1, "padding_mode": "reflect"}, None, True),
     ({"kernel_size": 17, "padding": 8}, True, None)],
)  # fmt: skip
def test_stems_with_no_border_or_nothing_inside(images, options, border, inside):
    options = dict(options)
    stem = nn.Conv2d(3, 8, options.pop("kernel_size", 3), **options)
    model = randomize_constants(nn.Sequential(stem, nn.Flatten(2))).float()
    crops = images[:, :16, :16]
    proof = verify(model, adapt(model, (MEAN, STD)), crops, (MEAN, STD), seconds=0)
    assert (proof.border_difference is not None) == bool(border)
    assert (proof.inside_difference is not None) == bool(inside)


def test_the_best_classes():
    class Fixed(nn.Module):
        def __init__(self, order):
            super().__init__()
            self.scores = torch.tensor(order, dtype=torch.float32)

        def forward(self, x):
            return self.scores[: len(x)]

    before = Fixed([[9, 8, 7, 6, 5, 0, 0]] * 4)
    after = Fixed([[9, 8, 7, 6, 5, 0, 0], [8, 9, 7, 6, 5, 0, 0], [9, 8, 7, 6, 0, 5, 0], [0] * 7])
    proof = verify(before, after, torch.zeros(4, 5, 5), (0, 1), seconds=0, tolerance=100)
    assert (proof.top1, proof.top5) == (0.75, 0.75)
    assert not proof.passed
    assert (proof.max_difference, proof.largest_output) == (9, 9)
    assert proof.stem_difference is None
    with pytest.raises(ModelError, match="nothing to draw"):
        proof.write_png("nowhere.png")


def test_other_shapes_are_infinitely_far(images):
    model = network()
    other = adapt(model, (MEAN, STD))
    other[-1] = nn.Identity()
    proof = verify(model, other, images, (MEAN, STD), seconds=0)
    assert math.isinf(proof.max_difference)
    assert not proof.passed
    figures = json.loads(proof.to_json(), parse_constant=pytest.fail)  # JSON has no Infinity
    assert (figures["passed"], figures["max_difference"]) == (False, None)


def test_not_a_number_never_passes(images):
    model = network()
    wrong = adapt(model, (MEAN, STD))
    wrong[-1].bias.data[0] = math.nan
    assert not verify(model, wrong, images, (MEAN, STD), seconds=0).passed


class Wrapped(nn.Module):
    def __init__(self, model, function):
        super().__init__()
        self.model, self.function = model, function

    def forward(self, x):
        return self.function(self.model(x))


@pytest.mark.parametrize(
    "function",
    [
        lambda y: None,
        lambda y: y[:0],
        lambda y: y * 0,
        lambda y: y * math.nan,
        lambda y: y * math.inf,
    ],
)
def test_nothing_to_compare_proves_nothing(images, function):
    model = network()
    pair = [Wrapped(m, function) for m in (model, adapt(model, (MEAN, STD)))]
    with pytest.raises(ModelError, match="nothing was compared"):
        verify(*pair, images, (MEAN, STD), seconds=0)


def test_small_outputs_are_no_proof(images):
    """A tolerance of 1e-4 is relative if every output is a millionth."""
    model = network()
    wrong = adapt(model, (MEAN, STD))
    with torch.no_grad():
        wrong[0].weight.zero_()
    for adapted, passes in ((wrong, False), (adapt(model, (MEAN, STD)), True)):
        pair = [Wrapped(m, lambda y: y[:, :1] * 1e-6) for m in (model, adapted)]
        proof = verify(*pair, images, (MEAN, STD), seconds=0)
        assert proof.max_difference < 1e-5
        assert proof.passed is passes


def test_pixels_of_two_equal_classes(images):
    """Among millions of pixels, some have two classes that differ by rounding alone."""

    class Ties(nn.Module):
        def __init__(self, sign):
            super().__init__()
            self.gap = sign * 1e-6

        def forward(self, x):
            return torch.cat((x[:, :1], x[:, :1] + self.gap), 1)

    proof = verify(Ties(1), Ties(-1), images, (0, 1), seconds=0)
    assert proof.top1 == 0
    assert proof.passed
    proof = verify(*[Wrapped(Ties(s), lambda y: y[..., 0, 0]) for s in (1, -1)], images, (0, 1),
        seconds=0)  # fmt: skip
    assert proof.top1 == 0
    assert not proof.passed


def test_segmentation_counts_pixels(images):
    model = randomize_constants(nn.Sequential(nn.Conv2d(3, 5, 3, padding=1))).float()
    wrong = adapt(model, (MEAN, STD))
    with torch.no_grad():
        wrong[0].weight[:, 1] *= 0.5
    proof = verify(model, wrong, images, (MEAN, STD), seconds=0)
    assert 0 < proof.top1 < 1
    pixels = proof.top1 * images.size
    assert pixels == pytest.approx(round(pixels), abs=1e-6)


def test_tokens_are_no_classes(images):
    """A Hugging Face network without a head gives (N, tokens, features)."""
    model = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.Flatten(2))
    proof = verify(model, adapt(model, (MEAN, STD)), images, (MEAN, STD), seconds=0)
    assert proof.passed
    assert proof.top1 is None


def test_the_five_best_of_five_say_nothing(images):
    model = nn.Sequential(*network()[:-1], nn.Linear(8, 5))
    proof = verify(model, adapt(model, (MEAN, STD)), images, (MEAN, STD), seconds=0)
    assert (proof.top1, proof.top5) == (1, None)


def test_detection():
    """The scores don't tie, because rounding would decide the order of those that do."""
    model = randomize_constants(
        tv.detection.retinanet_resnet50_fpn(
            weights=None, weights_backbone=None, min_size=96, max_size=128, score_thresh=0
        )
    )
    images = [np.random.default_rng(0).random(size) for size in ((40, 50), (60, 30))]
    proof = verify(model, adapt(model), images, seconds=0, tolerance=1e-8)
    assert proof.passed
    assert proof.images == 2
    assert proof.top1 is None


def test_modes_stay(images):
    model = network().train()
    adapted = adapt(model, (MEAN, STD))
    model[1].eval()
    verify(model, adapted, images, (MEAN, STD), seconds=0)
    assert [m.training for m in model] == [True, False, True, True, True]
    assert all(m.training for m in adapted.modules())


def test_bytes():
    model = network()
    images = np.random.default_rng(0).integers(0, 256, (3, 9, 9), np.uint8)
    adapted = adapt(model, (MEAN, STD), value_range=(0, 255))
    proof = verify(model, adapted, images, (MEAN, STD), value_range=(0, 255), seconds=0)
    assert proof.passed
    with pytest.raises(ModelError, match=r"images are uint8.*value_range="):
        verify(model, adapt(model, (MEAN, STD)), images, (MEAN, STD), seconds=0)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 3, 9, 9)), "images have one channel"),
        (np.zeros((9, 9)), "sequence of gray images"),
        (np.zeros((0, 9, 9)), "no images"),
        (np.zeros((1, 0, 9)), "shape"),
        (["photo.png"], r"not a path, 'photo.png': g2r.io.read\(path\)"),
        (np.array([["photo.png"]]), "dtype <U"),
        ([np.zeros((9, 9)), np.zeros((9, 9, 3))], r"the shape \(9, 9, 3\)"),
        (np.full((1, 9, 9), math.nan), "aren't finite"),
        (np.array([[[0, math.inf]]]), "aren't finite"),
        (torch.zeros(1, 9, 9, requires_grad=True), r"images.detach\(\).float\(\).cpu\(\)"),
        (torch.zeros(1, 9, 9, dtype=torch.bfloat16), r"images.detach\(\).float\(\).cpu\(\)"),
    ],
)
def test_what_is_no_gray_image(images, message):
    model = network()
    with pytest.raises(ModelError, match=message):
        verify(model, adapt(model, (MEAN, STD)), images, (MEAN, STD), seconds=0)


def test_networks_that_cannot_be_run(images):
    """The error says which of the two networks it is, and on which images."""
    model = network()
    adapted = adapt(model, (MEAN, STD))
    for pair, message in (
        (
            (adapted, model),
            r"the original network of .*ChannelError for 3 planes.*\(8, 3, 16, 18\)",
        ),
        (
            (model, model),
            r"the adapted network of .*RuntimeError for gray of shape \(8, 1, 16, 18\)",
        ),
    ):
        with pytest.raises(ModelError, match=message):
            verify(*pair, images, (MEAN, STD))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "nothing"}, "no convolution 'nothing'"),
        ({"layer": "1"}, "no convolution '1'"),
        ({"batch_size": 0}, "batch_size is 1 or more, not 0"),
    ],
)
def test_arguments(images, options, message):
    model = network()
    with pytest.raises(ModelError, match=message):
        verify(model, adapt(model, (MEAN, STD)), images, (MEAN, STD), seconds=0, **options)


@pytest.mark.filterwarnings("ignore:`torch.jit", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("which", [0, 1])
def test_traced_networks(images, which):
    """Traced networks take no hooks, so their stems aren't compared."""
    model = network()
    pair = [model, adapt(model, (MEAN, STD))]
    pair[which] = torch.jit.trace(pair[which], torch.zeros(1, (3, 1)[which], 16, 18))
    proof = verify(*pair, images, (MEAN, STD), seconds=0)
    assert proof.passed
    assert proof.stem_difference is None


def test_memory_is_that_of_a_batch():
    """Not all differences are kept, which are gigabytes for maps of scores."""
    model = nn.Conv2d(3, 16, 1).eval()
    adapted = adapt(model, (MEAN, STD))
    images = np.random.default_rng(0).random((24, 128, 128), np.float32)
    verify(model, adapted, images[:1], (MEAN, STD), seconds=0)
    tracemalloc.start()
    proof = verify(model, adapted, images, (MEAN, STD), seconds=0, batch_size=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert proof.passed
    assert 0 < proof.median_difference < proof.max_difference
    assert peak < 16 * images.size * 8 / 2


@pytest.mark.parametrize("shape", [(2, 9, 9), (2, 1, 9, 9)])
@pytest.mark.parametrize("make", [np.zeros, torch.zeros, lambda shape: list(np.zeros(shape))])
def test_kinds_of_images(make, shape):
    model = network()
    assert verify(model, adapt(model, (MEAN, STD)), make(shape), (MEAN, STD), seconds=0).images == 2


class TestReports:
    @pytest.fixture
    def proof(self, images):
        model = network()
        return verify(model, adapt(model, (MEAN, STD)), images, (MEAN, STD), seconds=0.02)

    def test_json(self, proof):
        document = json.loads(proof.to_json())
        assert document["passed"] is True
        assert document["original_s"]["rounds"] == proof.original_s.rounds
        assert document["batch"] == [8, 1, 16, 18]
        assert "stem_difference" not in document

    def test_text_and_table(self, proof):
        from rich.console import Console

        console = Console(width=100, file=io.StringIO())
        console.print(proof)
        for text in (console.file.getvalue(), str(proof)):
            assert "passed: 11 images" in text
            assert "100 %" in text
            assert "8x1x16x18, ms" in text

    def test_picture(self, proof, tmp_path):
        from PIL import Image

        proof.write_png(tmp_path / "where.png")
        with Image.open(tmp_path / "where.png") as picture:
            assert picture.size[0] > 300


def test_without_psutil_all_but_memory_is_there(images, monkeypatch):
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.delitem(sys.modules, "graytorgb.measure.peak", raising=False)
    model = network()
    proof = verify(model, adapt(model, (MEAN, STD)), images, seconds=0.02)
    assert proof.passed
    assert proof.original_s.rounds >= 5
    assert proof.original_peak_bytes is proof.adapted_peak_bytes is None
    assert "needs psutil" in proof.why_no_peaks
    assert re.search(r"8x1x16x18, peak MB +not measured  needs psutil: pip install", str(proof))
    assert json.loads(proof.to_json())["why_no_peaks"] == proof.why_no_peaks


def test_without_matplotlib_the_proof_stays(images, tmp_path, monkeypatch):
    model = network()
    proof = verify(model, adapt(model, (MEAN, STD)), images, seconds=0)
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BackendUnavailable, match=r"needs matplotlib.*graytorgb\[bench\]"):
        proof.write_png(tmp_path / "where.png")
    assert proof.passed


def test_nothing_is_imported_to_find_out():
    code = """
import sys
from graytorgb import models
from graytorgb.errors import ModelError
try:
    models.adapt(object(), (0, 1))
except ModelError as error:
    print(error)
heavy = {"torch", "keras", "onnx", "safetensors", "psutil", "matplotlib", "rich"}
print(heavy & {name.partition(".")[0] for name in sys.modules})
"""
    assert run_python(code).splitlines()[-1] == "set()"
