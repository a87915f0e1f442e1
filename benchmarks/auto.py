"""The evidence for ``backend="auto"``: `python -m benchmarks.auto`.

Runs every backend over the matrix, and shows in which cells auto's choice isn't the fastest.
"""

from pathlib import Path
from statistics import geometric_mean

import click
from rich.console import Console
from rich.progress import track

import graytorgb as g2r
from graytorgb.bench.case import PRESETS, cases
from graytorgb.bench.machine import one_line
from graytorgb.bench.report import Report, fastest_copy
from graytorgb.bench.run import measure
from graytorgb.registry import BACKENDS

from .tables import table

RESULTS = Path(__file__).parent / "results"
NOISE = 0.93


@click.command()
@click.option("--preset", type=click.Choice(["quick", "full"]), default="full", show_default=True)
@click.option("--seconds", default=2.0, show_default=True, help="Timing of each cell.")
@click.option("--threads", default=2, show_default=True, help="For libraries that have threads.")
@click.option("--memory", default=12.0, show_default=True, help="GB that a cell may need.")
@click.option("--output", type=Path, default=RESULTS, show_default="benchmarks/results")
def main(preset: str, seconds: float, threads: int, memory: float, output: Path) -> None:
    """Measure the matrix and write auto.json and auto.md."""
    report = Report.new()
    matrix = [c for c in cases(*PRESETS[preset], [threads]) if c.needed_bytes < memory * 1e9]
    for case in track(matrix, "cells", transient=True):
        report.rows.extend(measure(case, BACKENDS, budget=seconds, peaks=False))
    output.mkdir(exist_ok=True)
    report.write_json(output / "auto.json")
    (output / "auto.md").write_text(markdown(report))
    Console().print((output / "auto.md").read_text(), markup=False)


def markdown(report: Report) -> str:
    """A line for each cell: auto's choice, the fastest, and the ratio of their times."""
    found, rows = [], []
    for case, measured in report.by_case().items():
        times = {row.backend: row.fresh_s for row in measured if row.fresh_s is not None}
        best = fastest_copy(measured)
        chosen = g2r.choose(case.shape, case.dtype, case.layout).backend
        if best is None or best.fresh_s is None or chosen is None:
            continue
        ours = times[chosen]
        found.append(best.fresh_s / ours)
        shape = "x".join(map(str, case.shape))
        texts = f"{ours * 1e3:.3g}", best.backend, f"{best.fresh_s * 1e3:.3g}"
        gains = f"{found[-1]:.2f}", f"{times['repeat'] / ours:.1f}"
        rows.append((case.layout, case.dtype, shape, chosen, *texts, *gains))
    heads = (
        "layout",
        "dtype",
        "shape",
        "auto",
        "its ms",
        "fastest",
        "its ms",
        "ratio",
        "np.repeat",
    )
    lines = [
        "Fresh results, milliseconds, medians. The ratio is the fastest one's time over auto's:",
        f"under {NOISE} another backend is faster by more than the noise. The last column is",
        "`np.repeat`'s time over auto's.",
        "",
        f"{one_line(report.machine)}.",
        "",
        *table(heads, rows, text_columns=4),
    ]
    lost = sum(ratio < NOISE for ratio in found)
    lines += ["", f"Auto isn't the fastest in {lost} of {len(found)} cells; the geometric mean of "
              f"the ratios is {geometric_mean(found):.2f}."]  # fmt: skip
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
