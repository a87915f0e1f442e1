"""``Audit``: what an audit tells of a whole set, with a record of each file."""

import json
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from os import PathLike
from pathlib import Path
from typing import Any, Self, TypedDict, cast

import numpy as np

from ..core.image_file import ImageFile
from ..extras import require
from ..inspection.loaders import LOADERS
from . import audit_files
from .audit_advice import Advice, give_advice
from .audit_depths import DepthValues, rank_depth
from .audit_findings import COPY, MIXED
from .audit_ranges import FittingRange, find_fitting_range, find_set_range
from .audit_spool import Records, Skips, Spool
from .audit_totals import Totals

VERSION = 1  # of the JSON; audit.schema.json beside this file describes it
_LISTED_SIZES = 10  # of each folder


class DepthRange(TypedDict):
    """The value range of all files of one depth, and what their values are together.

    Attributes
    ----------
    depth : str
        Such as ``"8 bits"``, ``"16 bits"``, ``"signed 16 bits"`` and ``"floats"``.
    dtypes : list of str
    files : int
    value_range : [lo, hi] or None
    reason : str
        Why it is this range, or why there is none.
    min, max, step : int, float or None
        The extremes of all values, and the greatest number that divides all of them.
    levels : int or None
    not_finite : int
    percentiles : dict or None
        The values of the percentiles 0.1, 1, 50, 99 and 99.9 over all files; None for floats and
        more than 16 bits, as the histogram.
    histogram : {"values": list of int, "counts": list of int} or None
        How often each value occurs in all files together.
    """

    depth: str
    dtypes: list[str]
    files: int
    value_range: list[int | float] | None
    reason: str
    min: int | float | None
    max: int | float | None
    step: int | float | None
    levels: int | None
    not_finite: int
    percentiles: dict[str, float] | None
    histogram: dict[str, list[int]] | None


class Folder(TypedDict):
    """How many files of a folder have which mode, depth and size.

    Attributes
    ----------
    folder : str
        The first folder of the paths; empty for files that are in none.
    files, unreadable : int
    modes, depths, sizes : dict of {str: int}
        The number of files of each; of the sizes, WIDTHxHEIGHT, the ten that are most usual.
    different_sizes : int
    """

    folder: str
    files: int
    unreadable: int
    modes: dict[str, int]
    depths: dict[str, int]
    sizes: dict[str, int]
    different_sizes: int


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
        self.value_ranges = [_describe_depth(d, v, ranges[d]) for d, v in depths.items()]
        self.findings = _rank(totals.findings) | self._count_kinds()
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

    def close(self) -> None:
        """Delete the records from the disk; they can't be read any more."""
        self._spool.close()

    def list_folders(self) -> Iterator[Folder]:
        """Yield the modes, depths and sizes of the files of each folder, sorted by name."""
        rows = self._spool.query(_FOLDERS)
        for name, group in groupby(rows, key=lambda row: row[0]):
            folder: Folder = {
                "folder": json.loads(name), "files": 0, "unreadable": 0, "modes": {}, "depths": {},
                "sizes": {}, "different_sizes": 0,
            }  # fmt: skip
            for _, kind, value, count in group:
                if kind == "files":
                    folder["files"] = count
                elif kind == "unreadable":
                    folder["unreadable"] = count
                elif kind == "sizes" and len(folder["sizes"]) == _LISTED_SIZES:
                    folder["different_sizes"] += 1
                else:
                    counts = cast(dict[str, dict[str, int]], folder)[kind]
                    counts[value] = count
                    folder["different_sizes"] += kind == "sizes"
            yield folder

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
        number = range(self.files)[index]
        command = (
            "SELECT item FROM records JOIN numbers ON records.position = numbers.position "
            "WHERE number = ?"
        )
        image: ImageFile = pickle.loads(self._spool.query(command, [number]).fetchone()[0]).read()
        return image

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
        require("graytorgb.datasets.audit_parquet").write_parquet(self, Path(path))

    def write_html(self, path: str | PathLike[str]) -> None:
        """Write a page to look at in a browser, which needs no other file.

        Raises
        ------
        BackendUnavailable
            If Jinja2 isn't installed.
        """
        require("graytorgb.datasets.audit_page").write_html(self, Path(path))

    def _count_kinds(self) -> dict[str, int]:
        """Return how many copies there are, and how many modes, depths and sizes, if several."""
        command = """SELECT COUNT(copy_of), COUNT(DISTINCT mode), COUNT(DISTINCT depth),
            COUNT(DISTINCT size) FROM records"""
        copies, *kinds = self._spool.query(command).fetchone()
        found = {name: count for name, count in zip(MIXED, kinds, strict=True) if count > 1}
        return ({COPY: copies} if copies else {}) | found


_FOLDERS = """
SELECT folder, 'files' AS kind, '' AS value, COUNT(*) AS count FROM records GROUP BY folder
UNION ALL SELECT folder, 'unreadable', '', COUNT(*) FROM records WHERE depth IS NULL GROUP BY folder
UNION ALL SELECT folder, 'modes', mode, COUNT(*) FROM records WHERE mode IS NOT NULL
    GROUP BY folder, mode
UNION ALL SELECT folder, 'depths', depth, COUNT(*) FROM records WHERE depth IS NOT NULL
    GROUP BY folder, depth
UNION ALL SELECT folder, 'sizes', size, COUNT(*) FROM records WHERE size IS NOT NULL
    GROUP BY folder, size
ORDER BY folder, kind, count DESC, value
"""


def _rank(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts, the most frequent first; names of one count in alphabetical order."""
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _describe_depth(depth: str, values: DepthValues, found: FittingRange) -> DepthRange:
    """Return the range and the values of a depth, as the JSON tells them."""
    histogram = None
    if values.counts is not None:
        present = np.flatnonzero(values.counts)
        histogram = {
            "values": (present + values.first).tolist(), "counts": values.counts[present].tolist()
        }  # fmt: skip
    return {
        "depth": depth,
        "dtypes": sorted(values.dtypes),
        "files": values.files,
        "value_range": None if found.value_range is None else list(found.value_range),
        "reason": found.reason,
        "min": values.minimum,
        "max": values.maximum,
        "step": values.step,
        "levels": values.levels,
        "not_finite": values.not_finite,
        "percentiles": values.find_percentiles(),
        "histogram": histogram,
    }
