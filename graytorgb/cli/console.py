"""The consoles that commands print on, and tables whose names are never cut."""

from collections.abc import Iterable

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_USUAL = 80  # columns, where nothing tells how many there are
_WIDE = 10_000


def make_console(*, stderr: bool = False) -> Console:
    """Return a console on stdout or stderr; one that is told to be 0 wide is 80 wide.

    Some programs that are no terminal set ``COLUMNS=0``.
    """
    console = Console(stderr=stderr)
    if console.width < 1:
        console = Console(stderr=stderr, width=_USUAL)
    return console


def print_table(console: Console, tables: Iterable[Table]) -> Table:
    """Print the first of some tables that fits the console, and return it.

    Columns with ``no_wrap`` are never cut. Where no table fits, the last is printed, and is as wide
    as it needs.

    Parameters
    ----------
    console : Console
    tables : iterable of Table
        One or more tables, the widest first.
    """
    for table in tables:
        needed = _hold_columns(console, table)
        if needed <= console.width:
            break
    else:
        table.width = needed
    console.print(table, crop=False)
    return table


def _hold_columns(console: Console, table: Table) -> int:
    """Keep columns with ``no_wrap`` from getting too narrow; return the width of the table then."""
    options = console.options.update(width=_WIDE)
    for column in table.columns:
        if column.no_wrap:
            cells = (column.header, *column.cells)
            widths = (Measurement.get(console, options, cell).maximum for cell in cells)
            column.min_width = max(widths)
    return Measurement.get(console, options, table).minimum
