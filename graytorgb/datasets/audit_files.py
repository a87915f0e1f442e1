"""Write an audit as JSON and as CSV, a record at a time, so that memory stays flat."""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..core.writing import replacing
from ..inspection.loaders import LOADERS
from .audit_record import LossRecord, Record

if TYPE_CHECKING:
    from .audit_result import Audit


def write_json(audit: "Audit", path: Path) -> None:
    """Write an audit as JSON, whole or not at all, with a record on each line."""
    with replacing(path) as written, written.open("w", encoding="ascii", newline="\n") as file:
        stream_json(audit, file)


def stream_json(audit: "Audit", file: TextIO) -> None:
    """Write an audit as JSON to an open file: ASCII, so that it is valid for any name of a file."""
    file.write("{")
    for name, value in audit.summarize().items():
        file.write(f"\n{json.dumps(name)}: {_to_json(value)},")
    lists: dict[str, Iterable[Any]] = {
        "folders": audit.list_folders(), "skipped": audit.skipped, "records": audit.records
    }  # fmt: skip
    for number, (name, entries) in enumerate(lists.items()):
        file.write(",\n" if number else "\n")
        file.write(f"{json.dumps(name)}: [")
        for place, entry in enumerate(entries):
            file.write(f"{',' if place else ''}\n{_to_json(entry)}")
        file.write("]")
    file.write("\n}\n")


def _to_json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def list_columns() -> list[str]:
    """Return the columns of CSV and Parquet: a record's fields, with those within it by dots."""
    columns = []
    for name in Record.__annotations__:
        if name == "losses":
            fields = ("refused", *LossRecord.__annotations__)
            columns += [f"losses.{loader}.{field}" for loader in LOADERS for field in fields]
        elif name == "value_range":
            columns += ["value_range.lo", "value_range.hi"]
        else:
            columns.append(name)
    return columns


def flatten(record: Record) -> dict[str, Any]:
    """Return a record as a row of CSV and Parquet, whose values are text, numbers or None."""
    row: dict[str, Any] = {
        name: escape(value) if isinstance(value, str) else value for name, value in record.items()
    }
    losses, stated = row.pop("losses"), row.pop("value_range")
    row["shape"] = None if row["shape"] is None else "x".join(map(str, row["shape"]))
    row["notes"] = escape("\n".join(row["notes"])) or None
    row["findings"] = "; ".join(row["findings"]) or None
    row["value_range.lo"], row["value_range.hi"] = stated or (None, None)
    for loader, loss in (losses or {}).items():
        row[f"losses.{loader}.refused"] = loss is None
        row |= {f"losses.{loader}.{field}": value for field, value in (loss or {}).items()}
    return {column: row.get(column) for column in list_columns()}


def escape(text: str) -> str:
    r"""Return text that UTF-8 can hold: ``\xff`` for a byte of a file's name that isn't text.

    >>> escape("a\udcff.png")
    'a\\xff.png'
    """
    text = re.sub("[\udc80-\udcff]", lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", text)
    return text.encode(errors="backslashreplace").decode()


def write_csv(audit: "Audit", path: Path) -> None:
    """Write a line for each record as CSV in UTF-8, whole or not at all."""
    with replacing(path) as written, written.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list_columns())
        writer.writeheader()
        for row in _list_rows(audit):
            writer.writerow({name: _to_text(value) for name, value in row.items()})


def _list_rows(audit: "Audit") -> Iterator[dict[str, Any]]:
    return (flatten(record) for record in audit.records)


def _to_text(value: Any) -> Any:
    """Return a value as CSV holds it: true and false as in JSON."""
    return str(value).lower() if isinstance(value, bool) else value
