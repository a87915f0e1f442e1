"""The recipes by profession: each runs on its sample files, and its page shows what happens."""

import ast
import re
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from ..support import ROOT, needs, needs_package
from .recipe_pages import assert_shown, list_includes, read_page

needs("torchvision", "skimage")
needs_package("foolbox", "imagecodecs", "onnxruntime", "onnxscript", "pydicom", "tifffile")

from click.testing import CliRunner  # noqa: E402

from examples.professions import (  # noqa: E402
    documents,
    life_cycle,
    microscopy_tiff,
    mnist_arrays,
    sample_files,
    sar,
    script,
    thermal,
    xray_dicom,
)
from graytorgb.datasets import audit  # noqa: E402
from graytorgb.datasets.loading import torch_loader  # noqa: E402

SCRIPTS = {
    "xray_dicom": xray_dicom,
    "microscopy_tiff": microscopy_tiff,
    "thermal": thermal,
    "documents": documents,
    "mnist_arrays": mnist_arrays,
    "sar": sar,
}
PAGES = (*SCRIPTS, "folders_in_keras", "life_cycle")


@pytest.fixture(autouse=True)
def _one_process(monkeypatch):
    """Read files in this process, because two dozen of them aren't worth others."""
    monkeypatch.setattr(torch_loader, "count_processors", lambda: 1)
    monkeypatch.setattr(microscopy_tiff, "audit", partial(audit, workers=1))


def run(command, *arguments):
    """Return what a script prints."""
    result = CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_page_shows_what_the_script_prints(name):
    assert_shown(name, run(SCRIPTS[name].main, "--quick"))


@pytest.mark.slow
def test_the_page_of_the_life_cycle_shows_what_the_script_prints():
    assert_shown("life_cycle", run(life_cycle.main, "--quick"))


def list_code_lines(code):
    """Return the lines of code that aren't blank, comments or docstrings."""
    lines = {node.lineno: node.end_lineno for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}  # fmt: skip
    left_out = {number for first, last in lines.items() for number in range(first, last + 1)}
    return [
        line for number, line in enumerate(code.splitlines(), 1)
        if number not in left_out and line.strip() and not line.lstrip().startswith("#")
    ]  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_a_page_includes_25_lines_of_its_script_at_most(name):
    includes = list_includes(name)
    assert includes
    for path, start, how, end in includes:
        assert path == f"examples/professions/{name}.py"
        text = (ROOT / path).read_text(encoding="utf-8")
        assert text.count(f"{start}\n") == 1
        code, found, rest = text.partition(f"{start}\n")[2].partition(end)
        assert found
        if how == "at":
            code += end + rest.partition("\n")[0]
        assert 3 <= len(list_code_lines(code)) <= 25


@pytest.mark.parametrize("name", [*SCRIPTS, "folders_in_keras"])
def test_the_figures_of_a_page_are_those_of_its_output(name):
    shown, _, told = read_page(name).partition("## What you would lose")
    levels = re.findall(r"([\d,]+) (?:of ([\d,]+) )?levels", told)
    shares = re.findall(r"\d+%", told)
    assert levels or shares
    for pair in levels:
        for figure in filter(None, pair):
            assert f" {figure} levels" in shown, figure
    for share in shares:
        assert share in shown


@pytest.mark.parametrize("name", PAGES)
def test_the_picture_of_a_page_is_small(name):
    assert f"(../images/recipe_{name}.png)" in read_page(name)
    path = ROOT / "docs" / "images" / f"recipe_{name}.png"
    assert path.stat().st_size < 100_000
    with PIL.Image.open(path) as picture:
        assert 350 < picture.width < 700


def test_the_list_of_recipes_has_each_page():
    text = read_page("index")
    pages = {path.stem for path in Path(ROOT, "docs", "recipes").glob("*.md")}
    assert pages == {"index", *PAGES}
    for name in PAGES:
        assert f"]({name}.md)" in text
        assert f"\n{name}\n" in text  # in the table of contents


def test_a_folder_of_the_users_own_and_a_picture(tmp_path):
    root, picture = tmp_path / "pages", tmp_path / "picture.png"
    root.mkdir()
    sample_files.write_documents(root)
    for path in root.glob("*/*[2-9].tif"):
        path.unlink()
    before = sorted(root.rglob("*"))
    output = run(documents.main, root, "--quick", "--plot", picture)
    assert output.startswith("8 images, bool from 0 to 1: 2 levels each\n")
    assert sorted(root.rglob("*")) == before
    with PIL.Image.open(picture) as drawn:
        gray = np.asarray(drawn.convert("L"))
    assert gray.shape == (610, 540)
    assert len(np.unique(gray)) > 30


def test_a_picture_over_the_users_files_is_refused(tmp_path):
    file = tmp_path / "scan.png"
    PIL.Image.new("L", (8, 8)).save(file)
    result = CliRunner().invoke(thermal.main, [str(tmp_path), "--plot", str(file)])
    assert result.exit_code == 2
    assert "would be lost" in result.output
    assert file.stat().st_size


def test_digits_without_foolbox_say_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(sample_files, "files", lambda package: None)
    result = CliRunner().invoke(mnist_arrays.main, ["--quick"])
    assert result.exit_code == 1
    assert "pip install foolbox" in result.output


def test_a_way_that_refuses_a_file_is_told_and_drawn(tmp_path, capsys):
    image = np.zeros((8, 8), np.uint8)
    looks = [script.Look("cv2.imread(path)", lambda _: None)]
    script.describe([image], looks)
    assert capsys.readouterr().out.endswith("cv2.imread(path):\n    refused\n")
    script.draw([image], looks, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size


def test_the_mean_of_decibels_of_one_look_is_too_low():
    looks = np.random.default_rng(0).exponential(1, 1_000_000)
    assert (10 * np.log10(looks)).mean() == pytest.approx(-2.5, abs=0.05)
    assert "2.5 dB too low" in read_page("sar")


def test_black_of_normalized_digits_is_gray_for_the_network():
    text = read_page("mnist_arrays")
    assert f"{-mnist_arrays.MNIST[0] / mnist_arrays.MNIST[1]:.2f}" in text
    for mean, std in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True):
        assert f"{-mean / std:.2f}" in text
