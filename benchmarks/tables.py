"""Markdown tables, and the files that results are written to."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from graytorgb.core.writing import write_text


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> list[str]:
    """Return the lines of a table; columns after the first `text_columns` are aligned right."""
    rule = ["---"] * text_columns + ["---:"] * (len(heads) - text_columns)
    return [f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows)]


def write(folder: Path, name: str, document: Mapping[str, Any], text: str) -> None:
    """Write the results of a script to NAME.json and NAME.md, and print the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{name}.json", json.dumps(document, indent=1) + "\n")
    write_text(folder / f"{name}.md", text)
    Console().print(text, markup=False, soft_wrap=True)
