"""Preprocessing: the record that an adapted network carries, through copies and files."""

import copy
import io
import pickle
import re

import numpy as np
import pytest

from graytorgb import LevelsError, ModelError, OptionError
from graytorgb.models import adapt, adapt_file, adapt_state_dict, verify
from graytorgb.models.preprocessing import Preprocessing

from ..support import needs, needs_package

needs("torchvision")
needs_package("onnx", "onnxruntime", "safetensors")

import onnx  # noqa: E402
import torch  # noqa: E402
from onnx import numpy_helper, parser  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torch import nn  # noqa: E402

from .networks import MEAN, STD, drop_preprocessing, randomize_constants  # noqa: E402

IMAGES = np.random.default_rng(0).random((3, 12, 14), np.float32)
RANGES = [{}, {"value_range": (0, 4095)}, {"normalized": (0.45, 0.225)}]


class TestRecord:
    @pytest.mark.parametrize(
        "arguments",
        [
            (),
            ("imagenet",),
            ("caffe", (0, 255)),
            ((0.5, 0.25), None, (0.4, 0.2)),
            (None, (-1e-7, 1e20)),
            ((1 / 3, 2e-9),),
        ],
    )
    def test_its_text_is_read_back(self, arguments):
        made = Preprocessing.from_arguments(*arguments)
        text = made.to_text()
        read = Preprocessing.from_text(text)
        assert read.as_arguments() == made.as_arguments()
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._\-+]*", text)  # a name that TensorFlow takes

    @pytest.mark.parametrize(
        "text",
        [None, "", "conv1", "gray_to_rgb", "gray-input_1", "gray-input_mean", "gray-input_mean_0",
         "gray-input_range_1_0", "gray-input_mean_a_std_1", "gray-input_std_1"],
    )  # fmt: skip
    def test_other_text_is_none(self, text):
        assert Preprocessing.from_text(text) is None

    def test_without_stats_the_gray_is_only_rescaled(self):
        made = Preprocessing.from_arguments(value_range=(0, 255))
        assert made.normalization.equals(made.rescaling)
        assert made.limits == (0, 255)
        with pytest.raises(ModelError, match="say how the images were normalized") as caught:
            made.require_stats()
        assert caught.value.remedies == ("stats",)

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ((), "of the values that the original takes"),
            (("0..1",), "of the values that the original takes"),
            (("imagenet",), "one channel, from 0 to 1"),
            (("imagenet", (0, 4095)), "from 0 to 4095"),
            (("imagenet", None, (0.4, 0.2)), "normalized by 0.4 and 0.2"),
        ],
    )
    def test_what_the_adapted_network_takes(self, arguments, told):
        assert told in Preprocessing.from_arguments(*arguments).describe_input()

    def test_what_agrees(self):
        made = Preprocessing.from_arguments("-1..1", (0, 255))
        for arguments in ((), ("-1..1",), ((0.5, 0.5),), (None, (0.0, 255.0))):
            made.check_agrees(Preprocessing.from_arguments(*arguments))
        Preprocessing().check_agrees(Preprocessing.from_arguments("0..1"))
        # gray from 0 to 1, normalized by 0 and 1/255, is gray from 0 to 255
        made.check_agrees(Preprocessing.from_arguments(None, None, (0, 1 / 255)))

    @pytest.mark.parametrize(
        "arguments", [("imagenet",), (None, (0, 1)), (None, None, (0.5, 0.5)), ("-1..1", (0, 256))]
    )
    def test_what_contradicts(self, arguments):
        made = Preprocessing.from_arguments("-1..1", (0, 255))
        with pytest.raises(
            ModelError, match=r"made with stats=.*this call says (stats|value|norm)"
        ):
            made.check_agrees(Preprocessing.from_arguments(*arguments))

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            (("imagenot",), OptionError),
            ((((1, 2), (1, 2)),), LevelsError),
            ((((2, 3, 4), 1),), ModelError),
            ((None, (1, 0)), ModelError),
            ((None, (0, 1), (0, 1)), ModelError),
        ],
    )
    def test_what_cannot_be(self, arguments, error):
        with pytest.raises(error):
            Preprocessing.from_arguments(*arguments)


@pytest.fixture
def model():
    layers = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return randomize_constants(nn.Sequential(*layers)).float()


def pickle_and_load(adapted):
    file = io.BytesIO()
    torch.save(adapted, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def make_images(options):
    """Return images in the range that the options state."""
    lo, hi = Preprocessing.from_arguments(None, **options).limits
    return (lo + (hi - lo) * IMAGES).astype(np.float32)


TORCH = {
    "itself": lambda adapted: adapted,
    "a copy": copy.deepcopy,
    "saved": pickle_and_load,
    "moved": lambda adapted: adapted.to(torch.float64).to(torch.float32),
    "in another": lambda adapted: nn.Sequential(adapted),
}


class TestTorch:
    @pytest.mark.parametrize("way", TORCH)
    @pytest.mark.parametrize("options", RANGES)
    def test_carried(self, model, way, options):
        carried = TORCH[way](adapt(model, (MEAN, STD), **options))
        assert verify(model, carried, make_images(options), seconds=0).passed
        with pytest.raises(ModelError, match="made with stats="):
            verify(model, carried, make_images(options), "-1..1", seconds=0)

    @pytest.mark.parametrize("how", ["collapse", "expand", "learned"])
    def test_no_key_of_a_state_dict(self, model, how):
        adapted = adapt(model, (MEAN, STD), how=how)
        before = set(adapted.state_dict())
        drop_preprocessing(adapted)
        assert set(adapted.state_dict()) == before

    def test_a_refused_network_carries_nothing(self):
        model = nn.Sequential(nn.InstanceNorm2d(3), nn.Conv2d(3, 4, 3))
        with pytest.raises(ModelError, match="batch_norm, in layer '0'"):
            adapt(model, "imagenet", example=8, inplace=True)
        assert not hasattr(model, "graytorgb_preprocessing")

    def test_where_nothing_is_carried_it_is_said(self, model):
        state = adapt_state_dict(model.state_dict(), (MEAN, STD))
        carried = adapt(model, (MEAN, STD))
        carried.load_state_dict(state)
        bare = drop_preprocessing(copy.deepcopy(carried))
        assert verify(model, bare, IMAGES, (MEAN, STD), seconds=0).passed
        assert not verify(model, bare, IMAGES, seconds=0).passed

    def test_two_that_differ_are_none(self, model):
        both = nn.ModuleList([adapt(model, "imagenet"), adapt(model, "-1..1")])
        both.forward = lambda x: both[0](x)
        assert verify(model, both, IMAGES, "imagenet", seconds=0).passed


def graph():
    text = """<ir_version: 8, opset_import: ["": 17]> net (float[N, 3, H, W] x)
        => (float[N, 8] y) { a = Conv <pads = [1, 1, 1, 1]> (x, w) b = Relu(a)
        m = GlobalAveragePool(b) y = Flatten(m) }"""
    proto = parser.parse_model(text)
    kernel = np.random.default_rng(0).standard_normal((8, 3, 3, 3)).astype(np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(kernel, "w"))
    return proto


class TestOnnx:
    @pytest.mark.parametrize("how", ["collapse", "expand"])
    @pytest.mark.parametrize("options", RANGES)
    def test_carried(self, tmp_path, how, options):
        onnx.save(graph(), tmp_path / "net.onnx")
        adapt_file(tmp_path / "net.onnx", tmp_path / "gray.onnx", (MEAN, STD), how=how, **options)
        onnx.save(onnx.load(tmp_path / "gray.onnx"), tmp_path / "again.onnx")
        in_memory = adapt(graph(), (MEAN, STD), how=how, **options)
        for adapted in (in_memory, tmp_path / "gray.onnx", tmp_path / "again.onnx"):
            assert verify(graph(), adapted, make_images(options), seconds=0).passed
            with pytest.raises(ModelError, match="made with stats="):
                verify(graph(), adapted, make_images(options), "-1..1", seconds=0)

    def test_where_nothing_is_carried_it_is_said(self):
        adapted = adapt(graph(), (MEAN, STD))
        del adapted.metadata_props[:]
        assert verify(graph(), adapted, IMAGES, (MEAN, STD), seconds=0).passed
        assert not verify(graph(), adapted, IMAGES, seconds=0).passed


class TestFiles:
    @pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".safetensors"])
    def test_weights(self, model, tmp_path, suffix):
        src, dst = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
        save, load = (save_file, load_file) if "safe" in suffix else (torch.save, torch.load)
        save(model.state_dict(), src)
        adapt_file(src, dst, (MEAN, STD))
        adapted = adapt(model, (MEAN, STD))
        for name, tensor in load(dst).items():
            assert torch.equal(tensor, adapted.state_dict()[name])
        adapt_file(str(src), str(dst), (MEAN, STD), offset="bias", layer="0")
        assert load(dst)["0.weight"].shape[1] == 1

    @pytest.mark.parametrize(
        ("names", "options", "message"),
        [
            (("a.pt", "b.onnx"), {}, r"is of the same kind as the original, .*\.pt"),
            (("a.onnx", "b.keras"), {}, r"is of the same kind as the original, \.onnx, not"),
            (("a.onnx", "b.onnx"), {"offset": "bias"}, "files of weights alone"),
            (("a.h5", "b.h5"), {}, r"a file of a model or of weights is \.keras"),
            (("a.pt", "b.pt"), {"how": "expand"}, "a file of weights has no network"),
            (("a.pt", "b.pt"), {"example": 224}, "a file of weights has no network"),
            (("a.pt", "b.pt"), {"layer": ["0", "1"]}, "no weight is called '1.weight'"),
            (("a.pt", "b.pt"), {"layer": "x"}, "no weight is called 'x.weight'"),
            (("a.pt", "b.pt"), {"stats": None}, "say how the images were normalized"),
        ],
    )
    def test_what_cannot_be_meant(self, model, tmp_path, names, options, message):
        torch.save(model.state_dict(), tmp_path / "a.pt")
        onnx.save(graph(), tmp_path / "a.onnx")
        src, dst = (tmp_path / name for name in names)
        with pytest.raises(ModelError, match=message):
            adapt_file(src, dst, **{"stats": (MEAN, STD), **options})
        assert not dst.exists()

    @pytest.mark.parametrize("call", [adapt, adapt_state_dict])
    def test_mean_and_std_are_one_argument(self, model, call):
        source = model if call is adapt else model.state_dict()
        for options in ((source, 0.5, 0.25), (source, 0.5)):
            with pytest.raises(OptionError, match=r"stats=\(0\.5, "):
                call(*options, **({} if len(options) > 2 else {"std": 0.25}))

    def test_in_verify_and_adapt_file_too(self, model, tmp_path):
        with pytest.raises(OptionError, match=r"verify\(\.\.\., stats=\(0\.5, 0\.25\)\)"):
            verify(model, model, IMAGES, 0.5, 0.25)
        with pytest.raises(OptionError, match=r"adapt_file\(\.\.\., stats=\(0\.5, 0\.25\)\)"):
            adapt_file("a.pt", "b.pt", mean=0.5, std=0.25)


def test_remedies_stay_with_a_pickled_error():
    """An error in a worker process is pickle_and_load."""
    error = pickle.loads(pickle.dumps(ModelError("no", remedies=("stats",))))
    assert (str(error), error.remedies) == ("no", ("stats",))
    assert ModelError("no").remedies == OptionError("no").remedies == ()
