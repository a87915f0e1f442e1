"""The stand-ins that the documentation is built with: the reference shows what is really there."""

import inspect
import json

import pytest

from graytorgb import extras

from ..support import ROOT, needs, run_python

needs("torchvision")

if not (ROOT / "docs" / "stand_ins.py").exists():
    pytest.skip("needs the source tree", allow_module_level=True)

# What is imported only where torch is, and can be loaded in this process
NAMES = [
    *(f"graytorgb.transforms.{name}" for name in ("ToRGB", "ToGray", "Prepare", "PrepareBatch")),
    "graytorgb.albumentations.Prepare",
    "graytorgb.datasets.GrayImageFolder",
    "graytorgb.datasets.loader",
    "graytorgb.models.adapt",
    "graytorgb.models.verify",
]


def describe(name):
    module, _, part = name.rpartition(".")
    value = getattr(extras.require(module), part)
    return [str(inspect.signature(value)), inspect.getdoc(value)]


def test_signatures_and_docstrings_are_the_true_ones():
    stated = json.loads(
        run_python(
            f"""
import inspect, json, sys
from importlib import import_module
import stand_ins
stand_ins.install()
rows = []
for name in {NAMES!r}:
    module, _, part = name.rpartition(".")
    value = getattr(import_module(module), part)
    rows.append([str(inspect.signature(value)), inspect.getdoc(value)])
import torch
assert type(torch) is stand_ins.StandIn
print(json.dumps(rows))
""",
            ROOT / "docs",
        )
    )
    for name, (signature, text) in zip(NAMES, stated, strict=True):
        true_signature, true_text = describe(name)
        assert text == true_text, name
        parameters = [part.partition(":")[0] for part in true_signature.split(", ")]
        assert [part.partition(":")[0] for part in signature.split(", ")] == parameters, name


def test_a_missing_name_of_python_stays_missing():
    printed = run_python(
        """
import stand_ins
stand_ins.install()
import keras.layers as layers
print(hasattr(layers, "__wrapped__"), layers.Layer.__name__, isinstance(3, layers.Layer))
""",
        ROOT / "docs",
    )
    assert printed == "False keras.layers.Layer False"
