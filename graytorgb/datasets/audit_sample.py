"""Choose the records that a page about a whole set shows, in one pass and in bounded memory."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .audit_findings import LOSS, UNREADABLE
from .audit_record import LossRecord, Record

if TYPE_CHECKING:
    from .audit_result import Audit

_COMPARED = 5  # files that are pictured as each loader gives them
_KINDS = 200  # kinds of files that the worst are looked for in
_GROUPS = 500  # reasons that are told apart
_PATHS = 3  # listed for each reason
_VISIBLE = 0.01  # of the levels that 8 bits can hold, or of the pixels
_EIGHT_BITS = 256


@dataclass
class Group:
    """Files with one reason, but for the numbers in it.

    Attributes
    ----------
    reason : str
        The reason of the first of them.
    files : int
    paths : list of str
        The first of them.
    """

    reason: str
    files: int = 0
    paths: list[str] = field(default_factory=list)


@dataclass
class Sample:
    """The records that a page shows.

    Attributes
    ----------
    records : dict of {int: Record}
        The chosen records by their numbers.
    by_finding : dict of {str: list of int}
        The numbers of some records of each finding, spread evenly over the set.
    worst : list of int
        The numbers of files that loaders ruin most, of different kinds.
    unreadable : list of Group
    bits : Counter of {(stated bits, bits in use): files}
    """

    records: dict[int, Record] = field(default_factory=dict)
    by_finding: dict[str, list[int]] = field(default_factory=dict)
    worst: list[int] = field(default_factory=list)
    unreadable: list[Group] = field(default_factory=list)
    bits: Counter[tuple[int, int]] = field(default_factory=Counter)


def choose_records(audit: "Audit", per_finding: int) -> Sample:
    """Return what a page shows: at most `per_finding` records of each finding."""
    sample, worst, seen = Sample(), _Worst(), Counter[str]()
    shown = [n for n in audit.findings if n != UNREADABLE and not n.startswith(LOSS)]
    places = {  # each finding begins a little later, so that not all show the same files
        name: set(_spread(audit.findings[name], per_finding, place / len(shown)))
        for place, name in enumerate(shown)
    }
    failed = _Groups()
    for number, record in enumerate(audit.records):
        for name in record["findings"]:
            if seen[name] in places.get(name, ()):
                sample.records[number] = record
                sample.by_finding.setdefault(name, []).append(number)
            seen[name] += 1
        if record["error"] is not None:
            failed.add(record["path"], record["error"])
        if record["bits"] is not None and record["effective_bits"] is not None:
            sample.bits[record["bits"], record["effective_bits"]] += 1
        worst.add(number, record)
    sample.worst = worst.choose(_COMPARED)
    sample.records |= {number: worst.records[number] for number in sample.worst}
    sample.unreadable = failed.list_groups()
    return sample


def group_reasons(pairs: Iterable[tuple[str, str]]) -> list[Group]:
    """Return files, as pairs of path and reason, by their reasons, the most frequent first.

    >>> found = group_reasons([("a", "ends at byte 7"), ("b", "ends at byte 99"), ("c", "empty")])
    >>> [(group.reason, group.files, group.paths) for group in found]
    [('ends at byte 7', 2, ['a', 'b']), ('empty', 1, ['c'])]
    """
    groups = _Groups()
    for path, reason in pairs:
        groups.add(path, reason)
    return groups.list_groups()


def rate_loss(loss: LossRecord | None) -> float:
    """Return how much of a picture a loader ruins, 0 to 1, beyond what 8 bits can't hold anyway.

    >>> rate_loss({"levels_before": 4096, "levels_after": 64, "white": 0.5, "bits_after": 8})
    0.75
    >>> rate_loss({"levels_before": 4096, "levels_after": 256, "white": 0.0, "bits_after": 8})
    0.0
    """
    if loss is None:
        return 0.0
    possible = max(1, min(loss["levels_before"], _EIGHT_BITS))
    return max(0.0, loss["white"], 1 - loss["levels_after"] / possible)


def is_visible(loss: LossRecord | None) -> bool:
    """Return whether a loader's loss can be seen in a picture."""
    return rate_loss(loss) > _VISIBLE


def _spread(count: int, chosen: int, phase: float) -> Iterator[int]:
    """Yield at most `chosen` places of `count`, evenly spaced; `phase` shifts them, 0 to 1."""
    kept = min(count, chosen)
    return (int((place + phase) * count / kept) for place in range(kept))


class _Groups:
    """Files by their reasons; reasons that differ in numbers alone are one."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}

    def add(self, path: str, reason: str) -> None:
        key = re.sub(r"\d[\d.,]*", "0", reason)
        if key not in self._groups and len(self._groups) >= _GROUPS:
            key = reason = "other reasons"
        group = self._groups.setdefault(key, Group(reason))
        group.files += 1
        if len(group.paths) < _PATHS:
            group.paths.append(path)

    def list_groups(self) -> list[Group]:
        return sorted(self._groups.values(), key=lambda group: -group.files)


class _Worst:
    """For each loader and each kind of file, the file that the loader ruins most."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[float, int]] = {}
        self._kinds: dict[str, None] = {}
        self.records: dict[int, Record] = {}

    def add(self, number: int, record: Record) -> None:
        losses: Mapping[str, LossRecord | None] = record["losses"] or {}
        kind = f"{record['format']} {record['dtype']}"
        if not any(map(is_visible, losses.values())):
            return
        if kind not in self._kinds and len(self._kinds) >= _KINDS:
            return
        self._kinds[kind] = None
        for loader, loss in losses.items():
            rate = rate_loss(loss)
            if is_visible(loss) and rate > self._found.get((loader, kind), (0.0, 0))[0]:
                self._found[loader, kind] = rate, number
                self.records[number] = record
        if len(self.records) > 20 * _KINDS:
            self._forget()

    def choose(self, count: int) -> list[int]:
        """Return the numbers of files that show each loader at work, and then the worst kinds."""
        self._forget()
        ranked = sorted(self._found.items(), key=lambda pair: (-pair[1][0], pair[1][1]))
        chosen: dict[int, None] = {}
        loaders, kinds = set[str](), set[str]()
        for is_late in (False, True):
            for (loader, kind), (_, number) in ranked:
                is_new = kind not in kinds and (is_late or loader not in loaders)
                if is_new and len(chosen) < count:
                    chosen[number] = None
                    kinds.add(kind)
                    losses = self.records[number]["losses"] or {}
                    loaders |= {name for name, loss in losses.items() if is_visible(loss)}
        return list(chosen)

    def _forget(self) -> None:
        """Forget the records of files that are no more the worst."""
        kept = {number for _, number in self._found.values()}
        self.records = {number: self.records[number] for number in kept}
