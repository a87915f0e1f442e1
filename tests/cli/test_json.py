"""``--json`` of every command: as its schema says, alone on stdout, and refused before any work."""

import json
import os
from pathlib import Path

import jsonschema
import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

import graytorgb
from graytorgb.cli import COMMANDS, main

from ..support import needs, needs_package

needs("opencv", "pillow")
needs_package("dask", "loky", "matplotlib", "psutil")

PACKAGE = Path(graytorgb.__file__).parent
SCHEMAS = {name: PACKAGE / "cli" / f"{name}.schema.json" for name in COMMANDS} | {
    "audit": PACKAGE / "datasets" / "audits" / "audit.schema.json",
    "bench": PACKAGE / "bench" / "schema.json",
}


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def words(tmp_path, request):
    """The arguments of a command that does its work on small files."""
    folder = tmp_path / "src"
    folder.mkdir()
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    PIL.Image.fromarray(ramp).save(folder / "a.png")
    (folder / os.fsdecode(b"cut\xff.png")).write_bytes((folder / "a.png").read_bytes()[:90])
    if request.param == "adapt":
        needs_package("onnx", "onnxruntime")
        from .test_adapt import STATS, write_model

        model = write_model(tmp_path / "net.onnx")
        return ["adapt", model, tmp_path / "gray.onnx", *STATS, "--seconds", "0"]
    return {
        "audit": ["audit", folder, "--workers", "1"],
        "backends": ["backends", "--shape", "4x8x8", "--layout", "NHW->NCHW"],
        "bench": ["bench", "--shape", "4x8x8", "--seconds", "0", "--no-peaks",
                  "--backends", "repeat,opencv,pillow", "--dtype", "uint16"],
        "convert": ["convert", folder, tmp_path / "dst", "--workers", "1"],
        "inspect": ["inspect", folder / "a.png"],
    }[request.param]  # fmt: skip


def check(document, name):
    """Check a document by its schema, which states every field that there is."""
    schema = json.loads(SCHEMAS[name].read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
    assert set(document) <= set(schema["properties"])


@pytest.mark.parametrize(("words", "name"), [(n, n) for n in COMMANDS], indirect=["words"])
class TestJson:
    def test_stdout_has_the_document_alone(self, words, name):
        done = run(*words, "--json", "-")
        assert done.exit_code == (1 if name == "convert" else 0), done.stderr
        check(json.loads(done.stdout), name)
        assert done.stderr.strip()  # what people read

    def test_a_file_has_the_same_document(self, words, name, tmp_path):
        done = run(*words, "--json", tmp_path / "a.json")
        assert done.exit_code == (1 if name == "convert" else 0), done.stderr
        check(json.loads((tmp_path / "a.json").read_text()), name)
        assert done.stdout.strip()

    def test_what_cannot_be_written_is_refused_before_any_work(
        self, words, name, tmp_path, monkeypatch
    ):
        (tmp_path / "read-only").mkdir(mode=0o500)
        (tmp_path / "file").touch()
        before = sorted(tmp_path.rglob("*"))
        command = getattr(__import__(f"graytorgb.cli.{name}", fromlist="x"), f"{name}_command")
        monkeypatch.setattr(command, "callback", lambda **_: pytest.fail("it has begun"))
        places = [tmp_path / "none" / "a.json", tmp_path, tmp_path / "file" / "a.json"]
        if os.access(tmp_path / "read-only", os.W_OK) is False:  # root may write everywhere
            places.append(tmp_path / "read-only" / "a.json")
        options = {
            option for param in command.params for option in param.opts
            if option in ("--json", "--csv", "--html", "--plot", "--parquet", "--png")
        }  # fmt: skip
        assert "--json" in options
        for option in options:
            for place in places:
                done = run(*words, option, place)
                assert done.exit_code == 2, (option, place, done.output)
                assert option in done.stderr
        assert sorted(tmp_path.rglob("*")) == before


def test_an_image_is_never_written_over(tmp_path):
    PIL.Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    for words in (["backends"], ["bench"], ["inspect", tmp_path / "a.png"]):
        done = run(*words, "--json", tmp_path / "a.png")
        assert done.exit_code == 2
        assert "would be lost" in done.stderr
    done = run("convert", tmp_path / "a.png", tmp_path / "dst", "--json", tmp_path / "dst")
    assert done.exit_code == 2
    assert "--json is SRC or DST" in done.stderr
    assert (tmp_path / "a.png").read_bytes() == before


def test_an_error_leaves_stdout_empty(tmp_path):
    done = run("inspect", tmp_path / "none.png", "--json", "-")
    assert (done.exit_code, done.stdout) == (1, "")


def test_what_a_library_prints_goes_to_stderr(tmp_path, monkeypatch):
    from graytorgb.cli import inspect

    PIL.Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    read = inspect.read
    monkeypatch.setattr(inspect, "read", lambda *a, **b: print("chatter") or read(*a, **b))
    done = run("inspect", tmp_path / "a.png", "--json", "-")
    check(json.loads(done.stdout), "inspect")
    assert "chatter" in done.stderr


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that root can't write")
def test_a_target_that_cannot_be_written_is_refused_before_anything_is_read(tmp_path):
    PIL.Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    for target in ("/proc/x", "/proc/x/y.zarr"):
        done = run("convert", tmp_path, target)
        assert done.exit_code == 2
        assert f"DST can't be written, '{target}': nothing can be written in '/proc'" in done.stderr
        assert "reading headers" not in done.stderr
    assert run("convert", tmp_path, "/proc/x", "--dry-run", "--workers", "1").exit_code == 0
