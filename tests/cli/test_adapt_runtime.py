"""graytorgb adapt --runtime: the proof on a runtime, from the shell."""

import json

import pytest

from ..support import needs_package
from .test_adapt import STATS, run, write_model

needs_package("onnx", "onnxruntime")


@pytest.mark.parametrize("runtime", ["onnxruntime", "OpenVINO"])
def test_it_is_proven_there(runtime, tmp_path):
    needs_package(runtime.lower())
    model, out, figures = (tmp_path / name for name in ("net.onnx", "gray.onnx", "proof.json"))
    write_model(model)
    text, code = run(model, out, *STATS, "--size", "32x32", "--runtime", runtime, "--json", figures)
    assert code == 0, text
    assert ", on O" in text
    assert "changed by the runtime" in text
    assert json.loads(figures.read_text())["runtime"].lower().startswith(runtime.lower()[:4])
    assert out.exists()


def test_pairs_that_do_not_exist(tmp_path):
    model, out = tmp_path / "net.onnx", tmp_path / "gray.onnx"
    write_model(model)
    text, code = run(model, out, *STATS, "--runtime", "executorch")
    assert code == 1
    assert "'onnxruntime' or 'openvino'" in text
    assert not out.exists()
    text, code = run(model, out, *STATS, "--runtime", "tensorrt")
    assert code == 2
    assert "'onnxruntime', 'openvino', 'litert', 'executorch', 'coreml'" in text


def test_weights_alone_do_not_run(tmp_path):
    (tmp_path / "net.pth").write_bytes(b"")
    text, code = run(tmp_path / "net.pth", tmp_path / "gray.pth", *STATS, "--runtime", "openvino")
    assert code == 2
    assert "weights alone don't run" in text
