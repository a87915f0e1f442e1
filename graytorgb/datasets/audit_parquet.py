"""Write an audit as Parquet: a row for each file, in groups of rows, so that memory stays flat."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from ..core.writing import replacing
from .audit_files import flatten, list_columns
from .audit_record import LossRecord, Record

if TYPE_CHECKING:
    from .audit_result import Audit

_ROWS = 4096  # of a group


def write_parquet(audit: "Audit", path: Path) -> None:
    """Write a row for each record, whole or not at all."""
    schema = pa.schema([(column, _find_type(column)) for column in list_columns()])
    floats = [field.name for field in schema if field.type == pa.float64()]
    rows = (_round(flatten(record), floats) for record in audit.records)
    with replacing(path) as written, pq.ParquetWriter(written, schema) as writer:
        while group := list(islice(rows, _ROWS)):
            writer.write_table(pa.Table.from_pylist(group, schema))


def _round(row: dict[str, Any], floats: Iterable[str]) -> dict[str, Any]:
    """Return a row with its integers of columns of floats as floats, to the nearest one."""
    return row | {name: float(row[name]) for name in floats if row[name] is not None}


def _find_type(column: str) -> Any:
    """Return the type of a column: that of the record's field, and text for lists."""
    name = column.rpartition(".")[2]
    if column.startswith("value_range."):
        return pa.float64()
    if name == "refused":
        return pa.bool_()
    kind = (LossRecord if column.startswith("losses.") else Record).__annotations__[name]
    kinds = {kind, *get_args(kind)}
    if float in kinds:
        return pa.float64()
    if int in kinds:
        return pa.int64()
    return pa.bool_() if bool in kinds else pa.string()
