"""``graytorgb backends``: which backends work here, and what ``auto`` picks."""

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..backends import choose_backend, list_backends
from ..errors import GrayToRGBError
from .types import Shape

_COLORS = {"available": "green", "missing": "yellow", "broken": "red"}


@click.command("backends")
@click.option("--shape", type=Shape(), metavar="64x224x224", help="Also say what auto picks.")
@click.option("--dtype", help="The dtype for --shape.  [default: uint8]")
@click.option("--layout", metavar='"NHW->NCHW"', help="The layout for --shape.")
def backends_command(shape: tuple[int, ...] | None, dtype: str | None, layout: str | None) -> None:
    """Print which backends work here, and why the others don't."""
    if shape is None and (layout or dtype):
        raise click.UsageError("--dtype and --layout go with --shape")
    console = Console()
    table = Table("backend", "status", "result", "takes")
    table.add_column("how, or why not", overflow="fold")
    for info in list_backends().values():
        status = f"[{_COLORS[info.status]}]{info.status}[/]"
        detail = f"{info.how} ({info.why})" if info.available else info.why
        table.add_row(info.name, status, info.result, info.takes, escape(detail))
    console.print(table)
    if shape is not None:
        try:
            backend, reason = choose_backend(shape, dtype or "uint8", layout)
        except (GrayToRGBError, TypeError) as error:
            raise click.ClickException(str(error)) from error
        console.print(f"auto picks [bold]{backend}[/]: {reason}" if backend else reason)
