"""Drawings of throughput and memory by the size of the batch."""

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
        title = "{}, {}, {} thread(s)".format(*key)
        _draw_throughput(throughput, rows, colors, title)
        _draw_memory(memory, rows, colors)
    figure.supxlabel(summarize_machine(report.machine), fontsize=7, color="#555555")
    return figure


def _draw_throughput(axis: Any, rows: list[Row], colors: dict[str, int], title: str) -> None:
    for name, points in _group_by_backend(rows).items():
        rated = [row for row in points if row.gb_s is not None]
        if rated:
            x = [_input_bytes(row) / 1e6 for row in rated]
            axis.plot(x, [row.gb_s for row in rated], label=name, **_choose_style(colors[name]))
    limits = {_input_bytes(row) / 1e6: row.limit_gb_s for row in rows if row.limit_gb_s}
    axis.plot(
        sorted(limits), [limits[x] for x in sorted(limits)], "k--", lw=1, label="plain copying"
    )
    axis.set(
        xscale="log", yscale="log", title=title, xlabel="batch, MB", ylabel="read and written, GB/s"
    )
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7, ncols=2)


def _draw_memory(axis: Any, rows: list[Row], colors: dict[str, int]) -> None:
    if not any(row.peak_bytes for row in rows):
        axis.axis("off")  # memory wasn't measured
        return
    for name, points in _group_by_backend(rows).items():
        known = [row for row in points if row.peak_bytes]
        if known:
            x = [_input_bytes(row) / 1e6 for row in known]
            y = [row.peak_bytes / 1e6 for row in known if row.peak_bytes]
            axis.plot(x, y, label=name, **_choose_style(colors[name]))
    results = {_input_bytes(row) / 1e6: row.result_bytes for row in rows if row.result_bytes}
    x = sorted(results)
    axis.plot(x, [results[v] / 1e6 for v in x], "k--", lw=1, label="the result itself")
    axis.set(
        xscale="log",
        yscale="log",
        title="memory",
        xlabel="batch, MB",
        ylabel="peak over the input, MB",
    )
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7, ncols=2)


def _group_by_backend(rows: list[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in sorted(rows, key=_input_bytes):
        groups.setdefault(row.backend, []).append(row)
    return groups


def _input_bytes(row: Row) -> int:
    return row.case.input_bytes


def _choose_style(index: int) -> dict[str, Any]:
    return {
        "color": _COLORS[index % len(_COLORS)],
        "marker": _MARKERS[index % len(_MARKERS)],
        "markersize": 4,
        "lw": 1.2,
    }
