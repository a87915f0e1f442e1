"""Measure whether ``backend="auto"`` chooses well: `python -m benchmarks.speed.auto`.

Every backend runs on each cell of a matrix of shapes, dtypes and layouts. The table compares auto's
choice with the best other backend.
"""

from pathlib import Path
from statistics import geometric_mean
from typing import Any

import click
from rich.console import Console
from rich.progress import track

import graytorgb as g2r
from graytorgb.backends.registry import BACKENDS
from graytorgb.bench.matrix import PRESETS, make_cases
from graytorgb.bench.report import Report, find_fastest_copy
from graytorgb.bench.run import measure
from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.core.writing import write_text
from graytorgb.measure.machine import summarize_machine

from ..tables import table

RESULTS = Path(__file__).parents[1] / "results"
NOISE = 0.93
LARGE = 100e6  # bytes of a result that no cache holds


@click.command(cls=FileCommand)
@click.option("--preset", type=click.Choice(["quick", "full"]), default="full", show_default=True)
@click.option("--seconds", default=1.0, show_default=True, help="Timing of each cell.")
@click.option("--threads", default=2, show_default=True, help="For libraries that have threads.")
@click.option("--memory", default=6.0, show_default=True, help="GB of memory that a cell may need.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(preset: str, seconds: float, threads: int, memory: float, output: Path) -> None:
    """Measure the matrix and write auto.json and auto.md."""
    report = Report.new()
    matrix = [c for c in make_cases(*PRESETS[preset], [threads]) if c.needed_bytes < memory * 1e9]
    for case in track(matrix, "cells", transient=True):
        report.rows.extend(measure(case, BACKENDS, budget=seconds, peaks=False))
    output.mkdir(exist_ok=True)
    report.write_json(output / "auto.json")
    write_text(output / "auto.md", markdown(report))
    Console().print(markdown(report), markup=False)


def markdown(report: Report) -> str:
    """Return a table with a line for each cell: auto's choice, the best other, and their ratio."""
    ratios, of_limit, rows, lost = [], [], [], 0
    for case, measured in report.by_case().items():
        timed = {row.backend: row for row in measured if row.fresh_s is not None}
        ours = timed.pop(
            g2r.choose_backend(case.shape, case.dtype, case.layout).backend or "", None
        )
        best = find_fastest_copy(list(timed.values()))
        if best is None or ours is None:
            continue
        ratios.append(best.fresh_s / ours.fresh_s)
        # a second of waiting for the system's memory can hit any backend
        lost += ratios[-1] < NOISE and best.fresh_high_s < ours.fresh_low_s
        gain = f"{timed['repeat'].fresh_s / ours.fresh_s:.1f}" if "repeat" in timed else "1.0"
        if case.result_bytes > LARGE:
            of_limit.append(ours.reused_percent_of_limit)
        figures = (
            ours.backend,
            _format_time(ours),
            best.backend,
            _format_time(best),
            f"{ratios[-1]:.2f}",
            gain,
        )
        limit = f"{ours.reused_percent_of_limit:.0f} %"
        rows.append((case.layout, case.dtype, case.shape_text, *figures, limit))
    heads = ("layout", "dtype", "shape", "auto", "ms", "best other", "ms", "ratio", "np.repeat")
    lines = [
        "The times are milliseconds with a fresh result: medians, with quartiles in brackets.",
        "The ratio is the time of the best other backend divided by auto's time. The next",
        "column is the time of `np.repeat` divided by auto's time. The last column is for",
        "`out=`: the time of plain copying of the same bytes as a percentage of auto's time.",
        "",
        f"{summarize_machine(report.machine)}.",
        "",
        *table((*heads, "of the limit, out="), rows, text_columns=4),
        "",
        f"In {lost} of {len(ratios)} cells another backend is faster than auto's choice by more",
        f"than {100 * (1 - NOISE):.0f} %, with quartiles that don't overlap. The geometric mean",
        f"of the ratios is {geometric_mean(ratios):.2f}.",
    ]
    if of_limit:
        lines.append(f"For results above 100 MB, the last column is {min(of_limit):.0f} % or more.")
    return "\n".join(lines) + "\n"


def _format_time(row: Any) -> str:
    low, median, high = (1e3 * s for s in (row.fresh_low_s, row.fresh_s, row.fresh_high_s))
    return f"{median:.3g} ({low:.3g} to {high:.3g})"


if __name__ == "__main__":
    main()
