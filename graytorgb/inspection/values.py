"""The values of an image file: their extremes, levels and bits in use, gray or color, and alpha."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.depth import find_effective_bits, find_step, list_depths
from ..errors import ImageFileError
from ..io import ImageFile
from .counting import (
    Counts,
    Samples,
    count,
    find_present,
    find_spread,
    have_equal_planes,
)

Array = NDArray[Any]
Color = Literal["gray", "rgb-gray", "rgb-nearly-gray", "color"]
Alpha = Literal["none", "opaque", "constant", "varying"]

# Colors of 8 bits that are this close to gray are the noise of JPEG's chroma. Measured: gray photos
# of scikit-image whose planes differ by up to 2 (noise, or rounded apart), saved as JPEGs of three
# components at quality 50 to 100, with and without subsampled chroma, and saved again: spreads of 8
# at most, and 2.7 in the mean of an image. Planes that are equal stay equal, whatever the quality.
# A color photo of scikit-image or foolbox (ImageNet, CIFAR) has a spread of 30 or more somewhere.
_LARGEST_SPREAD = 10
_MEAN_SPREAD = 3.5

_LARGEST_INDEX = (1 << 63) - (1 << 17)  # and counts after it are still int64


@dataclass(frozen=True, eq=False)
class Values:
    """The values that an image file holds, counted over all of its images.

    Attributes
    ----------
    minimum, maximum : int, float or None
        The smallest and the largest finite value of the color samples; None if there is none.
    levels : int
        How many different finite values the color samples have.
    counts : Counts or None
        How often each value from the minimum to the maximum occurs, for bool and integers that span
        at most 16 bits: of all color samples, or of one plane if the three are equal.
    step : int or None
        The greatest common divisor of the values, 1 if all are 0; None for floats.
    effective_bits : int or None
        The bits in use: of the largest value, divided by the step; or fewer, from which all values
        can have been scaled. Signed values count their sign. None for floats.
    is_constant : bool
        Whether all pixels have one color.
    color : {"gray", "rgb-gray", "rgb-nearly-gray", "color"}
        Whether the file is gray, or has three planes that are equal, that differ by no more than
        JPEG's chroma noise, or that are colors.
    alpha : {"none", "opaque", "constant", "varying"}
        Whether there is alpha, which is the largest value, another one, or several.
    not_finite : int
        How many color samples are NaN or infinite.
    """

    minimum: int | float | None
    maximum: int | float | None
    levels: int
    counts: Counts | None
    step: int | None
    effective_bits: int | None
    is_constant: bool
    color: Color
    alpha: Alpha
    not_finite: int


def find_values(image: ImageFile) -> Values:
    """Find the extremes, the levels and the bits in use of an image, and whether it is gray.

    Parameters
    ----------
    image : ImageFile
        One image or a stack of them. An array without a layout is taken as gray.

    Returns
    -------
    Values
        What the color samples hold. Alpha, the second of two or the fourth of four channels, isn't
        counted among them. Of more than four channels the first three are the colors.

    Raises
    ------
    ImageFileError
        If the image has no pixels.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from pathlib import Path
    >>> from graytorgb.io import read
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "shifted.npy")
    ...     np.save(path, np.arange(4096, dtype="uint16").reshape(64, 64) << 4)
    ...     values = find_values(read(path))
    >>> values.maximum, values.levels, values.step, values.effective_bits, values.color
    (65520, 4096, 16, 12, 'gray')
    """
    if image.array.size == 0:
        raise ImageFileError(f"{image.path}: an array of shape {image.array.shape} has no pixels")
    samples, alpha = split_alpha(image)
    color = _find_color(samples)
    if color == "rgb-gray":
        samples = samples._replace(used=1)
    kind = samples.pixels.dtype.kind
    counts, not_finite, step, bits = count(samples), 0, None, None
    present: Array
    if counts:
        present = find_present(counts.numbers)
        if counts.first > _LARGEST_INDEX:
            present = present.astype("u8") + np.uint64(counts.first)
        elif counts.first:
            present += counts.first
    elif kind == "f":
        present, not_finite = _find_finite(samples, color)
    else:
        present = _find_different(samples.colors).astype("u8" if kind == "u" else "i8")
    if kind != "f":
        step = find_step(present)
        bits = find_effective_bits(present, step, list_depths(samples.pixels.dtype, image.bits))
    levels = len(present)
    return Values(
        minimum=present[0].item() if levels else None,
        maximum=present[-1].item() if levels else None,
        levels=levels,
        counts=counts,
        step=step,
        effective_bits=bits,
        is_constant=not not_finite and levels <= samples.used and _is_constant(samples),
        color=color,
        alpha="none" if alpha is None else _judge_alpha(image, alpha),
        not_finite=not_finite,
    )


def split_alpha(image: ImageFile) -> tuple[Samples, Array | None]:
    """Return the color samples of all pixels, and the alpha of each pixel or None.

    Without an axis of several channels the pixels are in the order of the memory.
    """
    array, layout = image.array, image.layout
    array = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    channels = array.shape[layout.index("C")] if layout and "C" in layout else 1
    if layout is None or channels == 1:
        return Samples(array.ravel("K").reshape(-1, 1), 1), None
    last = np.moveaxis(array, layout.index("C"), -1)
    pixels = np.ascontiguousarray(last).reshape(-1, channels)
    samples = Samples(pixels, 1 if channels == 2 else 3)
    return samples, pixels[:, -1] if channels in (2, 4) else None


def _find_color(samples: Samples) -> Color:
    """Return whether color samples are gray, and how they are stored."""
    if samples.used == 1:
        return "gray"
    if samples.pixels.dtype != np.uint8:
        return "rgb-gray" if have_equal_planes(samples) else "color"
    largest, total = find_spread(samples, _LARGEST_SPREAD)
    if largest == 0:
        return "rgb-gray"
    is_near = largest <= _LARGEST_SPREAD and total <= _MEAN_SPREAD * len(samples.pixels)
    return "rgb-nearly-gray" if is_near else "color"


def _find_finite(samples: Samples, color: Color) -> tuple[Array, int]:
    """Return the different finite values in order, and how many values aren't finite."""
    values = samples.colors
    is_finite = np.isfinite(values)
    not_finite = values.size - int(np.count_nonzero(is_finite))
    if color == "rgb-gray":
        not_finite *= 3
    return _find_different(values[is_finite] if not_finite else values), not_finite


def _find_different(values: Array) -> Array:
    """Return the different values in rising order; numpy.unique may take 50 times as long."""
    ordered = np.sort(values, axis=None)
    is_new = np.ones(ordered.shape, bool)
    np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
    return ordered[is_new]


def _is_constant(samples: Samples) -> bool:
    """Return whether every pixel has the colors of the first."""
    return bool((samples.colors == samples.colors[0]).all())


def _judge_alpha(image: ImageFile, alpha: Array) -> Alpha:
    """Return whether alpha is constant, and whether that is opaque."""
    value = alpha[0]
    if not (alpha == value).all():  # so is NaN
        return "varying"
    if alpha.dtype.kind == "f":
        return "opaque" if value == 1 else "constant"
    full = {1 if alpha.dtype.kind == "b" else int(np.iinfo(alpha.dtype).max)}
    if image.bits and (image.bits > 8 or image.format == "TIFF"):
        full.add((1 << image.bits) - 1)  # such as 4095 of 12 bits, or 15 of 4
    return "opaque" if int(value) in full else "constant"
