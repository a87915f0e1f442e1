"""Analyze a batch of files, in a worker: a record for each, and what is counted of them all."""

from collections.abc import Sequence
from hashlib import file_digest
from pathlib import Path
from typing import NamedTuple

import numpy as np
from xxhash import xxh3_128, xxh3_128_hexdigest

from ...core.collected_warnings import collect_warnings
from ...core.image_file import ImageFile
from ...inspection.counting import Counts
from ...inspection.loaders import find_losses
from ...inspection.values import find_values
from ...io.formats import HEAD, find_format, is_surely_image
from ..sources.items import Item, Skipped
from .findings import list_findings
from .record import Record, add_header, add_losses, add_values, start_record
from .spool import Row, make_row
from .totals import Totals


class Analysis(NamedTuple):
    """What a batch of files tells: a row for each image, the other files, and the totals."""

    rows: list[Row]
    skipped: list[Skipped]
    totals: Totals


def analyze_batch(items: Sequence[Item], *, quick: bool) -> Analysis:
    """Analyze files; whatever goes wrong with one of them becomes its record's error.

    The position of each row is its place in `items`.
    """
    analysis = Analysis([], [], Totals())
    with collect_warnings():  # what they tell is among an image's notes
        for position, item in enumerate(items):
            found = _analyze(item, quick)
            if isinstance(found, Skipped):
                analysis.skipped.append(found)
                continue
            record, counts = found
            try:
                row = make_row(position, item, record)
            except (TypeError, ValueError) as error:  # a number that JSON doesn't have
                record, counts = make_failed(item, error), None
                row = make_row(position, item, record)
            analysis.rows.append(row)
            analysis.totals.add(record, counts)
    return analysis


def make_failed(item: Item, error: BaseException) -> Record:
    """Return the record of a file that can't be read, or can't be analyzed."""
    record = start_record(item.path, item.size if item.size >= 0 else None)
    record["error"] = item.describe_error(error)
    record["findings"] = list_findings(record)
    return record


def _analyze(item: Item, quick: bool) -> tuple[Record, Counts | None] | Skipped:
    """Return a file's record and exact histogram, or why it isn't an image."""
    is_named = item.is_named_image
    record = start_record(item.path, item.size if item.size >= 0 else None)
    head, data, counts = b"", None, None
    try:
        if item.reader != "file":
            data = item.read_data()
        if not is_named:
            head = item.read_head() if data is None else data[:HEAD]
            if find_format(head) is None:
                return Skipped(item.path, "not an image by its name or its content")
        if quick:
            add_header(record, item.read_header(data=data))
        else:
            data = item.read_data() if data is None else data
            _add_data(record, data)
            image = item.read(data=data)
            counts = _add_image(record, image, data)
            if data is None:
                record["digest"] = _hash_file(item, image)
        record["findings"] = list_findings(record)
    except Exception as error:  # decoders fail with any class
        head = data[:HEAD] if data else head
        if not is_named and not is_surely_image(head):
            reason = f"not an image by its name, nor readable: {item.describe_error(error)}"
            return Skipped(item.path, reason)
        failed = make_failed(item, error)
        failed["size"], failed["digest"] = record["size"], record["digest"]
        failed["format"] = find_format(head, item.suffix) if head else None
        return failed, None
    return record, counts


def _add_data(record: Record, data: bytes | None) -> None:
    """Add the size and the digest of a file's bytes; an empty file is no copy of another.

    No two of 10^12 different files share their 128 bits of XXH3 by chance.
    """
    if data is not None:
        record["size"] = len(data)
    if data:
        record["digest"] = xxh3_128_hexdigest(data)


def _add_image(record: Record, image: ImageFile, data: bytes | None) -> Counts | None:
    """Add to a record what the pixels tell, and return their histogram."""
    values = find_values(image)
    add_header(record, image)
    add_values(record, image, values)
    add_losses(record, find_losses(image, values, data=data))
    return values.counts


def _hash_file(item: Item, image: ImageFile) -> str:
    """Return the digest of a large file in parts, or of the pixels of one page of many."""
    if item.index is None:
        with Path(item.location).open("rb") as file:
            return file_digest(file, xxh3_128).hexdigest()
    digest = xxh3_128(f"{image.array.dtype} {image.array.shape}".encode())
    digest.update(np.ascontiguousarray(image.array).data)
    return digest.hexdigest()
