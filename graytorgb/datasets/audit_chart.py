"""The histogram of all values of a depth as parts of a page: a path of SVG, and marks along it."""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .audit_ranges import DepthRange

WIDTH, HEIGHT = 1000, 100  # of the drawing's coordinates; the page stretches them
_BARS = 256
_TICKS = 4


class Mark(NamedTuple):
    """Something at a place along an axis.

    Attributes
    ----------
    text : str
    place : float
        0 to 100, from the left or from the bottom.
    """

    text: str
    place: float


class Chart(NamedTuple):
    """A histogram whose counts are drawn by their logarithms.

    Attributes
    ----------
    path : str
        The outline of the bars, for the ``d`` of an SVG path.
    bar_width : int
        How many values one bar counts.
    ticks : list of Mark
        Values along the axis.
    powers : list of Mark
        Counts, from the bottom.
    ends : list of Mark
        The values that are black and white.
    percentiles : list of Mark
    """

    path: str
    bar_width: int
    ticks: list[Mark]
    powers: list[Mark]
    ends: list[Mark]
    percentiles: list[Mark]


def draw_chart(entry: "DepthRange") -> Chart | None:
    """Return the histogram of a depth, or None where its values aren't counted."""
    if entry["histogram"] is None or not entry["histogram"]["values"]:
        return None
    values = np.array(entry["histogram"]["values"], np.int64)
    counts = np.array(entry["histogram"]["counts"], np.int64)
    ends = entry["value_range"] or []
    lo = math.floor(min([int(values[0]), *ends]))
    hi = math.ceil(max([int(values[-1]), *ends]))
    width = _find_bar_width(hi - lo + 1, entry["step"])
    bars = np.bincount((values - lo) // width, counts).astype(np.int64)
    span = max(math.ceil((hi - lo + 1) / width), 1) * width

    def locate(value: float) -> float:
        """Return where the middle of a value is, in percent."""
        return round(100 * (value - lo + 0.5) / span, 2)

    most = math.log10(1 + int(bars.max()))
    powers = range(int(math.log10(int(bars.max()))) + 1)
    shown = powers[:: max(1, math.ceil(len(powers) / 4))]
    percentiles = entry["percentiles"] or {}
    return Chart(
        path=_draw_path(bars, span // width, most),
        bar_width=width,
        ticks=[Mark(f"{value:,}", locate(value)) for value in _choose_ticks(lo, hi)],
        powers=[Mark(_tell_power(p), round(100 * math.log10(1 + 10**p) / most, 2)) for p in shown],
        ends=[
            Mark(f"{name} {end:,g}" if isinstance(end, float) else f"{name} {end:,}", locate(end))
            for name, end in zip(("black", "white"), ends, strict=False)
        ],
        percentiles=[Mark(f"{name}%", locate(value)) for name, value in percentiles.items()],
    )


def _tell_power(power: int) -> str:
    """Return a power of ten as a short label.

    >>> [_tell_power(power) for power in (0, 2, 4, 6, 9)]
    ['1', '100', '10k', '1M', '1G']
    """
    return f"{10 ** (power % 3)}{['', 'k', 'M', 'G', 'T', 'P'][power // 3]}"


def _find_bar_width(values: int, step: int | float | None) -> int:
    """Return how many values a bar counts: a multiple of the step, lest bars come and go."""
    width = math.ceil(values / _BARS)
    if width > 1 and isinstance(step, int) and 1 < step <= values // 8:
        width = math.ceil(width / step) * step
    return width


def _draw_path(bars: NDArray[np.int64], slots: int, most: float) -> str:
    """Return the outline of bars over `slots` places; an empty one leaves a gap."""
    parts = []
    for place in np.flatnonzero(bars).tolist():
        left, right = (round(WIDTH * edge / slots, 2) for edge in (place, place + 1))
        top = round(HEIGHT * (1 - math.log10(1 + int(bars[place])) / most), 2)
        parts.append(f"M{left:g} {HEIGHT}V{top:g}H{right:g}V{HEIGHT}z")
    return "".join(parts)


def _choose_ticks(lo: int, hi: int) -> list[int]:
    """Return round values from `lo` to `hi`, or powers of two where the range is one of them.

    >>> _choose_ticks(0, 4095), _choose_ticks(0, 255), _choose_ticks(-1000, 3071)
    ([0, 1024, 2048, 3072], [0, 64, 128, 192], [-1000, 0, 1000, 2000, 3000])
    """
    span = hi - lo + 1
    if lo == 0 and span >= 8 and span & (span - 1) == 0:
        return list(range(0, hi, span // _TICKS))
    rough = max(1, span / _TICKS)
    power = 10 ** int(math.log10(rough))
    step = int(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.8))
    return list(range(math.ceil(lo / step) * step, hi + 1, step))
