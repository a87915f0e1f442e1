"""The report as one page that needs no network and no scripts."""

from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..core.writing import write_text
from ..measure.machine import summarize_machine
from .case import Case, Row
from .plot import draw_svgs
from .report import Report, find_fastest_copy, format_cells, list_notes, rank_rows, summarize_case


class Line(NamedTuple):
    """A row of a table on the page.

    Attributes
    ----------
    row : Row
    is_winner : bool
        Whether it is the fastest copy of its case.
    times : list of (str, str)
        The median and the spread, with a new result and with ``out=``.
    rate, percent, peak : str
    width : float
        The length of the bar beside the rate, in percent.
    """

    row: Row
    is_winner: bool
    times: list[tuple[str, str]]
    rate: str
    percent: str
    peak: str
    width: float


class Section(NamedTuple):
    """A case on the page: its sentence, the rows that were measured, and why others weren't."""

    case: str
    sentence: str
    rows: list[Line]
    notes: list[str]
    has_peaks: bool


def write_html(report: Report, path: Path) -> None:
    """Write a report as an HTML page."""
    environment = Environment(
        loader=PackageLoader("graytorgb.bench", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.jinja").render(
        report=report,
        machine=summarize_machine(report.machine),
        drawings=draw_svgs(report),
        sections=[_make_section(case, rows) for case, rows in report.by_case().items()],
    )
    write_text(path, page)


def _make_section(case: Case, rows: list[Row]) -> Section:
    measured = [row for row in rank_rows(rows) if row.fresh_s is not None]
    best = find_fastest_copy(measured)
    most = max((row.gb_s or 0 for row in measured), default=0)
    return Section(
        str(case),
        summarize_case(rows),
        [_make_line(row, most, is_winner=row is best) for row in measured],
        list_notes(rows),
        any(row.peak_bytes is not None for row in measured),
    )


def _make_line(row: Row, most: float, *, is_winner: bool) -> Line:
    fresh, reused, rate, percent, peak = format_cells(row)
    times = [(time, spread) for time, _, spread in (t.partition(" ± ") for t in (fresh, reused))]
    width = round(100 * (row.gb_s or 0) / most, 1) if most else 0.0
    return Line(row, is_winner, times, rate, percent, peak, width)
