"""The commands in every locale, into pipes and files, for names that aren't even text."""

import os
import subprocess
import sys

import numpy as np
import pytest

from graytorgb.cli import COMMANDS

from ..support import ROOT, needs, needs_package

needs("pillow")
needs_package("psutil", "matplotlib")

import PIL.Image  # noqa: E402

# What a stream is encoded by, and the environment that makes it so
LOCALES = {
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "utf-8": {"PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"},
    "dumb": {"TERM": "dumb", "PYTHONIOENCODING": "ascii:strict", "FORCE_COLOR": "1"},
}
LETTERS = "né \N{MULTIPLICATION SIGN} $x$.png"
NAMES = {"plain": b"a.png", "letters": LETTERS.encode(), "bytes": b"b\xff.png"}


@pytest.fixture
def folder(tmp_path):
    """A deep image, whose range is used in part, by each name."""
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    PIL.Image.fromarray(levels).save(tmp_path / "a.png")
    for name in NAMES.values():
        if name != b"a.png":
            (tmp_path / os.fsdecode(name)).hardlink_to(tmp_path / "a.png")
    return tmp_path


def run(folder, environment, *arguments, code=None):
    """What a command writes into a pipe, as bytes; it has to end well."""
    env = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "PYTHONUTF8")}
    env |= {"PYTHONPATH": str(ROOT), "COLUMNS": "120"} | environment
    program = ["-m", "graytorgb"] if code is None else ["-c", code]
    command = [sys.executable, *program, *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, timeout=240)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert b"Traceback" not in done.stderr
    return done.stdout


def encoding(name):
    return "ascii" if name == "dumb" else name


@pytest.mark.parametrize("name", LOCALES)
def test_inspect(folder, name):
    """Files of every name, one after the other in one process; bars are bars."""
    code = """
import sys
from graytorgb.cli import main
for file in sys.argv[1:]:
    main(["inspect", file, "--png", "drawn " + file], standalone_mode=False)
    print("the next file")
"""
    output = run(folder, LOCALES[name], *NAMES.values(), code=code).decode(encoding(name))
    *texts, rest = output.split("the next file")
    assert not rest.strip()
    for file, text in zip(NAMES, texts, strict=True):
        assert "0 to 65,535" in text
        assert "leaves 256 of 65,536 levels" in text
        if file == "bytes":
            assert r"b\xff.png" in text
        if file == "letters" and name in ("latin-1", "utf-8"):
            assert LETTERS in text
        picture = folder / os.fsdecode(b"drawn " + NAMES[file])
        assert picture.read_bytes().startswith(b"\x89PNG")
    assert ("█" if name == "utf-8" else "#") * 30 in texts[0]
    assert "\\u" not in texts[0]


@pytest.mark.parametrize("name", LOCALES)
def test_every_help(tmp_path, name):
    code = """
from graytorgb.cli import COMMANDS, main
for command in ([], *([name] for name in COMMANDS)):
    main([*command, "--help"], standalone_mode=False)
"""
    assert run(tmp_path, LOCALES[name], code=code).count(b"Usage") == 1 + len(COMMANDS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ascii", "dumb"])
class TestCommands:
    def test_backends_and_bench(self, tmp_path, name):
        code = """
import sys
from graytorgb.cli import main
sys.modules["torch"] = None  # which takes seconds to import
main(["backends", "--shape", "4x8x8", "--layout", "NHW->NCHW"], standalone_mode=False)
print("the next command")
main(["bench", *sys.argv[1:]], standalone_mode=False)
"""
        files = [f"--{kind}=é.{kind}" for kind in ("json", "csv", "html")]
        output = run(tmp_path, LOCALES[name], "--shape", "4x8x8", "--seconds", "0.01",
            "--backends", "repeat", "--no-peaks", *files, code=code)  # fmt: skip
        table, report = output.decode(encoding(name)).split("the next command")
        assert "auto picks" in table
        assert "repeat" in report
        for kind in ("json", "csv", "html"):
            assert "repeat" in (tmp_path / f"é.{kind}").read_text(encoding="utf-8")

    def test_adapt(self, tmp_path, name):
        needs_package("onnx", "onnxruntime")
        from .test_adapt import STATS, write_model

        write_model(tmp_path / "net.onnx").rename(tmp_path / os.fsdecode(b"n\xff.onnx"))
        files = (b"n\xff.onnx", b"\xc3\xa9\xff.onnx")
        reports = ("--png", b"\xff.png", "--json", b"\xff.json")
        output = run(tmp_path, LOCALES[name], "adapt", *files, *reports, *STATS)
        assert "one channel, from 0 to 1" in output.decode(encoding(name))
        assert len(list(tmp_path.iterdir())) == 4


def test_a_file_and_an_error(folder):
    """A message on stderr names what isn't text, and a redirected file gets the same."""
    with (folder / "out.txt").open("wb") as file:
        env = os.environ | LOCALES["ascii"] | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "graytorgb", "inspect"]
        done = subprocess.run([*command, NAMES["bytes"]], cwd=folder, env=env, stdout=file)
        assert done.returncode == 0
        done = subprocess.run([*command, b"no\xff.png"], cwd=folder, env=env, capture_output=True)
    assert rb"b\xff.png" in (folder / "out.txt").read_bytes()
    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: ")
    assert b"No such file" in done.stderr
    assert done.stderr.isascii()
