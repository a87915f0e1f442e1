"""Commands whose streams are closed, full or ended early, and messages that name options."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from graytorgb.cli import main

from ..datasets.trees import deep, write_png
from ..support import ROOT, needs, needs_package

needs("pillow")
needs_package("click", "dask", "imagecodecs", "loky", "rich")


def run_in_shell(line, *arguments):
    """Run a line of bash in which ``graytorgb`` is this package's command."""
    command = f'graytorgb() {{ "{sys.executable}" -m graytorgb "$@"; }}; set -o pipefail; {line}'
    return subprocess.run(
        ["bash", "-c", command, "bash", *map(str, arguments)], capture_output=True, text=True,
        timeout=120, env=dict(os.environ, PYTHONPATH=str(ROOT)),
    )  # fmt: skip


@pytest.fixture
def src(tmp_path):
    for k in range(3):
        write_png(tmp_path / "src" / f"{k}.png", deep(k) // 4)
    return tmp_path / "src"


def run(*words):
    return CliRunner().invoke(main, list(map(str, words)), env={"COLUMNS": "200"})


@pytest.mark.slow
def test_closed_streams(src, tmp_path):
    """As in a daemon; the workers have no streams either."""
    line = 'graytorgb convert "$1" "$2" --workers 2 <&- >&- 2>&-'
    assert run_in_shell(line, src, tmp_path / "dst").returncode == 0
    assert (tmp_path / "dst" / "2.png").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_stdout(src, tmp_path):
    done = run_in_shell('graytorgb convert "$1" "$2" --workers 1 > /dev/full', src, tmp_path / "d")
    assert done.returncode == 1
    assert "all is done, and can't be printed: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "d" / "2.png").exists()


def test_a_pipe_that_is_closed_early(src):
    """The reader has enough; that is no error to tell."""
    line = 'graytorgb audit "$1" --workers 1 --json - 2>"$2" | head -c 10'
    log = src.parent / "log"
    done = run_in_shell(line, src, log)
    assert done.stdout.startswith("{")
    assert "Broken pipe" not in log.read_text()
    assert "Traceback" not in log.read_text()


def test_ctrl_c_before_a_command_has_begun(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("graytorgb.cli.commands.require", interrupt)
    done = run("convert", "a", "b")
    assert (done.exit_code, done.stderr) == (130, "interrupted\n")


def test_a_note_names_the_option(src, tmp_path):
    done = run("convert", src, tmp_path / "dst", "--bits", "8", "--workers", "1")
    assert "the range of their values is --value-range 0 1023" in done.stderr
    assert "read(path" not in done.stderr
    assert done.exit_code == 0
    done = run("convert", src, tmp_path / "dst", "--bits", "8", "--value-range", "0", "10",
        "--workers", "1")  # fmt: skip
    assert "note: 3 images: more than half of the image is above the range (0, 10)" in done.stderr
    assert "the range of their values is --value-range 0 1023" in done.stderr
    assert "value_range=" not in done.stderr


@pytest.mark.parametrize("words", [("percentile", "1"), ("5",), ("wrong",), ("percentile",)])
def test_a_wrong_range_names_the_option(src, tmp_path, words):
    for more in ((), ("--workers", "1")):
        done = run("convert", src, tmp_path / "dst", "--bits", "8", "--value-range", *words, *more)
        assert done.exit_code == 2
        assert "--value-range" in done.stderr
        assert "--value-percentiles" not in done.stderr
        assert "--value-rule" not in done.stderr


def test_what_has_the_name_of_an_image_and_is_skipped_is_named(src, tmp_path):
    (src / "notes.txt").write_text("no image")
    for k in range(6):
        (src / f"broken{k}.png").symlink_to("nowhere.png")
    done = run("convert", src, tmp_path / "dst", "--workers", "1")
    assert done.exit_code == 0
    assert "skipped: broken4.png: a broken link, to 'nowhere.png'\n" in done.stderr
    assert "skipped: 1 more with an image's name" in done.stderr
    assert "6 skipped that have an image's name, 1 no image by name or content" in done.stdout


def test_a_folder_that_can_not_be_listed_is_told_by_strict(tmp_path, monkeypatch):
    write_png(tmp_path / "src" / "a.png", deep(0).astype("uint8"))
    (tmp_path / "src" / "locked").mkdir()
    assert run("audit", tmp_path / "src", "--strict", "--workers", "1").exit_code == 0
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("graytorgb.datasets.sources.folder.os.scandir", refuse)
    assert run("audit", tmp_path / "src", "--workers", "1").exit_code == 0
    done = run("audit", tmp_path / "src", "--strict", "--workers", "1")
    assert done.exit_code == 1
    assert "0 files can't be read, 1 folders can't be listed" in done.stderr


def test_names_do_not_color_the_terminal(tmp_path):
    for name in ("\x1b[31mred.png", "new\nline.png", "[bold]b.png"):
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    for words in (("audit", tmp_path), ("convert", tmp_path, tmp_path.parent / "dst")):
        done = run(*words, "--workers", "1")
        assert "\x1b[31m" not in done.output
        for name in ("\\x1b[31mred.png", "new\\nline.png", "[bold]b.png"):
            assert name in done.output


def test_a_scheduler_with_a_wrong_address(src, tmp_path):
    needs_package("distributed")
    done = run("convert", src, tmp_path / "dst", "--scheduler", "nowhere")
    assert done.exit_code == 1
    assert "no dask scheduler answers at 'nowhere'" in done.stderr
