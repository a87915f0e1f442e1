"""graytorgb inspect: what a file is, and what the usual conversion would lose."""

import os
import re

import numpy as np
import PIL.Image
import pydicom
import pytest
import skimage.data
import tifffile
from click.testing import CliRunner
from pydicom.data import get_testdata_file

import graytorgb as g2r
from graytorgb.cli import main
from graytorgb.inspection.comparison import compare
from graytorgb.io import read

from ..support import run_python

CAMERA = skimage.data.camera()
MR = get_testdata_file("examples_overlay.dcm", download=False)
CT = get_testdata_file("CT_small.dcm", download=False)


def inspect(*arguments):
    """Return the command's output in one line, on a wide terminal, and the exit code."""
    result = CliRunner().invoke(
        main, ["inspect", *map(str, arguments)], env={**os.environ, "COLUMNS": "200"}
    )
    return " ".join(result.output.split()), result.exit_code


def save(path, pixels, **options):
    PIL.Image.fromarray(pixels).save(path, **options)
    return path


def test_a_dicom_file():
    output, code = inspect(MR)
    assert code == 0
    for text in (
        "DICOM",
        "MR, MONOCHROME2, 12 of 16 bits",
        "300x484 uint16, HW",
        "55 to 844 (the window in the file, center 450, width 790)",
        "0 to 1,123, 896 different values",
        "windows in the file: (450, 790) WINDOW1; (200, 443) WINDOW2",
        'Image.fromarray(pydicom.dcmread(path).pixel_array).convert("RGB")',
        "leaves 256 of 896 levels; turns 30.9% of the pixels white (graytorgb: 0.1%)",
    ):
        assert text in output


def test_the_figures_are_those_of_the_conversions():
    pixels = pydicom.dcmread(MR).pixel_array
    expected = np.asarray(PIL.Image.fromarray(pixels).convert("RGB"))
    image = read(MR)
    comparison = compare(image, image.value_range)
    np.testing.assert_array_equal(comparison.naive.rgb, expected)
    np.testing.assert_array_equal(comparison.ours.rgb, g2r.to_rgb(g2r.to_uint8(*image)))
    assert comparison.levels == len(np.unique(pixels))
    assert comparison.naive.levels == len(np.unique(expected))
    assert comparison.naive.white == (pixels >= 255).mean()
    assert comparison.ours.white == (g2r.to_uint8(*image) == 255).mean()
    assert comparison.ours.black == (g2r.to_uint8(*image) == 0).mean()


def test_the_histogram_sums_up_and_names_what_is_clipped():
    result = CliRunner().invoke(main, ["inspect", MR], env={**os.environ, "COLUMNS": "120"})
    rows = re.findall(r"([\d,]+) to ([\d,]+) +([\d.]+)%", result.output)
    assert len(rows) == 16
    assert sum(float(share) for _, _, share in rows) == pytest.approx(100, abs=1)
    pixels = pydicom.dcmread(MR).pixel_array
    first = np.histogram(pixels, 16)[0][0] / pixels.size
    assert float(rows[0][2]) == pytest.approx(100 * first, abs=0.05)
    assert len(re.findall(r" white *\n", result.output)) >= 3


def test_8_bits_lose_nothing(tmp_path):
    for name in ("x.png", "x.jpg", "x.tif", "x.bmp"):
        output, code = inspect(save(tmp_path / name, CAMERA))
        assert code == 0
        assert "gives the same pixels: nothing is lost." in output
    output, _ = inspect(save(tmp_path / "a.png", np.dstack([CAMERA, CAMERA])))
    assert "nothing is lost but its alpha." in output


def test_a_deep_png(tmp_path):
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    output, _ = inspect(save(tmp_path / "x.png", ramp))
    assert "leaves 256 of 65,536 levels; turns 99.6% of the pixels white" in output
    assert "graytorgb: 0.2%" in output


def test_a_depth_that_is_not_used(tmp_path):
    """The warning is a note, and the last line says what to do."""
    output, code = inspect(CT)
    assert code == 0
    assert output.count("its depth alone, 16 bits") == 1
    assert "ours has 9 levels, until --window or --value-range says what is white" in output
    output, _ = inspect(CT, "--window", "40", "400")
    assert "-160 to 239 (the window asked for, center 40, width 400)" in output
    assert "ours has" not in output
    assert inspect(CT, "--window=40", "400")[0] == output
    output, _ = inspect(CT, "--value-range", "-1000", "1000")
    assert "-1,000 to 1,000 (the caller)" in output


@pytest.mark.parametrize("options", [("--window", "lung"), ("--window=lung",)])
def test_a_window_by_name(options):
    output, code = inspect(CT, *options)
    assert code == 0
    assert '-1,350 to 149 (window="lung", center -600, width 1500 in Hounsfield units)' in output
    assert "-1,350 to 149" not in inspect(CT, "--window", "soft tissue")[0]
    assert "-150 to 249" in inspect(CT, "--window", "soft tissue")[0]


@pytest.mark.parametrize(
    ("path", "name", "expected", "says"),
    [(CT, "liver", 2, "'liver' isn't a window"), (MR, "lung", 1, "is for CT in Hounsfield units")],
)
def test_a_window_of_another_name_or_file(path, name, expected, says):
    output, code = inspect(path, "--window", name)
    assert code == expected
    assert says in output


def test_a_file_without_a_range(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20))
    output, code = inspect(tmp_path / "x.tif")
    assert code == 0
    assert "stated range none (a TIFF of floats" in output
    assert "leaves 2 of 400 levels" in output
    assert "in the file │ 400" in output
    assert "graytorgb │ 256" in output


def test_stacks_and_single_pages(tmp_path):
    stack = np.stack([CAMERA.astype(np.uint16) * 16, CAMERA.astype(np.uint16) * 257])
    tifffile.imwrite(tmp_path / "x.tif", stack, photometric="minisblack")
    assert "2x512x512 uint16, NHW" in inspect(tmp_path / "x.tif")[0]
    assert "512x512 uint16, HW" in inspect(tmp_path / "x.tif", "--index", "1")[0]


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_the_picture(tmp_path, suffix):
    out = tmp_path / f"out.{suffix}"
    _, code = inspect(MR, "--png", out)
    assert code == 0
    with PIL.Image.open(out) as image:
        assert image.width > image.height
        pixels = np.asarray(image.convert("L")).astype(float)
    left, right = pixels[100:350, 20:480], pixels[100:350, 520:980]
    assert (left > 250).mean() > 3 * (right > 250).mean()


def test_a_picture_of_what_pillow_refuses(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", CAMERA.astype(np.int64) << 40)
    output, code = inspect(tmp_path / "x.tif", "--png", tmp_path / "out.png")
    assert code == 0
    assert "The usual conversion fails, so nothing is lost in silence" in output
    assert (tmp_path / "out.png").stat().st_size > 10_000


def test_values_that_are_not_finite(tmp_path):
    pixels = CAMERA.astype(np.float32)
    pixels[0, :5] = np.nan
    tifffile.imwrite(tmp_path / "x.tif", pixels)
    output, code = inspect(tmp_path / "x.tif")
    assert code == 1
    assert "5 values that aren't finite" in output
    assert "a value is NaN" in output


@pytest.mark.parametrize(
    ("make", "arguments", "says"),
    [
        (lambda path: path.write_bytes(b""), [], "is empty (0 bytes)"),
        (lambda path: path.write_text("text"), [], "not an image that can be read"),
        (lambda path: None, [], "No such file"),
        (lambda path: save(path, CAMERA), ["--limit", "1KB"], "the limit is 1,000"),
        (lambda path: save(path, CAMERA), ["--value-range", "1", "1"], "the range is empty"),
        (
            lambda path: save(path, CAMERA),
            ["--index", "2"],
            "numbered from 0, and 2 is none of the numbers: --index 0",
        ),
        (lambda path: path.write_bytes(b"\x93NUMPY"), [], "NumPy that can't be read"),
    ],
)
def test_bad_files_are_one_line(tmp_path, make, arguments, says):
    path = tmp_path / "x.png"
    make(path)
    output, code = inspect(path, *arguments)
    assert code == 1
    assert output.startswith("Error: ")
    assert says in output
    assert path.name in output or "range" in says
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("path", "options", "says"),
    [
        (None, ["--limit", "1KB"], "--limit 8GiB"),
        (None, ["--window", "lung"], "this is PNG: --value-range LO HI"),
        (MR, ["--window", "lung"], "and this is MR: --window CENTER WIDTH"),
    ],
)
def test_messages_name_options_alone(tmp_path, path, options, says):
    save(tmp_path / "x.png", CAMERA)
    output, code = inspect(path or tmp_path / "x.png", *options)
    assert code == 1
    assert says in output
    for python in ("value_range=", "limit=", "window=(", "read("):
        assert python not in output


def test_axes_that_are_not_known(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 20, 30), np.uint8) + np.arange(30, dtype=np.uint8))
    output, code = inspect(tmp_path / "x.npy")
    assert code == 1
    assert "axes unknown" in output
    assert "more than one way" in output


def test_drawing_needs_matplotlib_and_says_so(tmp_path):
    text = run_python(
        f"""
import sys
sys.modules["matplotlib"] = None
from click.testing import CliRunner
from graytorgb.cli import main
print(CliRunner().invoke(main, ["inspect", {MR!r}, "--png", "x.png"]).output)
"""
    )
    assert "needs matplotlib: pip install 'graytorgb[bench]'" in text
