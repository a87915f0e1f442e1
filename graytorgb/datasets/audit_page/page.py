"""Write an audit as one page that needs no network and no scripts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from heapq import nlargest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from ... import __version__
from ...core.value_range import ValueRange
from ...core.wording import format_number
from ...core.writing import write_text
from ...inspection.loaders import LOADERS
from ..audits.findings import LOSS, MIXED, UNREADABLE, describe_finding
from ..audits.folders import Folder
from ..audits.record import Record
from ..sources.items import Item
from .chart import draw_chart
from .pictures import Drawn, Picture, draw_losses, draw_thumbnail
from .remedies import REMEDIES
from .sample import Sample, choose_records, group_reasons
from .texts import (
    break_code,
    format_bytes,
    format_share,
    join_counts,
    keep_words,
    shorten,
    show_path,
    tell_facts,
)

if TYPE_CHECKING:
    from ..audits.result import Audit

_THUMBNAILS = 8  # of each finding
_FOLDERS, _GROUPS = 40, 12  # in the tables
_PROBLEM = 80  # characters of the reason why a file isn't drawn


class Thumbnail(NamedTuple):
    """A file under a finding: its picture, or why there is none."""

    path: str
    facts: str
    picture: Picture | None
    problem: str


class ShownFinding(NamedTuple):
    """A finding with some of the files that have it."""

    name: str
    files: int
    meaning: str
    remedy: str
    thumbnails: list[Thumbnail]
    is_of_set: bool


class Compared(NamedTuple):
    """A file beside what loaders make of it, or why that can't be drawn."""

    record: Record
    drawn: Drawn | None
    refusing: list[str]
    problem: str


def write_html(audit: "Audit", path: Path) -> None:
    """Write an audit as an HTML page, whole or not at all.

    Files of the set are read again for their pictures, a bounded number of them.
    """
    environment = Environment(
        loader=PackageLoader("graytorgb.datasets.audit_page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": format_number, "path": show_path, "short": shorten, "size": format_bytes,
        "counts": join_counts, "slug": lambda name: name.replace(" ", "-"), "share": format_share,
        "code": break_code, "words": keep_words,
    }  # fmt: skip
    write_text(path, environment.get_template("audit_page.html.jinja").render(_describe(audit)))


def _describe(audit: "Audit") -> dict[str, Any]:
    """Return what the template shows."""
    shown = [name for name in audit.findings if not name.startswith(LOSS)]
    sample = choose_records(audit, _THUMBNAILS)
    ranges = {entry["depth"]: _find_limits(entry["value_range"]) for entry in audit.value_ranges}
    thumbnails = _draw_thumbnails(audit, sample, ranges)
    folders, folder_count = _choose_folders(audit.list_folders())
    skipped = group_reasons((skip["path"], skip["reason"]) for skip in audit.skipped)
    return {
        "audit": audit,
        "version": __version__,
        "is_bad": bool(audit.unreadable or audit.lossy or not audit.files),
        "is_readable": audit.unreadable < audit.files,
        "findings": [
            ShownFinding(
                name, audit.findings[name], describe_finding(name), REMEDIES[name],
                [thumbnails[name, n] for n in sample.by_finding.get(name, ())], name in MIXED,
            )
            for name in shown
        ],
        "loss_findings": {
            name.removeprefix(LOSS): count
            for name, count in audit.findings.items() if name.startswith(LOSS)
        },
        "loaders": LOADERS,
        "compared": _compare_worst(audit, sample, ranges),
        "depths": [(entry, draw_chart(entry)) for entry in audit.value_ranges],
        "bits": _list_bits(sample.bits),
        "unreadable": sample.unreadable[:_GROUPS],
        "unreadable_rest": sum(group.files for group in sample.unreadable[_GROUPS:]),
        "folders": folders,
        "folder_count": folder_count,
        "skipped": skipped[:_GROUPS],
        "skipped_rest": sum(group.files for group in skipped[_GROUPS:]),
        "skipped_count": sum(group.files for group in skipped),
        "UNREADABLE": UNREADABLE,
        "unreadable_remedy": REMEDIES[UNREADABLE],
    }  # fmt: skip


# Pictures


def _draw_thumbnails(
    audit: "Audit", sample: Sample, ranges: Mapping[str, ValueRange | None]
) -> dict[tuple[str, int], Thumbnail]:
    """Return the thumbnails of each finding; a file is read once, however many show it."""
    wanted: dict[int, list[str]] = {}
    for name, numbers in sample.by_finding.items():
        for number in numbers:
            wanted.setdefault(number, []).append(name)
    found = {}
    for number, names in sorted(wanted.items()):
        record, picture, problem = sample.records[number], None, ""
        item = audit.find_item(number)
        try:
            picture = draw_thumbnail(item, record, ranges)
        except Exception as error:  # the file may be gone, and decoders fail with any class
            problem = _explain(item, record, error)
        for name in names:
            found[name, number] = Thumbnail(
                record["path"], tell_facts(name, record), picture, problem
            )
    return found


def _compare_worst(
    audit: "Audit", sample: Sample, ranges: Mapping[str, ValueRange | None]
) -> list[Compared]:
    """Return the files that loaders ruin, without those that only lose what 8 bits can't hold."""
    compared = [_compare(audit, n, sample.records[n], ranges) for n in sample.worst]
    return [each for each in compared if each.drawn is None or each.drawn.renderings]


def _compare(
    audit: "Audit", number: int, record: Record, ranges: Mapping[str, ValueRange | None]
) -> Compared:
    """Return a file beside what the loaders make of it."""
    losses = record["losses"] or {}
    refusing = [name for name, loss in losses.items() if loss is None]
    item = audit.find_item(number)
    try:
        drawn = draw_losses(item, record, ranges)
    except Exception as error:
        return Compared(record, None, refusing, _explain(item, record, error))
    return Compared(record, drawn, refusing, "")


def _explain(item: Item, record: Record, error: Exception) -> str:
    """Return why a file isn't drawn, in a line."""
    if record["layout"] is None:
        return "its axes aren't known"
    if isinstance(error, FileNotFoundError):
        return "it is gone since the audit"
    return item.describe_error(error)[:_PROBLEM]


def _find_limits(value_range: list[int | float] | None) -> ValueRange | None:
    return None if value_range is None else (value_range[0], value_range[1])


# Tables


def _choose_folders(folders: Iterable[Folder]) -> tuple[list[Folder], int]:
    """Return the folders to list, and how many there are; of many, those that are most mixed."""
    count = 0

    def count_folders() -> Iterable[Folder]:
        nonlocal count
        for folder in folders:
            count += 1
            yield folder

    def rate(folder: Folder) -> tuple[int, ...]:
        kinds = folder["depths"], folder["modes"]
        return (folder["unreadable"], *map(len, kinds), folder["different_sizes"])

    chosen = nlargest(_FOLDERS, count_folders(), key=rate)
    return sorted(chosen, key=lambda folder: folder["folder"]), count


def _list_bits(bits: Counter[tuple[int, int]]) -> list[tuple[int, int, int, float]]:
    """Return stated bits, bits in use, files, and their share of the most frequent pair."""
    most = max(bits.values(), default=1)
    return [(*pair, count, 100 * count / most) for pair, count in sorted(bits.items())]
