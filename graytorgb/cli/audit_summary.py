"""The tables of ``graytorgb audit``: what a set is, what is wrong with it, and what to do."""

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from ..datasets.audit_findings import LOSS, MIXED, UNREADABLE, describe_finding
from ..inspection.loaders import LOADERS

if TYPE_CHECKING:
    from ..datasets.audit_result import Audit, DepthRange

_LISTED = 5  # unreadable files


def print_summary(console: Console, audit: "Audit") -> None:
    """Print the summary of an audit."""
    counts = [f"{audit.files:,} image files", f"{audit.unreadable:,} unreadable"]
    if others := len(audit.skipped):
        counts.append(f"{others:,} other files")
    console.print(f"[bold]{escape(audit.source)}[/]: {', '.join(counts)}", highlight=False)
    if audit.files:
        parts = [_describe_set(audit), _tabulate_findings(audit), _tabulate_losses(audit)]
        parts += [_list_unreadable(audit), _make_advice(audit)]
        for part in parts:
            if part.row_count:
                console.print()
                console.print(part, highlight=False)


def _describe_set(audit: "Audit") -> Table:
    """Return what the files are: formats, depths, colors and sizes."""
    table = _make_grid()
    if audit.formats:
        table.add_row("formats", _join(audit.formats))
    for number, entry in enumerate(audit.value_ranges):
        table.add_row("" if number else "depths", _describe_depth(entry))
    if audit.colors:
        table.add_row("colors", _join(audit.colors))
    sizes = {size for folder in islice(audit.list_folders(), 1) for size in folder["sizes"]}
    several = audit.findings.get("mixed sizes")
    if several or sizes:
        table.add_row("sizes", f"{several:,} different ones" if several else ", ".join(sizes))
    if audit.wasted_bytes:
        table.add_row("wasted", f"{decimal(audit.wasted_bytes)} of memory by gray stored as RGB")
    return table


def _describe_depth(entry: "DepthRange") -> str:
    """Return a depth with its files and the values that they hold."""
    text = f"{entry['depth']}: {_count(entry['files'])}"
    if entry["min"] is not None and entry["max"] is not None:
        text += f", values {format_number(entry['min'])} to {format_number(entry['max'])}"
    if entry["levels"] is not None:
        text += f", {entry['levels']:,} levels"
    return text


def _tabulate_findings(audit: "Audit") -> Table:
    """Return a table of the findings, but for the losses, which have a table of their own."""
    table = _make_table("finding", "files", "")
    table.columns[2].style = "dim"
    for name, count in audit.findings.items():
        if name.startswith(LOSS) or name in MIXED:
            continue
        style = "[red]" if name == UNREADABLE else ""
        table.add_row(f"{style}{name}", f"{count:,}", escape(describe_finding(name)))
    for name in MIXED:
        if name in audit.findings:
            table.add_row(name, f"({audit.findings[name]:,})", escape(describe_finding(name)))
    return table


def _tabulate_losses(audit: "Audit") -> Table:
    """Return a table of what each usual loader would lose."""
    table = _make_table("what loaders lose", "files", "levels kept", "turned white", "refused")
    for name, loader in audit.losses.items():
        kept = loader["levels_after"] / max(1, loader["levels_before"])
        white = f"up to {loader['most_white']:.0%}" if loader["white_files"] else "-"
        table.add_row(
            escape(LOADERS[name].code), f"{loader['files']:,}" if loader["files"] else "-",
            f"{kept:.0%}" if loader["levels_before"] else "-", white,
            f"{loader['refused']:,}" if loader["refused"] else "-",
            style="yellow" if loader["files"] else "",
        )  # fmt: skip
    return table


def _list_unreadable(audit: "Audit") -> Table:
    """Return the first files that can't be read, with the reasons."""
    table = _make_grid()
    bad = (record for record in audit.records if record["error"] is not None)
    for record in islice(bad if audit.unreadable else (), _LISTED):
        table.add_row(f"[red]{escape(record['path'])}[/]", escape(record["error"] or ""))
    if audit.unreadable > _LISTED:
        table.add_row("...", f"{audit.unreadable - _LISTED:,} more: --json or --csv lists them")
    return table


def _make_advice(audit: "Audit") -> Table:
    """Return the value range, the code and the command that are right for the set."""
    table = _make_grid()
    ranges = [entry for entry in audit.value_ranges if entry["value_range"] is not None]
    for number, entry in enumerate(ranges):
        told = f"[bold]{_interval(entry)}[/] for {entry['depth']}: {escape(entry['reason'])}"
        table.add_row("" if number else "value range", told)
    if not ranges:
        table.add_row("value range", f"none: {escape(audit.value_range_reason)}")
    table.add_row("in Python", f"[green]{escape(audit.advice['code'])}[/]")
    table.add_row("command", f"[green]{escape(audit.advice['command'])}[/]")
    for note in audit.advice["notes"]:
        table.add_row("note", escape(note))
    return table


def _make_grid() -> Table:
    """Return a table of names and texts without lines."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold")
    return table


def _make_table(*headings: str) -> Table:
    """Return a table without lines, with numbers to the right of its first column."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number and heading else "left")
    return table


def _join(counts: Mapping[str, int]) -> str:
    """Return counts as text: the name alone if there is only one."""
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _count(files: int) -> str:
    return f"{files:,} file{'s' * (files != 1)}"


def _interval(entry: "DepthRange") -> str:
    return " to ".join(map(format_number, entry["value_range"] or []))


def format_number(value: float) -> str:
    """Return a number as text, short."""
    return f"{int(value):,}" if float(value).is_integer() and abs(value) < 1e12 else f"{value:.4g}"
