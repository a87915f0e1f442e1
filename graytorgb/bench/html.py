"""The report as one self-contained page: no network, no scripts."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..core.writing import write_text
from ..measure.machine import one_line
from .plot import svg
from .report import Report, cells, recommendation


def write_html(report: Report, path: Path) -> None:
    """Write the page."""
    environment = Environment(
        loader=PackageLoader("graytorgb.bench", "."), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("report.html.jinja").render(
        report=report,
        machine=one_line(report.machine),
        drawing=svg(report),
        sections=[
            (str(case), recommendation(rows), [(row, cells(row)) for row in rows])
            for case, rows in report.by_case().items()
        ],
    )
    write_text(path, page)
