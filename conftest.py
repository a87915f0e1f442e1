"""Settings of pytest: examples in README and docs/ run as tests, and each test has its own seed."""

import os
import random
import sys
import zlib
from doctest import ELLIPSIS

import numpy as np
import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

# albumentations looks for a newer version online at each import, unless this is set.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

pytest_collect_file = Sybil(
    [PythonCodeBlockParser(doctest_optionflags=ELLIPSIS)], patterns=["*.md"], excludes=["_build/*"]
).pytest()

# tests/test_isolated.py runs these files in processes of their own. pytest still collects one of
# them if you name it on the command line. To import docs/conf.py writes the tables of the guide.
collect_ignore_glob = [
    "docs/conf.py",
    "docs/gallery/*",
    "docs/auto_gallery/*",
    "tests/isolated/[a-z]*.py",
    "tests/isolated/_[a-z]*.py",
    "graytorgb/kinds/tensorflow.py",
    "graytorgb/kinds/jax.py",
    "graytorgb/datasets/loading/directory.py",
    "graytorgb/layers.py",
    "graytorgb/models/keras/*.py",
    "graytorgb/models/runtimes/[a-z]*.py",
    "tests/models/runtimes/test_*.py",
    "docs/guide/runtimes.md",
    "docs/guide/keras.md",
    "docs/guide/kinds.md",
]


def pytest_addoption(parser):
    """Add the option --seed, to show that no test depends on particular random numbers."""
    parser.addoption("--seed", type=int, default=0, help="the seed of every test (default: 0)")


def pytest_cmdline_main(config):
    """Pass the seed of the run to hypothesis, before its plugin reads it."""
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = config.option.seed


@pytest.fixture(autouse=True)
def _seed(request):
    """Give every test its own seed, which doesn't depend on the tests that run before it."""
    seed_everything(request.config.option.seed, request.node.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    """Seed a fixture that several tests share, because it is made before any test is seeded."""
    if fixturedef.scope != "function":
        seed_everything(request.config.option.seed, f"{fixturedef.baseid}::{fixturedef.argname}")


def seed_everything(seed, name):
    """Seed every random generator that is loaded, from the seed of the run and a test's name.

    JAX has no generator, because a caller passes it a key for each draw. Keras on JAX has one.
    """
    seed = zlib.crc32(f"{seed} {name}".encode())
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # some libraries use it
    torch, tensorflow, keras = map(sys.modules.get, ("torch", "tensorflow", "keras"))
    if torch and hasattr(torch, "manual_seed"):  # absent while torch itself is being imported
        torch.manual_seed(seed)
    if tensorflow and hasattr(tensorflow, "random"):
        tensorflow.random.set_seed(seed)
    if keras and hasattr(keras, "utils"):
        keras.utils.set_random_seed(seed)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item):
    """Stop the run if two libraries are in one process that don't bear each other.

    TensorFlow and torch crash it later. JAX starts threads, and a process with them may not fork,
    which torch's data loaders do; so JAX is only in the suites with a process of their own.
    """
    loaded = {name for name in ("tensorflow", "torch", "jax") if sys.modules.get(name)}
    if {"tensorflow", "torch"} <= loaded or (
        "jax" in loaded and "GRAYTORGB_SUITE" not in os.environ
    ):
        pytest.exit(
            f"{item.nodeid} has {sorted(loaded)} in one process: see tests/test_isolated.py", 3
        )
