"""ONNX models in 8 bits: real weights, real photos, and the quantizer of ONNX Runtime."""

import warnings

import numpy as np
import pytest

from graytorgb import ModelError
from graytorgb.models import adapt, adapt_file, verify

from ...support import needs_package

needs_package("onnx", "onnxruntime", "timm", "foolbox")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402
from onnxruntime import quantization  # noqa: E402

from ..networks import MEAN, STD  # noqa: E402
from .exports import export, first_blocks, gray_photos, mobilenet, quantize  # noqa: E402

pytestmark = pytest.mark.slow
MEANS, STDS = (np.reshape(np.float32(v), (3, 1, 1)) for v in (MEAN, STD))
RANGES = ((0, 1), (0, 255))


@pytest.fixture(scope="module")
def gray():
    return gray_photos()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Return a file of MobileNetV2's first layers with their weights."""
    return export(first_blocks(), tmp_path_factory.mktemp("plain") / "net.onnx", dynamo=False)


def test_a_quantized_model_is_expanded(plain, gray, tmp_path):
    """Collapsing a quantized model is refused; expanding it keeps every bit."""
    path = quantize(plain, tmp_path / "color8.onnx", (gray[:4, None] - MEANS) / STDS)
    with pytest.raises(ModelError, match=r"is quantized by QuantizeLinear.*then quantize it"):
        adapt(path, (MEAN, STD))
    adapted = adapt(path, (MEAN, STD), how="expand")
    onnx.checker.check_model(adapted, full_check=True)
    proof = verify(path, adapted, gray, (MEAN, STD), seconds=0)
    assert proof.max_difference == 0
    assert proof.top1 == 1


def test_quantized_at_each_run(plain, tmp_path):
    path = tmp_path / "dynamic.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantization.quantize_dynamic(plain, path, weight_type=quantization.QuantType.QUInt8)
    with pytest.raises(ModelError, match="is quantized by DynamicQuantizeLinear"):
        adapt(path, (MEAN, STD))


@pytest.fixture(scope="module")
def networks(tmp_path_factory, gray):
    """Return files of the whole original and of its adapted networks, and photos for each.

    The output of the first layer is an output of the model too.
    """
    folder = tmp_path_factory.mktemp("networks")
    images = gray[:, None, ::2, ::2]  # 112 x 112
    path = export(mobilenet()[0], folder / "net.onnx", dynamo=False, size=None)
    original = onnx.load(path)
    stem = next(node for node in original.graph.node if node.op_type == "Clip")
    value = onnx.helper.make_tensor_value_info(stem.output[0], onnx.TensorProto.FLOAT, None)
    original.graph.output.append(value)
    onnx.save(original, folder / "color.onnx")
    files = {"original": (folder / "color.onnx", (images - MEANS) / STDS)}
    for limits in RANGES:
        path = folder / f"gray{limits[1]}.onnx"
        adapt_file(folder / "color.onnx", path, (MEAN, STD), value_range=limits)
        files[limits] = path, images * np.float32(limits[1])
    return files


@pytest.mark.parametrize("per_channel", [True, False])
def test_a_stem_loses_no_more_than_the_original(networks, tmp_path, per_channel, record_property):
    """Only the stem has 8 bits, so the errors of the scores are the stem's too.

    The layers behind it turn its errors into others. So the scores' errors differ by chance, from
    one calibration to the next by some hundredths.
    """
    errors = {}
    for name, (path, images) in networks.items():
        stem = next(node.name for node in onnx.load(path).graph.node if node.op_type == "Conv")
        options = {"per_channel": per_channel, "nodes_to_quantize": [stem]}
        errors[name] = measure_errors(path, images, tmp_path / "int8.onnx", **options)
        for part, error in zip(("scores", "stem"), errors[name], strict=True):
            record_property(f"{name}: error of the {part}", float(error))
    scores, stem_error = errors["original"]
    for limits in RANGES:
        assert 0 < errors[limits][0] <= 1.05 * scores
        assert 0 < errors[limits][1] <= stem_error


def test_a_network_loses_no_more_than_the_original(networks, tmp_path, record_property):
    """The scores have the errors of all layers, and those of the others differ by chance."""
    errors = {}
    for name, given in networks.items():
        errors[name] = measure_errors(*given, tmp_path / "int8.onnx", per_channel=True)
        for part, error in zip(("scores", "stem"), errors[name], strict=True):
            record_property(f"{name}: error of the {part}", float(error))
    scores, stem = errors["original"]
    for limits in RANGES:
        assert 0 < errors[limits][0] <= 1.05 * scores
        assert 0 < errors[limits][1] <= stem


def measure_errors(path, images, out, **options):
    """Return the root mean square errors of the scores and of the stem in 8 bits.

    The photos that calibrate are mirrored.
    """
    quantize(path, out, images[..., ::-1], **options)
    exact, actual = run(path, images), run(out, images)
    return [np.sqrt(np.mean((a - e) ** 2)) for a, e in zip(actual, exact, strict=True)]


def run(path, images):
    """Return the outputs of the model in a file."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # it warns of constants that it removes
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images})
