"""The command line: ``graytorgb backends``."""

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from . import __version__
from .choose import choose
from .errors import GrayToRGBError
from .registry import backends

_COLOURS = {"available": "green", "missing": "yellow", "broken": "red"}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Greyscale images for networks pretrained on RGB."""


@main.command("backends")
@click.option("--shape", metavar="64x224x224", help="Also tell what auto picks for this shape.")
@click.option("--dtype", default="uint8", show_default=True, help="The dtype for --shape.")
@click.option("--layout", metavar='"NHW->NCHW"', help="The layout for --shape.")
def backends_command(shape: str | None, dtype: str, layout: str | None) -> None:
    """Which backends work here, and why the others don't."""
    console = Console()
    table = Table("backend", "status", "result", "takes")
    table.add_column("how, or why not", overflow="fold")
    for info in backends().values():
        status = f"[{_COLOURS[info.status]}]{info.status}[/]"
        detail = f"{info.how} ({info.why})" if info.available else info.why
        table.add_row(info.name, status, info.result, info.takes, escape(detail))
    console.print(table)
    if shape is not None:
        try:
            sizes = tuple(int(size) for size in shape.lower().split("x"))
            backend, reason = choose(sizes, dtype, layout)
        except (GrayToRGBError, ValueError, TypeError) as error:
            raise click.ClickException(str(error)) from error
        console.print(f"auto picks [bold]{backend}[/]: {reason}")
