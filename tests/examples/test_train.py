"""The example from a folder of 16-bit files to a deployed network, on small images."""

import re

import numpy as np
import pytest

from ..support import needs, needs_package

needs("torchvision")
needs_package("onnx", "onnxruntime", "simplejpeg")

pytestmark = pytest.mark.slow


def test_from_a_folder_to_onnx(tmp_path):
    import onnxruntime
    from click.testing import CliRunner

    from examples import train

    path = tmp_path / "gray.onnx"
    options = ["--weights", "none", "--size", "32", "--epochs", "1", "--workers", "0"]
    result = CliRunner().invoke(
        train.main, [*options, "--output", str(path)], catch_exceptions=False
    )
    assert "audit: 72 files, black and white are (0, 4095)" in result.output
    assert re.search(r"epoch 1: loss \d\.\d\d, [1-9]\d* images/s", result.output)
    assert len(re.findall("passed: 14 images", result.output)) == 2  # adapted, and ONNX
    session = onnxruntime.InferenceSession(path)
    gray = np.zeros((2, 1, 32, 32), np.float32)
    (outputs,) = session.run(None, {session.get_inputs()[0].name: gray})
    assert outputs.shape == (2, 3)
