"""The table of frameworks, and the contract that each of them keeps."""

import configparser
import inspect
import sys
from pathlib import Path

import pytest

import graytorgb as g2r
from graytorgb import ModelError
from graytorgb.models import frameworks
from graytorgb.models.frameworks import (
    FRAMEWORKS,
    Framework,
    InputSize,
    Runner,
    find_file_line,
    find_framework,
)

from ..support import ROOT, needs_package, run_python

EVERY = pytest.mark.parametrize("line", FRAMEWORKS.values(), ids=FRAMEWORKS)


def list_members(protocol):
    """Return the names of a protocol's members."""
    private = {"__init__", "__subclasshook__", "__protocol_attrs__", "__call__"}
    return {n for n in vars(protocol) if not n.startswith("_") and n not in private}


@EVERY
def test_mypy_checks_the_types_of_its_folder(line):
    face = Path(g2r.__file__).parent / "models" / line.folder / "__init__.py"
    assert f"_KEEPS_THE_CONTRACT: Framework = {line.folder}\n" in face.read_text()


@EVERY
def test_its_network_class_and_its_folder(line):
    """The table tells the class, and the parameters of the folder have the contract's names.

    mypy checks their types.
    """
    needs_package(line.library)
    functions = {n: list(inspect.signature(getattr(Framework, n)).parameters)[1:]
        for n in list_members(Framework) - {"Runner"}}  # fmt: skip
    code = f"""
import {line.module} as module
print(isinstance(module.{line.model_class}, type))
import inspect
from graytorgb.models.frameworks import FRAMEWORKS
framework = FRAMEWORKS[{line.folder!r}].load()
for name, parameters in {functions!r}.items():
    assert list(inspect.signature(getattr(framework, name)).parameters) == parameters
assert not {list_members(Runner)!r} - set(dir(framework.Runner)) - {{"eps"}}
print(*sorted(framework.__all__))
"""
    is_class, *members = run_python(code).split()
    assert is_class == "True"
    assert members == sorted(list_members(Framework))


def test_every_extra_exists():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = config["options.extras_require"]
    for line in FRAMEWORKS.values():
        needed = extras[line.extra]
        assert line.library in needed
        assert "psutil" in needed
        assert "bench" not in needed


def test_no_suffix_has_two_frameworks():
    suffixes = [suffix for line in FRAMEWORKS.values() for suffix in line.suffixes]
    assert len(suffixes) == len(set(suffixes))
    for line in FRAMEWORKS.values():
        for suffix in line.suffixes:
            assert find_file_line(f"a{suffix.upper()}", f"b{suffix}") is line


def test_another_framework_is_one_line(monkeypatch):
    """A folder and a line of the table are all that it needs."""

    class Net:
        pass

    module = type(sys)("frame")
    module.Net = Net
    monkeypatch.setitem(sys.modules, "frame", module)
    monkeypatch.setitem(sys.modules, "graytorgb.models.frame", module)
    line = frameworks.FrameworkLine("frame", "frame", "Net", "frame", "frame", (".frame",))
    monkeypatch.setattr(frameworks, "FRAMEWORKS", {**FRAMEWORKS, "frame": line})
    assert find_framework(Net()) is module
    assert find_framework("net.frame") is module
    with pytest.raises(ModelError, match=r"frame\.Net or the path of a file, .*\.frame, not int"):
        find_framework(3)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("net.pt", r"adapt_file\(path, dst, stats\)"),
        ("net.h5", r"load it first, model = keras\.models\.load_model\(path\)"),
        ("net", "a model's file is .keras or .onnx"),
    ],
)
def test_paths_that_hold_no_model(path, message):
    with pytest.raises(ModelError, match=message):
        find_framework(path)


def test_a_file_of_nothing_known():
    with pytest.raises(ModelError, match=r"\.keras, .*\.pt.*, not 'net\.h5'"):
        find_file_line("net.h5", "gray.h5")


class TestInputSize:
    def test_usual_sides_where_any_will_do(self):
        assert InputSize((None, 40), has_integers=False).choose_sides() == (224, 40)
        assert InputSize((None, 40), has_integers=False).choose_sides((50, 40)) == (50, 40)

    @pytest.mark.parametrize("asked", [(50, 50), (40,), (1, 2, 40)])
    def test_sides_that_it_does_not_take(self, asked):
        with pytest.raises(ModelError, match=r"takes images of any x 40, not"):
            InputSize((None, 40), has_integers=False).choose_sides(asked)
