"""Tests of shell completion, as the guide documents it."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from ..support import ROOT, read_guide

SHELLS = ("bash", "zsh", "fish")
PROGRAM = f"""#!{sys.executable}
import sys
sys.argv[0] = "graytorgb"
from graytorgb.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the command, as pip puts it on the path."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "graytorgb"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return folder


def run(folder, *command, **variables):
    """Run a command that finds `graytorgb`; return what it prints."""
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def complete(folder, *words, shell="bash"):
    """Return what completes the last word."""
    text = run(
        folder, sys.executable, str(folder / "graytorgb"), COMP_WORDS="\n".join(words),
        COMP_CWORD=str(len(words) - 1), _GRAYTORGB_COMPLETE=f"{shell}_complete",
    )  # fmt: skip
    return [line.partition(",")[2] for line in text.splitlines()]


@pytest.mark.parametrize("shell", SHELLS)
def test_it_prints_a_script(folder, shell):
    script = run(folder, str(folder / "graytorgb"), _GRAYTORGB_COMPLETE=f"{shell}_source")
    assert f"_GRAYTORGB_COMPLETE={shell}_complete" in script
    assert "_graytorgb_completion" in script


@pytest.mark.parametrize("shell", SHELLS)
def test_the_guide_shows_the_line_for_a_shell(shell):
    blocks = re.findall(r"```sh\n(.*?)```", read_guide("command_line.md"), re.DOTALL)
    assert any(f"_GRAYTORGB_COMPLETE={shell}_source graytorgb" in block for block in blocks)


def test_commands_options_and_values(folder):
    assert complete(folder, "graytorgb", "au") == ["audit"]
    assert complete(folder, "graytorgb", "") == [
        "adapt", "audit", "backends", "bench", "convert", "inspect"
    ]  # fmt: skip
    assert "--html" in complete(folder, "graytorgb", "audit", "--")
    formats = complete(folder, "graytorgb", "convert", "a", "b", "--format", "")
    assert formats == ["png", "jpeg", "webp", "tiff"]


@pytest.mark.parametrize(
    "words", [("audit", "sc"), ("convert", "sc"), ("audit", "scans", "--html", "re")]
)
def test_paths_are_left_to_the_shell(folder, words):
    text = run(
        folder, sys.executable, str(folder / "graytorgb"), COMP_CWORD=str(len(words)),
        COMP_WORDS="\n".join(("graytorgb", *words)), _GRAYTORGB_COMPLETE="bash_complete",
    )  # fmt: skip
    assert text.splitlines() == [f"file,{words[-1]}"]


@pytest.mark.parametrize("shell", ["bash"])
def test_in_the_shell_itself(folder, shell):
    """The line of the guide, in a shell that then completes a word as the Tab key does."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"needs {shell}")
    line = re.search(r"^eval .*bash_source.*$", read_guide("command_line.md"), re.MULTILINE)[0]
    code = f"""{line}
complete -p graytorgb
COMP_WORDS=(graytorgb au)
COMP_CWORD=1
_graytorgb_completion graytorgb
echo "${{COMPREPLY[@]}}"
"""
    registered, completed = run(folder, program, "--norc", "-c", code).splitlines()
    assert "-F _graytorgb_completion graytorgb" in registered
    assert completed == "audit"
