"""What a command writes: never over what it reads, and checked before any work."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from graytorgb.cli import main
from graytorgb.core import writing
from graytorgb.errors import ModelError

from ..support import needs, needs_package

needs("pillow")
needs_package("psutil", "matplotlib", "jinja2")

import PIL.Image  # noqa: E402


def run(*arguments):
    """Its output in one line, and the exit code; an error that isn't told is raised."""
    result = CliRunner().invoke(main, list(map(str, arguments)), env={"COLUMNS": "300"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return " ".join(result.output.split()), result.exit_code


def refused(*arguments):
    """The message of a usage error."""
    output, code = run(*arguments)
    assert code == 2, output
    return output


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "a.png"
    PIL.Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(path)
    return path


def names(path):
    """Other names of one file: each way that two paths can be the same."""
    folder = path.parent
    (folder / "inner").mkdir()
    (folder / "link.png").symlink_to(path)
    (folder / "hard.png").hardlink_to(path)
    (folder / "there").symlink_to(folder, target_is_directory=True)
    return [
        path,
        folder / "link.png",
        folder / "hard.png",
        folder / "inner" / ".." / path.name,
        folder / "there" / path.name,
        Path(os.path.relpath(path)),
    ]


class TestInspect:
    def test_its_input_is_not_an_output(self, image):
        before = image.read_bytes()
        for name in names(image):
            assert "--png is FILE, which would be lost" in refused("inspect", image, "--png", name)
            assert image.read_bytes() == before
            assert "--png is FILE" in refused("inspect", name, "--png", image)

    @pytest.mark.parametrize(
        ("out", "says"),
        [
            ("nowhere/x.png", "there is no folder"),
            ("folder.png", "it is a folder"),
            ("x.xyz", "--png is a file of .png, .jpg,"),
            ("x", "--png is a file of .png, .jpg,"),
            ("a.png/x.png", "there is no folder"),
            ("n" * 300 + ".png", "File name too long"),
        ],
    )
    def test_what_can_not_be_written(self, image, out, says):
        (image.parent / "folder.png").mkdir()
        before = sorted(image.parent.iterdir())
        assert says in refused("inspect", image, "--png", image.parent / out)
        assert sorted(image.parent.iterdir()) == before

    def test_a_folder_that_is_closed(self, image, monkeypatch):
        monkeypatch.setattr(writing.os, "access", lambda path, mode: False)
        out = image.parent / "out.png"
        assert f"'{image.parent}' is read-only" in refused("inspect", image, "--png", out)
        out.write_bytes(b"old")
        assert "the file there is read-only" in refused("inspect", image, "--png", out)

    def test_an_output_through_a_link(self, image):
        """Its target is replaced, and the link stays."""
        (image.parent / "old.picture").write_bytes(b"old")
        link = image.parent / "link.png"
        link.symlink_to("old.picture")
        assert run("inspect", image, "--png", link)[1] == 0
        assert link.is_symlink()
        with PIL.Image.open(image.parent / "old.picture") as drawn:
            assert drawn.width > 100


class TestBench:
    @pytest.fixture(autouse=True)
    def nothing_is_measured(self, monkeypatch):
        from graytorgb.bench import run as measuring

        def measure(*arguments, **options):
            raise AssertionError("measured before its outputs were checked")

        monkeypatch.setattr(measuring, "measure", measure)

    @pytest.mark.parametrize("option", ["--json", "--csv", "--plot", "--html"])
    def test_outputs_are_checked_before(self, option, tmp_path):
        (tmp_path / "folder.png").mkdir()
        for name, says in (("nowhere/x.png", "there is no folder"), ("folder.png", "a folder")):
            assert says in refused("bench", option, tmp_path / name)

    def test_a_picture_that_nothing_draws(self, tmp_path):
        assert "--plot is a file of .png," in refused("bench", "--plot", tmp_path / "x.xyz")
        assert "--plot is a file of .png," in refused("bench", "--plot", tmp_path / "chart")

    def test_two_outputs_are_two_files(self, tmp_path):
        same = tmp_path / "x.txt"
        message = refused("bench", "--json", same, "--csv", same)
        assert "--json and --csv are one file" in message
        message = refused("bench", "--json", tmp_path / "x", "--html", tmp_path / "." / "X")
        assert "--json and --html are one file" in message
        same.write_text("old")
        (tmp_path / "y.txt").hardlink_to(same)
        assert "one file" in refused("bench", "--csv", tmp_path / "y.txt", "--html", same)
        assert same.read_text() == "old"


class TestAdapt:
    @pytest.fixture
    def model(self, tmp_path):
        needs_package("onnx", "onnxruntime")
        from .test_adapt import write_model

        return write_model(tmp_path / "net.onnx", outside=True)

    def refused(self, *arguments):
        return refused("adapt", *arguments, "--stats", "imagenet", "--seconds", 0)

    @pytest.fixture(autouse=True)
    def nothing_changes(self, request, tmp_path):
        if "model" in request.fixturenames:
            request.getfixturevalue("model")
        before = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
        yield
        for name, content in before.items():
            assert (tmp_path / name).read_bytes() == content

    def test_no_output_is_the_model(self, model, tmp_path):
        out, data = tmp_path / "o.onnx", tmp_path / "net.onnx.data"
        assert data.exists()
        assert "OUT is MODEL, which would be lost" in self.refused(model, model)
        assert "--json is MODEL, which" in self.refused(model, out, "--json", model)
        assert "--json is a file of MODEL" in self.refused(model, out, "--json", data)
        (tmp_path / "p.png").symlink_to(data)
        assert "--png is a file of MODEL" in self.refused(model, out, "--png", tmp_path / "p.png")
        assert not out.exists()

    def test_the_tensors_beside_it(self, tmp_path):
        """OUT brings a file of its own, which may be what MODEL's tensors are in."""
        from .test_adapt import write_model

        other = write_model(tmp_path / "o.onnx", outside=True).rename(tmp_path / "other.onnx")
        assert "OUT is a file of MODEL" in self.refused(other, tmp_path / "o.onnx")

    def test_two_outputs_are_two_files(self, model, tmp_path):
        out = tmp_path / "o.onnx"
        assert "OUT and --json are one file" in self.refused(model, out, "--json", out)
        message = self.refused(model, out, "--json", tmp_path / "o.onnx.data")
        assert "OUT and --json are one file" in message

    def test_no_output_is_an_image(self, model, image, tmp_path):
        folder = tmp_path / "photos"
        (folder / "inner").mkdir(parents=True)
        photo = folder / "inner" / "b.png"
        photo.write_bytes(image.read_bytes())
        out = tmp_path / "o.onnx"
        for images, says in ((folder, "--png is a file of --verify"), (photo, "--png is --verify")):
            assert says in self.refused(model, out, "--verify", images, "--png", photo)
        (tmp_path / "hard.png").hardlink_to(photo)
        other = self.refused(model, out, "--verify", folder, "--png", tmp_path / "hard.png")
        assert "--png is a file of --verify" in other

    def test_what_can_not_be_written(self, model, tmp_path):
        for arguments in (
            (tmp_path / "nowhere" / "o.onnx",),
            (tmp_path / "o.onnx", "--json", tmp_path / "nowhere" / "x.json"),
        ):
            assert "there is no folder" in self.refused(model, *arguments)
        assert "it is a folder" in self.refused(model, tmp_path / "o.onnx", "--json", tmp_path)


class TestPython:
    """graytorgb.models replaces a file whole, its own source too, and no file of tensors."""

    def test_onnx(self, tmp_path):
        needs_package("onnx", "onnxruntime")
        from graytorgb.models import adapt_file

        from .test_adapt import write_model

        path = write_model(tmp_path / "net.onnx", outside=True)
        before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
        link = tmp_path / "folder" / "gray.onnx"
        link.parent.mkdir()
        link.symlink_to(tmp_path / "net.onnx.data")
        with pytest.raises(ModelError, match="holds tensors of the model itself"):
            adapt_file(path, link, (0.5, 0.5), how="expand")
        link.unlink()
        link.parent.rmdir()
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before

    def test_weights(self, tmp_path, monkeypatch):
        needs("torchvision")
        needs_package("torch", "safetensors")
        import torch
        from safetensors.torch import load_file, save_file

        from graytorgb.models import adapt_state_dict

        weights = {"stem.weight": torch.ones(4, 3, 3, 3)}
        torch.save(weights, tmp_path / "a.pt")
        save_file(weights, tmp_path / "a.safetensors")
        for path, load in (
            (tmp_path / "a.pt", torch.load),
            (tmp_path / "a.safetensors", load_file),
        ):
            written = adapt_state_dict(path, (0.5, 0.5), dst=path)
            assert torch.equal(load(path)["stem.weight"], written["stem.weight"])

        def interrupted(tensors, path):
            Path(path).write_bytes(b"half")
            raise KeyboardInterrupt

        monkeypatch.setattr(torch, "save", interrupted)
        before = (tmp_path / "a.pt").read_bytes()
        with pytest.raises(KeyboardInterrupt):
            adapt_state_dict(weights, (0.5, 0.5), dst=tmp_path / "a.pt")
        assert (tmp_path / "a.pt").read_bytes() == before


def test_figures_still_come_out(image, tmp_path):
    """Every writer, by the names that are allowed."""
    paths = [tmp_path / f"b.{ending}" for ending in ("json", "csv", "svg", "html")]
    options = [
        f"--{name}={p}" for name, p in zip(("json", "csv", "plot", "html"), paths, strict=True)
    ]
    output, code = run("bench", "--shape", "2x8x8", "--backends", "repeat", "--seconds", 0.01,
        "--no-peaks", *options)  # fmt: skip
    assert code == 0, output
    assert json.loads(paths[0].read_text())["rows"]
    assert all(path.stat().st_size for path in paths)
    assert not list(tmp_path.glob(".graytorgb*"))
