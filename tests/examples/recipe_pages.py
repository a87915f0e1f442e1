"""The pages of the recipes by profession: the code that they include, and what they print.

Nothing here imports torch, because the recipe for Keras is tested beside TensorFlow.
"""

import re

import pytest

from ..support import read_guide

_LOSS = re.compile(r"(?<=loss )\d+\.\d\d")
_FLOATS = re.compile(rf"{_LOSS.pattern}|(?<=, )\d+%$", re.M)  # and the share of a class
_INCLUDE = re.compile(
    r"```\{literalinclude\} \.\./\.\./(\S+)\n:language: python\n"
    r':start-after: "(.+)"\n:end-(before|at): "(.+)"\n```'
)
_TOLERANCE = 0.15  # of a loss, which depends on the processor and the library's threads


def read_page(name):
    """Return the text of a recipe's page."""
    return read_guide(f"../recipes/{name}.md")


def list_includes(name):
    """Return the pieces of code on a page: script, first mark, "before" or "at", and last mark."""
    return _INCLUDE.findall(read_page(name))


def assert_shown(name, output):
    """Check that a page shows this output, with losses that may differ a little."""
    (shown,) = re.findall(r"```text\n(.*?)\n```", read_page(name), re.S)
    assert _FLOATS.sub("?", output.strip()) == _FLOATS.sub("?", shown)
    losses, on_page = ([float(loss) for loss in _LOSS.findall(text)] for text in (output, shown))
    assert losses == pytest.approx(on_page, abs=_TOLERANCE)
    assert losses[0] > losses[-1] or len(losses) == 1
