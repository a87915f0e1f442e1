"""No traceback, warning or folder of Python's reaches the terminal, whatever a library does."""

import logging
import os
import signal
import subprocess
import sys
import sysconfig
import time
import warnings
from pathlib import Path

import click
import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

from graytorgb.cli import COMMANDS, faults, main
from graytorgb.cli.faults import discard_native_stderr, hide_folders, tell_error
from graytorgb.cli.remedies import REMEDIES, tell_remedies
from graytorgb.errors import GrayToRGBError, LayoutError, LevelsError

from ..support import ROOT, needs, needs_package

needs("pillow")
needs_package("dask", "loky", "psutil")

LIBRARY = sysconfig.get_path("purelib")


def run(*arguments, **options):
    return CliRunner().invoke(main, list(map(str, arguments)), **options)


def find(name):
    return main.get_command(click.Context(main), name)


@pytest.fixture(params=COMMANDS)
def command(request, tmp_path, monkeypatch):
    """A command with its arguments, whose work is a function of the test."""
    PIL.Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.onnx").touch()
    words = {
        "adapt": [tmp_path / "a.onnx", tmp_path / "b.onnx"],
        "audit": [tmp_path],
        "convert": [tmp_path, tmp_path / "dst"],
        "inspect": [tmp_path / "a.png"],
    }.get(request.param, [])

    def call(work):
        monkeypatch.setattr(find(request.param), "callback", lambda *_, **__: work())
        return run(request.param, *words)

    call.name = request.param
    return call


def fail(error):
    def work(*_):
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError(f"bad tile in {LIBRARY}/cv2/gapi.py\nmore"), "bad tile in cv2/gapi.py"),
        (AssertionError(), "AssertionError: it has no message"),
        (MemoryError("Unable to allocate 5 GiB"), "there is not enough memory: Unable to allocate"),
        (PermissionError(13, "Permission denied", "x.png"), "Error: x.png: Permission denied\n"),
        (OSError(28, "No space left on device"), "Error: No space left on device\n"),
        (RecursionError("maximum recursion depth exceeded"), "maximum recursion depth exceeded"),
    ],
)
def test_an_error_of_any_class_is_a_message(command, error, says):
    done = command(fail(error))
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ")
    assert says in done.stderr
    assert "Traceback" not in done.output
    assert "site-packages" not in done.output
    assert str(ROOT) not in done.output


def test_who_mends_it_gets_the_traceback(command, monkeypatch):
    monkeypatch.setenv("GRAYTORGB_TRACEBACK", "1")
    assert "Traceback" in command(fail(RuntimeError("bad"))).stderr


def test_ctrl_c(command):
    done = command(fail(KeyboardInterrupt()))
    assert (done.exit_code, done.stderr) == (130, "interrupted\n")


def test_ctrl_c_while_the_arguments_are_read(command, monkeypatch):
    monkeypatch.setattr(find(command.name), "parse_args", fail(KeyboardInterrupt()))
    done = command(lambda *_: None)
    assert (done.exit_code, done.stderr) == (130, "interrupted\n")


def test_warnings_and_logs_of_libraries_are_not_shown(command):
    def work():
        warnings.warn("by a library", UserWarning, stacklevel=1)
        warnings.warn("by a library", RuntimeWarning, stacklevel=2)
        np.array([1.0]) / np.array([0.0])
        logging.getLogger("a.library").warning("by a library")

    before = warnings.showwarning, logging.lastResort, os.environ.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert command(work).output == ""
    assert (warnings.showwarning, logging.lastResort, os.environ.copy()) == before


def test_a_warning_of_this_package_is_a_note(command):
    own = {"__name__": "graytorgb.io.any", "warnings": warnings}
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        done = command(lambda: exec("warnings.warn('the image is dark')", own))
    assert done.stderr == "note: the image is dark\n"


def test_worker_processes_are_quiet_too(command):
    seen = {}
    command(lambda: seen.update(os.environ))
    if not sys.warnoptions:
        assert seen["PYTHONWARNINGS"] == "ignore"
        assert seen["OPENCV_LOG_LEVEL"] == "SILENT"


def test_a_user_who_asks_for_warnings_gets_them(command, monkeypatch):
    monkeypatch.setattr(sys, "warnoptions", ["default"])
    shown = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", lambda *args: shown.append(str(args[0])))
        command(lambda: warnings.warn("by a library", stacklevel=1))
    assert shown == ["by a library"]


def test_what_native_code_writes_to_stderr_is_discarded_in_the_block_alone(capfd):
    with discard_native_stderr():
        os.write(2, b"by a library")
    os.write(2, b"by the command")
    with pytest.raises(RuntimeError, match="bad"), discard_native_stderr():
        raise RuntimeError("bad")
    os.write(2, b".")
    assert capfd.readouterr().err == "by the command."


def test_paths_of_the_user_stay():
    assert hide_folders("/home/me/site-packages.png") == "/home/me/site-packages.png"
    assert hide_folders(faults.__file__) == str(Path("graytorgb", "cli", "faults.py"))
    assert tell_error(OSError("no tile")) == "no tile"


class TestRemedies:
    @pytest.mark.parametrize("name", COMMANDS)
    def test_a_message_names_options_that_the_command_has(self, name):
        options = [option for param in find(name).params for option in param.opts]
        for remedy in REMEDIES:
            error = LevelsError("wrong: value_range=(lo, hi)")
            error.remedies, error.problem = (remedy,), "wrong"
            told = tell_remedies(error, options)
            assert told.startswith("wrong")
            assert "value_range=" not in told
            for word in told.replace(",", " ").replace(";", " ").split():
                if word.startswith("--"):
                    assert word in options

    def test_without_the_problem_alone_the_message_stays_and_a_line_names_the_option(self):
        error = LayoutError("two readings")
        error.remedies = ("layout",)
        assert tell_remedies(error, ["--layout"]) == "two readings\nHere: --layout NHW, for example"
        assert tell_remedies(error, []) == "two readings"
        assert tell_remedies(GrayToRGBError("no"), ["--layout"]) == "no"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_while_the_command_line_is_imported(tmp_path):
    (tmp_path / "rich.py").write_text("import signal; signal.raise_signal(signal.SIGINT)")
    done = subprocess.run(
        [sys.executable, "-m", "graytorgb", "backends"], capture_output=True, text=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)}, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "RuntimeError"])
def test_what_a_finalizer_raises(error):
    """Ctrl-C isn't lost there, though Python can't raise it; another error is nothing to a user."""
    code = f"""
import time
from graytorgb.cli import commands

class Last:
    def __del__(self):
        raise {error}

def work(*_, **__):
    Last()
    time.sleep(20 if {error} is KeyboardInterrupt else 0)

commands.require("graytorgb.cli.backends").backends_command.callback = work
commands.main(["backends"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    expected = (130, "interrupted\n") if error == "KeyboardInterrupt" else (0, "")
    assert (done.returncode, done.stderr) == expected


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("name", ["inspect", "audit", "backends"])
def test_a_real_ctrl_c_at_any_time(name, tmp_path):
    """Whenever it comes after the command line has begun, there is no traceback."""
    for k in range(40):
        PIL.Image.fromarray(np.zeros((400, 400), np.uint16) + k).save(tmp_path / f"{k}.png")
    words = {"inspect": [str(tmp_path / "0.png")], "audit": [str(tmp_path)]}.get(name, [])
    code = "import sys; from graytorgb.cli import main; print('begun', flush=True); main()"
    for wait in (0.2, 0.5):
        process = subprocess.Popen(
            [sys.executable, "-c", code, name, *words], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True,
        )  # fmt: skip
        assert process.stdout.readline() == "begun\n"
        time.sleep(wait)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors
        assert process.returncode in (0, 130, -signal.SIGINT)  # the last: Python was ending
        assert "site-packages" not in errors
