"""The scripts in benchmarks/ and the demo: they run, and their arithmetic is right."""

import json
from subprocess import CalledProcessError

import pytest
from click.testing import CliRunner

from ..support import ROOT, needs, needs_package

needs("opencv", "pillow", "skimage")

from benchmarks.apart import call_apart  # noqa: E402
from benchmarks.speed import (  # noqa: E402
    auto,
    auto_report,
    contention,
    contention_report,
    peers,
    scaling,
)
from examples import demo  # noqa: E402
from graytorgb.backends.choose import choose_backend  # noqa: E402
from graytorgb.backends.registry import BACKENDS  # noqa: E402
from graytorgb.bench.case import Row  # noqa: E402
from graytorgb.measure.machine import describe_machine  # noqa: E402
from graytorgb.measure.timing import Timing  # noqa: E402

pytestmark = pytest.mark.slow


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


def test_auto_beside_every_other_way(monkeypatch, tmp_path):
    shapes = [(1, 20, 30), (1000, 2000, 3000)]  # the second needs 42 GB
    monkeypatch.setattr(auto, "PRESETS", {"quick": (shapes, ["uint8"], ["NHW->NHWC"])})
    arguments = ("--preset", "quick", "--seconds", "0.01", "--memory", "1")
    output = run(auto.main, *arguments, "--output", str(tmp_path))
    chosen = choose_backend((1, 20, 30), "uint8", "NHW->NHWC").backend
    assert f"| NHW->NHWC | uint8 | 1x20x30 | {chosen} |" in output
    assert "Left out, because 1.0 GB may be used: NHW->NHWC, uint8, 1000x2000x3000" in output
    rows = json.loads((tmp_path / "auto.json").read_text())["rows"]
    timed = {row["library"] for row in rows if "median" in row}
    libraries = {"numpy", "opencv", "pillow", "scikit-image", "torch"}
    variants = {auto_report.ALONE, auto_report.BACKEND, peers.OURS}
    assert libraries | variants <= timed
    named = {row["call"] for row in rows if row["library"] == auto_report.BACKEND}
    assert named == {
        f'to_rgb(x, backend="{name}")' for name in BACKENDS if name not in (chosen, "broadcast")
    }
    reasons = ("not installed", "doesn't take", "refuses")
    assert all("median" in row or row["why"].startswith(reasons) for row in rows)
    assert "opencv: `cvtColor(x.reshape(-1, w), COLOR_GRAY2RGB)`" in (
        tmp_path / "peers.md"
    ).read_text(encoding="utf-8")
    assert (tmp_path / "peers.png").stat().st_size > 10_000


MACHINE = {
    "processor": "P", "cores": 2, "memory_bytes": 2**34, "system": "S", "python": "3",
    "packages": {"numpy": "2"},
}  # fmt: skip
CELL = {"shape": [1, 2, 3], "dtype": "uint8", "layout": "NHW->NHWC"}


def make_document(*rows):
    """A document of one cell; a row is a library, a process and a median in milliseconds."""
    facts = {
        "backend": "native", "reason": "", "limit_s": 0.5e-3, "result_bytes": 200_000_000,
        "peak_bytes": 202_000_000, "reused": Timing(1e-3, 1e-3, 1e-3, 9)._asdict(),
    }  # fmt: skip
    return {
        "machine": MACHINE, "memory_limit_bytes": 10**9, "left_out": [], "cells": [CELL | facts],
        "rows": [
            CELL | {"library": library, "process": process, "why": "",
                    "call": "np.repeat(x)" if library == "numpy" else "f(x)"}
            | Timing(1e-3 * median, 0.99e-3 * median, 1.01e-3 * median, 9)._asdict()
            for library, process, median in rows
        ],
    }  # fmt: skip


def test_ratios_of_two_processes():
    """A time is compared with ours in the same process."""
    document = make_document(
        ("graytorgb", "a", 1), (auto_report.ALONE, "a", 1), ("numpy", "a", 12),
        ("graytorgb", "b", 2), ("other", "b", 3),
    )  # fmt: skip
    (cell,) = auto_report.find_cells(document)
    assert cell.compare("other: f(x)") == pytest.approx(1.5)
    text = auto_report.markdown(document)
    assert "other: `f(x)` | 1.5 ± 0.02 | 1.50 | 12.0 | 50% | 1.0% |" in text
    assert "below 0.95 in 0 of 1 cells:\n\n- none" in text
    assert "results above 100 MB reach 50% of the limit" in text
    assert "| other: `f(x)` | 1.50 | 1.50 | 1.50 |" in auto_report.markdown_of_ways(document)


@pytest.mark.parametrize(
    ("alone", "one", "other", "reason"),
    [
        (1, 1, 0.99, None),
        (0.94, 1, 0.94, "checking the arguments takes 60.0 us of the call"),
        (1, 0.5, 0.5, "several threads are slower here than one, which takes 0.5 ± 0.005 ms"),
        (1, 1, 0.5, "the backend itself takes 1 ± 0.01 ms"),
    ],
)
def test_losses_and_their_reasons(alone, one, other, reason):
    document = make_document(
        ("graytorgb", "a", 1), (auto_report.ALONE, "a", alone), (auto_report.ONE_THREAD, "a", one),
        ("numpy", "a", 9), ("other", "a", other),
    )  # fmt: skip
    losses = auto_report.list_losses(auto_report.find_cells(document))
    assert losses == (
        [f"- NHW->NHWC, uint8, 1x2x3: other: `f(x)` {other:.2f}. The reason: {reason}."]
        if reason
        else []
    )


def test_contention(tmp_path):
    arguments = ("--images", "1", "--dtype", "uint8", "--runs", "1", "--seconds", "0.01")
    arguments += ("--in-a-row", "1")
    output = run(contention.main, *arguments, "--situation", "busy", "--output", str(tmp_path))
    assert "**With a busy process for each processor**" in output
    assert "| NHW->NHWC | uint8 | 1x224x224 |" in output
    rows = json.loads((tmp_path / "contention.json").read_text())["rows"]
    assert {(row["situation"], row["run"]) for row in rows} == {("busy", 0)}
    ways = {row["way"] for row in rows if row["layout"] == "NHW->NHWC"}
    assert ways == {peers.OURS, contention_report.ONE_THREAD} | {
        peers.find_peer("NHW->NHWC", call).name for call in contention.OTHERS["NHW->NHWC"]
    }


def test_operations_before_a_call():
    assert contention.make_operation("after matmul")().shape == (512, 512)
    assert contention.make_operation("after conv2d")().shape == (4, 16, 110, 110)
    assert contention.make_operation("idle")() is None


def test_medians_over_runs():
    def row(way, run, median, high):
        times = {"median": 1e-3 * median, "high": 1e-3 * high}
        return CELL | times | {"situation": "busy", "way": way, "run": run}

    rows = [
        row("graytorgb", 0, 1, 1), row("graytorgb", 1, 2, 90), row("graytorgb", 2, 4, 4),
        row(contention_report.ONE_THREAD, 0, 1, 1), row("numpy: np.repeat(x)", 0, 3, 3),
        row("opencv: f(x)", 0, 1.5, 6),
    ]  # fmt: skip
    text = contention_report.markdown({"machine": MACHINE, "rows": rows})
    assert "(runs: 3)" in text
    assert "| 2 (4) | 1 (1) | opencv: `f(x)` | 1.5 (6) | 0.75 | 1.50 |" in text
    assert "The smallest ratio is 0.75 (NHW->NHWC, uint8, 1x2x3)" in text


def test_a_call_in_another_process(capfd):
    assert call_apart("builtins:print", "heard") is None
    assert "heard" in capfd.readouterr().err
    with pytest.raises(CalledProcessError):
        call_apart("math:sqrt", -1)
    assert "math domain error" in capfd.readouterr().err


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
    output = run(gpu.main, "--try", "--images", "2", "--seconds", "0", "--output", str(tmp_path))
    rows = json.loads((tmp_path / "gpu.json").read_text())["rows"]
    assert len(rows) == 8
    for row in rows:
        assert {"graytorgb", "torch's operations by hand", "copy"} <= set(row["seconds"])
        assert set(row["seconds"]) | set(row["reasons"]) >= {way.name for way in ways}
    assert "times ours" in output
