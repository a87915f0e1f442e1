"""What a command says where its output can't be written, and a pipe whose reader has gone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..support import ROOT

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is full")
COMPLETIONS = {
    "source": {"_GRAYTORGB_COMPLETE": "bash_source"},
    "complete": {
        "_GRAYTORGB_COMPLETE": "bash_complete", "COMP_WORDS": "graytorgb ", "COMP_CWORD": "1"
    },
}  # fmt: skip


def run(*words, stdout, environment=None, unbuffered=""):
    """The exit code and what is on stderr."""
    code = "import sys; sys.argv[0] = 'graytorgb'; from graytorgb.__main__ import main; main()"
    environment = environment or {}
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered} | environment
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, env=env, stdout=stdout, stderr=subprocess.PIPE, timeout=120)
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    ("words", "unbuffered"),
    [("--help", ""), ("--help", "1"), ("--version", ""), ("audit --help", "")],
)
def test_a_full_disk_is_one_line(words, unbuffered):
    with FULL.open("w") as full:
        told = run(*words.split(), stdout=full, unbuffered=unbuffered)
    assert told == (1, "Error: No space left on device\n")


@pytest.mark.parametrize("name", COMPLETIONS)
def test_completion_on_a_full_disk(name):
    with FULL.open("w") as full:
        told = run(stdout=full, environment=COMPLETIONS[name])
    assert told == (1, "Error: No space left on device\n")


@pytest.mark.parametrize("name", [None, "source"])
def test_a_reader_that_has_gone_is_no_error(name):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        words = [] if name else ["--help"]
        told = run(*words, stdout=writer, environment=COMPLETIONS.get(name))
    finally:
        os.close(writer)
    assert told == (1, "")
