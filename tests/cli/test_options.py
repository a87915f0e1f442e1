"""Values of options that are refused before any work: each message names the option."""

import numpy as np
import pytest
from click.testing import CliRunner

from graytorgb.cli import main

from ..support import needs, needs_package

needs("pillow")
needs_package("psutil", "jinja2", "matplotlib", "pyarrow")

import PIL.Image  # noqa: E402

PYTHON = ("window is", "value_range", "alpha is", "backend=", "index is", "(nan")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    PIL.Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("bench --seconds nan", "'--seconds': 'nan' isn't a finite number"),
        ("bench --time-limit nan", "'--time-limit': 'nan' isn't a finite number"),
        ("bench --time-limit inf", "'--time-limit': 'inf' isn't a finite number"),
        ("bench --backends repeet", "called 'repeet'; did you mean repeat? The backends are auto"),
        ("bench --backends cv2", "called 'cv2'; did you mean opencv?"),
        ("bench --backends nothing", "called 'nothing'. The backends are auto"),
        ("bench --dtype foo", "'--dtype': numpy has no dtype 'foo'"),
        ("bench --dtype object", "'--dtype': an image holds numbers or bool"),
        ("bench --layout hw", "'--layout': layout 'hw'"),
        ("backends --shape 4x4 --dtype foo", "'--dtype': numpy has no dtype 'foo'"),
        ("bench --csv -", "--csv is a file, and - would be stdout, which is for --json alone"),
        ("bench --html -", "--html ./report.html"),
        ("audit . --parquet -", "--parquet ./report.parquet"),
        ("audit . --html -", "for --json alone"),
        ("audit . --csv -", "for --json alone"),
        ("audit . --layout HHW", "'--layout': layout 'HHW': axis H appears twice"),
        ("audit . --layout XYZ", "needs both H and W"),
        ("convert . out --layout HHW", "'--layout': layout 'HHW': axis H appears twice"),
        ("convert . out --layout NHW->NHWC", "write those of the source alone, as NHW"),
        ("convert . out --alpha nan,0,0", "'--alpha': 'nan,0,0' is neither drop nor"),
        ("convert . out --alpha inf,0,0", "'--alpha': 'inf,0,0' is neither drop nor"),
        ("convert . out --alpha=-5,0,0", "'--alpha': '-5,0,0' is neither drop nor"),
        ("convert . out --value-range nan 1", "'--value-range': 'nan' isn't a finite number"),
        ("convert . out --value-range percentile nan 1", "'nan' isn't a finite number"),
        ("convert . out --value-range minmx", "not 'minmx'; did you mean minmax?"),
        ("convert . out --value-range percentil 1 9", "did you mean percentile?"),
        ("inspect a.png --value-range nan 1", "'--value-range': 'nan' isn't a finite number"),
        ("inspect a.png --window nan 1", "'--window': 'nan' isn't a finite number"),
        ("inspect a.png --window lungg", "'--window': 'lungg' isn't a window: write CENTER WIDTH"),
        ("inspect a.png --window lungg", "soft tissue; did you mean lung?"),
        ("inspect a.png --window x", "for CT lung, bone, brain, abdomen, soft tissue"),
        ("inspect a.png --png .", "not '.'"),
        ("inspect a.png --json .", "not '.': it is a folder"),
        ("inspect a.png --png=", "--png is the name of a file, not ''"),
        ("inspect a.png --json=", "--json is the name of a file, not ''"),
    ],
)
def test_a_usage_error_names_the_option(folder, words, says):
    result = CliRunner().invoke(main, words.split(), env={"COLUMNS": "300"})
    assert result.exit_code == 2, result.output
    told = " ".join(result.output.split())
    assert says in told
    assert not any(python in told for python in PYTHON)
    assert [path.name for path in folder.iterdir()] == ["a.png"]


def test_an_index_that_the_file_does_not_have(folder):
    result = CliRunner().invoke(main, ["inspect", "a.png", "--index", "5"])
    assert result.exit_code == 1
    told = " ".join(result.output.split())
    assert told.startswith("Error: a.png: it has 1 image, numbered from 0, and 5 is none of the")
    assert "numbers: --index 0" in told


def test_backgrounds_of_fractions_and_a_layout_with_spaces_are_taken(folder):
    words = ["audit", ".", "--layout", "N H W"]
    assert CliRunner().invoke(main, words).exit_code == 0
    words = ["convert", ".", "../converted", "--dry-run", "--alpha", "255,255,0.5"]
    assert CliRunner().invoke(main, words).exit_code == 0
