"""What is measured of a case: rows, refusals, failures, interrupts and threads."""

from types import SimpleNamespace

import pytest

from ..support import needs

needs("opencv", "pillow")

from graytorgb.backends import registry  # noqa: E402
from graytorgb.bench import run  # noqa: E402

from .failing import failing_backend  # noqa: E402
from .small import SMALL  # noqa: E402


def test_rows():
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


def test_what_cannot_run_says_why():
    case = SMALL._replace(dtype="uint16")
    (row,) = run.measure(case, ["pillow"], budget=0.01, peaks=False)
    assert not row.available
    assert row.why.startswith("backend 'pillow' can't carry uint16")
    assert row.fresh_s is None


def test_a_backend_that_fails_mid_run():
    # 1 call to see whether it can run at all, 4 of warm-up (fresh and out=, twice)
    with failing_backend("fill", 8, RuntimeError("out of luck")):
        rows = {r.backend: r for r in run.measure(SMALL, ["fill", "repeat"], budget=0, peaks=False)}
        assert not rows["fill"].available
        assert rows["fill"].why == "RuntimeError: out of luck"
        assert rows["repeat"].available
        assert rows["repeat"].rounds == 5


def test_an_interrupt_leaves_what_was_measured():
    with failing_backend("fill", 20, KeyboardInterrupt()):
        measuring = run.measure(SMALL, ["fill", "repeat"], budget=60, peaks=False)
        assert [next(measuring).backend, next(measuring).backend] == ["fill", "repeat"]
        with pytest.raises(KeyboardInterrupt):
            next(measuring)


def test_threads_are_set_and_put_back():
    opencv = registry.load("opencv")
    before = opencv.get_threads()
    for count in (1, 2):
        with run.use_threads(["opencv", "repeat", "auto"], count):
            assert opencv.get_threads() == count
    assert opencv.get_threads() == before


class Clock:
    """A clock that a call moves on, in place of the time that it takes."""

    def __init__(self, monkeypatch, seconds):
        self.now = 0.0
        monkeypatch.setattr(run, "time", SimpleNamespace(monotonic=lambda: self.now))
        convert = run.to_rgb

        def slow(gray, *arguments, **options):
            self.now += seconds * (gray.size > 1)  # the first call only asks whether it can run
            return convert(gray, *arguments, **options)

        monkeypatch.setattr(run, "to_rgb", slow)


NAMES = ["repeat", "fill", "broadcast"]


def test_the_time_limit_leaves_one_round(monkeypatch):
    """One round takes 6 of the 12 seconds that are for timing, and another one isn't whole."""
    Clock(monkeypatch, 1.0)
    monkeypatch.setattr(run, "measure_conversion_peak", lambda *_: 7)
    rows = {row.backend: row for row in run.measure(SMALL, NAMES, budget=60, time_limit=20.0)}
    for row in rows.values():
        assert row.available
        assert row.fresh_s > 0
        assert 1 <= row.rounds <= 2
        assert row.peak_bytes == 7


def test_what_the_time_limit_leaves_out_is_told(monkeypatch):
    clock = Clock(monkeypatch, 10.0)
    rows = {row.backend: row for row in run.measure(SMALL, NAMES, budget=60, time_limit=25.0)}
    late = [row for row in rows.values() if row.fresh_s is None]
    assert len(late) == 1
    assert late[0].why == "the time limit was over before it was measured"
    assert clock.now <= 35


def test_memory_that_the_time_limit_leaves_out_is_told(monkeypatch):
    clock = Clock(monkeypatch, 0.0)

    def peak(*_):
        clock.now += 6
        return 7

    monkeypatch.setattr(run, "measure_conversion_peak", peak)
    rows = list(run.measure(SMALL, NAMES, budget=0, time_limit=10.0))
    assert [row.peak_bytes for row in rows] == [7, 7, None]  # of the fastest first
    assert "the time limit was over before the memory" in rows[2].why


def test_the_steps_that_are_told_add_up():
    class Watch:
        done = 0

        def begin(self, case, what):
            assert case.shape == (4, 20, 30)
            assert what

        def advance(self, steps):
            self.done += steps

    for dtype in ("uint8", "uint16"):  # which Pillow refuses
        watch, names = Watch(), ["fill", "pillow"]
        case = SMALL._replace(dtype=dtype)
        list(run.measure(case, names, budget=0, peaks=False, watch=watch))
        assert watch.done == run.count_steps(names, peaks=False)
