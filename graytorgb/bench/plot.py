"""Drawings of throughput and memory: bars for one size of the batch, lines over several."""

from collections.abc import Callable, Iterable, Mapping
from io import StringIO
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

from ..core.writing import replacing
from ..measure.machine import summarize_machine
from .case import Row
from .report import Report, find_fastest_copy, rank_rows

# Okabe and Ito's colors, told apart with any color vision; the winner's is the bluish green
WINNER, OTHER, INK = "#009e73", "#8796a3", "#1b1c1d"
_COLORS = ("#0072b2", "#e69f00", "#cc79a7", "#56b4e9", "#d55e00")
_MARKERS = "osDvP^X*"
_SIZE = (6.0, 3.6)  # inches of a panel, whose letters are readable on a phone
_REFERENCES = ("plain copying", "the result itself")

Group = tuple[str, str, int]


class Panel(NamedTuple):
    """One drawing: what is drawn of each row, and the reference beside it.

    Attributes
    ----------
    title, unit : str
    rows : list of Row
    value, reference : callable
        Return the figure of a row in this unit, or None.
    reference_name : str
    """

    title: str
    unit: str
    rows: list[Row]
    value: Callable[[Row], float | None]
    reference: Callable[[Row], float | None]
    reference_name: str


def write_picture(report: Report, path: Path) -> None:
    """Draw a report into a file of any kind that matplotlib writes, by its suffix."""
    with replacing(path) as written:
        draw_figure(report).savefig(written, dpi=120)


def draw_figure(report: Report) -> Figure:
    """Draw every panel of a report below the sentence that answers it."""
    panels = list_panels(report)
    headline = wrap(report.summary, 52)
    height = _SIZE[1] * max(1, len(panels)) + 0.28 * len(headline) + 0.3
    figure = Figure(figsize=(_SIZE[0], height), layout="constrained", facecolor="white")
    figure.suptitle(
        "\n".join(headline), x=0.015, ha="left", fontsize=13, fontweight="bold", parse_math=False
    )
    axes = figure.subplots(max(1, len(panels)), 1, squeeze=False)[:, 0]
    for axis, panel in zip(axes, panels, strict=False):
        draw_panel(axis, panel, _number_backends(report))
    machine = "\n".join(wrap(summarize_machine(report.machine), 85))
    figure.supxlabel(machine, x=0.015, ha="left", fontsize=8, color="#555555")
    return figure


def draw_svgs(report: Report) -> list[str]:
    """Draw each panel of a report as an SVG element, whose ink is the color of the page's text."""
    return [_draw_svg(panel, _number_backends(report)) for panel in list_panels(report)]


def _draw_svg(panel: Panel, numbers: Mapping[str, int]) -> str:
    ink: dict[Any, Any] = dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK
    )
    buffer = StringIO()
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": panel.title, **ink}):
        figure = Figure(figsize=_SIZE, layout="constrained", facecolor="none")
        axis = figure.subplots()
        axis.set_facecolor("none")
        draw_panel(axis, panel, numbers)
        figure.savefig(
            buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    text = buffer.getvalue().replace(INK, "currentColor")
    return text[text.index("<svg") :]


def list_panels(report: Report) -> list[Panel]:
    """Return the panels for each dtype, layout and number of threads: throughput, then memory."""
    groups: dict[Group, list[Row]] = {}
    for row in report.rows:
        if row.fresh_s is not None:
            groups.setdefault((row.dtype, row.layout, row.threads), []).append(row)
    panels = []
    for (dtype, layout, threads), rows in groups.items():
        what = f"{dtype}, {layout}, {threads} thread{'s' * (threads > 1)}"
        panels.append(
            Panel(
                f"Throughput: {what}",
                "GB/s",
                rows,
                lambda row: row.gb_s,
                lambda row: row.limit_gb_s,
                _REFERENCES[0],
            )
        )
        if any(row.peak_bytes for row in rows):
            panels.append(
                Panel(
                    f"Peak memory: {what}",
                    "MB",
                    rows,
                    lambda row: _to_mb(row.peak_bytes),
                    lambda row: _to_mb(row.result_bytes),
                    _REFERENCES[1],
                )
            )
    return panels


def draw_panel(axis: Any, panel: Panel, numbers: Mapping[str, int]) -> None:
    """Draw bars if all rows are of one shape, else lines over the size of the batch."""
    axis.set_title(panel.title, loc="left", fontsize=10, parse_math=False)
    for name in ("top", "right"):
        axis.spines[name].set_visible(False)
    if len({row.shape for row in panel.rows}) == 1:
        _draw_bars(axis, panel)
    else:
        _draw_lines(axis, panel, numbers)


def _draw_bars(axis: Any, panel: Panel) -> None:
    """Draw a bar for each backend, the fastest on top, and the reference as a line."""
    best = find_fastest_copy(panel.rows)
    figures = [(row, panel.value(row)) for row in rank_rows(panel.rows)]
    shown = [(row, figure) for row, figure in reversed(figures) if figure is not None]
    names = [f"\N{CHECK MARK} {row.backend}" if row is best else row.backend for row, _ in shown]
    values = [figure for _, figure in shown]
    colors = [WINNER if row is best else OTHER for row, _ in shown]
    bars = axis.barh(names, values, color=colors, height=0.7)
    axis.bar_label(bars, [f"{value:.3g}" for value in values], padding=3, fontsize=9)
    limit = max((panel.reference(row) or 0 for row in panel.rows), default=0)
    if limit:
        axis.axvline(limit, ls="--", lw=1.2, color=INK, label=panel.reference_name)
        axis.legend(
            fontsize=9, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.98)
        )  # beside the title, where no bar is
    axis.set_xlim(0, 1.15 * max([*values, limit, 1e-9]))
    axis.set_xlabel(panel.unit)
    axis.tick_params(axis="y", length=0)
    for label, (row, _) in zip(axis.get_yticklabels(), shown, strict=True):
        label.set_fontweight("bold" if row is best else "normal")


def _draw_lines(axis: Any, panel: Panel, numbers: Mapping[str, int]) -> None:
    """Draw a line for each backend, and the reference as a dashed line."""
    lines: dict[str, list[tuple[float, float]]] = {}
    limits: dict[float, float] = {}
    for row in sorted(panel.rows, key=lambda row: row.case.input_bytes):
        figure, limit = panel.value(row), panel.reference(row)
        if figure:
            lines.setdefault(row.backend, []).append((row.case.input_bytes / 1e6, figure))
        if limit:
            limits[row.case.input_bytes / 1e6] = limit
    winner = _find_winner(panel.rows)
    for name, line in sorted(lines.items(), key=lambda pair: pair[0] != winner):
        k, is_winner = numbers[name], name == winner
        axis.plot(
            *zip(*line, strict=True),
            label=f"\N{CHECK MARK} {name}" if is_winner else name,
            color=WINNER if is_winner else _COLORS[k % len(_COLORS)],
            markersize=5,
            marker=_MARKERS[k % len(_MARKERS)],
            lw=3 if is_winner else 1.2,
            zorder=2 + is_winner,
        )
    axis.plot(
        list(limits), list(limits.values()), "--", color=INK, lw=1.2, label=panel.reference_name
    )
    axis.set(xscale="log", yscale="log", xlabel="batch, MB", ylabel=panel.unit)
    axis.grid(alpha=0.3)
    legend = axis.legend(
        fontsize=8, ncols=1, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False
    )
    for text in legend.get_texts():
        text.set_fontweight("bold" if text.get_text().startswith("\N{CHECK MARK}") else "normal")


def _find_winner(rows: Iterable[Row]) -> str | None:
    """Return the backend that is the fastest copy in most cases."""
    cases: dict[Any, list[Row]] = {}
    for row in rows:
        cases.setdefault(row.case, []).append(row)
    best = [found.backend for each in cases.values() if (found := find_fastest_copy(each))]
    return max(sorted(set(best)), key=best.count, default=None)


def _number_backends(report: Report) -> dict[str, int]:
    """Return a number for each backend, by which it has a color and a marker of its own."""
    return {name: k for k, name in enumerate(dict.fromkeys(row.backend for row in report.rows))}


def _to_mb(size: int | None) -> float | None:
    return None if size is None else size / 1e6
