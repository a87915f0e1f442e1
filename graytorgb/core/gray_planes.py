"""The arithmetic of ``to_gray`` by NumPy: one gray plane of three channels, in blocks."""

from collections.abc import Iterator
from operator import mul

import numpy as np

from . import blocks, luma
from .blocks import Array
from .equal_channels import find_equal, refuse_color
from .layout import Layout, remove_channel, take_plane
from .luma import Weights

_BLOCK = 32768  # pixels that are weighed at a time; as float32 they stay in the second-level cache
_PIXELS = 1024  # for so many, the BLAS library starts no threads


def make_gray(array: Array, axes: Layout, weights: Weights, out: Array | None = None) -> Array:
    """Return the gray values of a numpy array, in the checked memory of `out` if it is given."""
    channels = axes.channels(array.shape)
    if out is None:
        out = np.empty(axes.result_shape(array.shape, 1), array.dtype)
    gray = np.moveaxis(out, axes.rgb_axis(), 0)[0] if "C" in axes.target else out
    if channels == 1:
        np.copyto(gray, take_plane(array, axes, 0, np.transpose))
    elif weights == "any":
        _write_equal(array, axes, gray)
    elif array.dtype.kind in "biu" and array.dtype.itemsize <= 4:
        _write_integers(array, axes, weights, gray)
    elif array.dtype.kind in "iu":
        _write_long_integers(array, axes, weights, gray)
    else:
        _write_floats(array, axes, weights, gray)
    return out


def _take_planes(array: Array, axes: Layout) -> list[Array]:
    return [take_plane(array, axes, channel, np.transpose) for channel in range(3)]


def _write_integers(array: Array, axes: Layout, weights: Weights, gray: Array) -> None:
    """Write the weighted means of integers of at most 32 bits, by sums that floats hold exactly.

    These are the numbers that :func:`luma.weigh_integers` gives: a mean that isn't a tie is farther
    from one than the rounding error of the division.
    """
    working = np.dtype(np.float32 if array.dtype.itemsize == 1 else np.float64)
    if array.dtype == np.uint8 and weights == "luma":
        factors = np.array(luma.BYTE_PARTS, working) / 65536
        for sums, result in _iterate_sums(array, axes, factors, gray):
            sums += 0.5
            result[...] = sums  # without the fraction
        return
    factors = np.array(luma.PARTS[weights], working)
    for sums, result in _iterate_sums(array, axes, factors, gray):
        sums /= sum(luma.PARTS[weights])
        np.rint(sums, out=sums)
        result[...] = sums


def _iterate_sums(
    array: Array, axes: Layout, factors: Array, gray: Array
) -> Iterator[tuple[Array, Array]]:
    """Yield, block by block, the sums of three planes times their factors, and a block of `gray`.

    Where the three values of a pixel lie side by side, they are cast and multiplied together.
    """
    is_interleaved = axes.source == remove_channel(axes.target) + "C"
    if not (is_interleaved and array.flags.c_contiguous):
        planes = _take_planes(array, axes)
        for red, green, blue, result in blocks.read_and_write(planes, factors.dtype, gray):
            yield red * factors[0] + green * factors[1] + blue * factors[2], result
        return
    pixels, results = array.reshape(-1, 3), gray.reshape(-1)
    most = min(_BLOCK, len(pixels))
    values, sums = np.empty((most, 3), factors.dtype), np.empty(most, factors.dtype)
    for start in range(0, len(pixels), _BLOCK):
        block = pixels[start : start + _BLOCK]
        if len(block) < most:
            values, sums = values[: len(block)], sums[: len(block)]
        np.copyto(values, block)
        _multiply(values, factors, sums)
        yield sums, results[start : start + _BLOCK]


def _multiply(values: Array, factors: Array, out: Array) -> None:
    """Write the product of a matrix (n, 3) and three factors, in the calling thread alone."""
    whole = len(values) - len(values) % _PIXELS
    if whole:
        groups = values[:whole].reshape(-1, _PIXELS, 3)
        np.matmul(groups, factors, out=out[:whole].reshape(-1, _PIXELS))
    if whole < len(values):
        np.matmul(values[whole:], factors, out=out[whole:])


def _write_long_integers(array: Array, axes: Layout, weights: Weights, gray: Array) -> None:
    name = array.dtype.name
    working = np.dtype(luma.find_working_dtype(name))
    for *parts, result in blocks.read_and_write(_take_planes(array, axes), working, gray):
        result[...] = luma.weigh_integers(parts, name, weights)


def _write_floats(array: Array, axes: Layout, weights: Weights, gray: Array) -> None:
    working = np.dtype(luma.find_working_dtype(array.dtype.name))
    with np.errstate(over="ignore", invalid="ignore"):
        for *parts, result in blocks.read_and_write(_take_planes(array, axes), working, gray):
            mean = luma.weigh_floats(parts, weights, mul)
            finite = np.isfinite(mean)
            if not finite.all():
                mean = np.where(finite, mean, luma.add_weighed_floats(parts, weights, mul))
            result[...] = mean


def _write_equal(array: Array, axes: Layout, gray: Array) -> None:
    planes = _take_planes(array, axes)
    for red, green, blue, result in blocks.read_and_write(planes, gray.dtype, gray):
        is_equal = bool(((red == green) & (green == blue)).all())
        if not (is_equal or find_equal(red, green, blue).all()):
            raise refuse_color(planes, axes)
        result[...] = red
