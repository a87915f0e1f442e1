"""The constants of ``prepare``'s arithmetic: scaling and normalizing as one formula."""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import LevelsError
from .stats import Stats
from .value_range import NEARLY_0_TO_1

Array = NDArray[Any]

_FLOAT32 = np.finfo(np.float32).min, np.finfo(np.float32).max

Triple = tuple[float, ...]  # a number for each of three channels


class Arithmetic(NamedTuple):
    """The constants of ``clip(((x - mean) - rest) * scale, lowest, highest)``.

    The mean has two parts, each a float32, for twice the precision: near the mean, where the
    result is small, the difference keeps its relative precision, and so does the result.

    Attributes
    ----------
    mean, rest, scale : tuple of 3 floats
        For each channel.
    lowest, highest : tuple of 3 floats
        The results for `lo` and `hi`; to clip the result at them saturates x, and gives the ends
        exactly.
    lo, hi : float
        The values of x that become 0 and 1, before they are normalized.
    stated : bool
        Whether the caller stated the range. If not, a float x beyond 0 to 1 is an error.
    wide : bool
        Whether float32 doesn't hold the constants, or isn't enough for the result.
    """

    mean: Triple
    rest: Triple
    scale: Triple
    lowest: Triple
    highest: Triple
    lo: float
    hi: float
    stated: bool
    wide: bool

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest float x that isn't an error; NaN always is one."""
        return (-math.inf, math.inf) if self.stated else NEARLY_0_TO_1


def find_constants(lo: float, hi: float, stats: Stats, target: str, *, stated: bool) -> Arithmetic:
    """Return the arithmetic of ``((x - lo) / (hi - lo) - mean) / std``, saturated at both ends.

    Parameters
    ----------
    lo, hi : int or float
        The values of x that become 0 and 1.
    stats : Stats
    target : str
        The dtype of the result.
    stated : bool
        Whether the caller stated the range.

    Raises
    ------
    LevelsError
        If float64 can't scale the range.
    """
    mean, std = (np.resize(np.array(part, float), 3) for part in stats)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        center, scale = lo + mean * (hi - lo), 1 / (std * (hi - lo))
    if not np.isfinite([center, scale]).all():
        raise LevelsError(
            f"float64 can't scale the range {lo} to {hi} by these statistics: too wide, or too "
            "narrow"
        )
    ends = np.array([-mean / std, (1 - mean) / std]) + 0.0  # makes 0 of -0
    if target == "uint8":
        ends = ends.clip(0, 255)
    near = center.clip(*_FLOAT32).astype(np.float32).astype(float)
    rest = (lo - near) + mean * (hi - lo)  # center - near, had center not been rounded
    parts: list[Triple] = [tuple(v.tolist()) for v in (near, rest, scale, *ends)]
    sizes = np.abs([near, scale])
    wide = target == "float64" or not np.all(((sizes > 1e-30) & (sizes < 1e30)) | (sizes == 0))
    lo, hi = float(lo), float(hi)  # not every library takes an integer of 64 bits
    return Arithmetic(parts[0], parts[1], parts[2], parts[3], parts[4], lo, hi, stated, bool(wide))


@lru_cache(64)
def pack(arithmetic: Arithmetic) -> Array | None:
    """Return the constants as float32; None if that can't hold them at its full precision."""
    if arithmetic.wide:
        return None
    return np.concatenate((*arithmetic[:5], arithmetic.bounds)).astype(np.float32)
