"""``graytorgb bench``: what it prints and writes, what it refuses, and how it is interrupted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from ..support import ROOT, needs

needs("opencv", "pillow")

from graytorgb.bench import case as cases  # noqa: E402
from graytorgb.bench import run  # noqa: E402
from graytorgb.cli import main  # noqa: E402

from ..bench.failing import failing_backend  # noqa: E402

SCHEMA = json.loads(Path(cases.__file__).with_name("schema.json").read_text())


def bench(*arguments):
    return CliRunner().invoke(main, ["bench", *arguments], env={"COLUMNS": "200"})


def quick(*arguments):
    small = ["--shape", "4x20x30", "--backends", "repeat,fill,broadcast", "--seconds", "0.05"]
    return bench(*small, "--no-peaks", *arguments)


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
        assert {tuple(row["shape"]) for row in document["rows"]} == {(4, 20, 30)}  # as asked

    def test_sizes_of_the_batch(self, tmp_path):
        """More sizes of the batch are measured only where they are asked for."""
        path = tmp_path / "bench.json"
        result = quick("--sizes", "1,4,2", "--json", str(path), "--plot", str(tmp_path / "a.png"))
        assert result.exit_code == 0, result.output
        shapes = {tuple(row["shape"]) for row in json.loads(path.read_text())["rows"]}
        assert shapes == {(1, 20, 30), (2, 20, 30), (4, 20, 30)}
        assert "of 3 cases" in result.output

    def test_sizes_need_a_batch(self):
        result = bench("--shape", "20x30", "--sizes", "1,4")
        assert result.exit_code == 1
        assert "20x30 is one image: 1x20x30 is a batch of one" in result.output
        assert "write them as 1,4,16,64" in bench("--sizes", "0,4").output

    def test_the_bar_is_on_stderr_and_the_answer_on_stdout(self):
        result = bench("--shape", "4x20x30", "--backends", "repeat,fill", "--seconds", "0.05",
                       "--no-peaks")  # fmt: skip
        assert result.stderr == ""  # no terminal
        env = {"FORCE_COLOR": "1", "COLUMNS": "120"}
        words = ["bench", "--shape", "4x20x30", "--backends", "repeat,fill", "--seconds", "0.5",
                 "--no-peaks"]  # fmt: skip
        result = CliRunner().invoke(main, words, env=env)
        assert "timing" in result.stderr
        assert "timing" not in result.stdout
        assert "GB/s" in result.stdout
        assert "GB/s" not in result.stderr

    def test_one_shape_is_one_table_and_one_sentence(self):
        result = quick()
        assert result.output.count("4x20x30") == 1
        assert result.output.count("broadcast if you only read") == 1
        marked = [line for line in result.output.splitlines() if "→" in line]
        assert len(marked) == 1
        winner = marked[0].split("→")[1].split()[0]
        assert result.output.splitlines()[-1].startswith(f"{winner}: ")

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
        monkeypatch.setattr(run, "make_gray_batch", lambda *case: pytest.fail("it was allocated"))
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
        from graytorgb.cli.types import Size

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
            (["--backends", "fil"], "did you mean fill?"),
            (["--memory-limit", "lots"], "write it as 500MB"),
            (["--threads", "0"], "x>=1"),
        ],
    )
    def test_bad_options(self, arguments, says):
        result = bench(*arguments)
        assert result.exit_code in (1, 2)
        assert says in result.output

    def test_a_failing_backend_gets_its_row(self):
        with failing_backend("fill", 8, RuntimeError("out of luck")):
            result = quick()
            assert result.exit_code == 0
            assert "RuntimeError: out of luck" in result.output
            assert "repeat:" in result.output

    def test_ctrl_c_leaves_what_was_measured(self, tmp_path):
        with failing_backend("fill", 20, KeyboardInterrupt()):
            path = tmp_path / "bench.json"
            result = bench("--shape", "4x20x30", "--backends", "fill,repeat", "--seconds", "60",
                           "--json", str(path))  # fmt: skip
            assert result.exit_code == 130
            assert "Interrupted" in result.output
            rows = json.loads(path.read_text())["rows"]
            assert {row["backend"] for row in rows} == {"fill", "repeat"}
            assert all(row["fresh_s"] > 0 for row in rows)


# Interrupts its own group of processes, as a terminal does, from the call that it is told to.
INTERRUPTED = """
import os, signal, sys, threading
import graytorgb.bench.run, graytorgb.measure.timing
from graytorgb.cli import main
from tests.processes import list_children

interrupt = lambda: os.killpg(0, signal.SIGINT)
if {when!r} == "timing":
    turn = graytorgb.measure.timing.Rounds._round
    turns = iter([None, None, None, interrupt])  # two warm up, and one is kept
    def interrupted(rounds, keep):
        turn(rounds, keep=keep)
        (next(turns) or (lambda: None))()
    graytorgb.measure.timing.Rounds._round = interrupted
else:
    peak = graytorgb.bench.run.measure_conversion_peak
    def interrupt_the_child():
        while not list_children("spawn_main"):
            pass
        interrupt()
    def interrupted(*arguments):
        threading.Thread(target=interrupt_the_child, daemon=True).start()
        return peak(*arguments)
    graytorgb.bench.run.measure_conversion_peak = interrupted
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
        command, capture_output=True, text=True, cwd=ROOT, start_new_session=True, timeout=120,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    assert "Interrupted" in done.stderr
    assert "Traceback" not in done.stderr
    rows = {row["backend"]: row for row in json.loads(path.read_text())["rows"]}
    assert set(rows) == {"fill", "repeat", "auto", "pillow"}
    assert all(row["fresh_s"] > 0 for row in rows.values())
