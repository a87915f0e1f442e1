"""Libraries and extras: every hint's extra exists and installs what the hint is about."""

import ast
import configparser
import re
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import graytorgb as g2r
from graytorgb.backends.table import BUILT_IN
from graytorgb.extras import EXTRAS, is_missing, list_distributions, require
from graytorgb.kinds import KINDS

from .support import ROOT, run_python

WITH_LIBRARY = [name for name, entry in BUILT_IN.items() if entry.library in EXTRAS]


# Reading what every installed package has takes seconds.
find_distributions = cache(packages_distributions)


def read_extras():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return {name: text.split("\n") for name, text in config["options.extras_require"].items()}


def list_requirements(extra, extras):
    """The names of the distributions that an extra installs, through other extras too."""
    names = set()
    for line in extras[extra]:
        inner = re.match(r"graytorgb\[(.*)\]", line)
        for other in inner[1].split(",") if inner else ():
            names |= list_requirements(other, extras)
        if line and not inner:
            names.add(re.match(r"[\w-]+", line)[0].lower().replace("_", "-"))
    return names


@pytest.mark.parametrize("library", EXTRAS)
def test_the_extra_of_a_library_installs_it(library):
    extras = read_extras()
    assert EXTRAS[library] in extras
    distributions = find_distributions().get(library)
    if distributions is None:
        pytest.skip(f"needs {library}")
    names = {name.lower().replace("_", "-").removesuffix("-headless") for name in distributions}
    names |= {name.removesuffix("-cpu") for name in names}  # other builds of one library
    assert names & list_requirements(EXTRAS[library], extras)


@pytest.mark.parametrize("library", EXTRAS)
def test_a_library_is_found_by_the_name_that_pip_has_for_it(library):
    """So that `graytorgb --version` doesn't tell an installed library as missing."""
    distributions = find_distributions().get(library)
    if distributions is None:
        pytest.skip(f"needs {library}")
    known = {name.lower().replace("_", "-") for name in list_distributions(library)}
    assert known & {name.lower().replace("_", "-") for name in distributions}


@pytest.mark.parametrize("name", [*WITH_LIBRARY, "array-api", "keras"])
def test_all_has_the_extras_of_hints(name):
    extras = read_extras()
    assert name in extras
    assert name in re.match(r"graytorgb\[(.*)\]", "".join(extras["all"]))[1].split(",")


@pytest.mark.parametrize("name", WITH_LIBRARY)
def test_the_extra_of_a_backend_has_its_name(name):
    assert EXTRAS[BUILT_IN[name].library] == name


@pytest.mark.parametrize("line", KINDS, ids=lambda line: line.file)
def test_the_extra_of_a_kind_exists(line):
    assert not line.extra or line.extra in read_extras()


def test_a_hint_names_what_it_knows():
    """A library that `require` is asked for by name has its extra in the table."""
    asked = set()
    for path in Path(g2r.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "require":
                for argument in node.args[:2]:
                    if isinstance(argument, ast.Constant) and argument.value is not None:
                        asked.add(argument.value.partition(".")[0])
    assert asked - {"graytorgb", "numpy"}
    assert asked - {"graytorgb", "numpy"} <= set(EXTRAS)


def test_a_library_that_is_missing():
    with pytest.raises(g2r.BackendUnavailable) as caught:
        require("not_there.part")
    assert str(caught.value) == "needs not_there, which isn't installed"
    assert caught.value.missing
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    with pytest.raises(g2r.BackendUnavailable, match=r"needs not_there: .*'graytorgb\[png\]'"):
        require("graytorgb.not_there", "not_there", "png")
    with pytest.raises(ModuleNotFoundError):
        require("graytorgb.not_there")  # a mistake of ours, which no library mends


@pytest.mark.parametrize(
    ("module", "library", "hint"),
    [
        ("graytorgb.bench", "psutil", "pip install 'graytorgb[bench]'"),
        ("graytorgb.bench.html", "jinja2", "pip install 'graytorgb[html]'"),
        ("graytorgb.cli", "click", "pip install 'graytorgb[cli]'"),
        ("graytorgb.testing", "hypothesis", "pip install 'graytorgb[testing]'"),
        ("graytorgb.transforms", "torchvision", "pip install 'graytorgb[torchvision]'"),
    ],
)
def test_the_library_that_a_module_of_ours_lacks(module, library, hint):
    text = run_python(f"""
import sys
sys.modules[{library!r}] = None
from graytorgb.errors import BackendUnavailable
from graytorgb.extras import require
try:
    require({module!r})
except BackendUnavailable as error:
    print(error.missing, error)
""")
    assert text == f"True needs {library}: {hint}"


def test_the_library_that_breaks_a_module_of_ours(tmp_path):
    (tmp_path / "cpuinfo.py").write_text("raise OSError('no processor')")
    text = run_python(
        """
from graytorgb.errors import BackendUnavailable
from graytorgb.extras import require
try:
    require("graytorgb.bench")
except BackendUnavailable as error:
    print(error.missing, error, repr(error.__cause__))
""",
        tmp_path,
    )
    told = "False can't be used: cpuinfo is installed but failed to import: no processor"
    assert text == f"{told} OSError('no processor')"


def test_missing_and_broken(monkeypatch):
    assert is_missing("not_there")
    assert not is_missing("numpy")
    monkeypatch.setitem(sys.modules, "numpy_of_nobody", None)
    assert is_missing("numpy_of_nobody")


@pytest.mark.parametrize("library", ["click", "rich"])
def test_the_command_line_without_its_libraries_gives_the_hint(library):
    text = run_python(f"""
import sys
sys.modules[{library!r}] = None
from graytorgb.__main__ import main
try:
    main()
except SystemExit as stop:
    print(stop.code)
""")
    assert "pip install 'graytorgb[cli]'" in text
