"""Timing in rounds: the order, the figures, the budget, and calls that fail."""

from types import SimpleNamespace

from graytorgb.measure import timing


class Clock:
    """A clock that only moves when it is told to."""

    now = 0.0

    def read(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


class TestRounds:
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

    def test_calls_in_a_row_each_after_its_step_that_is_not_timed(self):
        clock, order = Clock(), []

        def before(name):
            order.append(name.upper())
            clock.wait(100)

        def make(name):
            return lambda: (order.append(name), clock.wait(2))

        rounds = timing.Rounds({name: make(name) for name in "ab"}, clock.read, before, in_a_row=3)
        rounds.run(budget=0, least=2, warm_up=0)
        halves = ["".join(order[i : i + 6]) for i in range(0, len(order), 6)]
        assert sorted(halves) == ["AaAaAa", "AaAaAa", "BbBbBb", "BbBbBb"]
        assert rounds.seconds() == {"a": [2] * 6, "b": [2] * 6}

    def test_keep_leaves_the_others_as_they_are(self):
        rounds = timing.Rounds({"a": int, "b": int})
        rounds.run(budget=0, least=2, warm_up=0)
        rounds.keep(["b"])
        rounds.run(budget=0, least=3, warm_up=0)
        assert {name: it.rounds for name, it in rounds.timings().items()} == {"a": 2, "b": 5}
