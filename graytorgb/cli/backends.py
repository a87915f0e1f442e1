"""``graytorgb backends``: which backends work here, and what ``auto`` picks."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..backends import choose_backend, list_backends
from ..backends.listing import BackendInfo
from .console import print_table
from .files import FileCommand
from .report_file import describe_version, json_option, json_report, write_json
from .types import DtypeOption, LayoutOption, Shape

_COLORS = {"available": "green", "missing": "yellow", "broken": "red"}
_DETAIL = "how, or why not"
_OTHERS = ("result", "takes", _DETAIL)  # the columns beside the name and the status
_LEAST_DETAIL = 24  # characters in a line of the last column


@click.command("backends", cls=FileCommand)
@click.option("--shape", type=Shape(), metavar="64x224x224", help="Also say what auto picks.")
@click.option(
    "--dtype", type=DtypeOption(), metavar="TEXT", help="The dtype for --shape.  [default: uint8]"
)
@click.option(
    "--layout", type=LayoutOption(has_arrow=True), metavar='"NHW->NCHW"',
    help="The layout for --shape.",
)  # fmt: skip
@json_option("Write what is printed")
def backends_command(
    shape: tuple[int, ...] | None, dtype: str | None, layout: str | None, json_path: Path | None
) -> None:
    """Print which backends work here, and why the others don't."""
    if shape is None and (layout or dtype):
        raise click.UsageError("--dtype and --layout go with --shape")
    with json_report(json_path) as (console, stdout):
        found = list_backends()
        _print(console, list(found.values()))
        choice = None
        if shape is not None:
            choice = _choose(shape, dtype or "uint8", layout)
            backend, reason = choice["backend"], choice["reason"]
            told = f"auto picks [bold]{backend}[/]: {escape(reason)}" if backend else escape(reason)
            console.print(told)
        if json_path is not None:
            backends = [info._asdict() for info in found.values()]
            write_json(
                describe_version() | {"backends": backends, "auto": choice}, json_path, stdout
            )


def _print(console: Console, backends: list[BackendInfo]) -> None:
    """Print a table of backends; what it has no place for comes in lines below it."""
    table = print_table(
        console, (_tabulate(backends, count) for count in range(len(_OTHERS), -1, -1))
    )
    hidden = _OTHERS[len(table.columns) - 2 :]
    for info in backends if hidden else ():
        cells = _describe(info)
        told = "; ".join(cells[heading] for heading in hidden if cells[heading])
        console.print(f"[bold]{info.name}[/]: {escape(told)}", highlight=False)


def _tabulate(backends: Iterable[BackendInfo], count: int) -> Table:
    """Return a table of backends and their status, with so many of the other columns."""
    table = Table()
    for heading in ("backend", "status", *_OTHERS[:count]):
        if heading == _DETAIL:
            table.add_column(heading, overflow="fold", min_width=_LEAST_DETAIL)
        else:
            table.add_column(heading, no_wrap=True)
    for info in backends:
        cells = _describe(info)
        others = (escape(cells[heading]) for heading in _OTHERS[:count])
        table.add_row(info.name, f"[{_COLORS[info.status]}]{info.status}[/]", *others)
    return table


def _describe(info: BackendInfo) -> dict[str, str]:
    """Return what the columns in `_OTHERS` tell of a backend."""
    detail = f"{info.how} ({info.why})" if info.available else info.why
    return dict(zip(_OTHERS, (info.result, info.takes, detail), strict=True))


def _choose(shape: tuple[int, ...], dtype: str, layout: str | None) -> dict[str, Any]:
    """Return the backend that auto picks for a batch, with the reason."""
    backend, reason = choose_backend(shape, dtype, layout)
    return {
        "shape": list(shape), "dtype": dtype, "layout": layout, "backend": backend or None,
        "reason": reason,
    }  # fmt: skip
