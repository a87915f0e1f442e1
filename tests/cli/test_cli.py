"""The command line, as a user sees it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import graytorgb as g2r
import graytorgb.cli
from graytorgb.cli import COMMANDS, main

from ..support import run_python


def run(*arguments):
    return CliRunner().invoke(main, arguments)


def test_backends_lists_each_with_its_state():
    result = run("backends")
    assert result.exit_code == 0
    for name, info in g2r.list_backends().items():
        line = next(line for line in result.output.splitlines() if f" {name} " in line)
        assert info.status in line
        assert info.result in line


def test_backends_tells_what_auto_picks():
    result = run("backends", "--shape", "64x224x224", "--layout", "NHW->NCHW")
    assert "auto picks native: the compiled kernels" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--shape", "64x224x224"], "say the layout"),
        (["--shape", "64,224"], "write it as 64x224x224"),
        (["--layout", "NHW"], "go with --shape"),
        (["--shape", "4x4x2", "--layout", "HWC"], "gray and alpha"),
        (["--shape", "4x4", "--dtype", "uint7"], "uint7"),
        (["--shape", "4x4", "--layout", "hw"], 'Did you mean "HW"'),
    ],
)
def test_backends_explains_bad_options(arguments, says):
    result = run("backends", *arguments)
    assert result.exit_code in (1, 2)
    assert says in result.output


def test_rgb_needs_no_backend():
    output = " ".join(run("backends", "--shape", "4x4x3").output.split())
    assert "3 channels are RGB already" in output
    assert "None" not in output


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("sys.modules['cv2'] = None", "missing needs cv2: pip install 'graytorgb[opencv]'"),
        ("pathlib.Path('cv2.py').write_text('1/0')", "cv2 is installed but failed to import"),
    ],
)
def test_backends_explains_a_library_that_fails(broken, says, tmp_path):
    text = run_python(
        f"""
import os, pathlib, sys
os.chdir({str(tmp_path)!r})
{broken}
sys.modules["torch"] = None  # which takes seconds to import
os.environ["COLUMNS"] = "200"
from graytorgb.cli import COMMANDS, main
main(["backends"], standalone_mode=False)
""",
        tmp_path,
    )
    assert says in " ".join(text.replace("│", " ").split()).replace(" copy any dtype", "")


def test_help_and_version():
    assert "backends" in run("--help").output
    assert g2r.__version__ in run("--version").output


def test_python_m():
    code = """
import runpy, sys
sys.argv = ["graytorgb", "--version"]
runpy.run_module("graytorgb", run_name="__main__")
"""
    assert g2r.__version__ in run_python(code)


def test_a_command_is_imported_when_it_is_asked_for():
    """Help and the light commands import no library but those of the command line."""
    code = """
import sys
from graytorgb.cli import COMMANDS, main
def imported(*arguments):
    main(arguments, standalone_mode=False)
    heavy = {"cpuinfo", "graytorgb.bench", "jinja2", "matplotlib", "psutil", "torch"}
    print("imported:", *sorted(heavy & set(sys.modules)))
imported("--help")
imported("bench", "--help")
sys.modules["torch"] = None
imported("backends")
"""
    lines = [line for line in run_python(code).splitlines() if line.startswith("imported:")]
    assert lines == ["imported:", "imported:", "imported: torch"]


def test_each_command_is_a_file():
    folder = Path(graytorgb.cli.__file__).parent
    files = {path.stem for path in folder.glob("*.py")}
    shared = {"commands", "console", "faults", "files", "progress", "range_option", "remedies",
              "report_file", "streams", "types"}  # fmt: skip
    parts = {"adapt_request", "audit_summary", "inspect_picture"}
    assert files - shared - parts - {"__init__"} == set(COMMANDS)
    output = run("--help").output
    for name in COMMANDS:
        assert f"\n  {name} " in output
    assert "No such command 'convrt'" in run("convrt").output
