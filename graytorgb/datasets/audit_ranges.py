"""The one value range that fits all files of a depth, found in the whole set."""

from typing import Any, NamedTuple, TypedDict

import numpy as np

from .audit_depths import DepthValues

# The depths of cameras and scanners. The samples of a file of 16 bits may have any of them.
_USUAL_BITS = (8, 10, 12, 14, 16)
_FEWEST_LEVELS = 16  # a mask of a few labels has a common step by chance


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


class FittingRange(NamedTuple):
    """The range that fits all files of a depth, and why it is the one.

    Attributes
    ----------
    value_range : (lo, hi) or None
        The values that are black and white; None if nothing tells them.
    reason : str
        A sentence without its full stop.
    """

    value_range: tuple[Any, Any] | None
    reason: str


def find_fitting_range(depth: str, values: DepthValues) -> FittingRange:
    """Return the range that fits every file of a depth, so that no value of the set is clipped.

    The rules, of which the first that applies counts:

    1. Bool is 0 to 1, and 8 bits are 0 to 255; fewer bits are what the files state.
    2. Files that state a range, as a DICOM file states its window: from the lowest to the highest
       value that any of them states, together with the range of the files that state none.
    3. Up to 16 bits, unsigned: 0 to the largest value of the fewest of 8, 10, 12, 14 and 16 bits
       that hold every value of the set, and of the bits that a file states. If all values are
       multiples of a power of two, 16 for 12 bits that were shifted to 16, the largest value is
       the largest such multiple, 65520.
    4. Floats: 0 to 1 if every value of the set lies there, else the extremes of the set.
    5. Anything else: the extremes of the set.
    """
    if depth == "8 bits":
        return FittingRange((0, 255), "8 bits hold 0 to 255")
    if depth == "1 bit":
        return FittingRange((0, 1), "a bit is 0 or 1")
    found = _find_free_range(depth, values)
    if not values.stated_files or values.stated_lo is None or values.stated_hi is None:
        return found or FittingRange(None, _tell_no_values(values))
    lo, hi = values.stated_lo, values.stated_hi
    told = f"the ranges that the files state lie within {_tell(lo)} to {_tell(hi)}"
    if values.stated_files == values.files:
        return FittingRange((lo, hi), told)
    if found is None or found.value_range is None:
        return FittingRange((lo, hi), f"{told}; files that state none hold no values")
    low, high = min(lo, found.value_range[0]), max(hi, found.value_range[1])
    return FittingRange((low, high), f"{told}; in the files that state none, {found.reason}")


def _find_free_range(depth: str, values: DepthValues) -> FittingRange | None:
    """Return the range that the values themselves tell, in files that state none."""
    lo, hi = values.free_minimum, values.free_maximum
    if lo is None or hi is None:
        return None
    if depth == "16 bits":
        return _find_depth_range(values, int(hi))
    if depth == "floats" and lo >= 0 and hi <= 1:
        return FittingRange((0, 1), f"no value lies beyond 0 to 1: {_tell(lo)} to {_tell(hi)}")
    if lo == hi:
        return FittingRange(None, f"every value is {_tell(lo)}")
    return FittingRange((lo, hi), "they are the smallest and the largest value of the set")


def _find_depth_range(values: DepthValues, largest: int) -> FittingRange:
    """Return the range of unsigned integers in 16 bits, by the largest value and the step."""
    if largest == 0 and not values.stated_bits:
        return FittingRange((0, 65535), "every value is 0, so all 16 bits are assumed")
    needed = max(largest.bit_length(), values.stated_bits)
    bits = next(usual for usual in _USUAL_BITS if usual >= needed)
    if values.stated_bits == needed:
        bits = needed
    step = values.step if isinstance(values.step, int) else 1
    shift = 0 if (values.levels or 0) < _FEWEST_LEVELS else (step & -step).bit_length() - 1
    white = (1 << bits) - (1 << max(shift, 0))
    reason = f"the largest value of the set is {largest:,}, which needs {bits} bits"
    if shift > 0:
        reason = (
            f"every value of the set is a multiple of {1 << shift}, as in {bits - shift} bits that "
            f"were shifted to {bits}; the largest is {largest:,}"
        )
    return FittingRange((0, white), reason)


def _tell(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def _tell_no_values(values: DepthValues) -> str:
    return "no value is finite" if values.not_finite else "a range needs the values, not headers"


def find_set_range(depths: dict[str, DepthValues], found: dict[str, FittingRange]) -> FittingRange:
    """Return the one range that fits all files of the set, or None and the reason."""
    if not depths:
        return FittingRange(None, "no file could be read")
    if len(depths) == 1:
        return next(iter(found.values()))
    told = ", ".join(f"{values.files:,} of {depth}" for depth, values in depths.items())
    return FittingRange(
        None, f"the files have several depths ({told}), and each depth has a range of its own"
    )


def describe_depth(depth: str, values: DepthValues, found: FittingRange) -> DepthRange:
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
