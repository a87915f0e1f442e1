"""Random numbers in tests: every test has its own, the same in every run of one --seed."""

import random
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from .support import ROOT, needs, run_python

needs("torchvision")
import torch  # noqa: E402


def draw():
    return random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002


@pytest.fixture(scope="module")
def shared():
    return draw()


def test_a_test_draws_the_same_whatever_ran_before_it(request):
    first = draw()
    plugin = request.config.pluginmanager.get_plugin(str(ROOT / "conftest.py"))
    seed = request.config.option.seed
    plugin.seed_everything(seed, request.node.nodeid)
    assert draw() == first
    for other in ((seed + 1, request.node.nodeid), (seed, "another test")):
        plugin.seed_everything(*other)
        assert not set(draw()) & set(first)


def test_so_does_a_fixture_that_tests_share(shared, request):
    plugin = request.config.pluginmanager.get_plugin(str(ROOT / "conftest.py"))
    plugin.seed_everything(request.config.option.seed, "tests/test_seeds.py::shared")
    assert draw() == shared


def test_frameworks_that_cannot_share_a_process_with_torch():
    code = """
import os
os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
import tensorflow
from conftest import seed_everything
def draw(uniform):
    for name in "aba":
        seed_everything(0, name)
        print(float(uniform(())))
draw(tensorflow.random.uniform)
import keras  # not before, because it seeds TensorFlow too
draw(keras.random.uniform)
"""
    draws = run_python(code).split()
    for first, other, again in (draws[:3], draws[3:]):
        assert first == again != other


def test_examples_in_documents_are_seeded_too(tmp_path):
    shutil.copy(ROOT / "conftest.py", tmp_path)
    example = "import random\nprint(random.random())\nassert False\n"
    (tmp_path / "page.md").write_text(f"```python\n{example}```\n")
    (tmp_path / "module.py").write_text(
        f'"""\n>>> {example.replace(chr(10), chr(10) + ">>> ", 2)}"""\n'
    )
    options = ["-p", "no:cacheprovider", "-p", "no:zarr", "-p", "no:anyio"]
    options += ["--doctest-modules", "--rootdir", tmp_path, tmp_path]
    printed = []
    for seed in "001":
        command = [sys.executable, "-m", "pytest", "-s", "--seed", seed, *options]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert "2 failed" in done.stdout, done.stdout + done.stderr
        printed.append(re.findall(r"0\.\d{9,}", done.stdout))
    assert len(printed[0]) == 2
    assert printed[0] == printed[1]
    assert not set(printed[0]) & set(printed[2])
