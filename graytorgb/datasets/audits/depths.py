"""``DepthValues``: the values of all files of one depth, merged exactly."""

import math
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.percentile import percentile_of_counts
from ...inspection.counting import Counts
from .record import Record

PERCENTS = (0.1, 1, 50, 99, 99.9)


def find_depth(record: Record) -> str | None:
    """Return the name of a file's depth; files of one depth can share a value range.

    Unsigned integers of up to 8 and of up to 16 bits are ``"8 bits"`` and ``"16 bits"``, because
    12 bits in a PNG of 16 and in a TIFF of 12 are the same values. Only fewer than 8 bits that
    aren't scaled to 8, as in a PGM whose white is 15, are a depth of their own.

    Returns
    -------
    str or None
        ``"8 bits"``, ``"16 bits"``, ``"signed 16 bits"``, ``"floats"``, ...; None if the file can't
        be read.
    """
    if record["dtype"] is None:
        return None
    dtype, stated = np.dtype(record["dtype"]), record["value_range"]
    if dtype.kind == "f":
        return "floats"
    if dtype.kind == "b":
        return "1 bit"
    bits = 8 * dtype.itemsize
    if dtype == np.uint8 and stated and stated[0] == 0 and (record["bits"] or 8) < 8:
        bits = math.ceil(math.log2(stated[1] + 1))
    sign = "signed " if dtype.kind == "i" else ""
    return f"{sign}{bits} bit{'s' * (bits > 1)}"


def rank_depth(depth: str) -> tuple[int, int]:
    """Return a key that sorts depths: unsigned, signed, floats, each by their bits.

    >>> sorted(["floats", "16 bits", "signed 16 bits", "8 bits"], key=rank_depth)
    ['8 bits', '16 bits', 'signed 16 bits', 'floats']
    """
    bits = re.search(r"\d+", depth)
    kind = 2 if bits is None else int(depth.startswith("signed"))
    return kind, int(bits[0]) if bits else 0


@dataclass
class DepthValues:
    """The values of all files of one depth, merged exactly, in whatever order they come.

    Attributes
    ----------
    files : int
    dtypes : set of str
        The dtypes that the files are read as.
    minimum, maximum : int, float or None
        The extremes of all finite values.
    step : int, float or None
        The greatest number that divides every value.
    stated_files : int
        The files that state a range, and not only the depth of their samples.
    stated_lo, stated_hi : int, float or None
        The ends of the ranges that these files state.
    stated_bits : int
        The most bits that another file states, if fewer than its samples could have.
    free_minimum, free_maximum : int, float or None
        The extremes in the other files.
    first : int
        The value of the first count.
    counts : ndarray of int64 or None
        How often each value from `first` on occurs; None for floats and more than 16 bits.
    not_finite : int
    transparent : int
        The files with an alpha channel that varies.
    """

    files: int = 0
    dtypes: set[str] = field(default_factory=set)
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    stated_files: int = 0
    stated_lo: float | None = None
    stated_hi: float | None = None
    stated_bits: int = 0
    free_minimum: float | None = None
    free_maximum: float | None = None
    first: int = 0
    counts: NDArray[np.int64] | None = field(default=None, repr=False)
    not_finite: int = 0
    transparent: int = 0

    def add(self, record: Record, counts: Counts | None) -> None:
        """Add a file's values."""
        lo, hi = record["min"], record["max"]
        self.files += 1
        self.dtypes.add(record["dtype"] or "")
        self.not_finite += record["not_finite"] or 0
        self.transparent += record["alpha"] == "varying"
        self._add_extremes(lo, hi)
        if lo or hi:  # 0 is a multiple of every step
            self.step = _find_common_step(self.step, record["step"])
        if _states_more_than_depth(record):
            self.stated_files += 1
            self._add_stated(*(record["value_range"] or (None, None)))
        else:
            self._add_free(lo, hi)
            if record["dtype"] == "uint16" and (record["bits"] or 16) < 16:
                self.stated_bits = max(self.stated_bits, record["bits"] or 0)
        if counts is not None:
            self._add_counts(int(counts.first), counts.numbers)

    def merge(self, other: "DepthValues") -> None:
        """Add the values of other files of this depth."""
        self.files += other.files
        self.dtypes |= other.dtypes
        self.not_finite += other.not_finite
        self.transparent += other.transparent
        self.stated_files += other.stated_files
        self.stated_bits = max(self.stated_bits, other.stated_bits)
        self.step = _find_common_step(self.step, other.step)
        self._add_extremes(other.minimum, other.maximum)
        self._add_stated(other.stated_lo, other.stated_hi)
        self._add_free(other.free_minimum, other.free_maximum)
        if other.counts is not None:
            self._add_counts(other.first, other.counts)

    @property
    def levels(self) -> int | None:
        """How many different values all files have together; None where they aren't counted."""
        return None if self.counts is None else int(np.count_nonzero(self.counts))

    def find_percentiles(self) -> dict[str, float] | None:
        """Return percentiles of the values of all files, or None where they aren't counted."""
        if self.counts is None or not self.counts.any():
            return None
        found = percentile_of_counts(self.first, self.counts, PERCENTS)
        return {f"{percent:g}": value for percent, value in zip(PERCENTS, found, strict=True)}

    def _add_extremes(self, lo: float | None, hi: float | None) -> None:
        self.minimum, self.maximum = _least(self.minimum, lo), _largest(self.maximum, hi)

    def _add_stated(self, lo: float | None, hi: float | None) -> None:
        self.stated_lo, self.stated_hi = _least(self.stated_lo, lo), _largest(self.stated_hi, hi)

    def _add_free(self, lo: float | None, hi: float | None) -> None:
        self.free_minimum = _least(self.free_minimum, lo)
        self.free_maximum = _largest(self.free_maximum, hi)

    def _add_counts(self, first: int, counts: NDArray[Any]) -> None:
        end = first + len(counts)
        if self.counts is None:
            self.first, self.counts = first, np.zeros(0, np.int64)
        old_end = self.first + len(self.counts)
        if first < self.first or end > old_end:  # it grows to at most 65,536 counts
            low, high = min(first, self.first), max(end, old_end)
            grown = np.zeros(high - low, np.int64)
            grown[self.first - low : old_end - low] = self.counts
            self.first, self.counts = low, grown
        part = self.counts[first - self.first : end - self.first]
        np.add(part, counts, out=part, casting="unsafe")  # uint64 counts


def _states_more_than_depth(record: Record) -> bool:
    """Return whether a file states a range that isn't all that its samples can hold."""
    stated, dtype = record["value_range"], np.dtype(record["dtype"])
    if stated is None or record["depth_only"]:
        return False
    return dtype.kind not in "u" or stated != [0, np.iinfo(dtype).max]


def _least(first: float | None, second: float | None) -> float | None:
    return min((v for v in (first, second) if v is not None), default=None)


def _largest(first: float | None, second: float | None) -> float | None:
    return max((v for v in (first, second) if v is not None), default=None)


def _find_common_step(first: float | None, second: float | None) -> float | None:
    """Return the greatest number that divides two steps; None where one isn't known."""
    if first is None or second is None:
        return second if first is None else first
    if isinstance(first, int) and isinstance(second, int):
        return math.gcd(first, second)
    return None
