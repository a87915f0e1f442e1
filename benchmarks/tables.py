"""Markdown tables."""

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> list[str]:
    """The lines of a table; the columns after the first `text_columns` are aligned right."""
    rule = ["---"] * text_columns + ["---:"] * (len(heads) - text_columns)
    return [f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows)]
