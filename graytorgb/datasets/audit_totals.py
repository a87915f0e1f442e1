"""``Totals``: what an audit counts of the whole set while the files come, in any order."""

from collections import Counter
from dataclasses import dataclass, field

from ..inspection.counting import Counts
from .audit_depths import DepthValues, find_depth
from .audit_findings import UNREADABLE, is_loss
from .audit_record import LossRecord, Record


@dataclass
class LoaderTotals:
    """What one usual loader loses of the whole set.

    Attributes
    ----------
    files : int
        The files of which it loses levels, or turns pixels white.
    refused : int
        The files that it refuses.
    levels_before, levels_after : int
        The levels of these files together, in the files and in the loader's results.
    white_files : int
        The files of which it turns pixels white.
    most_white : float
        The largest share of a file's pixels that it turns white.
    """

    files: int = 0
    refused: int = 0
    levels_before: int = 0
    levels_after: int = 0
    white_files: int = 0
    most_white: float = 0.0

    def add(self, loss: LossRecord | None) -> None:
        """Add a file."""
        if loss is None:
            self.refused += 1
            return
        if not is_loss(loss):
            return
        self.files += 1
        self.levels_before += loss["levels_before"]
        self.levels_after += loss["levels_after"]
        self.white_files += loss["white"] > 0
        self.most_white = max(self.most_white, loss["white"])

    def merge(self, other: "LoaderTotals") -> None:
        """Add other files."""
        self.files += other.files
        self.refused += other.refused
        self.levels_before += other.levels_before
        self.levels_after += other.levels_after
        self.white_files += other.white_files
        self.most_white = max(self.most_white, other.most_white)


@dataclass
class Totals:
    """What is counted of files; the sums don't depend on the order in which files are added.

    Attributes
    ----------
    files, unreadable : int
    lossy : int
        The files of which at least one loader loses something.
    wasted_bytes : int
    findings, formats, colors : Counter of {name: files}
    losses : dict of {loader: LoaderTotals}
    depths : dict of {depth: DepthValues}
    """

    files: int = 0
    unreadable: int = 0
    lossy: int = 0
    wasted_bytes: int = 0
    findings: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    colors: Counter[str] = field(default_factory=Counter)
    losses: dict[str, LoaderTotals] = field(default_factory=dict)
    depths: dict[str, DepthValues] = field(default_factory=dict)

    def add(self, record: Record, counts: Counts | None = None) -> None:
        """Add a file."""
        self.files += 1
        self.unreadable += UNREADABLE in record["findings"]
        self.wasted_bytes += record["wasted_bytes"] or 0
        self.findings.update(record["findings"])
        if record["format"] and record["error"] is None:
            self.formats[record["format"]] += 1
        if record["color"]:
            self.colors[record["color"]] += 1
        losses = record["losses"] or {}
        self.lossy += any(map(is_loss, losses.values()))
        for name, loss in losses.items():
            self.losses.setdefault(name, LoaderTotals()).add(loss)
        depth = find_depth(record)
        if depth is not None:
            self.depths.setdefault(depth, DepthValues()).add(record, counts)

    def merge(self, other: "Totals") -> None:
        """Add other files."""
        self.files += other.files
        self.unreadable += other.unreadable
        self.lossy += other.lossy
        self.wasted_bytes += other.wasted_bytes
        self.findings.update(other.findings)
        self.formats.update(other.formats)
        self.colors.update(other.colors)
        for name, loader in other.losses.items():
            self.losses.setdefault(name, LoaderTotals()).merge(loader)
        for depth, values in other.depths.items():
            self.depths.setdefault(depth, DepthValues()).merge(values)
