"""The benchmark: what it measures, what it writes, and how it fails."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ..support import needs

needs("opencv", "pillow")

import jsonschema  # noqa: E402
from click.testing import CliRunner  # noqa: E402

import graytorgb as g2r  # noqa: E402
from graytorgb.backends import registry  # noqa: E402
from graytorgb.bench import case as cases  # noqa: E402
from graytorgb.bench import report, run  # noqa: E402
from graytorgb.bench.peaks import peak_bytes  # noqa: E402
from graytorgb.cli import main  # noqa: E402
from graytorgb.measure import peak, timing  # noqa: E402

from ..support import ROOT  # noqa: E402

SMALL = cases.Case((4, 20, 30), "uint8", "NHW->NHWC", 2)
SCHEMA = json.loads(Path(cases.__file__).with_name("schema.json").read_text())


def bench(*arguments):
    return CliRunner().invoke(main, ["bench", *arguments], env={"COLUMNS": "200"})


def quick(*arguments):
    small = ["--shape", "4x20x30", "--backends", "repeat,fill,broadcast", "--seconds", "0.05"]
    return bench(*small, "--no-peaks", *arguments)


class Raising:
    """A backend that fails after a while, or does what it is told."""

    def __init__(self, after, error):
        self.calls, self.after, self.error = 0, after, error

    def expand(self, gray, axis, out=None):
        self.calls += 1
        if self.calls > self.after:
            raise self.error
        return np.repeat(np.expand_dims(gray, axis), 3, axis)


class Clock:
    """A clock that only moves when it is told to."""

    now = 0.0

    def read(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


class TestTiming:
    def test_every_call_once_a_round_in_changing_order(self):
        order = []
        rounds = timing.Rounds({name: (lambda name=name: order.append(name)) for name in "abcd"})
        rounds.run(budget=0, least=30, warm_up=0)
        turns = [tuple(order[i : i + 4]) for i in range(0, len(order), 4)]
        assert all(sorted(turn) == list("abcd") for turn in turns)
        assert len(set(turns)) > 5
        assert {t.rounds for t in rounds.timings().values()} == {30}

    def test_median_and_quartiles(self):
        clock = Clock()
        durations = iter([100, 1, 2, 3, 4, 5, 6, 7, 8, 9])  # the first one warms up
        rounds = timing.Rounds({"wait": lambda: clock.wait(next(durations))}, clock.read)
        rounds.run(budget=0, least=9, warm_up=1)
        assert rounds.timings()["wait"] == timing.Timing(5, low=3, high=7, rounds=9)

    def test_the_budget_adds_rounds(self, monkeypatch):
        clock = Clock()
        monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=clock.read))
        rounds = timing.Rounds({"wait": lambda: clock.wait(1)}, clock.read)
        rounds.run(budget=20, least=1)
        assert rounds.timings()["wait"].rounds == 20

    def test_a_failure_drops_out_and_the_rest_goes_on(self):
        calls = iter(range(100))

        def fails():
            if next(calls) == 3:
                raise ValueError("broke")

        rounds = timing.Rounds({"fails": fails, "works": int})
        rounds.run(budget=0, least=10, warm_up=0)
        assert rounds.failures == {"fails": "ValueError: broke"}
        assert rounds.timings().keys() == {"works"}
        assert rounds.timings()["works"].rounds == 10


class TestMemory:
    def test_peak_is_the_results_bytes(self):
        shape = (64, 256, 256)
        needed = peak_bytes("fill", shape, "uint8", "NHW->NHWC")
        assert 0.99 <= needed / (3 * np.prod(shape)) <= 1.06

    def test_a_view_needs_nothing(self):
        assert peak_bytes("broadcast", (64, 256, 256), "uint8", "NHW->NHWC") < 200_000

    def test_a_temporary_shows(self):
        """A conversion that copies its input needs the copy too."""
        x = np.ones((16 << 20,), np.uint8)
        assert peak.peak_here(lambda: np.repeat(x, 3)[::-1].copy()) > 5 * x.nbytes

    def test_available(self):
        assert peak.available_bytes() > 1 << 20


class TestMeasure:
    def test_rows(self):
        names = ["repeat", "opencv", "broadcast", "auto"]
        rows = {r.backend: r for r in run.measure(SMALL, names, budget=0.05, peaks=False)}
        assert list(rows) == names
        for name, row in rows.items():
            assert row.available
            assert row.case == SMALL
            assert row.fresh_low_s <= row.fresh_s <= row.fresh_high_s
            assert row.reused_s > 0
            assert row.images_s == pytest.approx(4 / row.fresh_s)
            assert row.rounds >= 5
            if name == "broadcast":
                assert (row.result_bytes, row.gb_s, row.percent_of_limit) == (0, None, None)
            else:
                assert row.result_bytes == 4 * 20 * 30 * 3
                assert row.gb_s == pytest.approx(4 * 20 * 30 * 4 / 1e9 / row.fresh_s)
                assert row.percent_of_limit == pytest.approx(100 * row.gb_s / row.limit_gb_s)

    def test_what_cannot_run_says_why(self):
        case = SMALL._replace(dtype="uint16")
        (row,) = run.measure(case, ["pillow"], budget=0.01, peaks=False)
        assert not row.available
        assert row.why.startswith("backend 'pillow' can't carry uint16")
        assert row.fresh_s is None

    def test_a_backend_that_fails_mid_run(self, monkeypatch):
        # 1 call to see whether it can run at all, 4 of warm-up (fresh and out=, twice)
        monkeypatch.setitem(registry.loaded, "fill", Raising(8, RuntimeError("out of luck")))
        rows = {r.backend: r for r in run.measure(SMALL, ["fill", "repeat"], budget=0, peaks=False)}
        assert not rows["fill"].available
        assert rows["fill"].why == "RuntimeError: out of luck"
        assert rows["repeat"].available
        assert rows["repeat"].rounds == 5

    def test_an_interrupt_leaves_what_was_measured(self, monkeypatch):
        monkeypatch.setitem(registry.loaded, "fill", Raising(20, KeyboardInterrupt()))
        measuring = run.measure(SMALL, ["fill", "repeat"], budget=60, peaks=False)
        assert [next(measuring).backend, next(measuring).backend] == ["fill", "repeat"]
        with pytest.raises(KeyboardInterrupt):
            next(measuring)

    def test_threads_are_set_and_put_back(self):
        opencv = registry.load("opencv")
        before = opencv.threads()
        for count in (1, 2):
            with run.threads_of(["opencv", "repeat", "auto"], count):
                assert opencv.threads() == count
        assert opencv.threads() == before


@pytest.fixture(scope="module")
def measured():
    made = report.Report.new()
    shapes, dtypes, layouts = [(1, 20, 30), (4, 20, 30)], ["uint8", "uint16"], ["NHW->NCHW"]
    names = ["repeat", "fill", "pillow", "broadcast"]
    for case in cases.cases(shapes, dtypes, layouts, [1]):
        made.rows.extend(run.measure(case, names, budget=0.02, peaks=False))
    return made


class TestReport:
    def test_json_is_as_its_schema_says_and_comes_back(self, measured, tmp_path):
        path = tmp_path / "bench.json"
        measured.write_json(path)
        document = json.loads(path.read_text())
        jsonschema.validate(document, SCHEMA)
        assert set(SCHEMA["$defs"]["row"]["properties"]) == set(cases.Row._fields)
        assert document["machine"]["packages"]["numpy"] == np.__version__
        assert document["limit_gb_s"] > 0
        again = report.read_json(path)
        assert json.loads(json.dumps(again.document())) == document

    def test_csv_has_a_line_a_row(self, measured, tmp_path):
        path = tmp_path / "bench.csv"
        measured.write_csv(path)
        lines = path.read_text().splitlines()
        assert lines[0].split(",")[:3] == ["backend", "shape", "dtype"]
        assert len(lines) == 1 + len(measured.rows)
        assert ",4x20x30,uint16," in path.read_text()

    def test_rows_are_ranked_and_what_is_not_available_is_last(self, measured):
        for rows in measured.by_case().values():
            times = [row.fresh_s for row in rows if row.fresh_s is not None]
            assert times == sorted(times)
            assert all(row.available for row in rows[: len(times)])

    def row(self, backend, fresh, **options):
        values = {"gb_s": 1.5, "result_bytes": 7_200, "peak_bytes": 29_000_000} | options
        return cases.Row(backend, *SMALL, available=True, why="", fresh_s=fresh, **values)

    def test_the_sentence(self):
        rows = [
            self.row("repeat", 0.29),
            self.row("opencv", 0.1, gb_s=3.14),
            self.row("broadcast", 0.001, gb_s=None, result_bytes=0),
        ]
        assert report.recommendation(rows) == (
            "opencv: 3.1 GB/s, 2.9x numpy repeat, needs 29 MB; broadcast if you only read"
        )
        assert report.recommendation(rows[:1]) == "repeat: 1.5 GB/s, needs 29 MB"
        assert report.recommendation([]) == "nothing was measured"

    def test_the_sentence_for_several_cases(self):
        made = report.Report([], {}, "")
        for n in (1, 2, 3):
            case = SMALL._replace(shape=(n, 20, 30))
            fast = "fill" if n == 2 else "opencv"
            made.rows.append(self.row(fast, 0.1)._replace(shape=case.shape))
            made.rows.append(self.row("repeat", 0.2)._replace(shape=case.shape))
        assert made.recommendation == "opencv: fastest in 2 of 3 cases (else fill)"

    def test_the_limit_is_the_largest_cases_whatever_the_order(self):
        def row(shape, dtype, limit):
            return cases.Row(
                "fill", shape, dtype, "NHW->NHWC", 1, available=True, why="", limit_gb_s=limit
            )

        large, small = row((64, 20, 30), "float64", 5.0), row((1, 20, 30), "uint8", 30.0)
        refused = row((99, 20, 30), "uint8", None)
        for rows in ([large, small, refused], [refused, small, large]):
            assert report.Report(rows, {}, "").limit_gb_s == 5.0
        assert report.Report([refused], {}, "").limit_gb_s is None

    def test_png(self, measured, tmp_path):
        from PIL import Image

        from graytorgb.bench.plot import write_png

        write_png(measured, tmp_path / "plot.png")
        with Image.open(tmp_path / "plot.png") as image:
            assert image.size[0] > 1000
            assert len(image.convert("RGB").getcolors(1 << 24)) > 50  # lines, not an empty frame

    def test_a_page_of_its_own(self, measured, tmp_path):
        from graytorgb.bench.html import write_html

        write_html(measured, tmp_path / "report.html")
        page = (tmp_path / "report.html").read_text()
        assert "<script" not in page
        namespaces = page.replace("http://www.w3.org/", "")
        assert "http://" not in namespaces
        assert "https://" not in namespaces
        assert 'src="' not in page
        for row in measured.rows:
            assert f"<td>{row.backend}</td>" in page
        assert "can&#39;t carry uint16" in page


class TestCommand:
    def test_prints_ranked_rows_and_a_sentence(self):
        result = quick()
        assert result.exit_code == 0, result.output
        assert "4x20x30 uint8 NHW->NHWC" in result.output
        lines = result.output.splitlines()
        assert any("GB/s" in line and line.startswith(("fill:", "repeat:")) for line in lines)
        assert "broadcast if you only read" in result.output

    def test_writes_everything(self, tmp_path):
        paths = [tmp_path / f"bench.{ending}" for ending in ("json", "csv", "png", "html")]
        options = [
            f"--{name}={p}" for name, p in zip(("json", "csv", "plot", "html"), paths, strict=True)
        ]
        result = quick(*options)
        assert result.exit_code == 0, result.output
        assert all(path.stat().st_size > 500 for path in paths)
        document = json.loads(paths[0].read_text())
        jsonschema.validate(document, SCHEMA)
        assert {tuple(row["shape"]) for row in document["rows"]} == {(1, 20, 30), (4, 20, 30)}

    def test_combinations(self, tmp_path):
        path = tmp_path / "bench.json"
        quick("--dtype", "uint8", "--dtype", "float32", "--layout", "NHW", "--layout", "NHW->NCHW",
              "--threads", "1", "--threads", "2", "--json", str(path))  # fmt: skip
        rows = json.loads(path.read_text())["rows"]
        found = {(row["dtype"], row["layout"], row["threads"]) for row in rows}
        assert len(found) == 8
        assert ("float32", "NHW->NHWC", 2) in found

    @pytest.mark.slow
    def test_peaks(self, tmp_path):
        path = tmp_path / "bench.json"
        result = bench("--shape", "64x256x256", "--backends", "fill,broadcast", "--seconds", "0.1",
                       "--json", str(path))  # fmt: skip
        assert result.exit_code == 0, result.output
        rows = {row["backend"]: row for row in json.loads(path.read_text())["rows"]}
        assert rows["fill"]["peak_bytes"] >= rows["fill"]["result_bytes"]
        assert rows["broadcast"]["peak_bytes"] < 200_000

    @pytest.mark.slow
    def test_the_quick_preset(self, tmp_path):
        path = tmp_path / "bench.json"
        result = bench("--preset", "quick", "--backends", "fill,auto", "--seconds", "0.02",
                       "--no-peaks", "--json", str(path))  # fmt: skip
        assert result.exit_code == 0, result.output
        assert (
            len(
                {
                    (tuple(r["shape"]), r["dtype"], r["layout"])
                    for r in json.loads(path.read_text())["rows"]
                }
            )
            == 8
        )
        assert "of 8 cases" in result.output

    def test_what_does_not_fit_is_refused_before_it_is_allocated(self, monkeypatch):
        monkeypatch.setattr(run, "gray_batch", lambda *case: pytest.fail("it was allocated"))
        result = bench("--shape", "100000x1000x1000")
        assert result.exit_code == 1
        assert f"{100_000 * 1000 * 1000 * 10:,} bytes" in result.output
        assert "--memory-limit" in result.output

    def test_the_memory_limit(self):
        result = quick("--memory-limit", "20KB")
        assert result.exit_code == 1
        assert "needs 24,000 bytes" in result.output
        assert "20,000 may be used" in result.output
        assert quick("--memory-limit", "24000").exit_code == 0

    @pytest.mark.parametrize(
        ("size", "expected"),
        [
            ("5", 5),
            ("5B", 5),
            ("2kb", 2000),
            ("1.5MB", 1_500_000),
            ("2GiB", 2**31),
            ("1 TB", 10**12),
        ],
    )
    def test_sizes(self, size, expected):
        from graytorgb.cli import Size

        assert Size().convert(size, None, None) == expected

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["--shape", "64,224"], "write it as 64x224x224"),
            (["--shape", "64"], "write it as 64x224x224"),
            (["--dtype", "uint7"], "uint7"),
            (["--layout", "HW"], "names 2 axes"),
            (["--layout", "NHC->NHC"], "needs both H and W"),
            (["--shape", "2x3x4x1", "--layout", "NHWC"], "without a channel axis"),
            (["--backends", "fil"], 'did you mean backend="fill"'),
            (["--memory-limit", "lots"], "write it as 500MB"),
            (["--threads", "0"], "x>=1"),
        ],
    )
    def test_bad_options(self, arguments, says):
        result = bench(*arguments)
        assert result.exit_code in (1, 2)
        assert says in result.output

    def test_a_failing_backend_gets_its_row(self, monkeypatch):
        monkeypatch.setitem(registry.loaded, "fill", Raising(8, RuntimeError("out of luck")))
        result = quick()
        assert result.exit_code == 0
        assert "RuntimeError: out of luck" in result.output
        assert "repeat:" in result.output

    def test_ctrl_c_leaves_what_was_measured(self, monkeypatch, tmp_path):
        monkeypatch.setitem(registry.loaded, "fill", Raising(20, KeyboardInterrupt()))
        path = tmp_path / "bench.json"
        result = bench("--shape", "4x20x30", "--backends", "fill,repeat", "--seconds", "60",
                       "--json", str(path))  # fmt: skip
        assert result.exit_code == 130
        assert "Interrupted" in result.output
        rows = json.loads(path.read_text())["rows"]
        assert {row["backend"] for row in rows} == {"fill", "repeat"}
        assert all(row["fresh_s"] > 0 for row in rows)


class TestRecommend:
    def test_ranked(self):
        ranked = g2r.recommend((64, 224, 224), "uint8", "NHW->NHWC")
        assert [it.fresh_s for it in ranked] == sorted(it.fresh_s for it in ranked)
        assert ranked[0].result == "view"
        names = {it.backend for it in ranked}
        assert {"repeat", "dstack", "fill", "broadcast", "opencv", "pillow"} <= names
        best = next(it for it in ranked if it.result == "copy")
        assert best.reason.startswith("the fastest copy: ")
        assert best.result_bytes == 3 * 64 * 224 * 224
        assert best.peak_bytes >= best.result_bytes
        assert all(it.reason for it in ranked)

    def test_memory_limit_leaves_out_what_does_not_fit(self):
        needed = 3 * 64 * 224 * 224
        assert [
            it.backend
            for it in g2r.recommend((64, 224, 224), "uint8", "NHW", memory_limit=needed - 1)
        ] == ["broadcast"]
        assert len(g2r.recommend((64, 224, 224), "uint8", "NHW", memory_limit=2 * needed)) > 5

    def test_large_batches_are_measured_on_a_sample(self):
        ranked = g2r.recommend((100_000, 512, 512), "uint8", "NHW->NCHW", memory_limit=1 << 50)
        copies = [it for it in ranked if it.result == "copy"]
        assert copies[0].result_bytes == 3 * 100_000 * 512 * 512
        assert copies[0].fresh_s > 1

    def test_only_what_carries_the_dtype(self):
        assert "pillow" not in {it.backend for it in g2r.recommend((28, 28), "float32")}

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            (((64, 224, 224), "uint8"), g2r.LayoutError),
            (((28, 28), object), g2r.DtypeError),
            (((28, 28), "uint8", "hw"), g2r.LayoutError),
        ],
    )
    def test_errors(self, arguments, error):
        with pytest.raises(error):
            g2r.recommend(*arguments)


# Interrupts its own group of processes, as a terminal does, from the call that it is told to.
INTERRUPTED = """
import os, signal, sys, threading
import psutil
import graytorgb.bench.run, graytorgb.measure.timing
from graytorgb.cli import main

interrupt = lambda: os.killpg(0, signal.SIGINT)
if {when!r} == "timing":
    turn = graytorgb.measure.timing.Rounds._round
    turns = iter([None, None, None, interrupt])  # two warm up, and one is kept
    def interrupted(rounds, keep):
        turn(rounds, keep=keep)
        (next(turns) or (lambda: None))()
    graytorgb.measure.timing.Rounds._round = interrupted
else:
    peak = graytorgb.bench.run.peak_bytes
    def interrupt_the_child():
        while not any("spawn_main" in " ".join(c.cmdline()) for c in psutil.Process().children()):
            pass
        interrupt()
    def interrupted(*arguments):
        threading.Thread(target=interrupt_the_child, daemon=True).start()
        return peak(*arguments)
    graytorgb.bench.run.peak_bytes = interrupted
if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("when", ["timing", "measuring memory"])
def test_a_real_ctrl_c(tmp_path, when):
    """The terminal sends SIGINT to the whole group of processes."""
    path, script = tmp_path / "bench.json", tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED.format(when=when))
    command = [sys.executable, str(script), "bench", "--shape", "64x512x512", "--backends",
               "fill,repeat,auto,pillow", "--seconds", "0", "--json", str(path)]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, start_new_session=True, timeout=120
    )
    assert done.returncode == 130, done.stderr
    assert "Interrupted" in done.stdout
    assert "Traceback" not in done.stderr
    rows = {row["backend"]: row for row in json.loads(path.read_text())["rows"]}
    assert set(rows) == {"fill", "repeat", "auto", "pillow"}
    assert all(row["fresh_s"] > 0 for row in rows.values())
