"""The examples in README and docs/ are tests; some files are tested in a process of their own."""

import os
import sys
from doctest import ELLIPSIS

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

# albumentations asks the network for a newer version whenever it is imported
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

pytest_collect_file = Sybil(
    [PythonCodeBlockParser(doctest_optionflags=ELLIPSIS)], patterns=["*.md"], excludes=["_build/*"]
).pytest()

# What tests/test_apart.py runs; a file that is named on the command line is collected even so.
collect_ignore_glob = [
    "tests/apart/[a-z]*.py",
    "graytorgb/kinds/tensorflow.py",
    "graytorgb/kinds/jax.py",
    "graytorgb/layers.py",
    "graytorgb/models/keras/*.py",
    "docs/guide/keras.md",
    "docs/guide/kinds.md",
]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item):
    """TensorFlow and torch crash in one process, sooner or later and without a word."""
    if sys.modules.get("tensorflow") and sys.modules.get("torch"):
        pytest.exit(
            f"{item.nodeid} has TensorFlow and torch in one process: see tests/test_apart.py", 3
        )
