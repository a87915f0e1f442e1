"""The scripts in benchmarks/ and the demo: they run, and their arithmetic is right."""

import json

import pytest
from click.testing import CliRunner

from ..support import ROOT, needs, needs_package

needs("opencv", "pillow", "skimage")

from benchmarks.speed import auto, compare, scaling  # noqa: E402
from examples import demo  # noqa: E402
from graytorgb.bench import report  # noqa: E402
from graytorgb.bench.case import Row  # noqa: E402
from graytorgb.measure.machine import describe_machine  # noqa: E402

pytestmark = pytest.mark.slow

TINY = {"quick": ([(1, 20, 30), (4, 20, 30)], ["uint8", "float32"], ["NHW->NHWC", "NHW->NCHW"])}


def run(command, *arguments):
    result = CliRunner().invoke(command, arguments, catch_exceptions=False, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def test_the_demo(tmp_path):
    from PIL import Image

    path = tmp_path / "sheet.png"
    output = run(demo.main, "--seconds", "0.1", "--output", str(path))
    assert "all equal, bit for bit" in output
    for name in ("repeat", "opencv", "broadcast", "pillow", "auto (native)"):
        assert f" {name} " in output
    with Image.open(path) as image:
        assert image.size[0] > 1000


def test_the_evidence_for_auto(monkeypatch, tmp_path):
    monkeypatch.setattr(auto, "PRESETS", TINY)
    output = run(auto.main, "--preset", "quick", "--seconds", "0.01", "--output", str(tmp_path))
    assert "of 8 cells another backend is faster" in output
    assert len(report.read_json(tmp_path / "auto.json").by_case()) == 8


def test_the_other_libraries(monkeypatch, tmp_path):
    monkeypatch.setattr(compare, "PRESETS", TINY)
    run(compare.main, "--preset", "quick", "--seconds", "0.01", "--output", str(tmp_path))
    rows = json.loads((tmp_path / "peers.json").read_text())["rows"]
    timed = {row["library"] for row in rows if "seconds" in row}
    assert {"graytorgb", "numpy", "opencv", "pillow", "scikit-image", "torchvision"} <= timed
    reasons = ("not installed", "doesn't take", "refuses")
    assert all("seconds" in row or row["why"].startswith(reasons) for row in rows)
    assert (tmp_path / "peers.png").stat().st_size > 10_000


def test_ratios_and_losses():
    def row(library, seconds):
        cell = {"shape": [1, 2, 3], "dtype": "uint8", "layout": "NHW->NHWC", "why": ""}
        return cell | {"library": library, "call": "f(x)", "seconds": seconds}

    machine = {
        "processor": "P", "cores": 2, "memory_bytes": 2**34, "system": "S", "python": "3",
        "packages": {"numpy": "2"},
    }  # fmt: skip
    rows = [row("graytorgb", 0.2), row("graytorgb, out=", 0.1), row("slow", 1.0), row("fast", 0.1)]
    document = {"machine": machine, "rows": rows}
    (values,) = compare.ratios(document).values()
    assert values["slow: f(x)"] == pytest.approx(5)
    text = compare.markdown(document)
    assert "- NHW->NHWC, 1x2x3 uint8: fast: f(x) takes 0.50 of our time" in text
    assert "slow: f(x) takes" not in text
    rows.pop()
    assert "- nowhere" in compare.markdown(document)


def test_small_calls(tmp_path):
    needs("torchvision")
    from benchmarks.speed import calls

    output = run(calls.main, "--seconds", "0.01", "--output", str(tmp_path))
    rows = json.loads((tmp_path / "calls.json").read_text())["rows"]
    missed = [row["call"] for row in rows if not row["is_held"]]
    assert f"{len(rows) - len(missed)} of {len(rows)} calls hold their bars." in output
    assert all(f"| {row['call']} | {row['other']} |" in output for row in rows)


def test_a_call_that_misses_its_bar_is_named():
    needs("torchvision")
    from benchmarks.speed import calls
    from graytorgb.measure.timing import Timing

    def measured(what, ours, most, is_difference):
        pair = calls.Pair(what, "other", (bool, bool), most, is_difference)
        return calls.Measured(pair, Timing(ours, ours, ours, 5), Timing(2e-6, 2e-6, 2e-6, 5))

    rows = [
        measured("slow", 5e-6, 2.0, False),
        measured("fast", 3e-6, 2.0, False),
        measured("late", 9e-6, 5e-6, True),
        measured("prompt", 6e-6, 5e-6, True),
    ]
    assert [row.is_held for row in rows] == [False, True, False, True]
    assert [row.format_cells()[-2:] for row in rows[1:3]] == [["1.50x", "2.00x"], ["+7.0", "+5.0"]]
    text = calls.markdown(rows, describe_machine())
    assert "2 of 4 calls hold their bars. These miss them: slow; late." in text


def test_growth(monkeypatch, tmp_path):
    monkeypatch.setattr(scaling, "BACKENDS", ["fill", "broadcast"])
    monkeypatch.setattr(scaling, "IMAGE", (1024, 1024))  # two batches below the cliff, two above
    output = run(scaling.main, "--largest", "0.14", "--seconds", "0.05", "--output", str(tmp_path))
    assert "| fill |" in output
    document = json.loads((tmp_path / "scaling.json").read_text())
    fit = next(f for f in document["fits"] if f["backend"] == "fill" and f["threads"] == 1)
    assert 0.99 < fit["peak_bytes_per_byte"] < 1.05
    assert fit["above_s_per_gb"] > 0


def test_the_fit_finds_the_line_that_made_the_points():
    rows = []
    for size in [2**k for k in range(16, 32)]:
        slope = 1e-9 if size < scaling.CLIFF else 4e-9
        row = Row("fill", (1, 1, size // 3), "uint8", "NHW->NHWC", 1, available=True, why="")
        rows.append(
            row._replace(fresh_s=1e-5 + slope * size, result_bytes=size, peak_bytes=1000 + size)
        )
    (fit,) = scaling.fits(rows)
    assert fit["below_s_per_gb"] == pytest.approx(1)
    assert fit["above_s_per_gb"] == pytest.approx(4)
    assert fit["below_start_s"] == pytest.approx(1e-5)
    assert fit["peak_bytes_per_byte"] == pytest.approx(1)


def test_outputs_are_checked_before_anything_is_measured(tmp_path):
    """A folder that can't be made, in every script that writes."""
    (tmp_path / "file").write_text("old")
    result = CliRunner().invoke(auto.main, ["--output", str(tmp_path / "file" / "results")])
    assert result.exit_code == 2
    assert "--output is a folder that can be made" in result.output
    scripts = [*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]
    writing = [path for path in scripts if '"--output"' in path.read_text(encoding="utf-8")]
    assert len(writing) > 5
    for path in writing:
        text = path.read_text(encoding="utf-8")
        assert "type=OutputFolder()" in text or "type=OutputFile(" in text, path
        assert "cls=FileCommand" in text, path


def test_gray_on_a_gpu(monkeypatch, tmp_path):
    """The script runs without a GPU too; what torch compiles takes too long here."""
    needs_package("torch", "torchvision")
    from benchmarks.speed import gpu

    ways = [way for way in gpu.WAYS if "compile" not in way.name]
    monkeypatch.setattr(gpu, "WAYS", ways)
    monkeypatch.setattr(gpu, "CALLS", 1)
    output = run(gpu.main, "--images", "2", "--seconds", "0.01", "--output", str(tmp_path))
    rows = json.loads((tmp_path / "gpu.json").read_text())["rows"]
    assert len(rows) == 8
    for row in rows:
        assert {"graytorgb", "torch's operations by hand", "copy"} <= set(row["seconds"])
        assert set(row["seconds"]) | set(row["reasons"]) >= {way.name for way in ways}
    assert "times ours" in output
