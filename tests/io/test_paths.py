"""Paths that aren't files: an error at once, and nothing waits for what never comes."""

import os
import socket

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

import graytorgb as g2r
from graytorgb.cli import main
from graytorgb.io import read

from ..support import run_python

posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")


def make_pipe(path):
    os.mkfifo(path)


def make_link_to_a_pipe(path):
    os.mkfifo(path.with_suffix(".fifo"))
    path.symlink_to(path.with_suffix(".fifo"))


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def make_link_to_a_device(path):
    path.symlink_to("/dev/zero")


KINDS = {
    "pipe": make_pipe,
    "link to a pipe": make_link_to_a_pipe,
    "socket": make_socket,
    "link to a device": make_link_to_a_device,
}


@posix
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["png", "dcm", "tif", "npy"])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind, suffix):
    """The file is read in a process of its own, which is ended if it hangs."""
    path = tmp_path / f"x.{suffix}"
    KINDS[kind](path)
    said = run_python(
        f"""
import graytorgb as g2r
try:
    g2r.io.read({str(path)!r})
except g2r.ImageFileError as error:
    print(error)
"""
    )
    assert said.startswith(f"{path}: this is a ")
    assert kind.split()[-1] in said


@posix
def test_inspect_refuses_a_pipe(tmp_path):
    make_pipe(tmp_path / "x.png")
    result = CliRunner().invoke(main, ["inspect", str(tmp_path / "x.png")])
    assert result.exit_code == 1
    assert "this is a pipe" in result.output


@posix
def test_a_folder_with_a_pipe_in_it(tmp_path):
    """A pipe isn't among a folder's images, so that nothing opens it."""
    from graytorgb.io import find_image_files

    PIL.Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "a.png")
    make_pipe(tmp_path / "b.png")
    assert find_image_files(tmp_path) == [tmp_path / "a.png"]


def test_a_folder_is_a_folder(tmp_path):
    (tmp_path / "x.png").mkdir()
    with pytest.raises((IsADirectoryError, PermissionError)):
        read(tmp_path / "x.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "pgm", "webp"])
def test_a_file_that_is_much_larger_than_the_limit_is_not_read(tmp_path, suffix):
    """A sparse file of 1 TB takes no space, and reading it takes all memory."""
    path = tmp_path / f"x.{suffix}"
    PIL.Image.fromarray(np.zeros((4, 5), np.uint8)).save(path)
    os.truncate(path, 1 << 40)
    with pytest.raises(g2r.ImageFileError, match=r"the file has 1,099,511,627,776 bytes"):
        read(path)
