"""``Report``: the rows of a run, as tables, sentences, JSON and CSV."""

import csv
import json
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from .. import __version__
from ..core.writing import write_text
from ..measure.machine import describe_machine
from ..measure.timing import format_milliseconds
from .case import Case, Row

# The headings of figures, and those among them that a table can do without, the first the soonest
HEADINGS = ("fresh, ms", "out=, ms", "GB/s", "% of limit", "peak, MB")
OPTIONAL = ("% of limit", "out=, ms", "peak, MB", "GB/s")
SCHEMA_VERSION = 1  # of the JSON; schema.json beside this file describes it


class Report(NamedTuple):
    """The rows of a run and the machine that they were measured on."""

    rows: list[Row]
    machine: dict[str, Any]
    date: str

    @classmethod
    def new(cls) -> "Report":
        """Return an empty report of this machine, now."""
        return cls([], describe_machine(), datetime.now(UTC).isoformat(timespec="seconds"))

    def by_case(self) -> dict[Case, list[Row]]:
        """Return the rows of each case, the fastest first."""
        cases = sorted(
            {row.case for row in self.rows},
            key=lambda case: (case.dtype, case.layout, case.threads, case.result_bytes, case.shape),
        )
        return {case: rank_rows(row for row in self.rows if row.case == case) for case in cases}

    @property
    def limit_gb_s(self) -> float | None:
        """The rate of plain copying in the largest case, where no cache helps."""
        measured = [row for row in self.rows if row.limit_gb_s is not None]
        largest = max(measured, key=lambda row: row.case.result_bytes, default=None)
        return largest.limit_gb_s if largest else None

    @property
    def summary(self) -> str:
        """One sentence: what to take in the only case, or which backend wins most of several."""
        cases = list(self.by_case().values())
        if len(cases) == 1:
            return summarize_case(cases[0])
        winners = [best.backend for rows in cases if (best := find_fastest_copy(rows))]
        if not winners:
            return "nothing was measured"
        most = max(sorted(set(winners)), key=winners.count)
        others = sorted(set(winners) - {most})
        rest = f" (else {', '.join(others)})" if others else ""
        return f"{most}: fastest in {winners.count(most)} of {len(winners)} cases{rest}"

    def document(self) -> dict[str, Any]:
        """Return the JSON document, which ``schema.json`` describes."""
        return {
            "schema_version": SCHEMA_VERSION,
            "graytorgb": __version__,
            "date": self.date,
            "machine": self.machine,
            "limit_gb_s": self.limit_gb_s,
            "recommendation": self.summary,
            "rows": [row._asdict() for rows in self.by_case().values() for row in rows],
        }

    def write_json(self, path: Path) -> None:
        """Write the JSON document."""
        write_text(path, json.dumps(self.document(), indent=1) + "\n")

    def write_csv(self, path: Path) -> None:
        """Write a CSV file of a line for each row, with the shape as 64x224x224."""
        text = StringIO(newline="")
        writer = csv.DictWriter(text, Row._fields)
        writer.writeheader()
        for row in (row for rows in self.by_case().values() for row in rows):
            writer.writerow(row._asdict() | {"shape": row.case.shape_text})
        write_text(path, text.getvalue())


def read_json(path: Path) -> Report:
    """Read the report that :meth:`Report.write_json` wrote."""
    document = json.loads(path.read_text(encoding="utf-8"))
    rows = [Row(**row | {"shape": tuple(row["shape"])}) for row in document["rows"]]
    return Report(rows, document["machine"], document["date"])


def rank_rows(rows: Iterable[Row]) -> list[Row]:
    """Return the rows of a case, the fastest first and those without a time last."""
    return sorted(rows, key=lambda row: (row.fresh_s is None, row.fresh_s or 0.0))


def find_fastest_copy(rows: Iterable[Row]) -> Row | None:
    """Return the fastest row whose result is a copy."""
    return next(
        (row for row in rank_rows(rows) if row.fresh_s is not None and row.result_bytes), None
    )


def summarize_case(rows: Iterable[Row]) -> str:
    """Return one sentence on which backend to take in a case."""
    rows = rank_rows(rows)
    best = find_fastest_copy(rows)
    if best is None or best.fresh_s is None:
        return "nothing was measured"
    parts = [f"{best.backend}: {best.gb_s:.1f} GB/s"]
    for row in rows:
        if row.backend == "repeat" and row.fresh_s and row is not best:
            parts.append(f"{row.fresh_s / best.fresh_s:.1f}x numpy repeat")
    needed = max(best.peak_bytes or 0, best.result_bytes or 0)
    sentence = ", ".join([*parts, f"needs {needed / 1e6:.3g} MB"])
    if any(row.result_bytes == 0 for row in rows):
        sentence += "; broadcast if you only read"
    return sentence


def make_table(case: Case, rows: list[Row], left_out: Collection[str] = ()) -> Table:
    """Return the rows of a case that were measured, as a table for the terminal.

    The fastest backend whose result is a copy has a mark.

    Parameters
    ----------
    case : Case
    rows : list of Row
    left_out : collection of str
        The headings of columns that a narrow terminal has no place for; see `OPTIONAL`.
    """
    best = find_fastest_copy(rows)
    table = Table(title=str(case), title_justify="left")
    table.add_column("backend", no_wrap=True)
    for heading in HEADINGS:
        if heading not in left_out:
            table.add_column(heading, justify="right", no_wrap=True)
    for row in rank_rows(rows):
        if row.fresh_s is not None:
            name, style = (f"→ {row.backend}", "bold green") if row is best else (row.backend, "")
            cells = zip(HEADINGS, format_cells(row), strict=True)
            shown = (cell for heading, cell in cells if heading not in left_out)
            table.add_row(name, *shown, style=style)
    return table


def list_notes(rows: list[Row]) -> list[str]:
    """Return why a backend of a case didn't run, or wasn't wholly measured, a line for each."""
    return [f"{row.backend}: {row.why}" for row in rank_rows(rows) if row.why]


def format_cells(row: Row) -> tuple[str, str, str, str, str]:
    """Format the figures of a row: fresh and reused time, rate, percentage and peak."""
    return (
        _format_time(row.fresh_s, row.fresh_low_s, row.fresh_high_s),
        _format_time(row.reused_s, row.reused_low_s, row.reused_high_s),
        "-" if row.gb_s is None else f"{row.gb_s:.1f}",
        "-" if row.percent_of_limit is None else f"{row.percent_of_limit:.0f}",
        "-" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:.1f}",
    )


def _format_time(median: float | None, low: float | None, high: float | None) -> str:
    if median is None or low is None or high is None:
        return "-"
    return format_milliseconds(median, low, high)
