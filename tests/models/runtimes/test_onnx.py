"""ONNX models on the runtimes that take them."""

import sys

import numpy as np
import pytest

from graytorgb import ModelError
from graytorgb.models import adapt, adapt_file, verify
from graytorgb.models.runtimes import convert

from ...support import needs_package, run_python
from ..onnx.graphs import CONV, MEAN, STD, gray, model, onnx

EVERY = pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])


@EVERY
@pytest.mark.parametrize("how", ["collapse", "expand"])
def test_files_and_models(runtime, how, tmp_path):
    needs_package(runtime)
    original = model(CONV % "x")
    onnx.save(original, tmp_path / "net.onnx")
    adapt_file(tmp_path / "net.onnx", tmp_path / "gray.onnx", (MEAN, STD), how=how)
    for pair in (
        (original, adapt(original, (MEAN, STD), how=how)),
        (tmp_path / "net.onnx", tmp_path / "gray.onnx"),
    ):
        proof = verify(*pair, gray(3, 8, 9), seconds=0, runtime=runtime)
        assert proof.passed
        assert proof.max_difference < 1e-5
        assert proof.original_runtime_difference < 1e-5
        assert proof.adapted_runtime_difference < 1e-5


@EVERY
def test_a_wrong_model_does_not_pass(runtime):
    needs_package(runtime)
    wrong = adapt(model(CONV % "x"), (0.5, 0.25))
    del wrong.metadata_props[:]
    proof = verify(model(CONV % "x"), wrong, gray(3, 8, 9), (MEAN, STD), seconds=0, runtime=runtime)
    assert not proof.passed


@EVERY
def test_a_fixed_number_of_images(runtime):
    needs_package(runtime)
    fixed = model(CONV % "x", given="float[2, 3, 8, 9] x", out="float[2, 8, 8, 9] y")
    adapted = adapt(fixed, (MEAN, STD))
    x = gray(4, 8, 9)
    assert verify(fixed, adapted, x, seconds=0, runtime=runtime, batch_size=2).passed
    with pytest.raises(ModelError, match="can't run the original network on inputs of shape"):
        verify(fixed, adapted, x, seconds=0, runtime=runtime)


@EVERY
def test_one_image_without_a_batch_axis(runtime):
    needs_package(runtime)
    body = """b = Unsqueeze (x, axis) c = Conv <pads = [1, 1, 1, 1]> (b, w)
        y = Squeeze (c, axis)"""
    one = model(body, "float[3, H, W] x", "float[8, P, Q] y", axis=np.array([0]))
    adapted = adapt(one, (MEAN, STD))
    proof = verify(one, adapted, gray(3, 8, 9), seconds=0, runtime=runtime)
    assert proof.passed
    assert proof.original_runtime_difference < 1e-5
    with pytest.raises(ModelError, match="one image at a time: pass batch_size=1"):
        verify(one, adapted, gray(3, 8, 9), seconds=0, runtime=runtime, batch_size=2)


@EVERY
def test_two_images(runtime):
    needs_package(runtime)
    body = f"{CONV.replace('y', 'a', 1) % 'left'} {CONV.replace('y', 'b', 1) % 'x'} y = Sub (a, b)"
    two = model(body, "float[N, 3, H, W] left, float[N, 3, H, W] x")
    proof = verify(two, adapt(two, (MEAN, STD)), gray(3, 8, 9), seconds=0, runtime=runtime)
    assert proof.passed
    assert proof.original_runtime_difference < 1e-5


@EVERY
def test_bytes(runtime):
    needs_package(runtime)
    body = f"f = Cast <to = 1> (x) {CONV % 'f'}"
    whole = model(body, "uint8[N, 3, H, W] x")
    x = (255 * gray(3, 8, 9)).astype(np.uint8)
    proof = verify(whole, adapt(whole, "0..1"), x, seconds=0, runtime=runtime, tolerance=1e-3)
    assert proof.passed
    assert proof.largest_output > 500


def test_runtimes_that_take_no_onnx():
    original = model(CONV % "x")
    adapted = adapt(original, (MEAN, STD))
    with pytest.raises(ModelError, match="'onnxruntime' or 'openvino'"):
        verify(original, adapted, gray(1, 8, 9), runtime="litert")


@EVERY
def test_conversion(runtime, tmp_path):
    needs_package(runtime)
    adapted = adapt(model(CONV % "x"), (MEAN, STD))
    suffix = {"onnxruntime": ".onnx", "openvino": ".xml"}[runtime]
    [given] = convert(adapted, runtime, tmp_path / f"gray{suffix}", sides=(8, 9))
    assert given == ("x", (None, 1, None, None), "float32")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere OpenVINO leaves signals alone")
def test_a_signal_after_the_end_of_a_session(tmp_path):
    """OpenVINO gives a thread a stack for signals, and frees it in whichever thread it ends."""
    needs_package("openvino")
    onnx.save(model(CONV % "x"), tmp_path / "net.onnx")
    text = run_python(f"""
import gc, signal, threading
from graytorgb.models.runtimes import RUNTIMES
sessions = [RUNTIMES["openvino"].load().load_session({str(tmp_path / "net.onnx")!r})]
thread = threading.Thread(target=lambda: (sessions.clear(), gc.collect()))
thread.start()
thread.join()
signal.signal(signal.SIGUSR1, lambda *_: print("taken"))
signal.raise_signal(signal.SIGUSR1)
""")
    assert text == "taken"
