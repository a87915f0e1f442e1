"""Keras networks, converted to each runtime that takes them, run there, and compared."""

import sys
import warnings

import keras
import numpy as np
import pytest
from keras import layers

from graytorgb import ModelError
from graytorgb.models import adapt, adapt_file, verify
from graytorgb.models.runtimes import RUNTIMES, convert

from ..support import needs_package
from ._networks_keras import BACKEND, MEAN, STD, gray, planes, run

NEEDED = {
    "onnxruntime": ("onnxruntime", "tf2onnx" if BACKEND == "tensorflow" else "onnxscript"),
    "openvino": ("openvino",),
    "litert": ("ai_edge_litert", *(() if BACKEND == "tensorflow" else ("litert_torch",))),
}
EVERY = pytest.mark.parametrize("runtime", NEEDED)


@pytest.fixture
def network():
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(8, 3, padding="same", activation="relu", bias_initializer="normal"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, bias_initializer="normal"),
        ]
    )


@pytest.mark.skipif(BACKEND == "jax", reason="see below")
class TestEveryRuntime:
    @EVERY
    def test_the_adapted_network_is_the_original(self, runtime, network):
        needs_package(*NEEDED[runtime])
        adapted = adapt(network, (MEAN, STD), value_range=(0, 255))
        proof = verify(network, adapted, 255 * gray(3, 16, 18), seconds=0, runtime=runtime)
        assert proof.passed
        assert proof.max_difference < 1e-5
        assert proof.top1 == 1
        assert proof.original_runtime_difference < 1e-5
        assert proof.adapted_runtime_difference < 1e-5
        assert proof.runtime.startswith(RUNTIMES[runtime].title)
        wrong = adapt(network, (0.5, 0.25), value_range=(0, 255))
        with pytest.raises(ModelError, match="was made with"):
            verify(network, wrong, 255 * gray(3, 16, 18), (MEAN, STD), runtime=runtime)

    @EVERY
    def test_conversion_of_a_file(self, runtime, network, tmp_path):
        needs_package(*NEEDED[runtime])
        adapted = adapt(network, (MEAN, STD))
        adapted.save(tmp_path / "gray.keras")
        path = tmp_path / f"gray{RUNTIMES[runtime].suffix}"
        [given] = convert(tmp_path / "gray.keras", runtime, path, sides=(16, 18))
        assert (given.shape, given.dtype) == ((1, 16, 18, 1), "float32")
        x = gray(1, 16, 18, 1)
        [scores] = RUNTIMES[runtime].load().load_session(path)([x])
        assert np.abs(scores - run(adapted, x)).max() < 1e-5

    def test_an_exported_file_is_adapted(self, network, tmp_path):
        """Both runtimes give the outputs of Keras."""
        needs_package(*NEEDED["onnxruntime"], "openvino")
        x = gray(2, 16, 18, 1)
        color = planes(x)
        expected = run(network, color)
        export = RUNTIMES["onnxruntime"].load().CONVERTERS["keras"]
        with warnings.catch_warnings():  # the exporters use what their libraries deprecate
            warnings.simplefilter("ignore")
            export(network, [color], tmp_path / "net.onnx")
        adapt_file(tmp_path / "net.onnx", tmp_path / "gray.onnx", (MEAN, STD))
        for runtime in ("onnxruntime", "openvino"):
            session = RUNTIMES[runtime].load().load_session(tmp_path / "gray.onnx")
            [scores] = session([x])
            assert np.abs(scores - expected).max() < 1e-5

    def test_runtimes_that_take_no_keras(self, network):
        adapted = adapt(network, (MEAN, STD))
        with pytest.raises(ModelError, match="'onnxruntime', 'openvino' or 'litert'"):
            verify(network, adapted, gray(1, 16, 18), runtime="executorch")


@pytest.mark.skipif(BACKEND != "jax", reason="the other backends are converted")
def test_networks_on_jax_say_what_to_do(network):
    needs_package("openvino")
    adapted = adapt(network, (MEAN, STD))
    with pytest.raises(ModelError, match=r"has jax: save the network, .* KERAS_BACKEND=tensorflow"):
        verify(network, adapted, gray(1, 16, 18), runtime="openvino")


def test_torch_and_tensorflow_are_apart():
    assert BACKEND == "torch" or "torch" not in sys.modules
