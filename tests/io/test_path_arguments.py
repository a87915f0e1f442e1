"""What the functions of graytorgb.io say of an argument that is no path, or of a folder."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

import graytorgb as g2r
from graytorgb.cli import main
from graytorgb.io import find_image_files, read, read_header

FUNCTIONS = {"read": read, "read_header": read_header, "find_image_files": find_image_files}
BAD = {
    "None": (lambda: None, "not None"),
    "a number": (lambda: 3, "not int"),
    "bytes": (lambda: b"\x89PNG", "g2r.io.decode(data) decodes a file's bytes"),
    "a bytearray": (lambda: bytearray(b"\x89PNG"), "g2r.io.decode(bytes(data)) decodes a file's"),
    "an open file": (lambda: io.BytesIO(b"\x89PNG"), "g2r.io.decode(file) decodes it"),
    "a list": (lambda: ["a.png"], "not list"),
    "an array": (lambda: np.zeros((4, 4)), "not numpy.ndarray, shape (4, 4), dtype float64"),
    "a class": (lambda: Path, "not type"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_path(name, kind):
    make, says = BAD[kind]
    with pytest.raises(g2r.DtypeError) as caught:
        FUNCTIONS[name](make())
    assert "path is a str or a pathlib.Path" in str(caught.value)
    assert says in str(caught.value)


class Named:
    """An object with a path, as os.PathLike has it."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


def test_an_object_that_names_a_file(tmp_path):
    path = tmp_path / "a.png"
    PIL.Image.fromarray(np.zeros((4, 5), np.uint8)).save(path)
    for each in (path, str(path), Named(str(path))):
        assert read(each).array.shape == read_header(each).shape == (4, 5)
        assert find_image_files(each) == [path]
    with pytest.raises(g2r.DtypeError, match=r"os\.fsdecode"):
        read(Named(bytes(path)))


def test_a_path_that_does_not_exist(tmp_path):
    for function in FUNCTIONS.values():
        with pytest.raises(FileNotFoundError, match="nothing"):
            function(tmp_path / "nothing")


@pytest.mark.parametrize("function", [read, read_header])
def test_a_folder_is_named_with_what_lists_it(tmp_path, function):
    with pytest.raises(IsADirectoryError, match="find_image_files") as caught:
        function(tmp_path)
    assert caught.value.filename == str(tmp_path)


def test_inspect_names_the_command_for_a_folder(tmp_path):
    result = CliRunner().invoke(main, ["inspect", str(tmp_path)], env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert (
        f"{tmp_path} is a folder: graytorgb audit {tmp_path} tells what is in it" in result.output
    )
