"""The arithmetic of ``prepare``, done with NumPy or the kernels."""

from typing import Any

import numpy as np

from ..backends import registry
from ..core import blocks
from ..core.arithmetic import Arithmetic, pack
from ..core.blocks import Array, cut_into_strips
from ..core.layout import Layout, find_order, take_plane

DTYPES = ("float32", "float16", "bfloat16", "uint8")  # of a result, numbered as in the kernels
# The numbers that the kernels give to the dtypes of an input
_CODES = {np.dtype(t): i for i, t in enumerate(("u1", "u2", "i2", "f2", "f4"))}
_EXACT = {*_CODES, np.dtype("i1")}  # float32 holds each of their values


def write_normalized(
    array: Array,
    axes: Layout,
    out: Array,
    arithmetic: Arithmetic,
    target: str,
    *,
    warm: bool,
    threads: int | None,
) -> bool:
    """Write the normalized values into `out`.

    Parameters
    ----------
    array : ndarray
        Gray, or with a channel axis of 1 or 3, in the source axes of the layout.
    axes : Layout
    out : ndarray
        C-contiguous, in the target axes of the layout; 16-bit integers for bfloat16. One channel of
        gray is enough, which has the arithmetic of the first.
    arithmetic : Arithmetic
    target : str
        The dtype of the result: one of :data:`DTYPES`, or float64.
    warm : bool
        Whether the pages of `out` are there already.
    threads : int or None
        The most threads that the kernels use.

    Returns
    -------
    bool
        Whether a float lies outside of the arithmetic's bounds, or is NaN.
    """
    axis = axes.rgb_axis()
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    if axes.channels(array.shape) == 3:
        rgb = np.moveaxis(array.transpose(find_order(*axes)), axis, 0)
        return _write_by_numpy(rgb, axis, out, arithmetic, target)
    array = take_plane(array, axes, 0, np.transpose)
    if out.shape[axis] == 1:
        return _write_by_numpy([array], axis, out, arithmetic, target)
    packed = pack(arithmetic)
    if packed is not None and array.dtype in _CODES and registry.is_usable("native"):
        return _write_by_kernel(array, axis, out, packed, target, warm, threads)
    return _write_by_numpy([array] * 3, axis, out, arithmetic, target)


def _write_by_kernel(
    gray: Array, axis: int, out: Array, numbers: Array, target: str, warm: bool, threads: int | None
) -> bool:
    """Write the normalized values of a gray array with the compiled kernels."""
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


def _write_by_numpy(
    channels: Any, axis: int, out: Array, arithmetic: Arithmetic, target: str
) -> bool:
    """Write the normalized values with NumPy, in blocks.

    Where float32 holds every x, this gives the same bits as the kernels.
    """
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
                result[...] = _round_to_dtype(np.clip(y, lowest, highest, out=y), target)
    return outside


def _round_to_dtype(y: Array, target: str) -> Array:
    """Round values to what a dtype holds: to nearest, ties to even."""
    if target == "uint8":
        return np.rint(y)
    if target == "bfloat16":
        bits = y.astype(np.float32).view(np.uint32)
        return (bits + 0x7FFF + (bits >> 16 & 1) >> 16).astype(np.uint16)
    return y
