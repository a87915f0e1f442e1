"""The install lines of docs/install.md agree with setup.cfg, the README and what errors say.

`make install-lines` tries each in a fresh environment: it builds one, installs the line from a copy
of the source tree, and runs the line's example there.
"""

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement

from graytorgb.extras import EXTRAS

from .support import REQUIRED, ROOT, needs_package

PAGE = ROOT / "docs" / "install.md"
if not PAGE.exists() and "all" not in REQUIRED:
    pytest.skip("needs the source tree", allow_module_level=True)

TEXT = PAGE.read_text("utf-8")
# Extras that only the Makefile uses
OURS = re.compile("demo|docs|lint|peers|test(-.*)?")
FRAMEWORKS = ("torch", "torchvision")  # several GB: lent by the environment of the tests


class Line(NamedTuple):
    """A section of the page: what somebody has, the line that they take, and an example."""

    title: str
    command: str
    example: str


def read_lines():
    """Return the sections of the page that have an install line, by a word of their titles."""
    lines = {}
    for title, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S):
        if command := re.search(r"^```sh\n(pip install .+)\n```$", body, re.M):
            (example,) = re.findall(r"^```py(?:thon)?\n(.*?)^```$", body, re.M | re.S)
            word = re.search(r"PNG|DICOM|TIFF|Keras|ONNX|NumPy", title)[0].lower()
            lines[word] = Line(title, command[1], example)
    return lines


LINES = read_lines()


def read_extras():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = config["options.extras_require"]
    return {name: text.split() for name, text in extras.items() if not OURS.fullmatch(name)}


def name_extras(command):
    """Return the extras of an install line, such as {"cli", "dicom"}."""
    inside = re.search(r"\[(.+)\]", command)
    return set(inside[1].split(",")) if inside else set()


def with_inner(names, extras):
    """Return extras with those that they contain."""
    inner = set()
    for name in names:
        for line in extras[name]:
            inner |= name_extras(line) if line.startswith("graytorgb[") else set()
    return names | with_inner(inner, extras) if inner - names else names | inner


def read_more():
    """Return the extras of the page's last table, each row's in a set."""
    rows = TEXT.partition("## More\n")[2]
    return [set(re.findall(r"`([\w-]+)`", row)) for row in re.findall(r"^\| (`.+?) \|", rows, re.M)]


def test_the_page_has_a_line_for_each_thing_that_one_has():
    assert LINES.keys() == {"png", "dicom", "tiff", "keras", "onnx", "numpy"}


def test_the_table_on_top_has_the_lines_of_the_sections():
    rows = re.findall(r"^\| (.+) \| `(pip install .+)` \|$", TEXT, re.M)
    assert {title.lower(): line for title, line in rows} == {
        line.title.lower(): line.command for line in LINES.values()
    }


def test_the_readme_has_the_same_lines():
    section = (ROOT / "README.md").read_text("utf-8").partition("## Install\n")[2]
    block = re.search(r"^```sh\n(.*?)^```$", section, re.M | re.S)[1]
    found = [line.split("#")[0].strip() for line in block.splitlines()]
    assert found == [line.command for line in LINES.values()]


def test_every_extra_of_the_page_exists_and_every_extra_is_on_the_page():
    extras = read_extras()
    named = set().union(*read_more())
    assert named == extras.keys()
    for line in LINES.values():
        assert name_extras(line.command) <= named


def test_every_extra_of_a_message_is_on_the_page():
    assert set(EXTRAS.values()) <= set().union(*read_more())


def test_what_the_page_says_of_the_extra_all():
    extras = read_extras()
    (runtimes,) = (row for row in read_more() if "openvino" in row)
    (said,) = re.findall(r"^\| `all` \| all of these but the runtimes, (.+) \|$", TEXT, re.M)
    left_out = runtimes | set(re.findall(r"`([\w-]+)`", said))
    assert left_out == extras.keys() - with_inner({"all"}, extras)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the source tree that was never built."""
    folder = tmp_path_factory.mktemp("checkout") / "graytorgb"
    ignored = shutil.ignore_patterns(
        ".*", "*.so", "*.pyd", "__pycache__", "build", "dist", "*.egg-info"
    )
    shutil.copytree(ROOT, folder, ignore=ignored)
    return folder


def lend(names, folder):
    """Link these libraries and what they require, but for NumPy and Pillow, in a folder."""
    folder.mkdir()
    seen, waiting = set(), [Requirement(name) for name in names]
    while waiting:
        wanted = waiting.pop()
        try:
            found = distribution(wanted.name)
        except PackageNotFoundError:  # what this system doesn't need
            continue
        name = wanted.name.lower().replace("_", "-")
        if name in {"numpy", "pillow"} or (name, *sorted(wanted.extras)) in seen:
            continue
        seen.add((name, *sorted(wanted.extras)))
        for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(found.locate_file(top))
        for requirement in map(Requirement, found.requires or ()):
            marker = requirement.marker
            if not marker or any(marker.evaluate({"extra": e}) for e in ("", *wanted.extras)):
                waiting.append(requirement)
    return folder


def run(command, folder):
    """Run a program in a folder, without this environment's packages; return what it printed."""
    hidden = ("PYTHON", "VIRTUAL_ENV", "KERAS_BACKEND")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, text=True, timeout=900,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, f"{shlex.join(map(str, command))}\n{done.stdout}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", LINES)
def test_a_line_brings_what_its_example_needs(name, checkout, tmp_path):
    """All is fresh but torch and torchvision, which the environment of the tests lends.

    Keras has no framework of its own, so JAX is added to its line, as the page says.
    """
    if "install-lines" not in REQUIRED:
        pytest.skip("needs minutes and the network: make install-lines")
    command = LINES[name].command
    if name == "keras":
        command = re.search(r"`(pip install '\.\[datasets,keras,jax\]')`", TEXT)[1]
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    programs = environment / ("Scripts" if sys.platform == "win32" else "bin")
    python = programs / "python"
    if "torchvision" in name_extras(command):
        needs_package(*FRAMEWORKS)
        ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
        packages = Path(run([python, "-c", ask], tmp_path).strip())
        lent = lend(FRAMEWORKS, tmp_path / "lent")
        (packages / "lent.pth").write_text(f"{lent}\n")
    pip, *words = shlex.split(command)
    assert pip == "pip"
    options = ["--quiet", "--disable-pip-version-check", "-c", checkout / "constraints.txt"]
    run([python, "-m", pip, *words, *options], checkout)

    example = tmp_path / "example.py"
    where = "\nimport graytorgb\nprint(graytorgb.__file__, graytorgb.list_backends()['native'])\n"
    example.write_text(LINES[name].example + where)
    file, _, native = run([python, example], tmp_path).splitlines()[-1].partition(" ")
    assert Path(file).is_relative_to(environment)
    if shutil.which("cc"):
        assert "status='available'" in native
    if name_extras(command) & {"cli", "datasets"}:
        assert "native" in run([programs / "graytorgb", "backends"], tmp_path)
