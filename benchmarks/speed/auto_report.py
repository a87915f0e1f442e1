"""The tables and the picture of `benchmarks.speed.auto`, and why a cell is lost."""

from collections import defaultdict
from pathlib import Path
from statistics import geometric_mean
from typing import Any, NamedTuple

import matplotlib as mpl

from graytorgb.measure.machine import summarize_machine
from graytorgb.measure.timing import Timing, format_milliseconds

from ..tables import table
from .peers import OURS

mpl.use("Agg")
from matplotlib import pyplot as plt

BACKEND = "backend"
ALONE, ONE_THREAD = f"{OURS}, the backend alone", f"{OURS}, 1 thread"
BAR = 0.95
LARGE = 100e6  # bytes of a result that no cache holds

Record = dict[str, Any]


class Cell(NamedTuple):
    """What was measured in a cell.

    Attributes
    ----------
    facts : dict
        The cell's record: its shape, dtype, layout, auto's choice, limit and memory.
    ours : Timing
        The time of ``to_rgb`` with a fresh result.
    others : dict of str to Timing
        The time of every other way. Where it was measured in another process than `ours`, it is
        scaled by our times in both.
    variants : dict of str to Timing
        The times of the backend alone and of one thread.
    """

    facts: Record
    ours: Timing
    others: dict[str, Timing]
    variants: dict[str, Timing]

    @property
    def name(self) -> str:
        """The layout, the dtype and the shape."""
        return ", ".join(_name_cell(self.facts))

    @property
    def best(self) -> str:
        """The fastest other way."""
        return min(self.others, key=lambda way: self.others[way].median)

    def compare(self, way: str) -> float:
        """Return the time of another way divided by the time of ours."""
        return self.others[way].median / self.ours.median

    def explain(self, way: str) -> str:
        """Return why another way is faster, as far as the other measurements of the cell tell."""
        ours, other = self.ours, self.others[way]
        lost = ours.median - other.median
        if other.high >= ours.low:
            return "the quartiles overlap, so that this may be noise"
        one = self.variants.get(ONE_THREAD)
        if one is not None and ours.median - one.median > lost / 2:
            return f"several threads are slower here than one, which takes {_format(one)} ms"
        alone = self.variants[ALONE]
        if ours.median - alone.median > lost / 2:
            checks = 1e6 * (ours.median - alone.median)
            return f"checking the arguments takes {checks:.1f} us of the call"
        return f"the backend itself takes {_format(alone)} ms"


def find_cells(document: Record) -> list[Cell]:
    """Return the cells, sorted by layout, dtype and size."""
    timed: dict[tuple[str, ...], dict[str, dict[str, Record]]] = {}
    for row in document["rows"]:
        if "median" in row:
            ways = timed.setdefault(_name_cell(row), {}).setdefault(row["process"], {})
            ways[row["library"] + ": " + row["call"]] = row
    cells = []
    for facts in document["cells"]:
        others: dict[str, Timing] = {}
        variants: dict[str, Timing] = {}
        times: dict[str, Timing] = {}
        for process, rows in timed[_name_cell(facts)].items():
            own = next(_read(row) for row in rows.values() if row["library"] == OURS)
            times[process] = own
            scale = next(iter(times.values())).median / own.median
            for way, row in rows.items():
                if row["library"] in (ALONE, ONE_THREAD):
                    variants[row["library"]] = _read(row)
                elif row["library"] != OURS:
                    others[way] = _read(row, scale)
        cells.append(Cell(facts, next(iter(times.values())), others, variants))
    return sorted(
        cells, key=lambda it: (it.facts["layout"], it.facts["dtype"], it.facts["result_bytes"])
    )


def _name_cell(record: Record) -> tuple[str, str, str]:
    return record["layout"], record["dtype"], "x".join(map(str, record["shape"]))


def _read(row: Record, scale: float = 1) -> Timing:
    return Timing(*(scale * row[name] for name in ("median", "low", "high")), row["rounds"])


def _format(timing: Timing) -> str:
    return format_milliseconds(timing.median, timing.low, timing.high)


def markdown(document: Record) -> str:
    """Return a table with a line for each cell: auto's choice, the best other way, the limits."""
    cells = find_cells(document)
    heads = ("layout", "dtype", "shape", "auto", "ms", "best other way", "ms", "ratio")
    rows = [
        (
            *_name_cell(cell.facts),
            cell.facts["backend"],
            _format(cell.ours),
            show_way(cell.best),
            _format(cell.others[cell.best]),
            f"{cell.compare(cell.best):.2f}",
            f"{cell.compare(_find_repeat(cell)):.1f}",
            f"{_divide_limit(cell):.0%}",
            f"{_count_extra(cell):.1%}",
        )
        for cell in cells
    ]
    losses = list_losses(cells)
    lines = [
        "The times are milliseconds with a fresh result: medians of rounds in random order, after",
        "a warm-up, ± half the distance between the quartiles. The best other way is another",
        "backend of this package or a call of another library. The ratio is the time of the best",
        "other way divided by the time of `to_rgb`. The next three columns are the time of",
        "`np.repeat` divided by the time of `to_rgb`; for `out=`, the time of plain copying of the",
        "same bytes divided by the time of `to_rgb`; and the memory that a call needs at its peak,",
        "beyond the result.",
        "",
        f"{summarize_machine(document['machine'])}.",
        "",
        *table((*heads, "np.repeat", "of the limit, out=", "memory"), rows, text_columns=4),
        "",
        *summarize(cells),
        "",
        f"The ratio is below {BAR} in {len(losses)} of {len(cells)} cells:",
        "",
        *(losses or ["- none"]),
    ]
    if document["left_out"]:
        needed = [
            f"{', '.join(_name_cell(it))} (needs {it['needed_bytes'] / 1e9:.1f} GB)"
            for it in document["left_out"]
        ]
        limit = document["memory_limit_bytes"] / 1e9
        lines += ["", f"Left out, because {limit:.1f} GB may be used: {'; '.join(needed)}."]
    return "\n".join(lines) + "\n"


def summarize(cells: list[Cell]) -> list[str]:
    """Return what the cells say together, a line for each column."""
    ratios = [cell.compare(cell.best) for cell in cells]
    lines = [
        f"- The geometric mean of the ratios is {geometric_mean(ratios):.2f}, and the smallest is "
        f"{min(ratios):.2f}."
    ]
    bytes_last = [
        cell.compare(_find_repeat(cell))
        for cell in cells
        if cell.facts["dtype"] == "uint8" and cell.facts["layout"].endswith("C")
    ]
    if bytes_last:
        lines.append(
            f"- uint8 with the channels last takes at most 1/{min(bytes_last):.1f} of the time of "
            "`np.repeat`."
        )
    large = [_divide_limit(cell) for cell in cells if cell.facts["result_bytes"] > LARGE]
    if large:
        lines.append(f"- With `out=`, results above 100 MB reach {min(large):.0%} of the limit.")
    memory = max(_count_extra(cell) for cell in cells)
    lines.append(f"- A call needs at most {memory:.1%} of memory beyond its result.")
    return lines


def _divide_limit(cell: Cell) -> float:
    """Return the time of plain copying divided by the time of ``to_rgb`` with ``out=``."""
    return float(cell.facts["limit_s"] / cell.facts["reused"]["median"])


def _count_extra(cell: Cell) -> float:
    """Return the memory that a call needs beyond its result, in proportion to the result."""
    return float(cell.facts["peak_bytes"] / cell.facts["result_bytes"] - 1)


def _find_repeat(cell: Cell) -> str:
    return next(way for way in cell.others if way.startswith("numpy: np.repeat"))


def markdown_of_ways(document: Record) -> str:
    """Return a table for each layout: the time of each way over ours, by shape."""
    cells = find_cells(document)
    lines = [
        "Each number is the time of a call divided by the time of `graytorgb.to_rgb` with a fresh",
        "result, so below 1 the call is faster. It is the geometric mean over the dtypes that the",
        "library takes; the last column is the smallest number of all cells.",
        "",
        f"{summarize_machine(document['machine'])}.",
    ]
    for layout in dict.fromkeys(cell.facts["layout"] for cell in cells):
        chosen = [cell for cell in cells if cell.facts["layout"] == layout]
        by_size = sorted(chosen, key=lambda cell: cell.facts["shape"])
        shapes = list(dict.fromkeys(_name_cell(cell.facts)[2] for cell in by_size))
        rows = []
        for way in dict.fromkeys(way for cell in chosen for way in cell.others):
            found: dict[str, list[float]] = defaultdict(list)
            for cell in chosen:
                if way in cell.others:
                    found[_name_cell(cell.facts)[2]].append(cell.compare(way))
            every = [ratio for ratios in found.values() for ratio in ratios]
            means = [_show(geometric_mean(found[it])) if found[it] else "-" for it in shapes]
            figures = (*means, _show(geometric_mean(every)), f"{min(every):.2f}")
            rows.append((geometric_mean(every), (show_way(way), *figures)))
        heads = ("", *shapes, "geometric mean", "smallest")
        lines += ["", f"**{layout}**", "", *table(heads, [cells for _, cells in sorted(rows)])]
    return "\n".join(lines) + "\n"


def list_losses(cells: list[Cell]) -> list[str]:
    """Return a line for each cell that is lost: every way that is faster, and the reason."""
    lines = []
    for cell in cells:
        faster = sorted((cell.compare(way), way) for way in cell.others if cell.compare(way) < BAR)
        if faster:
            ways = "; ".join(f"{show_way(way)} {ratio:.2f}" for ratio, way in faster)
            lines.append(f"- {cell.name}: {ways}. The reason: {cell.explain(cell.best)}.")
    return lines


def show_way(way: str) -> str:
    """Return a way as Markdown: the library, and its call as code.

    >>> show_way("opencv: merge([x])")
    'opencv: `merge([x])`'
    """
    library, call = way.split(": ", 1)
    return f"{library}: `{call}`"


def _show(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def draw(document: Record, path: Path) -> None:
    """Draw the geometric means as bars."""
    cells = find_cells(document)
    layouts = list(dict.fromkeys(cell.facts["layout"] for cell in cells))
    figure, axes = plt.subplots(
        1, len(layouts), figsize=(12, 6), layout="constrained", squeeze=False
    )
    for axis, layout in zip(axes[0], layouts, strict=True):
        ratios: dict[str, list[float]] = {f"{OURS}: to_rgb(x)": [1.0]}
        for cell in cells:
            for way in cell.others if cell.facts["layout"] == layout else ():
                ratios.setdefault(way, []).append(cell.compare(way))
        means = sorted(((geometric_mean(it), way) for way, it in ratios.items()), reverse=True)
        colors = ["#0072b2" if way.startswith(OURS) else "#bbbbbb" for _, way in means]
        axis.barh([way for _, way in means], [mean for mean, _ in means], color=colors)
        for i, (mean, _) in enumerate(means):
            axis.text(mean, i, f" {mean:.2f}", va="center", fontsize=8)
        axis.set(title=layout, xlabel="time over graytorgb's (geometric mean)", xscale="log")
        axis.set_xlim(right=1.4 * max(mean for mean, _ in means))
        axis.tick_params(labelsize=7)
    figure.supxlabel(summarize_machine(document["machine"]), fontsize=7, color="#555555")
    figure.savefig(path, dpi=110)
    plt.close(figure)
