"""The arithmetic of ``prepare``: its constants, and doing it with NumPy or the kernels."""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..backends import registry
from ..backends.protocol import Array, cut_into_strips
from ..core import blocks
from ..core.layout import Layout, gray_moves, order
from ..core.stats import Stats
from ..core.value_range import NEARLY_0_TO_1
from ..errors import LevelsError

DTYPES = ("float32", "float16", "bfloat16", "uint8")  # of a result, in the kernels' order
_CODES = {np.dtype(t): i for i, t in enumerate(("u1", "u2", "i2", "f2", "f4"))}  # likewise
_EXACT = {*_CODES, np.dtype("i1")}  # every value is a float32


_FLOAT32 = np.finfo(np.float32).min, np.finfo(np.float32).max

Triple = tuple[float, ...]  # a number for each channel


class Arithmetic(NamedTuple):
    """``clip(((x - mean) - rest) * scale, lowest, highest)`` of each channel.

    The mean is in two parts, each a float32, for twice its precision: near the mean, where the
    result is small, the difference keeps its relative precision, and the result with it.

    Clipping the result to the values of `lo` and `hi` saturates x, and gives the ends exactly.
    Where nobody `stated` the range, a float x beyond 0 to 1 is reported; NaN is always.
    `wide` says that float32 doesn't hold the constants, or isn't enough for the result.
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
        """From where to where a float x isn't reported."""
        return (-math.inf, math.inf) if self.stated else NEARLY_0_TO_1


@lru_cache(64)  # a pipeline says the same each time
def constants(lo: float, hi: float, stats: Stats, target: str, *, stated: bool) -> Arithmetic:
    """For ``((x - lo) / (hi - lo) - mean) / std``, saturated where x is beyond `lo` or `hi`.

    LevelsError for a range that float64 can't scale.
    """
    mean, std = (np.resize(np.array(part, float), 3) for part in stats)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        center, scale = lo + mean * (hi - lo), 1 / (std * (hi - lo))
    if not np.isfinite([center, scale]).all():
        raise LevelsError(
            f"float64 can't scale the range {lo} to {hi} by these statistics: too wide, or too "
            "narrow"
        )
    ends = np.array([-mean / std, (1 - mean) / std]) + 0.0  # of -0 and 0, 0
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
    """The constants as float32, or None if that can't hold them to its full precision."""
    if arithmetic.wide:
        return None
    return np.concatenate((*arithmetic[:5], arithmetic.bounds)).astype(np.float32)


def fill(
    array: Array,
    axes: Layout,
    out: Array,
    arithmetic: Arithmetic,
    target: str,
    *,
    warm: bool,
    threads: int | None,
) -> bool:
    """Write the result into `out`; whether a float was outside of its bounds, or NaN.

    Parameters
    ----------
    array : ndarray
        Gray, or with a channel axis of 1 or 3, in the axes of the layout's source.
    out : ndarray
        C-contiguous, in the axes of its target; the words of it for bfloat16.
    warm : bool
        Whether the pages of `out` are there already.
    """
    axis = axes.target.index("C")
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    if "C" in axes.source and array.shape[axes.source.index("C")] == 3:
        rgb = np.moveaxis(array.transpose(order(axes.source, axes.target)), axis, 0)
        return _by_numpy(rgb, axis, out, arithmetic, target)
    if "C" in axes.source:
        array = array[(slice(None),) * axes.source.index("C") + (0,)]
    if moves := gray_moves(axes):
        array = array.transpose(moves)
    packed = pack(arithmetic)
    if packed is not None and array.dtype in _CODES and registry.is_usable("native"):
        return _by_kernel(array, axis, out, packed, target, warm, threads)
    return _by_numpy([array] * 3, axis, out, arithmetic, target)


def _by_kernel(
    gray: Array,
    axis: int,
    out: Array,
    numbers: Array,
    target: str,
    warm: bool,
    threads: int | None,
) -> bool:
    native: Any = registry.load("native")
    codes = _CODES[gray.dtype], DTYPES.index(target)
    if gray.flags.c_contiguous:
        return bool(native.normalize(gray, axis, out, codes, numbers, warm=warm, threads=threads))
    outside = False
    for part in cut_into_strips(gray, 1 << 15):
        strip = gray[part].copy()
        planar = axis < gray.ndim
        room = np.empty((3, *strip.shape), out.dtype) if planar else out[part]
        where = 0 if planar else strip.ndim
        outside |= native.normalize(strip, where, room, codes, numbers, warm=True, threads=1)
        if planar:
            np.moveaxis(out, axis, 0)[:, *part] = room
    return outside


def _by_numpy(channels: Any, axis: int, out: Array, arithmetic: Arithmetic, target: str) -> bool:
    """The same, in blocks; in float32 where every x is one, and then to the same bits."""
    outside = False
    first, last = arithmetic.bounds
    for c, plane in enumerate(np.moveaxis(out, axis, 0)):
        x = channels[c]
        exact = x.dtype.newbyteorder("=") in _EXACT and pack(arithmetic) is not None
        real = np.dtype(np.float32 if exact else np.float64)
        mean, rest, scale, lowest, highest = (real.type(part[c]) for part in arithmetic[:5])
        with np.errstate(over="ignore", invalid="ignore"):
            for block, result in blocks.read_and_write([x], real, plane):
                if x.dtype.kind == "f":
                    inside = (block >= first) & (block <= last)
                    outside |= not inside.all()
                y = ((block - mean) - rest) * scale
                result[...] = _in_target(np.clip(y, lowest, highest, out=y), target)
    return outside


def _in_target(y: Array, target: str) -> Array:
    """Rounded to nearest, ties to even."""
    if target == "uint8":
        return np.rint(y)
    if target == "bfloat16":
        bits = y.astype(np.float32).view(np.uint32)
        return (bits + 0x7FFF + (bits >> 16 & 1) >> 16).astype(np.uint16)
    return y
