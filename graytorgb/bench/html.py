"""The report as one page that needs no network and no scripts."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..core.writing import write_text
from ..measure.machine import summarize_machine
from .plot import draw_svg
from .report import Report, format_cells, summarize_case


def write_html(report: Report, path: Path) -> None:
    """Write a report as an HTML page."""
    environment = Environment(
        loader=PackageLoader("graytorgb.bench", "."), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("report.html.jinja").render(
        report=report,
        machine=summarize_machine(report.machine),
        drawing=draw_svg(report),
        sections=[
            (str(case), summarize_case(rows), [(row, format_cells(row)) for row in rows])
            for case, rows in report.by_case().items()
        ],
    )
    write_text(path, page)
