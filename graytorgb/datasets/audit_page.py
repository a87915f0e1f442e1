"""Write an audit as one page that needs no network and no scripts."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from heapq import nlargest
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from .. import __version__
from ..core.value_range import ValueRange
from ..core.writing import write_text
from ..inspection.loaders import LOADERS
from .audit_chart import draw_chart
from .audit_files import escape
from .audit_findings import LOSS, MIXED, UNREADABLE, describe_finding
from .audit_pictures import Drawn, Picture, draw_losses, draw_thumbnail
from .audit_record import Record
from .audit_remedies import tell_remedy
from .audit_sample import Sample, choose_records, group_reasons, is_visible

if TYPE_CHECKING:
    from .audit_result import Audit, Folder

_THUMBNAILS, _FEWER, _MANY_FINDINGS = 8, 6, 8  # of each finding; fewer if there are many findings
_FOLDERS, _GROUPS = 40, 12  # in the tables
_CAPTION = 64  # characters of a path under a thumbnail


class Thumbnail(NamedTuple):
    """A file under a finding: its picture, or why there is none."""

    path: str
    facts: str
    picture: Picture | None
    problem: str


class Finding(NamedTuple):
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
    unchanged: list[str]
    refusing: list[str]
    problem: str


def write_html(audit: "Audit", path: Path) -> None:
    """Write an audit as an HTML page, whole or not at all.

    Files of the set are read again for their pictures, a bounded number of them.
    """
    environment = Environment(
        loader=PackageLoader("graytorgb.datasets", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "number": format_number, "path": show_path, "short": shorten, "size": format_bytes,
        "counts": join_counts, "slug": lambda name: name.replace(" ", "-"), "share": format_share,
    }  # fmt: skip
    write_text(path, environment.get_template("audit_page.html.jinja").render(_describe(audit)))


def _describe(audit: "Audit") -> dict[str, Any]:
    """Return what the template shows."""
    shown = [name for name in audit.findings if not name.startswith(LOSS)]
    sample = choose_records(audit, _THUMBNAILS if len(shown) <= _MANY_FINDINGS else _FEWER)
    ranges = {entry["depth"]: _find_limits(entry["value_range"]) for entry in audit.value_ranges}
    thumbnails = _draw_thumbnails(audit, sample, ranges)
    folders, folder_count = _choose_folders(audit.list_folders())
    skipped = group_reasons((skip["path"], skip["reason"]) for skip in audit.skipped)
    return {
        "audit": audit,
        "version": __version__,
        "is_bad": bool(audit.unreadable or audit.lossy),
        "findings": [
            Finding(
                name, audit.findings[name], describe_finding(name), tell_remedy(name),
                [thumbnails[name, n] for n in sample.by_finding.get(name, ())], name in MIXED,
            )
            for name in shown
        ],
        "loss_findings": {
            name.removeprefix(LOSS): count
            for name, count in audit.findings.items() if name.startswith(LOSS)
        },
        "loaders": LOADERS,
        "compared": [_compare(audit, n, sample.records[n], ranges) for n in sample.worst],
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
        try:
            picture = draw_thumbnail(audit.find_item(number), record, ranges)
        except Exception as error:  # the file may be gone, and decoders fail with any class
            problem = _explain(error)
        for name in names:
            found[name, number] = Thumbnail(
                record["path"], _tell_facts(name, record), picture, problem
            )
    return found


def _compare(
    audit: "Audit", number: int, record: Record, ranges: Mapping[str, ValueRange | None]
) -> Compared:
    """Return a file beside what the loaders make of it."""
    losses = record["losses"] or {}
    unchanged = [name for name, loss in losses.items() if loss and not is_visible(loss)]
    refusing = [name for name, loss in losses.items() if loss is None]
    try:
        drawn = draw_losses(audit.find_item(number), record, ranges)
    except Exception as error:
        return Compared(record, None, unchanged, refusing, _explain(error))
    return Compared(record, drawn, unchanged, refusing, "")


def _explain(error: Exception) -> str:
    """Return why a file isn't drawn, in a line."""
    if isinstance(error, FileNotFoundError):
        return "it is gone since the audit"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).splitlines()[0][:120]


def _find_limits(value_range: list[int | float] | None) -> ValueRange | None:
    return None if value_range is None else (value_range[0], value_range[1])


# Texts

_FACTS: dict[str, Callable[[Record], str]] = {
    "shallow": lambda r: f"{r['effective_bits']} of {r['bits']} bits in use",
    "left-shifted": lambda r: f"multiples of {format_number(r['step'] or 0)}",
    "turned": lambda r: f"orientation {r['orientation']}",
    "constant": lambda r: f"every value is {format_number(r['min'] or 0)}",
    "not finite": lambda r: f"{r['not_finite']:,} values",
    "several images": lambda r: f"{r['frames']:,} images",
    "copy": lambda r: f"as {shorten(r['copy_of'] or '')}",
}


def _tell_facts(name: str, record: Record) -> str:
    """Return what matters of a file under a finding."""
    if name in _FACTS:
        return _FACTS[name](record)
    shape = "×".join(map(str, record["shape"] or ()))  # noqa: RUF001
    return f"{shape}, {record['mode'] or record['dtype']}"


def show_path(path: str) -> str:
    r"""Return the name of a file so that every character of it can be seen.

    >>> show_path("a\nb\u202e\udcff.png")
    'a\\nb\\u202e\\xff.png'
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in escape(path)
    )


def shorten(path: str) -> str:
    """Return the name of a file with its middle left out if it is long."""
    text = show_path(path)
    return text if len(text) <= _CAPTION else f"{text[:20]}…{text[21 - _CAPTION :]}"


def format_number(value: float) -> str:
    """Return a number as text, short.

    >>> format_number(4095), format_number(0.123456)
    ('4,095', '0.1235')
    """
    is_whole = math.isfinite(value) and float(value).is_integer() and abs(value) < 1e12
    return f"{int(value):,}" if is_whole else f"{value:.4g}"


def format_share(share: float) -> str:
    """Return a share as percent; a small one isn't rounded to nothing, nor a large one to all.

    >>> format_share(0.0001), format_share(0.5), format_share(0.9999), format_share(1)
    ('< 0.1 %', '50 %', '> 99.9 %', '100 %')
    """
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.3g} %"


def format_bytes(count: int) -> str:
    """Return a number of bytes as text.

    >>> format_bytes(999), format_bytes(25_600_000)
    ('999 bytes', '25.6 MB')
    """
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count:,} bytes"


def join_counts(counts: Mapping[str, int], most: int = 4) -> str:
    """Return counts as text: the name alone if there is only one.

    >>> join_counts({"PNG": 7}), join_counts({"PNG": 7, "JPEG": 2}), join_counts({}, 4)
    ('PNG', 'PNG 7, JPEG 2', 'none')
    """
    if len(counts) < 2:
        return "".join(counts) or "none"
    told = [f"{name} {count:,}" for name, count in islice(counts.items(), most)]
    rest = len(counts) - most
    return ", ".join(told) + (f" and {rest:,} more" if rest > 0 else "")


# Tables


def _choose_folders(folders: "Iterable[Folder]") -> tuple[list["Folder"], int]:
    """Return the folders to list, and how many there are; of many, those that are most mixed."""
    count = 0

    def count_folders() -> "Iterable[Folder]":
        nonlocal count
        for folder in folders:
            count += 1
            yield folder

    def rate(folder: "Folder") -> tuple[int, ...]:
        kinds = folder["depths"], folder["modes"]
        return (folder["unreadable"], *map(len, kinds), folder["different_sizes"])

    chosen = nlargest(_FOLDERS, count_folders(), key=rate)
    return sorted(chosen, key=lambda folder: folder["folder"]), count


def _list_bits(bits: Counter[tuple[int, int]]) -> list[tuple[int, int, int, float]]:
    """Return stated bits, bits in use, files, and their share of the most frequent pair."""
    most = max(bits.values(), default=1)
    return [(*pair, count, 100 * count / most) for pair, count in sorted(bits.items())]
