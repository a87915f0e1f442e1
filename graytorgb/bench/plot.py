"""Drawings of throughput and memory by the size of the batch."""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from ..core.writing import replacing
from ..measure.machine import summarize_machine
from .case import Row
from .report import Report

# Okabe and Ito's colors, told apart with any color vision
_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#000000", "#999999")
_MARKERS = "osD^vP*X"


def write_picture(report: Report, path: Path) -> None:
    """Draw a report into a file of any kind that matplotlib writes, by its suffix."""
    with replacing(path) as written:
        draw_figure(report).savefig(written, dpi=120)


def draw_svg(report: Report) -> str:
    """Draw a report as an SVG element, for a page."""
    buffer = StringIO()
    with mpl.rc_context({"svg.fonttype": "path"}):  # no fonts to fetch
        draw_figure(report).savefig(
            buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def draw_figure(report: Report) -> Figure:
    """Draw throughput and memory side by side for each dtype, layout and number of threads."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in report.rows:
        if row.fresh_s is not None:
            groups.setdefault((row.dtype, row.layout, row.threads), []).append(row)
    figure = Figure(figsize=(10, 3.6 * max(1, len(groups)) + 0.4), layout="constrained")
    axes = figure.subplots(max(1, len(groups)), 2, squeeze=False)
    colors = {name: i for i, name in enumerate(dict.fromkeys(row.backend for row in report.rows))}
    for (throughput, memory), (key, rows) in zip(axes, groups.items(), strict=False):
        rates = {row: (row.gb_s, row.limit_gb_s) for row in rows}
        _draw_panel(throughput, rates, colors, "plain copying")
        throughput.set(title="{}, {}, {} thread(s)".format(*key), ylabel="read and written, GB/s")
        if any(row.peak_bytes for row in rows):
            sizes = {
                row: ((row.peak_bytes or 0) / 1e6, (row.result_bytes or 0) / 1e6) for row in rows
            }
            _draw_panel(memory, sizes, colors, "the result itself")
            memory.set(title="memory", ylabel="peak over the input, MB")
        else:
            memory.axis("off")  # memory wasn't measured
    figure.supxlabel(summarize_machine(report.machine), fontsize=7, color="#555555")
    return figure


def _draw_panel(
    axis: Any,
    figures: Mapping[Row, tuple[float | None, float | None]],
    colors: dict[str, int],
    reference: str,
) -> None:
    """Draw the first figure of each row, a line a backend, and the second as a reference line."""
    lines: dict[str, list[tuple[float, float]]] = {}
    limits: dict[float, float] = {}
    for row in sorted(figures, key=lambda row: row.case.input_bytes):
        figure, limit = figures[row]
        if figure:
            lines.setdefault(row.backend, []).append((row.case.input_bytes / 1e6, figure))
        if limit:
            limits[row.case.input_bytes / 1e6] = limit
    for name, line in lines.items():
        k = colors[name]
        style = {"color": _COLORS[k % len(_COLORS)], "marker": _MARKERS[k % len(_MARKERS)]}
        axis.plot(*zip(*line, strict=True), label=name, markersize=4, lw=1.2, **style)
    axis.plot(list(limits), list(limits.values()), "k--", lw=1, label=reference)
    axis.set(xscale="log", yscale="log", xlabel="batch, MB")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7, ncols=2)
