"""Measure how time and memory grow with the batch: `python -m benchmarks.speed.scaling`."""

from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.progress import track

from graytorgb.backends.registry import BACKENDS
from graytorgb.bench.case import Case, Row
from graytorgb.bench.plot import write_picture
from graytorgb.bench.report import Report
from graytorgb.bench.run import measure
from graytorgb.cli.files import FileCommand, OutputFolder
from graytorgb.measure.machine import summarize_machine
from graytorgb.measure.peak import available_bytes

from ..tables import table, write

RESULTS = Path(__file__).parents[1] / "results"
IMAGE = (224, 224)
# In bytes. The C library's allocator gets each larger block from the system and gives it back.
CLIFF = 32 << 20


@click.command(cls=FileCommand)
@click.option("--largest", default=4.0, show_default=True, help="GB of the largest result.")
@click.option("--layout", default="NHW->NHWC", show_default=True)
@click.option("--seconds", default=1.0, show_default=True, help="Timing of each batch size.")
@click.option("--output", type=OutputFolder(), default=RESULTS, show_default="benchmarks/results")
def main(largest: float, layout: str, seconds: float, output: Path) -> None:
    """Measure batches of growing size, with 1 and 2 threads; write scaling.json, .md and .png."""
    report = Report.new()
    for case in track(batches(largest, layout), "batches", transient=True):
        if case.needed_bytes < 0.9 * available_bytes():
            report.rows.extend(
                measure(case, BACKENDS, budget=seconds, least=3, warm_up=1, peaks=case.threads == 1)
            )
    document = report.document() | {"fits": fits(report.rows)}
    write(output, "scaling", document, markdown(report))
    write_picture(report, output / "scaling.png")


def batches(largest: float, layout: str) -> list[Case]:
    """Return batches of 1, 4, 16, ... images and one of `largest` GB of result, for 1 or 2 threads.

    Two threads are measured only below 1 GB, which is enough to see what they bring.
    """
    most = int(largest * 1e9 / (3 * IMAGE[0] * IMAGE[1]))
    counts = [4**k for k in range(16) if 4**k < most] + [most]
    cases = [Case((n, *IMAGE), "uint8", layout, threads) for n in counts for threads in (1, 2)]
    return [case for case in cases if case.threads == 1 or case.result_bytes < 1e9]


def fits(rows: list[Row]) -> list[dict[str, Any]]:
    """Fit straight lines through time and memory, below and above the cliff.

    The line is ``seconds = start + slope * result_bytes``, and the same for the peak of memory. The
    least squares are weighted by 1/y, so that every size counts by its relative error.
    """
    found = []
    for backend in dict.fromkeys(row.backend for row in rows):
        for threads in (1, 2):
            chosen = [
                r
                for r in rows
                if r.backend == backend and r.threads == threads and r.result_bytes and r.fresh_s
            ]
            below = [r for r in chosen if (r.result_bytes or 0) < CLIFF]
            above = [r for r in chosen if (r.result_bytes or 0) >= CLIFF]
            if len(below) < 2 or len(above) < 2:
                continue
            fit: dict[str, Any] = {"backend": backend, "threads": threads}
            for name, part in (("below", below), ("above", above)):
                slope, start = _line([r.result_bytes for r in part], [r.fresh_s for r in part])
                fit[f"{name}_s_per_gb"], fit[f"{name}_start_s"] = slope * 1e9, start
            peaks = [r for r in above if r.peak_bytes]
            if len(peaks) >= 2:
                slope, start = _line([r.result_bytes for r in peaks], [r.peak_bytes for r in peaks])
                fit["peak_bytes_per_byte"], fit["peak_start_bytes"] = slope, start
            found.append(fit)
    return found


def _line(x: list[Any], y: list[Any]) -> tuple[float, float]:
    slope, start = np.polyfit(np.array(x, float), np.array(y, float), 1, w=1 / np.array(y, float))
    return float(slope), float(start)


def markdown(report: Report) -> str:
    """Return a table in Markdown: the slopes, and the gain by a second thread."""
    found = fits(report.rows)
    one = {fit["backend"]: fit for fit in found if fit["threads"] == 1}
    two = {fit["backend"]: fit for fit in found if fit["threads"] == 2}
    rows = []
    for name, fit in sorted(one.items(), key=lambda item: item[1]["above_s_per_gb"]):
        below, above = fit["below_s_per_gb"], fit["above_s_per_gb"]
        peak = f"{fit['peak_bytes_per_byte']:.3f}" if "peak_bytes_per_byte" in fit else "-"
        gains = ["-", "-"]
        if name in two:
            gains = [f"{fit[k] / two[name][k]:.2f}x" for k in ("below_s_per_gb", "above_s_per_gb")]
        rows.append(
            (
                name,
                f"{below * 1e3:.0f}",
                f"{above * 1e3:.0f}",
                f"{above / below:.1f}x",
                peak,
                *gains,
            )
        )
    heads = ("backend", "ms/GB below", "ms/GB above", "cliff", "peak, bytes per byte")
    lines = [
        "The lines are fitted over batches of 224x224 uint8 images. The columns are:",
        f"milliseconds for each GB of result, below and above results of {CLIFF >> 20} MiB; the",
        "second divided by the first (the cliff); the peak of memory in bytes for each byte of",
        "result; and how many times as fast two threads are as one.",
        "",
        f"{summarize_machine(report.machine)}.",
        "",
        *table((*heads, "2 threads below", "2 threads above"), rows),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
