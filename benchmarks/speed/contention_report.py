"""The tables of `benchmarks.speed.contention`, and where this package loses."""

from collections import defaultdict
from statistics import median
from typing import Any, NamedTuple

from graytorgb.measure.machine import summarize_machine

from ..tables import table
from .auto_report import show_way
from .peers import OURS

IDLE, MATMUL, CONV2D, BUSY = "idle", "after matmul", "after conv2d", "busy"
TITLES = {
    IDLE: "On an idle machine",
    MATMUL: "Right after `torch.matmul`",
    CONV2D: "Right after `torch.nn.functional.conv2d`",
    BUSY: "With a busy process for each processor",
}
ONE_THREAD = f"{OURS}, 1 thread"

Cell = tuple[str, str, str]  # layout, dtype, shape


class Time(NamedTuple):
    """Seconds of a call: the medians, over all runs, of a run's median and 90th percentile."""

    median: float
    high: float

    def __str__(self) -> str:
        return f"{1e3 * self.median:.3g} ({1e3 * self.high:.3g})"


def find_times(document: dict[str, Any]) -> dict[str, dict[Cell, dict[str, Time]]]:
    """Return the time of each way, by situation and cell."""
    runs: dict[tuple[str, Cell, str], list[dict[str, Any]]] = defaultdict(list)
    for row in document["rows"]:
        cell = (row["layout"], row["dtype"], "x".join(map(str, row["shape"])))
        runs[row["situation"], cell, row["way"]].append(row)
    times: dict[str, dict[Cell, dict[str, Time]]] = {}
    for (situation, cell, way), rows in runs.items():
        time = Time(*(median(row[name] for row in rows) for name in ("median", "high")))
        times.setdefault(situation, {}).setdefault(cell, {})[way] = time
    return times


def markdown(document: dict[str, Any]) -> str:
    """Return a table for each situation: a line for each cell, and the ratios to other ways."""
    lines = [
        "The times are milliseconds of a call with a fresh result: the median, and in brackets",
        "the 90th percentile. Both are medians over the runs, each of which is a process of its",
        f"own (runs: {1 + max(row['run'] for row in document['rows'])}). The ratio is the time of",
        "the best other way divided by the time of `to_rgb`. The last column is the time of",
        "`np.repeat` divided by the time of `to_rgb`.",
        "",
        f"{summarize_machine(document['machine'])}.",
    ]
    heads = ("layout", "dtype", "shape", "to_rgb", "to_rgb, 1 thread", "best other", "ms", "ratio")
    for situation, cells in find_times(document).items():
        found = {cell: compare(ways) for cell, ways in cells.items()}
        rows = [
            (
                *cell,
                str(cells[cell][OURS]),
                str(cells[cell][ONE_THREAD]),
                show_way(best),
                str(cells[cell][best]),
                f"{ratio:.2f}",
                f"{of_repeat:.2f}",
            )
            for cell, (best, ratio, of_repeat) in found.items()
        ]
        least = min(found, key=lambda cell: found[cell].ratio)
        lines += [
            "",
            f"**{TITLES[situation]}**",
            "",
            *table((*heads, "np.repeat"), rows, text_columns=3),
            "",
            f"The smallest ratio is {found[least].ratio:.2f} ({', '.join(least)}); the smallest",
            f"one to `np.repeat` is {min(it.of_repeat for it in found.values()):.2f}.",
        ]
    return "\n".join(lines) + "\n"


class Comparison(NamedTuple):
    """The best other way of a cell, its time over ours, and the time of `np.repeat` over ours."""

    best: str
    ratio: float
    of_repeat: float


def compare(ways: dict[str, Time]) -> Comparison:
    """Return how the ways of a cell compare with ours."""
    ours = ways[OURS].median
    others = {way: time.median for way, time in ways.items() if way not in (OURS, ONE_THREAD)}
    best = min(others, key=others.__getitem__)
    repeat = next(seconds for way, seconds in others.items() if "np.repeat" in way)
    return Comparison(best, others[best] / ours, repeat / ours)
