"""Suites that need a process of their own.

TensorFlow and torch crash in one process, JAX warns when a process with its threads forks, Keras
has one backend in each, and some runtimes bring JAX. Every suite is a run of pytest, of the files
and with the environment named here; the main run leaves these files out.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from .support import ROOT, needs_package


class Suite(NamedTuple):
    files: tuple[str, ...]
    packages: tuple[str, ...]
    environment: dict[str, str] = {}  # noqa: RUF012  # never written
    select: str = ""


_DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
# For tests of layers and networks, whose outputs are compared within a tolerance. The suites "jax"
# and "jax-x64" compare bits, and run what XLA makes by default.
_COMPILED_FAST = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
SUITES = {
    "tensorflow": Suite(
        (
            "tests/isolated/kinds_tensorflow.py",  # the first, since it makes two devices
            "tests/isolated/loaders_tensorflow.py",
            "tests/isolated/directory_tensorflow.py",
            "tests/isolated/peers.py",
            "graytorgb/kinds/tensorflow.py",
        ),
        ("keras", "tensorflow", "PIL", "pydicom"),
        {"KERAS_BACKEND": "tensorflow"},
        "tensorflow or keras",  # all but the other peers, since the files have it in their names
    ),
    "jax": Suite(
        ("tests/isolated/kinds_jax.py", "graytorgb/kinds/jax.py", "docs/guide/kinds.md"),
        ("jax", "dask"),
        _DEVICES,
    ),
    "jax-x64": Suite(
        ("tests/isolated/kinds_jax.py",),
        ("jax",),
        _DEVICES | {"JAX_ENABLE_X64": "1"},
        # all tests of eager calls, and those of the arithmetic that jit compiles
        "TestEager or TestJit and (bits or levels or formula or integers or float64)",
    ),
    "keras-tensorflow": Suite(
        (
            "tests/isolated/layers.py",
            "tests/isolated/models_keras.py",
            "tests/isolated/models_keras_usage.py",
            "tests/isolated/models_keras_networks.py",
            "tests/isolated/models_keras_patches.py",
            "tests/isolated/models_keras_training.py",
            "tests/isolated/models_keras_proof.py",
            "tests/isolated/models_keras_runtimes.py",
            "tests/isolated/models_keras_whole.py",
            "tests/isolated/professions_keras.py",
            "graytorgb/layers.py",
            "docs/guide/keras.md",
        ),
        ("imagecodecs", "keras", "skimage", "tensorflow", "tifffile"),
        {"KERAS_BACKEND": "tensorflow"},
    ),
    "keras-jax": Suite(
        (
            "tests/isolated/layers.py",
            "tests/isolated/models_keras.py",
            "tests/isolated/models_keras_networks.py",
            "tests/isolated/models_keras_patches.py",
            "tests/isolated/models_keras_training.py",
            "tests/isolated/models_keras_proof.py",
            "tests/isolated/models_keras_runtimes.py",
        ),
        ("keras", "jax"),
        {"KERAS_BACKEND": "jax"} | _DEVICES | _COMPILED_FAST,
    ),
    "keras-torch": Suite(
        (
            "tests/isolated/layers.py",
            "tests/isolated/models_keras.py",
            "tests/isolated/models_keras_networks.py",
            "tests/isolated/models_keras_patches.py",
            "tests/isolated/models_keras_training.py",
            "tests/isolated/models_keras_proof.py",
            "tests/isolated/models_keras_runtimes.py",
            "tests/isolated/models_keras_whole.py",
            "tests/isolated/peers.py",
        ),
        ("keras", "torch"),
        {"KERAS_BACKEND": "torch"},
        "not (peers and tensorflow)",
    ),
    "runtimes": Suite(
        (
            "tests/models/runtimes/test_table.py",
            "tests/models/runtimes/test_onnx.py",
            "tests/models/runtimes/test_torch.py",
            "tests/models/runtimes/test_int8.py",
            "graytorgb/models/runtimes/conversion.py",
            "graytorgb/models/runtimes/table.py",
            "docs/guide/runtimes.md",
        ),
        ("torch", "onnxruntime", "openvino", "ai_edge_litert", "executorch"),
    ),
}
KEPT_APART = {file for suite in SUITES.values() for file in suite.files}


@pytest.mark.slow
@pytest.mark.parametrize("name", SUITES)
def test_in_a_process_of_its_own(name, request):
    suite = SUITES[name]
    needs_package(*suite.packages)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment = (
        inherited | {"TF_CPP_MIN_LOG_LEVEL": "3", "GRAYTORGB_SUITE": name} | suite.environment
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *suite.files]
    command += ["--seed", str(request.config.option.seed)]
    command += ["-k", suite.select] if suite.select else []
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(f"{name}: {done.stdout.splitlines()[-1]}")


def test_every_file_is_in_a_suite():
    files = {str(p.relative_to(ROOT)) for p in Path(ROOT, "tests", "isolated").glob("[a-z]*.py")}
    files |= {
        str(p.relative_to(ROOT)) for p in Path(ROOT, "tests/models/runtimes").glob("test_*.py")
    }
    assert files <= KEPT_APART
