"""The gallery: each script is short, runs with light libraries alone, and shows what it says."""

import ast
import re
import runpy
import sys
from contextlib import redirect_stdout
from functools import cache
from io import StringIO

import matplotlib as mpl
import numpy as np
import pytest

from ..support import REQUIRED, ROOT, needs

needs("opencv", "pillow", "skimage")
mpl.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402  # with the backend that needs no screen

FOLDER = ROOT / "docs" / "gallery"
SCRIPTS = {path.stem: path for path in sorted(FOLDER.glob("plot_*.py"))}
LIBRARIES = {"PIL", "cv2", "graytorgb", "matplotlib", "numpy", "pydicom", "skimage", "tifffile"}
COLORMAPS = {"gray", "cividis", "viridis"}  # a color-blind reader sees them as others do
COLORS = {"#0072b2", "#d55e00"}  # of Okabe and Ito, for the same reason
if not SCRIPTS and "all" not in REQUIRED:
    pytest.skip("needs the source tree", allow_module_level=True)


@cache
def run(name):
    """Run a script once, and return its variables, what it prints, and its one figure."""
    plt.close("all")
    with redirect_stdout(StringIO()) as printed:
        variables = runpy.run_path(str(SCRIPTS[name]))
    (number,) = plt.get_fignums()
    figure = plt.figure(number)
    plt.close("all")
    return variables, printed.getvalue(), figure


def test_there_are_enough_scripts():
    assert len(SCRIPTS) >= 9


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_short_and_light(name):
    text = SCRIPTS[name].read_text("utf-8")
    assert len(text.splitlines()) < 60
    tree = ast.parse(text)
    title, line = ast.get_docstring(tree).splitlines()[:2]
    assert line == "=" * len(title)
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.partition(".")[0])
    assert imported - sys.stdlib_module_names <= LIBRARIES
    assert set(re.findall(r'cmap="(\w+)"', text)) <= COLORMAPS
    assert set(re.findall(r'"(#\w{6})"', text)) <= COLORS


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_draws_a_figure_with_titles(name):
    *_, figure = run(name)
    axes = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
    assert len(axes) >= 3
    assert all(axis.images or axis.patches for axis in axes)
    assert sum(bool(axis.get_title() or axis.get_title("left")) for axis in axes) >= 3
    for axis in axes:
        for image in axis.images:
            array = np.asarray(image.get_array())
            assert array.size > 1000


def test_sixteen_bits_are_kept_by_graytorgb_alone():
    variables, *_ = run("plot_01_sixteen_bits")
    levels = {name: len(np.unique(variables[f"by_{name}"])) for name in ("opencv", "graytorgb")}
    assert levels["opencv"] < 10
    assert levels["graytorgb"] > 200
    white = [(variables[f"by_{name}"] == 255).mean() for name in ("pillow", "graytorgb")]
    assert white[0] > 0.3
    assert white[1] < 0.01


def test_a_window_of_the_file():
    variables, printed, _ = run("plot_02_dicom_window")
    assert printed == "int32 (-10, 89)\n"
    assert variables["scan"].value_range == (-10, 89)


def test_a_stated_range_keeps_what_is_brighter():
    *_, figure = run("plot_03_value_range")
    means = [float(axis.get_xlabel().split()[1].strip(",")) for axis in figure.axes]
    assert means[3] == pytest.approx(2 * means[0], abs=2)  # stated
    assert means[5] == means[2]  # percentiles


def test_a_document_has_gray_strokes():
    variables, *_ = run("plot_04_documents")
    raw, hard, smooth = variables["pictures"].values()
    assert np.unique(raw).tolist() == [0, 1]
    assert np.unique(hard).tolist() == [0, 255]
    assert len(np.unique(smooth)) > 100


def test_inverted_files_are_read_upright():
    variables, printed, _ = run("plot_05_inverted")
    assert (variables["right"][0] == variables["coins"]).all()
    assert (variables["usual"][0] == 255 - variables["coins"]).all()
    upright, usual = variables["upright"].astype(int), variables["usual"][1].astype(int)
    assert (usual == upright.max() - upright).all()
    assert np.ptp(variables["right"][1].astype(int) - upright) == 0
    assert printed.endswith(" True\n")


def test_a_palette_is_looked_up():
    _, printed, _ = run("plot_06_gray_in_color")
    assert printed.startswith("every value kept: True\n")
    assert 'weights="any" takes one of three equal channels' in printed


def test_alpha_is_refused_and_composited():
    variables, printed, _ = run("plot_07_alpha")
    assert 'alpha="drop"' in printed
    dropped, white, black = map(np.asarray, variables["pictures"].values())
    behind = ~variables["horse"]
    assert len(np.unique(dropped[behind])) == 256
    assert (white[behind] == 255).all()
    assert (black[behind] == 0).all()


def test_degrees_wrap_around():
    variables, printed, _ = run("plot_08_thermal")
    below = variables["degrees"] < -1
    assert (variables["wrapped"][below] > 250).all()
    assert (variables["right"][below] < 80).all()
    assert "floats are read as 0 to 1" in printed


def test_the_second_plane_is_exact_at_the_border():
    variables, *_ = run("plot_09_stem_border")
    original = variables["original"]
    np.testing.assert_allclose(variables["adapted"], original, atol=1e-12)
    inside = (slice(3, -3), slice(3, -3))
    np.testing.assert_allclose(variables["summed"][inside], original[inside], atol=1e-12)
    assert np.abs(variables["summed"] - original).max() > 0.5 * np.abs(original).max()


def test_histograms_of_loaders():
    *_, figure = run("plot_10_histograms")
    levels = [int(axis.get_title("left").split()[-4]) for axis in figure.axes]
    assert levels[1] < 10
    assert levels[2] > 200
