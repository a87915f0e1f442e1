"""The one range of values for all images of a conversion to 8 bits."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import percentile as percentiles
from ...core.layout import find_order
from ...core.percentile import percentile_of_counts
from ...core.value_range import ValueRange, check_policy, is_deeper
from ...errors import LevelsError
from ...io.ranges import are_limits
from ..conversions.options import Options
from ..conversions.planned import PlannedImage
from ..conversions.reading import read_images
from .ledger import Ledger

Array = NDArray[Any]
# Runs a function on batches of all images, and yields the results
RunPass = Callable[[Callable[[list[PlannedImage]], Any]], Iterator[Any]]

_FIRST, _LEVELS = -(1 << 15), 3 << 15  # exact counts for integers of up to 16 bits


def find_stated_range(ledger: Ledger) -> ValueRange | None:
    """Return the one range that all files of the set state.

    Files of one depth that each state a window, as DICOM files do, have the range from the lowest
    to the highest end of them all. Bool isn't asked: it is 0 and 1 in every range.

    Raises
    ------
    LevelsError
        If the files have several depths, or state no range.
    """
    rows = ledger.count(("value_range", "is_depth", "source_dtype"), "source_dtype != 'bool'")
    ranges: list[Any] = [ledger.decode(value_range) for value_range, *_ in rows]
    if not rows:
        return None
    if len(set(ranges)) == 1 and ranges[0] is not None:
        return check_policy(ranges[0])
    is_window = all(are_limits(r) and not row[1] for r, row in zip(ranges, rows, strict=True))
    if is_window and len({row[2] for row in rows}) == 1:
        limits = [r for r in ranges if are_limits(r)]
        return min(lo for lo, _ in limits), max(hi for _, hi in limits)
    raise _ask_for_range(ranges, rows)


def _ask_for_range(ranges: Sequence[Any], rows: Sequence[tuple[Any, ...]]) -> LevelsError:
    """Return the error for a set whose files don't tell one range."""
    told = []
    for value_range, (_, _, dtype, images, path) in list(zip(ranges, rows, strict=True))[:5]:
        limits = value_range if are_limits(value_range) else None
        ends = f"{limits[0]:g} to {limits[1]:g}" if limits else "no range"
        told.append(f"{images:,} of {dtype} with {ends}, such as {path!r}")
    more = "; ..." if len(rows) > 5 else ""
    problem = (
        "the set has no one range that is black and white for all images: "
        f"{'; '.join(told)}{more}. State it"
    )
    error = LevelsError(
        f"{problem}: convert(..., bits=8, value_range=(lo, hi)) for all "
        'images alike, value_range="dtype" for the whole of what each dtype holds, or "minmax" or '
        '("percentile", 1, 99) for what all images together hold'
    )
    error.remedies, error.problem = ("value_range",), problem
    return error


def list_too_shallow(ledger: Ledger, value_range: ValueRange | None) -> list[tuple[int, str]]:
    """Return how many images have 8 bits under a range of more, and one of their paths."""
    if not is_deeper(255, 256, value_range):
        return []
    rows = ledger.count(("source_dtype",), "source_dtype IN ('uint8', 'int8')")
    return [(images, path) for _, images, path in rows]


@dataclass
class Pool:
    """Values of many images together: their extremes, and how often each occurs.

    Attributes
    ----------
    minimum, maximum : int, float or None
        None if there is no value.
    counts : ndarray of int64 or None
        How often each integer of at most 16 bits occurs, from -32768; None if there are others.
    dtypes : set of str
        The dtypes of the images.
    size : int
        How many values there are.
    errors : list of (PlannedImage, str)
        The images that can't be read, or whose values have no order.
    digits : dict or None
        The counts of the digits that a search for percentiles asked for.
    """

    minimum: Any = None
    maximum: Any = None
    counts: Array | None = field(default_factory=lambda: np.zeros(_LEVELS, np.int64))
    dtypes: set[str] = field(default_factory=set)
    size: int = 0
    errors: list[tuple[PlannedImage, str]] = field(default_factory=list)
    digits: percentiles.Counts | None = None

    def add(self, array: Array) -> None:
        """Add the values of an image."""
        lo, hi = array.min().item(), array.max().item()
        self.minimum = lo if self.minimum is None else min(lo, self.minimum)
        self.maximum = hi if self.maximum is None else max(hi, self.maximum)
        self.dtypes.add(str(array.dtype))
        self.size += array.size
        if array.dtype.kind == "f" or array.dtype.itemsize > 2:
            self.counts = None
        elif self.counts is not None:
            numbers = np.bincount((array.astype(np.int64) - lo).ravel())
            self.counts[lo - _FIRST : hi + 1 - _FIRST] += numbers

    def merge(self, other: "Pool") -> None:
        """Add the values of other images."""
        if other.size:
            ends = (self.minimum, self.maximum, other.minimum, other.maximum)
            known = [end for end in ends if end is not None]
            self.minimum, self.maximum = min(known), max(known)
        self.dtypes |= other.dtypes
        self.size += other.size
        self.errors += other.errors
        both = self.counts is not None and other.counts is not None
        self.counts = self.counts + other.counts if both else None  # type: ignore[operator]
        if other.digits is not None:
            parts = [other.digits] if self.digits is None else [self.digits, other.digits]
            self.digits = percentiles.merge_counts(parts)


def pool_values(
    images: list[PlannedImage],
    options: Options,
    search: tuple[percentiles.Found, int] | None = None,
) -> Pool:
    """Return the values of some images together, in a worker.

    These are the values of the files, without alpha and before any resizing; of three equal
    channels those of one.

    Parameters
    ----------
    images : list of PlannedImage
    options : Options
    search : (Found, shift), optional
        The digit of percentiles to count, as in :mod:`graytorgb.core.percentile`.
    """
    pool = Pool()
    if search is not None:
        pool.counts = None
    for planned, image, error, _ in read_images(images, options):
        if image is None:
            pool.errors.append((planned, error))
            continue
        values = pick_colors(image.array, image.layout)
        if values.dtype.kind == "b":
            continue
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            pool.errors.append((planned, "it holds NaN or infinity, which no level stands for"))
        elif search is None:
            pool.add(values)
        else:
            digits = percentiles.count_digits(values, *search)
            parts = [digits] if pool.digits is None else [pool.digits, digits]
            pool.digits = percentiles.merge_counts(parts)
    return pool


def pick_colors(array: Array, layout: str | None) -> Array:
    """Return the color samples of an image without its alpha, one plane if all are equal."""
    if layout is None or "C" not in layout:
        return array
    planes = array.transpose(find_order(layout, layout.replace("C", "") + "C"))
    if planes.shape[-1] in (2, 4):
        planes = planes[..., :-1]
    first = planes[..., :1]
    return first if (planes == first).all() else planes


def find_range_of_values(ledger: Ledger, options: Options, run: RunPass) -> ValueRange:
    """Return the range that a rule finds in the values of all images together.

    Images that can't be read are recorded in the ledger, and left out.

    Raises
    ------
    LevelsError
        If there are no values, or they are all equal; or if percentiles are to be found in images
        of several dtypes, one of which has more than 16 bits.
    """
    pool = _merge(run(partial(pool_values, options=options)))
    for planned, error in pool.errors:
        ledger.fail_image(planned, error)
    if not pool.size:
        raise LevelsError(f"{options.value_range!r} looks at values, and no image has any")
    if options.value_range == "minmax":
        lo, hi = pool.minimum, pool.maximum
    else:
        lo, hi = _find_percentiles(pool, options, run)
    if not lo < hi:
        problem = (
            f"all images together have no contrast: {options.value_range!r} gives {lo} to {hi}. "
            "State the range"
        )
        raise _refuse_range(problem)
    return lo, hi


def _refuse_range(problem: str) -> LevelsError:
    """Return the error for a rule that finds no range, so that it has to be stated."""
    error = LevelsError(f"{problem}: value_range=(lo, hi)")
    error.remedies, error.problem = ("value_range",), problem
    return error


def _find_percentiles(pool: Pool, options: Options, run: RunPass) -> list[float]:
    """Return percentiles of all values: from the counts, or digit by digit with a pass for each."""
    percents = [float(p) for p in options.value_range[1:]]  # type: ignore[index]
    if pool.counts is not None:
        return percentile_of_counts(_FIRST, pool.counts, percents)
    if len(pool.dtypes) > 1:
        problem = (
            f"percentiles of {', '.join(sorted(pool.dtypes))} together have no one order: state "
            "the range"
        )
        raise _refuse_range(problem)
    dtype = np.dtype(next(iter(pool.dtypes)))
    found = percentiles.begin_search(pool.size, percents)
    for shift in percentiles.list_shifts(dtype):
        part = _merge(run(partial(pool_values, options=options, search=(found, shift))))
        assert part.digits is not None, "the images were read a moment ago"
        found = percentiles.narrow_ranks(found, part.digits)
    return percentiles.finish_search(found, dtype, pool.size, percents)


def _merge(parts: Iterable[Pool]) -> Pool:
    """Return the values of all parts together."""
    whole = Pool()
    for part in parts:
        whole.merge(part)
    return whole
