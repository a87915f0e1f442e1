"""``graytorgb convert``: options, what is printed where, and exit codes."""

import os
import re

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

from graytorgb.cli import convert as command
from graytorgb.cli import main
from graytorgb.datasets import conversion
from graytorgb.datasets.conversion_run import run as conversion_run
from graytorgb.datasets.conversion_run import writing as conversion_writing
from graytorgb.errors import TargetError
from graytorgb.io import read

from ..datasets.trees import KEPT, gray, list_images, read_tree, write_classes, write_png
from ..support import needs, needs_package, read_guide

needs("pillow")
needs_package("dask", "imagecodecs", "loky", "simplejpeg", "tifffile")


def convert(*arguments, workers=1):
    """The command's stdout, stderr and exit code."""
    words = ["convert", "--workers", str(workers), *map(str, arguments)]
    result = CliRunner().invoke(main, words, env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout, result.stderr, result.exit_code


@pytest.fixture
def src(tmp_path):
    return write_classes(tmp_path / "src")


@pytest.fixture
def dst(tmp_path):
    return tmp_path / "dst"


def test_a_folder(src, dst):
    out, err, code = convert(src, dst)
    assert code == 0
    assert out == f"2 converted; {dst / KEPT} has a line for each\n"
    assert "converting" in err
    assert "images/s" in err
    assert list_images(dst) == ["cats/a.png", "dogs/b.png"]
    out, _, code = convert(src, dst)
    assert (code, out) == (0, f"0 converted, 2 done before; {dst / KEPT} has a line for each\n")


def test_what_can_not_be_read_is_named_on_stderr(src, dst):
    (src / "cats" / "bad\n.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (src / os.fsdecode(b"\xff.png")).write_bytes(b"\x89PNG\r\n\x1a\n")
    out, err, code = convert(src, dst)
    assert code == 1
    assert "can't be converted: 'cats/bad\\n.png': a PNG without a header" in err
    assert "can't be converted: '\\udcff.png': a PNG without a header" in err
    assert "2 converted, 2 can't be converted" in out
    assert list_images(dst) == ["cats/a.png", "dogs/b.png"]


def test_a_dry_run(src, dst, tmp_path):
    write_png(src / "cats" / "c.png", gray(0, (4, 5, 3)))
    (src / "notes.txt").write_text("x")
    before = read_tree(tmp_path)
    out, _, code = convert(src, dst, "--dry-run", "--to", "gray")
    assert code == 0
    rows = [line.split("  ") for line in out.splitlines()]
    told = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert ["PNG, gray, 16 bits", "PNG, uint16, 1 channel", "2", "cats/a.png"] in told
    assert ["PNG, RGB, 8 bits", "PNG, uint8, 1 channel", "1", "cats/c.png"] in told
    assert "3 would be converted, 1 no image by name or content" in out
    assert read_tree(tmp_path) == before
    assert not dst.exists()


@pytest.mark.parametrize(
    ("words", "value_range"),
    [
        (["--value-range", "0", "4095"], (0, 4095)),
        (["--value-range=-10.5", "4095"], (-10.5, 4095)),
        (["--value-range", "dtype"], "dtype"),
        (["--value-range=dtype"], "dtype"),
        (["--value-range", "minmax"], "minmax"),
        (["--value-range", "percentile", "1", "99.5"], ("percentile", 1, 99.5)),
        (["--value-range=percentile", "1", "99.5"], ("percentile", 1, 99.5)),
    ],
)
def test_value_range(src, dst, words, value_range):
    out, _, code = convert(src, dst, *words)
    assert code == 0
    assert f"value range: {value_range}" in out


def test_8_bits(src, dst):
    out, _, code = convert(src, dst, "--bits", "8", "--value-range", "0", "4095", "--to", "gray")
    assert (code, "value range: (0, 4095)" in out) == (0, True)
    assert read(dst / "cats" / "a.png").array.dtype == np.uint8
    write_png(src / "cats" / "c.png", gray(0))
    _, err, code = convert(src, dst, "--bits", "8")
    assert code == 1
    assert "State it: --value-range LO HI, dtype, minmax or percentile 1 99" in err


def test_options_reach_the_conversion(src, dst, monkeypatch):
    given = {}

    def note(src, dst, **options):
        given.update(options, src=src, dst=dst)
        raise TargetError("seen")

    monkeypatch.setattr(conversion, "convert", note)
    convert(src, dst, "--alpha", "1,2.5,3", "--size", "24x32", "--orientation", "keep",
        "--format", "tiff", "--layout", "NHW", "--scheduler", "tcp://127.0.0.1:1",
        workers=3)  # fmt: skip
    del given["watch"]
    assert given == {
        "src": str(src), "dst": dst, "to": "rgb", "bits": "keep", "value_range": None,
        "alpha": (1, 2.5, 3), "size": (24, 32), "orientation": "keep", "format": "tiff",
        "layout": "NHW", "workers": 3, "scheduler": "tcp://127.0.0.1:1", "dry_run": False,
    }  # fmt: skip
    convert(src, dst, "--alpha", "drop", "--size", "256")
    assert (given["alpha"], given["size"]) == ("drop", 256)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--to", "bgr"], "'bgr' is not one of 'rgb', 'gray'"),
        (["--bits", "12"], "'12' is not one of 'keep', '8'"),
        (
            ["--alpha", "white"],
            "neither drop nor a background of three numbers from 0 on; write it as 255,255,255",
        ),
        (["--alpha", "1,2"], "neither drop nor a background"),
        (["--size", "0"], "isn't a size; write it as 256"),
        (["--size", "224x"], "isn't a size; write it as 256"),
        (["--value-range", "auto", "1"], "'auto' is not a valid float"),
        (["--value-range", "dtype", "--value-range", "0", "1"], "--value-range is stated twice"),
        (["--workers", "0"], "'--workers': 0 is not in the range x>=1"),
        (["--format", "bmp"], "'bmp' is not one of"),
    ],
)
def test_wrong_options(src, dst, words, says):
    _, err, code = convert(src, dst, *words)
    assert code == 2
    assert says in " ".join(err.replace("│", " ").split())
    assert not dst.exists()


def test_refusals_name_the_option(src, dst):
    _, err, code = convert(src, dst, "--format", "jpeg")
    assert (code, ": --bits 8; --value-range LO HI" in err) == (1, True)
    write_png(src / "cats" / "z.png", gray(5, (6, 7, 4)))
    _, err, code = convert(src, dst)
    assert (code, "holds it: --alpha drop, or --alpha 255,255,255" in err) == (1, True)
    _, err, code = convert(src, src / "out")
    assert (code, "DST lies in SRC" in err) == (1, True)
    _, err, code = convert(src / "nowhere", dst)
    assert (code, "there is nothing of this name" in err) == (1, True)
    assert not dst.exists()


def test_an_array_needs_its_axes(dst, tmp_path):
    images = np.arange(3 * 8 * 6, dtype=np.uint8).reshape(3, 8, 6)
    np.save(tmp_path / "x.npy", images)
    _, err, code = convert(tmp_path / "x.npy", dst)
    assert (code, "so say which: --layout NHW" in err, dst.exists()) == (1, True, False)
    for layout, expected in (("NHW", images), ("HWN", images.transpose(2, 0, 1))):
        # another reading of the same file gives other images, so that none counts as done
        *_, code = convert(tmp_path / "x.npy", dst, "--layout", layout, "--to", "gray")
        assert code == 0
        files = sorted(dst.rglob("*.png"))[: len(expected)]
        written = [read(path).array for path in files]
        np.testing.assert_array_equal(written, expected)


def test_ctrl_c(src, dst, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(conversion_run, "find_facts", interrupt)
        out, err, code = convert(src, dst)
        assert (code, out) == (130, "")
        assert "interrupted: nothing has been written. Run the same command again" in err
        assert not dst.exists()
    monkeypatch.setattr(conversion_writing, "write_tasks", interrupt)
    _, err, code = convert(src, dst)
    assert code == 130
    assert "interrupted: 0 images finished, to stay. Run the same command again: it" in err


def test_what_is_left_over_is_told(src, dst):
    convert(src, dst)
    (src / "dogs" / "b.png").unlink()
    _, err, code = convert(src, dst)
    assert code == 0
    assert "1 file of an earlier run, such as dogs/b.png: no part of this conversion, left" in err
    assert (dst / "dogs" / "b.png").exists()


def test_help_names_every_option():
    out, _, _ = convert("--help")
    for param in command.convert_command.params:
        hidden = getattr(param, "hidden", False)
        assert (param.opts[0].lower() in out.lower()) != hidden, param.opts


def test_the_guide_shows_real_output(tmp_path, monkeypatch):
    """Each command of docs/guide/convert.md prints what is shown there, stderr before stdout."""
    rng = np.random.default_rng(0)
    for label in ("ill", "well"):
        for k in range(3):
            write_png(
                tmp_path / "scans" / label / f"{k}.png", rng.integers(0, 4096, (48, 64), np.uint16)
            )
    photo = rng.integers(0, 256, (48, 64, 3), np.uint8)
    PIL.Image.fromarray(photo).save(tmp_path / "scans" / "well" / "photo.jpg")
    data = (tmp_path / "scans" / "ill" / "0.png").read_bytes()
    (tmp_path / "scans" / "ill" / "damaged.png").write_bytes(data[:3000])
    (tmp_path / "scans" / "notes.txt").write_text("from the ward")
    monkeypatch.chdir(tmp_path)
    guide = read_guide("convert.md")
    blocks = re.findall(r"^```console\n\$ graytorgb convert (.*)\n((?:.*\n)*?)```", guide, re.M)
    assert len(blocks) == 5
    for words, shown in blocks:
        out, err, _ = convert(*words.split())
        bar = ("reading headers", "converting")
        printed = [line.rstrip() for line in [*err.splitlines(), *out.splitlines()]]
        printed = [line for line in printed if line and not line.startswith(bar)]
        assert sorted(printed) == sorted(line.rstrip() for line in shown.splitlines()), words
