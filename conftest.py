"""The examples in README and docs/ are tests; some files are tested in a process of their own."""

import os
import random
import sys
import zlib
from doctest import ELLIPSIS

import numpy as np
import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

# albumentations asks the network for a newer version whenever it is imported
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

pytest_collect_file = Sybil(
    [PythonCodeBlockParser(doctest_optionflags=ELLIPSIS)], patterns=["*.md"], excludes=["_build/*"]
).pytest()

# What tests/test_isolated.py runs; a file that is named on the command line is collected even so.
collect_ignore_glob = [
    "tests/isolated/[a-z]*.py",
    "graytorgb/kinds/tensorflow.py",
    "graytorgb/kinds/jax.py",
    "graytorgb/layers.py",
    "graytorgb/models/keras/*.py",
    "docs/guide/keras.md",
    "docs/guide/kinds.md",
]


def pytest_addoption(parser):
    """Add --seed, so that a run can show that no test depends on one draw of random numbers."""
    parser.addoption("--seed", type=int, default=0, help="the seed of every test (default: 0)")


def pytest_cmdline_main(config):
    """Give hypothesis the seed of the run, before its plugin reads it."""
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = config.option.seed


@pytest.fixture(autouse=True)
def _seed(request):
    """Give every test a seed of its own, the same whichever tests run before it."""
    seed_everything(request.config.option.seed, request.node.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    """Seed a fixture that several tests share, because it is made before the first test's seed."""
    if fixturedef.scope != "function":
        seed_everything(request.config.option.seed, f"{fixturedef.baseid}::{fixturedef.argname}")


def seed_everything(seed, name):
    """Seed every source of random numbers that is loaded, by the run's seed and a test's name.

    JAX has no generator of its own: its numbers come from keys that a caller names. Keras on JAX
    has one.
    """
    seed = zlib.crc32(f"{seed} {name}".encode())
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # libraries draw from it
    torch, tensorflow, keras = map(sys.modules.get, ("torch", "tensorflow", "keras"))
    if torch and hasattr(torch, "manual_seed"):  # absent while torch itself is being imported
        torch.manual_seed(seed)
    if tensorflow and hasattr(tensorflow, "random"):
        tensorflow.random.set_seed(seed)
    if keras and hasattr(keras, "utils"):
        keras.utils.set_random_seed(seed)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item):
    """TensorFlow and torch crash in one process, sooner or later and without a word."""
    if sys.modules.get("tensorflow") and sys.modules.get("torch"):
        pytest.exit(
            f"{item.nodeid} has TensorFlow and torch in one process: see tests/test_isolated.py", 3
        )
