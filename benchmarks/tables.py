"""Markdown tables, and the files of results that hold them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from graytorgb.core.writing import write_text


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> list[str]:
    """The lines of a table; the columns after the first `text_columns` are aligned right."""
    rule = ["---"] * text_columns + ["---:"] * (len(heads) - text_columns)
    return [f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows)]


def write(folder: Path, name: str, document: Mapping[str, Any], text: str) -> None:
    """A script's results: NAME.json and, shown too, NAME.md."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{name}.json", json.dumps(document, indent=1) + "\n")
    write_text(folder / f"{name}.md", text)
    Console().print(text, markup=False, soft_wrap=True)
