"""The tables of ``graytorgb audit``: what a set is, what is wrong with it, and what to do."""

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING

from rich.console import Console, JustifyMethod
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from ..core.wording import format_number, tell_count
from ..datasets.audits.findings import LOSS, MIXED, UNREADABLE, describe_finding
from ..inspection.loaders import LOADERS
from .streams import escape_controls

if TYPE_CHECKING:
    from ..datasets.audits.ranges import DepthRange
    from ..datasets.audits.result import Audit

_LISTED = 5  # unreadable files and folders
_LONGEST_NAME = 200  # of a source; a shell may give a hundred files for a pattern


def print_summary(console: Console, audit: "Audit") -> None:
    """Print the summary of an audit."""
    counts = [tell_count(audit.files, "image"), f"{audit.unreadable:,} unreadable"]
    if others := len(audit.skipped):
        counts.append(tell_count(others, "other file"))
    name = audit.source
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 3]}..."
    console.print(f"[bold]{escape(name)}[/]: {', '.join(counts)}", highlight=False)
    if audit.files:
        parts = [_describe_set(audit), _tabulate_folders(audit), _tabulate_findings(audit)]
        parts += [_tabulate_losses(audit), _list_unreadable(audit), _list_skipped(audit)]
        parts.append(_list_ranges(audit))
        for part in parts:
            if part.row_count:
                console.print()
                console.print(part, highlight=False)
        _print_advice(console, audit)
    elif others:
        reason = next(iter(audit.skipped))["reason"]
        console.print(f"Nothing is an image. The first file: {reason}", markup=False)


def _describe_set(audit: "Audit") -> Table:
    """Return what the files are: formats, depths, colors and sizes."""
    table = _make_grid()
    if audit.formats:
        table.add_row("formats", _join(audit.formats))
    for number, entry in enumerate(audit.value_ranges):
        table.add_row("" if number else "depths", _describe_depth(entry))
    if audit.colors:
        table.add_row("colors", _join(audit.colors))
    if several := audit.findings.get("mixed modes"):
        table.add_row("modes", f"{several:,} different ones")
    sizes = {size for folder in islice(audit.list_folders(), 1) for size in folder["sizes"]}
    several = audit.findings.get("mixed sizes")
    if several or sizes:
        table.add_row("sizes", f"{several:,} different ones" if several else ", ".join(sizes))
    if audit.wasted_bytes:
        table.add_row("wasted", f"{decimal(audit.wasted_bytes)} of memory by gray stored as RGB")
    return table


def _tabulate_folders(audit: "Audit") -> Table:
    """Return a table of the folders, which are classes for ImageFolder, if they aren't alike."""
    table = _make_table("folder", "files", "depths", "sizes")
    table.columns[2].justify = table.columns[3].justify = "left"
    folders = list(islice(audit.list_folders(), _LISTED + 1))
    if len(folders) > 1 and audit.findings.keys() & MIXED.keys():
        for folder in folders[:_LISTED]:
            sizes = folder["different_sizes"]
            table.add_row(
                escape(folder["folder"] or "."), f"{folder['files']:,}", _join(folder["depths"]),
                _join(folder["sizes"]) if sizes < 2 else f"{sizes:,} different ones",
            )  # fmt: skip
        if len(folders) > _LISTED:
            table.add_row("...", "", "", "")
    return table


def _describe_depth(entry: "DepthRange") -> str:
    """Return a depth with its files and the values that they hold."""
    text = f"{entry['depth']}: {tell_count(entry['files'], 'file')}"
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
        if not name.startswith(LOSS) and name not in MIXED:
            style = "[red]" if name == UNREADABLE else ""
            table.add_row(f"{style}{name}", f"{count:,}", escape(describe_finding(name)))
    return table


def _tabulate_losses(audit: "Audit") -> Table:
    """Return a table of what each usual loader would lose, or that none does."""
    losses = audit.losses.values()
    if losses and not any(loader["files"] or loader["refused"] for loader in losses):
        table = _make_grid()
        table.add_row("loaders", "none of the usual ones would lose or refuse anything")
        return table
    table = _make_table("lossy in", "files", "levels", "white", "refused")
    for name, loader in audit.losses.items():
        kept = loader["levels_after"] / max(1, loader["levels_before"])
        table.add_row(
            escape(LOADERS[name].code),
            f"{loader['files']:,}" if loader["files"] else "-",
            f"{kept:.{int(kept < 0.1)}%} kept" if loader["levels_before"] else "-",
            f"up to {loader['most_white']:.0%}" if loader["white_files"] else "-",
            f"{loader['refused']:,}" if loader["refused"] else "-",
            style="yellow" if loader["files"] else "",
        )
    return table


def _list_unreadable(audit: "Audit") -> Table:
    """Return the first files that can't be read, with the reasons."""
    table = _make_grid()
    bad = (record for record in audit.records if record["error"] is not None)
    for record in islice(bad if audit.unreadable else (), _LISTED):
        name = escape(escape_controls(record["path"]))
        table.add_row(f"[red]{name}[/]", escape(record["error"] or ""))
    if audit.unreadable > _LISTED:
        table.add_row("...", f"{audit.unreadable - _LISTED:,} more: --json or --csv lists them")
    return table


def _list_skipped(audit: "Audit") -> Table:
    """Return the first skipped names that are an image's, with the reasons."""
    table, named = _make_grid(), audit.skipped.list_named()
    for each in named[:_LISTED]:
        name = escape(escape_controls(each["path"]))
        table.add_row(f"[yellow]{name}[/]", f"skipped: {escape(each['reason'])}")
    if len(named) > _LISTED:
        table.add_row("...", f"{len(named) - _LISTED:,} more: --json lists them")
    return table


def _list_ranges(audit: "Audit") -> Table:
    """Return the value range of each depth, with its reason."""
    table = _make_grid()
    for number, entry in enumerate(audit.value_ranges):
        stated = entry["value_range"]
        ends = "none" if stated is None else " to ".join(map(format_number, stated))
        depth = f" for {entry['depth']}" if len(audit.value_ranges) > 1 else ""
        told = f"[bold]{ends}[/]{depth}: {escape(entry['reason'])}"
        table.add_row("" if number else "value range", told)
    return table


def _print_advice(console: Console, audit: "Audit") -> None:
    """Print the code and the command that are right for the set, each to be copied as a line."""
    parts = {
        "in Python, after import graytorgb as g2r": audit.advice["code"],
        "on the command line": audit.advice["command"],
    }
    for title, line in parts.items():
        console.print(f"\n[bold]{title}[/]", highlight=False)
        console.print(f"[green]{escape(line)}[/]", highlight=False, soft_wrap=True)
    if audit.advice["notes"]:
        console.print()
    for note in audit.advice["notes"]:
        console.print(note, highlight=False, markup=False, style="dim")


def _make_grid() -> Table:
    """Return a table of names and texts without lines."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold")
    return table


def _make_table(*headings: str) -> Table:
    """Return a table without lines, with numbers to the right of its first column."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        justify: JustifyMethod = "right" if number and heading else "left"
        table.add_column(heading, justify=justify, overflow="fold")
    return table


def _join(counts: Mapping[str, int]) -> str:
    """Return counts as text: the name alone if there is only one."""
    if len(counts) < 2:
        return "".join(counts)
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
