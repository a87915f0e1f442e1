"""The arithmetic of ``prepare``, done with NumPy or the kernels."""

from typing import Any

import numpy as np

from ..backends import registry
from ..backends.protocol import Array, strips
from ..core import blocks
from ..core.arithmetic import Arithmetic, pack
from ..core.layout import Layout, gray_moves, order

DTYPES = ("float32", "float16", "bfloat16", "uint8")  # of a result, in the kernels' order
_CODES = {np.dtype(t): i for i, t in enumerate(("u1", "u2", "i2", "f2", "f4"))}  # likewise
_EXACT = {*_CODES, np.dtype("i1")}  # every value is a float32


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
    if packed is not None and array.dtype in _CODES and registry.usable("native"):
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
    for part in strips(gray, 1 << 15):
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
