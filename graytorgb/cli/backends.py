"""``graytorgb backends``: which backends work here, and what ``auto`` picks."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from ..backends import choose_backend, list_backends
from ..backends.listing import BackendInfo
from .files import FileCommand
from .report_file import describe_version, json_option, json_report, write_json
from .types import Shape

_COLORS = {"available": "green", "missing": "yellow", "broken": "red"}


@click.command("backends", cls=FileCommand)
@click.option("--shape", type=Shape(), metavar="64x224x224", help="Also say what auto picks.")
@click.option("--dtype", help="The dtype for --shape.  [default: uint8]")
@click.option("--layout", metavar='"NHW->NCHW"', help="The layout for --shape.")
@json_option("Write what is printed")
def backends_command(
    shape: tuple[int, ...] | None, dtype: str | None, layout: str | None, json_path: Path | None
) -> None:
    """Print which backends work here, and why the others don't."""
    if shape is None and (layout or dtype):
        raise click.UsageError("--dtype and --layout go with --shape")
    with json_report(json_path) as (console, stdout):
        found = list_backends()
        console.print(_tabulate(found.values()))
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


def _tabulate(backends: Iterable[BackendInfo]) -> Table:
    """Return a table of backends, with the reasons of those that don't work."""
    table = Table("backend", "status", "result", "takes")
    table.add_column("how, or why not", overflow="fold")
    for info in backends:
        status = f"[{_COLORS[info.status]}]{info.status}[/]"
        detail = f"{info.how} ({info.why})" if info.available else info.why
        table.add_row(info.name, status, info.result, info.takes, escape(detail))
    return table


def _choose(shape: tuple[int, ...], dtype: str, layout: str | None) -> dict[str, Any]:
    """Return the backend that auto picks for a batch, with the reason."""
    backend, reason = choose_backend(shape, dtype, layout)
    return {
        "shape": list(shape), "dtype": dtype, "layout": layout, "backend": backend or None,
        "reason": reason,
    }  # fmt: skip
