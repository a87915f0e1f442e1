"""ONNX models as exporters write them: real weights, real photos, real converters."""

import numpy as np
import pytest

from graytorgb.models import adapt, adapt_file, verify
from graytorgb.models.runtimes import RUNTIMES

from ...support import needs_package

needs_package("onnx", "onnxruntime", "timm", "foolbox", "torchvision")

import onnx  # noqa: E402
from onnxruntime.transformers.float16 import convert_float_to_float16  # noqa: E402
from torch import nn  # noqa: E402
from torchvision import models as tv  # noqa: E402

from ..networks import MEAN, STD, randomize_constants  # noqa: E402
from .exports import export, first_blocks, gray_photos, mobilenet  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gray():
    return gray_photos()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Return a file of MobileNetV2 with its weights."""
    return export(mobilenet()[0], tmp_path_factory.mktemp("plain") / "net.onnx", dynamo=False)


@pytest.fixture(scope="module", params=["dynamo", "legacy"])
def real(request, plain, tmp_path_factory):
    """Return a file by either exporter; the newer one writes the weights beside the model.

    It takes long, so it exports the first layers alone.
    """
    if request.param == "legacy":
        return plain
    return export(first_blocks(), tmp_path_factory.mktemp("real") / "net.onnx")


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
    has_data = real.with_name("net.onnx.data").exists()
    assert (tmp_path / "gray.onnx.data").exists() == has_data


def test_both_runtimes_agree(real, gray, tmp_path):
    """OpenVINO gives the outputs that ONNX Runtime gives."""
    needs_package("openvino")
    adapt_file(real, tmp_path / "gray.onnx", (MEAN, STD))
    sessions = [RUNTIMES[name].load().load_session(tmp_path / "gray.onnx")
        for name in ("onnxruntime", "openvino")]  # fmt: skip
    [ours], [theirs] = (session([gray[:2, None]]) for session in sessions)
    assert np.abs(theirs - ours).max() <= 1e-5 * np.abs(ours).max()


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


def resnet():
    return tv.ResNet(tv.resnet.BasicBlock, [1, 1, 1, 1], num_classes=10)


def convnext():
    blocks = [tv.convnext.CNBlockConfig(24, 48, 1), tv.convnext.CNBlockConfig(48, None, 1)]
    return tv.ConvNeXt(blocks, num_classes=10)


def vit():
    return tv.VisionTransformer(32, 8, 1, 2, 32, 64, num_classes=10)


# name: function, whether the newer exporter writes the file, and the only size that it takes
NETWORKS = {
    "resnet": (resnet, False, None),
    "convnext": (convnext, False, None),
    "vit": (vit, True, 32),
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
    assert (proof.border_difference is None) == (name != "resnet")


class GoogLeNetFront(nn.Module):
    """The arithmetic and the first layer of torchvision's GoogLeNet."""

    def __init__(self):
        super().__init__()
        network = tv.GoogLeNet(transform_input=True, aux_logits=False, init_weights=False)
        self._transform_input, self.conv1 = network._transform_input, network.conv1

    def forward(self, x):
        return self.conv1(self._transform_input(x))


def test_arithmetic_of_a_network_is_folded(tmp_path):
    """torchvision's transform_input splits the channels and joins them again."""
    network = randomize_constants(GoogLeNetFront()).float()
    path = export(network, tmp_path / "net.onnx", dynamo=False, size=None)
    adapted = adapt(path, (0.5, 0.5))
    operators = [node.op_type for node in adapted.graph.node]
    assert operators == ["Sub", "Pad", "Conv", "Relu"]
    images = np.random.default_rng(0).random((2, 96, 128), np.float32)
    assert verify(path, adapted, images, (0.5, 0.5), seconds=0, tolerance=1e-5).passed
