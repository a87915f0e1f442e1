"""What is printed at every width: no name is cut, and a width of 0 is the usual one."""

import numpy as np
import pytest
from click.testing import CliRunner

from graytorgb.backends import list_backends
from graytorgb.bench import case as cases
from graytorgb.bench import report as reports
from graytorgb.cli import main
from graytorgb.cli.bench import _print
from graytorgb.cli.console import make_console

from ..support import needs, needs_package

needs("pillow")
needs_package("psutil", "cpuinfo")

import PIL.Image  # noqa: E402

NAMES = ("torchvision", "broadcast", "native", "opencv")


def invoke(*words, columns):
    result = CliRunner().invoke(main, words, env={"COLUMNS": str(columns)})
    assert result.exit_code == 0, result.output
    return result.output


def make_report():
    """A report whose figures are as long as they come; the longest name wins."""
    rows = [
        cases.Row(
            name, (512, 224, 224), "float64", "NHW->NHWC", 16, available=True, why="",
            fresh_s=1.2345 + k, fresh_low_s=1.2 + k, fresh_high_s=1.3 + k, reused_s=1.1 + k,
            reused_low_s=1 + k, reused_high_s=1.2 + k, gb_s=None if name == "broadcast" else 12.5,
            percent_of_limit=77.0, result_bytes=0 if name == "broadcast" else 1,
            peak_bytes=616_562_688,
        )
        for k, name in enumerate(NAMES)
    ]  # fmt: skip
    return reports.Report(rows, {}, "")


@pytest.mark.parametrize("columns", [1, 20, 40, 60, 80, 120])
def test_bench_never_cuts_a_name(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    _print(make_console(), make_report())
    lines = capsys.readouterr().out.splitlines()
    assert "…" not in "".join(lines)
    for name in NAMES:
        cells = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
        assert cells.count(f"→ {name}" if name == "torchvision" else name) == 1
    if columns >= 40:
        drawn = [line for line in lines if line[0] in "┃│"]
        assert max(map(len, drawn)) <= columns
    assert ("% of limit" in "".join(lines[:4])) == (columns >= 80)


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 120])
def test_backends_never_cuts_name_or_status(columns):
    lines = invoke("backends", columns=columns).splitlines()
    rows = [line.split("│") for line in lines if line.startswith("│")]
    table = {row[1].strip(): row[2].strip() for row in rows if row[1].strip()}
    assert table == {name: info.status for name, info in list_backends().items()}
    if columns >= 40:
        assert max(map(len, lines)) <= columns
    text = "".join("".join(lines).split())
    assert "np.broadcast_to" in text
    assert "result" in text or "view;" in text


@pytest.mark.parametrize("columns", [0, -5])
def test_a_width_of_0_is_80(columns):
    assert invoke("backends", columns=columns) == invoke("backends", columns=80)


def test_the_table_of_a_dry_run_cuts_no_word(tmp_path):
    name = "a_long_name_of_an_image.png"
    PIL.Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(tmp_path / name)
    target = str(tmp_path.with_name("converted"))
    output = invoke("convert", str(tmp_path), target, "--dry-run", columns=40)
    assert "…" not in output.split("files", 1)[1]
    assert "would be converted" in output
