"""Backends that installed packages bring, from their installation to their removal."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from ..support import ROOT, needs_package, run_python

EXAMPLE = ROOT / "examples" / "backend_package"

START = """
import sys
sys.modules.update(dict.fromkeys(["torch", "torchvision", "skimage"]))  # seconds to import
from pathlib import Path
import numpy as np, graytorgb as g2r
site = Path({site!r})
gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
def value(backend):
    return g2r.to_rgb(gray, backend=backend).reshape(-1)[-1]
"""


def write_package(folder, value, entry_points, **modules):
    """Write a distribution as pip leaves it: a backend that gives `value`, and its entry points."""
    code = (
        f"import numpy as np\nprint('imported')\nexpand = lambda gray, axis, out=None: np.full(\n\
        (*gray.shape[:axis], 3, *gray.shape[axis:]), {value}, gray.dtype)\n"
    )
    for name, text in ({f"gives_{value}": code} | modules).items():
        (folder / f"{name}.py").write_text(text)
    record = folder / f"gives_{value}-1.0.dist-info"
    record.mkdir(exist_ok=True)
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: gives_{value}\nVersion: 1.0\n")
    text = "\n".join(["[graytorgb.backends]", *entry_points])
    (record / "entry_points.txt").write_text(text)


def run(folder, code):
    return run_python(START.format(site=str(folder)) + code, folder).splitlines()


@pytest.fixture(scope="module")
def pip_installed(tmp_path_factory):
    """Install the example of the guide by pip, without the network; return the folder."""
    if not EXAMPLE.exists():  # the tests of an installed wheel have no examples beside them
        pytest.skip("needs the source tree")
    needs_package("setuptools")  # not pip: to look for it here makes setuptools give up distutils
    folder = tmp_path_factory.mktemp("example")
    source, site = folder / "source", folder / "site"
    shutil.copytree(EXAMPLE, source)
    command = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    options = ["--disable-pip-version-check", "--target", str(site), str(source)]
    subprocess.run([sys.executable, *command, *options], check=True, timeout=300)
    return folder


@pytest.fixture
def installed(pip_installed, tmp_path):
    """Return a copy of the folder with the installed package, which a test may change."""
    shutil.copytree(pip_installed, tmp_path, dirs_exist_ok=True)
    return tmp_path / "site"


def run_contract(installed, *options):
    """Run the example's own test file; return what pytest ends with and prints."""
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(map(str, [installed, ROOT])))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(
        [*command, "test_concatenate.py"],
        cwd=installed.parent / "source", env=env, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_the_example_passes_the_contract(installed):
    code, output = run_contract(installed)
    assert code == 0, output
    assert " passed" in output
    assert "skipped" not in output


def test_the_contract_finds_a_backend_that_is_wrong(installed):
    """The backend gives the right values, in the order of a Fortran array."""
    (installed.parent / "source" / "graytorgb_concatenate.py").write_text(
        "import numpy as np\n"
        "def expand(gray, axis, out=None):\n"
        "    return np.asfortranarray(np.repeat(np.expand_dims(gray, axis), 3, axis))\n"
    )
    code, output = run_contract(installed, "-k", "test_bits_are_the_oracles")
    assert code == 1
    assert "FAILED test_concatenate.py::TestConcatenate::test_bits_are_the_oracles" in output
    assert "assert result.flags.c_contiguous" in output  # and not a bare AssertionError


def test_from_installation_to_removal(installed):
    lines = run(installed, """
print("entry_points" in " ".join(sys.modules), "graytorgb_concatenate" in sys.modules)
right = np.repeat(gray[..., None], 3, -1)
for _ in range(2):  # the second time by the plan that was kept
    print((g2r.to_rgb(gray, backend="concatenate") == right).all())
info = g2r.list_backends()["concatenate"]
print(info.status, info.how, info.result)
g2r.register_backend("concatenate", "graytorgb.backends.broadcast", result="view", replace=True)
print(np.shares_memory(g2r.to_rgb(gray, backend="concatenate"), gray))
g2r.unregister_backend("concatenate")
print(np.shares_memory(g2r.to_rgb(gray, backend="concatenate"), gray))
(site / "upgraded.py").write_text(
    "import numpy as np\\ndef expand(gray, axis, out=None):\\n"
    "    return np.repeat(np.expand_dims(gray, axis), 3, axis) + 1\\n")
record, = site.glob("*.dist-info")
points = record / "entry_points.txt"
points.write_text(points.read_text().replace("graytorgb_concatenate", "upgraded"))
print(g2r.list_backends()["concatenate"].how, value("concatenate"))
points.unlink()
print("concatenate" in g2r.list_backends())
try:
    value("concatenate")
except g2r.UnknownBackend as error:
    print(error.args[0])
""")  # fmt: skip
    assert lines[:-1] == [
        "False False",
        "True",
        "True",
        "available graytorgb_concatenate.expand copy",
        "True",
        "False",
        "upgraded.expand 12",
        "False",
    ]
    assert lines[-1].startswith("no backend is called 'concatenate'")


@pytest.mark.slow
def test_the_command_line_measures_it(installed):
    """In the command's own process and in the fresh one that measures memory."""
    report = installed.parent / "bench.json"
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(map(str, [installed, ROOT])))
    command = [
        sys.executable,
        "-m",
        "graytorgb",
        "bench",
        "--shape",
        "16x256x256",
        "--seconds",
        "0",
    ]
    options = ["--backends", "concatenate,repeat", "--json", str(report)]
    subprocess.run([*command, *options], env=env, check=True, timeout=300, capture_output=True)
    rows = {row["backend"]: row for row in json.loads(report.read_text())["rows"]}
    assert rows["concatenate"]["available"]
    assert rows["concatenate"]["peak_bytes"] >= rows["concatenate"]["result_bytes"] > 0


def test_nothing_is_looked_up_or_imported_before_it_is_needed(tmp_path):
    write_package(tmp_path, 5, ["five = gives_5"])
    assert run(tmp_path, """
for backend in ("auto", "fill"):
    g2r.to_rgb(gray, backend=backend)
print("importlib.metadata" in sys.modules)
print(g2r.backends.registry.lookup("five").how)
print(value("five"))
""") == ["False", "gives_5.expand", "imported", "5"]  # fmt: skip


def test_what_a_package_states(tmp_path):
    facts = {"module": "gives_6", "library": "gives_6", "dtypes": ["uint8"], "result": "copy"}
    write_package(tmp_path, 6, ["six = about_6:BACKEND"], about_6=f"BACKEND = {facts}")
    assert run(tmp_path, """
print(g2r.backends.registry.lookup("six").takes(np.dtype("uint16")))
print(g2r.list_backends()["six"])
""") == [
        "False",
        "imported",
        "BackendInfo(name='six', status='available', why='gives_6 of unknown version', "
        "how='gives_6.expand', takes='uint8', result='copy')",
    ]  # fmt: skip


# Entry points that are broken, and what is told of each
BROKEN = {
    "broken_2": "broken_2 is installed but failed to import: division by zero",
    "broken_2:BACKEND": "ZeroDivisionError: division by zero",
    "about_2:ABSENT": "entry point 'about_2:ABSENT': AttributeError",
    "about_2:NUMBER": "expected a mapping of register_backend's arguments",
    "about_2:UNKNOWN": "'colour'",
    "about_2:WRONG": 'result is "copy" or "view", not \'both\'',
    "about_2": "about_2 has no function expand",
    "not_there": "needs not_there, which isn't installed",
    "no module!": "entry point 'no module!'",
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Return what one interpreter prints of a good backend and of all broken ones beside it."""
    about = """NUMBER = 2
UNKNOWN = {"module": "gives_2", "colour": "red"}
WRONG = {"module": "gives_2", "result": "both"}"""
    points = ["two = gives_2", *(f"bad{i} = {point}" for i, point in enumerate(BROKEN))]
    folder = tmp_path_factory.mktemp("broken")
    write_package(folder, 2, points, about_2=about, broken_2="1 / 0")
    imported, told = run(folder, f"""
import json
infos = g2r.list_backends()
version = g2r.backends.registry.version
told = {{"two": infos["two"].status, "fill": infos["fill"].status, "value": int(value("two"))}}
for name in [f"bad{{i}}" for i in range({len(BROKEN)})]:
    try:
        value(name)
    except g2r.BackendUnavailable as error:
        told[name] = infos[name].status, infos[name].why, error.args[0]
g2r.list_backends()
print(json.dumps(told | {{"changed": g2r.backends.registry.version != version}}))
""")  # fmt: skip
    assert imported == "imported"
    return json.loads(told)


@pytest.mark.parametrize("entry_point", BROKEN)
def test_what_is_told_of_a_broken_one(broken, entry_point):
    status, why, error = broken[f"bad{list(BROKEN).index(entry_point)}"]
    assert status == ("missing" if entry_point == "not_there" else "broken")
    assert BROKEN[entry_point] in why
    assert BROKEN[entry_point] in error


def test_broken_ones_break_no_other(broken):
    assert (broken["two"], broken["fill"], broken["value"]) == ("available", "available", 2)
    assert not broken["changed"]  # so nothing that is kept is lost


def test_a_name_that_is_taken(tmp_path):
    write_package(tmp_path, 3, ["fill = gives_3", "three = gives_3"])
    lines = run(tmp_path, """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    g2r.register_backend("three", "graytorgb.backends.fill")  # before packages are looked through
    infos = g2r.list_backends()
    print(infos["fill"].how, infos["three"].how)
print(*(str(w.message) for w in caught))
""")  # fmt: skip
    assert lines == [
        "preallocated, one assignment a channel graytorgb.backends.fill.expand",
        "the entry point 'fill' of graytorgb.backends (gives_3) is left out, because there is a "
        "backend of this name already",
    ]
