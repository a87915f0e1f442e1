"""ONNX models and stems whose weights or outputs aren't finite: the error says so."""

import numpy as np
import pytest

from graytorgb import ModelError
from graytorgb.models import adapt, verify
from graytorgb.models.stem import check_stem_outputs

from ..support import needs_package

needs_package("onnx", "onnxruntime")

from onnx import numpy_helper, parser  # noqa: E402


def make_model(kernel, dtype="float"):
    text = f"""<ir_version: 8, opset_import: ["": 17]>
        net ({dtype}[N, 3, H, W] x) => ({dtype}[N, 8, P, Q] y) {{ y = Conv (x, w) }}"""
    model = parser.parse_model(text)
    model.graph.node[0].name = "conv1"
    model.graph.initializer.append(numpy_helper.from_array(kernel, "w"))
    return model


@pytest.fixture
def kernel():
    return np.random.default_rng(0).standard_normal((8, 3, 3, 3)).astype(np.float32)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_onnx_weights(kernel, value):
    kernel[3, 1, 0, 2] = value
    what = "NaN" if np.isnan(value) else "infinite values"
    with pytest.raises(ModelError, match=f"layer 'conv1' returns {what} for an image") as caught:
        adapt(make_model(kernel), "imagenet")
    assert "order of the channels" not in str(caught.value)


def test_onnx_float16(kernel):
    large = (np.abs(kernel).clip(1, 2) * 30000).astype(np.float16)
    with pytest.raises(ModelError, match=r"float16 overflows in layer 'conv1'.*float32"):
        adapt(make_model(large, "float16"), "0..1")
    adapt(make_model(large.astype(np.float32)), "0..1")


def test_a_proof_of_nan_fails(kernel):
    """A network whose outputs are NaN for every image isn't proven."""
    model = make_model(kernel)
    adapted = adapt(model, "imagenet")
    for proto in (model, adapted):
        for tensor in proto.graph.initializer:
            values = numpy_helper.to_array(tensor) * np.float32("nan")
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    images = np.random.default_rng(0).random((2, 9, 9), np.float32)
    try:
        proof = verify(model, adapted, images, seconds=0)
    except ModelError as error:
        assert "finite" in str(error) or "NaN" in str(error)  # noqa: PT017
    else:
        assert not proof.passed


@pytest.mark.parametrize(
    ("value", "precision", "message"),
    [
        (np.inf, "float16", "float16 overflows in layer 'a'"),
        (np.nan, "float16", "layer 'a' returns NaN"),
        (np.inf, "float32", "layer 'a' returns infinite values"),
    ],
)
@pytest.mark.parametrize("where", ["expected", "actual"])
def test_outputs_of_stems(value, precision, message, where):
    outputs = {"expected": np.ones((1, 2, 4)), "actual": np.ones((1, 2, 4))}
    outputs[where][0, 1, 2] = value
    with pytest.raises(ModelError, match=message):
        check_stem_outputs("a", **outputs, precision=precision)
