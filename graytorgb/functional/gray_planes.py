"""The arithmetic of ``to_gray``: one gray plane of three, by NumPy in blocks or by a library."""

from collections.abc import Iterator, Sequence
from operator import mul
from typing import Any

import numpy as np

from ..backends.protocol import Array, cut_into_strips
from ..core import blocks, luma
from ..core.layout import Layout, find_plane, remove_channel
from ..core.luma import Weights
from ..errors import ChannelError
from ..kinds import LibraryKind

Dtype = np.dtype[Any]

_PIXELS = 1024  # a product of so few with three weights is done by one thread of the BLAS library


def make_gray(array: Array, axes: Layout, weights: Weights, out: Array | None = None) -> Array:
    """Return the gray values of a numpy array, in the checked memory of `out` if it is given."""
    channels = axes.channels(array.shape)
    if out is None:
        out = np.empty(axes.result_shape(array.shape, 1), array.dtype)
    gray = out[(*[slice(None)] * axes.rgb_axis(), 0)] if "C" in axes.target else out
    planes = _take_planes(array, axes, channels)
    if channels == 1:
        np.copyto(gray, planes[0])
        return out
    if weights == "any":
        _write_equal(planes, axes, gray)
        return out
    working = np.dtype(luma.find_working_dtype(array.dtype.name))
    if working.kind == "f":
        _write_floats(planes, weights, working, gray)
    elif array.dtype.itemsize > 4:
        _write_long_integers(planes, weights, working, gray)
    else:
        _write_integers(array, axes, planes, weights, gray)
    return out


def make_gray_by_library(
    library: LibraryKind, array: Any, axes: Layout, channels: int, weights: Weights
) -> Any:
    """Return the gray values of an array, with the operations of its own library."""
    planes = [
        plane if order is None else library.transpose(plane, order)
        for part, order in (find_plane(axes, c) for c in range(channels))
        for plane in [array if part is None else array[part]]
    ]
    gray = planes[0]
    if channels == 3 and weights == "any":
        _check_equal_by_library(library, array, axes, planes)
    elif channels == 3:
        gray = _weigh_by_library(library, planes, weights)
    if "C" in axes.target:
        gray = library.insert_axis(gray, axes.rgb_axis())
    return library.make_copy(gray)


def _take_planes(array: Array, axes: Layout, channels: int) -> list[Array]:
    """Return a view of each channel, in the axes of the result without C."""
    found = [find_plane(axes, c) for c in range(channels)]
    planes = [array if part is None else array[part] for part, _ in found]
    order = found[0][1]
    return planes if order is None else [plane.transpose(order) for plane in planes]


def _write_integers(
    array: Array, axes: Layout, planes: list[Array], weights: Weights, gray: Array
) -> None:
    """Write the weighted means of integers of at most 32 bits, by sums that floats hold exactly.

    These are the numbers that :func:`luma.weigh_integers` gives: a mean that isn't a tie is farther
    from one than the rounding error of the division.
    """
    working = np.dtype(np.float32 if array.dtype.itemsize == 1 else np.float64)
    if array.dtype == np.uint8 and weights == "luma":
        factors = np.array(luma.BYTE_PARTS, working) / 65536
        for sums, result in _iterate_sums(array, axes, planes, factors, gray):
            sums += 0.5
            result[...] = sums  # without the fraction
        return
    factors = np.array(luma.PARTS[weights], working)
    for sums, result in _iterate_sums(array, axes, planes, factors, gray):
        sums /= sum(luma.PARTS[weights])
        np.rint(sums, out=sums)
        result[...] = sums


def _iterate_sums(
    array: Array, axes: Layout, planes: list[Array], factors: Array, gray: Array
) -> Iterator[tuple[Array, Array]]:
    """Yield, block by block, the sums of three planes times their factors, and a block of `gray`.

    Where the three values of a pixel lie side by side, they are cast and multiplied together.
    """
    is_interleaved = axes.source == remove_channel(axes.target) + "C"
    if not (is_interleaved and array.flags.c_contiguous):
        for red, green, blue, result in blocks.read_and_write(planes, factors.dtype, gray):
            yield red * factors[0] + green * factors[1] + blue * factors[2], result
        return
    pixels, results = array.reshape(-1, 3), gray.reshape(-1)
    values, room = np.empty((blocks.BLOCK, 3), factors.dtype), np.empty(blocks.BLOCK, factors.dtype)
    for start in range(0, len(pixels), blocks.BLOCK):
        block = pixels[start : start + blocks.BLOCK]
        sums, whole = room[: len(block)], len(block) - len(block) % _PIXELS
        np.copyto(values[: len(block)], block)
        groups = values[:whole].reshape(-1, _PIXELS, 3)
        np.matmul(groups, factors, out=sums[:whole].reshape(-1, _PIXELS))
        np.matmul(values[whole : len(block)], factors, out=sums[whole:])
        yield sums, results[start : start + blocks.BLOCK]


def _write_long_integers(
    planes: list[Array], weights: Weights, working: Dtype, gray: Array
) -> None:
    for *parts, result in blocks.read_and_write(planes, working, gray):
        result[...] = luma.weigh_integers(parts, gray.dtype.name, weights)


def _write_floats(planes: list[Array], weights: Weights, working: Dtype, gray: Array) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        for *parts, result in blocks.read_and_write(planes, working, gray):
            mean = luma.weigh_floats(parts, weights, mul)
            finite = np.isfinite(mean)
            if not finite.all():
                mean = np.where(finite, mean, luma.add_weighed_floats(parts, weights, mul))
            result[...] = mean


def _write_equal(planes: list[Array], axes: Layout, gray: Array) -> None:
    for red, green, blue, result in blocks.read_and_write(planes, gray.dtype, gray):
        is_equal = bool(((red == green) & (green == blue)).all())
        if not (is_equal or _find_equal(red, green, blue).all()):
            raise _refuse_color(planes, axes)
        result[...] = red


def _find_equal(red: Any, green: Any, blue: Any) -> Any:
    """Return where three values are the same number; NaN is the same as NaN."""
    are_nan = (red != red) & (green != green) & (blue != blue)
    return ((red == green) & (green == blue)) | are_nan


def _weigh_by_library(library: LibraryKind, planes: Sequence[Any], weights: Weights) -> Any:
    """Return the weighted mean of three planes, with the operations of their own library."""
    name = library.get_dtype_name(planes[0])
    working = luma.find_working_dtype(name)
    planes = [library.cast(plane, working) for plane in planes]

    def multiply(x: Any, number: float) -> Any:
        # Compilers fuse a product and a sum, and round once. A choice between them prevents that.
        return library.select(x - x == 0, x * number, x)

    if "float" not in name:
        return library.cast(luma.weigh_integers(planes, name, weights), name)
    mean = luma.weigh_floats(planes, weights, multiply)
    whole = luma.add_weighed_floats(planes, weights, multiply)
    return library.cast(library.select(mean - mean == 0, mean, whole), name)


def _check_equal_by_library(
    library: LibraryKind, array: Any, axes: Layout, planes: Sequence[Any]
) -> None:
    """Raise ChannelError if three planes differ; in a graph, when it runs."""
    name = library.get_dtype_name(array)
    if not name.startswith("complex"):  # not every library compares each dtype
        planes = [library.cast(plane, luma.find_working_dtype(name)) for plane in planes]
    are_equal = library.cast(_find_equal(*planes), "float32")
    try:
        library.check_values(are_equal, 1, 1, _refuse_color(None, axes))
    except ChannelError:
        values = library.read_values(array)
        if values is None:
            raise
        raise _refuse_color(_take_planes(values, axes, 3), axes) from None


def _refuse_color(planes: list[Array] | None, axes: Layout) -> ChannelError:
    """Return the error for channels that differ; with None for planes whose values aren't known."""
    told = "by how much isn't known in a graph or a trace"
    if planes is not None:
        difference, index = _find_largest_difference(planes)
        color = ", ".join(str(plane[index].item()) for plane in planes)
        place = zip(remove_channel(axes.target), index, strict=True)
        where = ", ".join(f"{letter}={i}" for letter, i in place)
        told = f"by {difference} at most, in ({color}) at {where}"
    return ChannelError(
        'weights="any" takes one of three equal channels, and these channels differ: '
        f'{told}. to_gray(x, ..., weights="luma") or "equal" makes one channel of a color image'
    )


def _find_largest_difference(planes: list[Array]) -> tuple[Any, tuple[int, ...]]:
    """Return the largest difference between two channels of a pixel, and the pixel's index.

    The difference is NaN where some, and not all, of the three channels are NaN.
    """
    largest: Any = -1
    where: tuple[int, ...] = ()
    for part in cut_into_strips(planes[0], 1 << 16):
        red, green, blue = (plane[part] for plane in planes)
        differences = _find_differences(red, green, blue)
        differences[_find_equal(red, green, blue)] = 0
        place = np.unravel_index(int(differences.argmax()), differences.shape)
        found = differences[place].item()
        if found != found or found > largest:
            largest, begin = found, part[-1].start if isinstance(part[-1], slice) else 0
            leading = [int(i) for i in part[:-1] if not isinstance(i, slice)]
            where = (*leading, int(place[0]) + begin, *map(int, place[1:]))
        if found != found:
            break
    return largest, where


def _find_differences(red: Array, green: Array, blue: Array) -> Array:
    """Return the largest difference between the three channels of each pixel."""
    if red.dtype.kind in "biu":
        highest, lowest = np.maximum(np.maximum(red, green), blue), np.minimum(red, green)
        lowest = np.minimum(lowest, blue)
        return highest.astype(np.uint64) - lowest.astype(np.uint64)  # exact, for any sign
    with np.errstate(over="ignore", invalid="ignore"):
        red, green, blue = (x.astype(np.result_type(x, np.float64)) for x in (red, green, blue))
        pairs = ((red, green), (green, blue), (red, blue))
        return np.maximum.reduce([np.abs(x - y) for x, y in pairs])
