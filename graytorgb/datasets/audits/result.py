"""``Audit``: what an audit tells of a whole set, with a record of each file."""

import pickle
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any, Self

from ...core.image_file import ImageFile
from ...core.notebook import call_safely, make_card
from ...extras import require
from ...inspection.loaders import LOADERS
from ..sources.items import Item
from . import files as audit_files
from .advice import Advice, give_advice
from .depths import rank_depth
from .findings import COPY, MIXED
from .folders import Folder, list_folders
from .ranges import describe_depth, find_fitting_range, find_set_range
from .spool import Records, Skips, Spool
from .totals import Totals

VERSION = 1  # of the JSON; audit.schema.json beside this file describes it


class Audit:
    """What :func:`graytorgb.datasets.audit` found in a set of images.

    The records are on the disk, in a temporary file that is gone with this object; to close it
    frees the disk at once.

    Attributes
    ----------
    version : int
        The version of the JSON that `write_json` writes.
    source : str
        The set, as the caller named it.
    quick : bool
        Whether only headers were read.
    files : int
        How many files have a record.
    unreadable : int
        How many of them can't be read.
    lossy : int
        Of how many at least one usual loader loses something.
    value_range : (lo, hi) or None
        The one range that fits all files. None if there is none: ``value_range_reason`` says why,
        and ``value_ranges`` has a range for each depth.
    value_range_reason : str
    value_ranges : list of DepthRange
    findings : dict of {str: int}
        How many files have each finding that occurs, the most frequent first; of ``"mixed modes"``,
        ``"mixed depths"`` and ``"mixed sizes"`` how many there are, if more than one.
    formats, colors : dict of {str: int}
        How many files are of each format, and how many are gray, gray stored as RGB and in color.
    losses : dict of {str: dict}
        What each usual loader loses of the set.
    wasted_bytes : int
        The bytes of the decoded images that storing gray three times takes beyond one channel.
    advice : Advice
        The line of code and the command that are right for the set.
    skipped : sequence of {"path": str, "reason": str}
        The files that are no images, and other names that aren't read.
    records : sequence of Record
        A dict for each file, in the order of the source, read from the disk when asked for.
    """

    def __init__(
        self, source: str, sources: Sequence[str], spool: Spool, totals: Totals,
        *, quick: bool, is_array: bool = False,
    ) -> None:  # fmt: skip
        self.version, self.source, self.quick = VERSION, source, quick
        self.files, self.unreadable, self.lossy = totals.files, totals.unreadable, totals.lossy
        self.wasted_bytes = totals.wasted_bytes
        self._spool = spool
        self.records, self.skipped = Records(spool), Skips(spool)
        depths = {name: totals.depths[name] for name in sorted(totals.depths, key=rank_depth)}
        ranges = {depth: find_fitting_range(depth, values) for depth, values in depths.items()}
        self.value_range, self.value_range_reason = find_set_range(depths, ranges)
        self.value_ranges = [describe_depth(d, v, ranges[d]) for d, v in depths.items()]
        copies, mixed = self._count_kinds()
        self.findings = _rank(totals.findings | copies) | mixed
        self.formats, self.colors = _rank(totals.formats), _rank(totals.colors)
        self.losses = {
            name: asdict(totals.losses[name]) for name in LOADERS if name in totals.losses
        }
        self.advice: Advice = give_advice(
            sources[0] if len(sources) == 1 else "SRC",
            depths,
            ranges,
            totals.findings,
            quick=quick,
            array_layout=self.records[0]["layout"] if is_array and self.files else None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"<Audit of {self.source!r}: {self.files:,} files, {self.unreadable:,} unreadable, "
            f"value_range {self.value_range}>"
        )

    def _repr_html_(self) -> str:
        """Return the card that notebooks show; it never raises."""
        return call_safely(self._make_card, self)

    def _make_card(self) -> str:
        reason = self.value_range_reason
        ends = "none" if self.value_range is None else "{:,} to {:,}".format(*self.value_range)
        rows = [
            ("files", f"{self.files:,}"),
            ("unreadable", f"{self.unreadable:,}" if self.unreadable else ""),
            ("lossy in a usual loader", "" if self.quick else f"{self.lossy:,}"),
            ("formats", ", ".join(self.formats)),
            ("findings", ", ".join(f"{name} {n:,}" for name, n in self.findings.items())),
            ("value range", f"{ends} ({reason})" if reason else ends),
        ]
        return make_card(f"audit of {self.source}", rows)

    def close(self) -> None:
        """Delete the records from the disk; they can't be read any more."""
        self._spool.close()

    def list_folders(self) -> Iterator[Folder]:
        """Yield the modes, depths and sizes of the files of each folder, sorted by name."""
        return list_folders(self._spool)

    def read_image(self, index: int) -> ImageFile:
        """Read the image of a record again, for its pixels or its own histogram.

        Parameters
        ----------
        index : int
            The place of the record in ``records``.

        Raises
        ------
        ImageFileError, OSError
            As :func:`graytorgb.io.read` does.
        """
        return self.find_item(index).read()

    def find_item(self, index: int) -> Item:
        """Return what reads the image of a record again, as the source listed it."""
        number = range(self.files)[index]
        command = (
            "SELECT item FROM records JOIN numbers ON records.position = numbers.position "
            "WHERE number = ?"
        )
        item: Item = pickle.loads(self._spool.query(command, [number]).fetchone()[0])
        return item

    def summarize(self) -> dict[str, Any]:
        """Return what the JSON tells above the folders, the skipped files and the records."""
        return {
            "version": self.version,
            "source": self.source,
            "quick": self.quick,
            "files": self.files,
            "unreadable": self.unreadable,
            "lossy": self.lossy,
            "value_range": None if self.value_range is None else list(self.value_range),
            "value_range_reason": self.value_range_reason,
            "value_ranges": self.value_ranges,
            "formats": self.formats,
            "colors": self.colors,
            "findings": self.findings,
            "losses": self.losses,
            "wasted_bytes": self.wasted_bytes,
            "advice": self.advice,
        }

    def write_json(self, path: str | PathLike[str]) -> None:
        """Write the whole audit as JSON, a record on each line; audit.schema.json describes it."""
        audit_files.write_json(self, Path(path))

    def write_csv(self, path: str | PathLike[str]) -> None:
        r"""Write a line for each file as CSV, with columns such as ``losses.pillow.levels_after``.

        Bytes of a name that aren't text are escapes, ``\xff``.
        """
        audit_files.write_csv(self, Path(path))

    def write_parquet(self, path: str | PathLike[str]) -> None:
        """Write a row for each file as Parquet, with the columns of the CSV and their types.

        Raises
        ------
        BackendUnavailable
            If pyarrow isn't installed.
        """
        require("graytorgb.datasets.audits.parquet").write_parquet(self, Path(path))

    def write_html(self, path: str | PathLike[str]) -> None:
        """Write a page to look at in a browser, which needs no other file, network or scripts.

        The files that the page shows are read again; one that is gone is said to be.

        Raises
        ------
        BackendUnavailable
            If Jinja2 isn't installed.
        """
        require("graytorgb.datasets.audit_page.page").write_html(self, Path(path))

    def _count_kinds(self) -> tuple[Counter[str], dict[str, int]]:
        """Return how many copies there are, and how many modes, depths and sizes, if several."""
        command = """SELECT COUNT(copy_of), COUNT(DISTINCT mode), COUNT(DISTINCT depth),
            COUNT(DISTINCT size) FROM records"""
        copies, *kinds = self._spool.query(command).fetchone()
        mixed = {name: count for name, count in zip(MIXED, kinds, strict=True) if count > 1}
        return Counter({COPY: copies} if copies else {}), mixed


def _rank(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts, the most frequent first; names of one count in alphabetical order."""
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
