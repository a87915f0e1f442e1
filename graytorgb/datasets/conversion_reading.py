"""Read and convert the images of a task, in a worker."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.image_file import ImageFile
from ..errors import GrayToRGBError
from .conversion_options import Options
from .conversion_pixels import convert_image
from .targets import PlannedImage

_MOST = 512 << 20  # bytes of a stack that is read at once; of a larger one each image is read alone


class Converted(NamedTuple):
    """One image of a task, or why there is none.

    Attributes
    ----------
    planned : PlannedImage
    pixels : ndarray or None
        The converted pixels, as :func:`graytorgb.datasets.conversion_pixels.convert_image` gives
        them; None if the image can't be read or converted.
    image : ImageFile or None
        What was read.
    error : str
        Why there are no pixels, without the file's name.
    notes : tuple of str
        What a user should know.
    """

    planned: PlannedImage
    pixels: NDArray[Any] | None
    image: ImageFile | None = None
    error: str = ""
    notes: tuple[str, ...] = ()


def convert_images(images: Sequence[PlannedImage], options: Options) -> Iterator[Converted]:
    """Read and convert images; the frames of one file that follow each other are read once.

    Yields
    ------
    Converted
        For each image, in order. An image that can't be read or converted is no exception here: its
        `error` says why.
    """
    for planned, image, error, notes in read_images(images, options):
        if image is None:
            yield Converted(planned, None, None, error)
            continue
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                pixels = convert_image(image, options)
                _check_range(image, planned, options)
                _check_result(pixels, planned)
        except (GrayToRGBError, MemoryError) as problem:
            yield Converted(planned, None, image, describe_error(problem, planned))
            continue
        if options.range_source != "headers":  # the notes are on a range that isn't stated
            notes = ()
        notes += tuple(str(warning.message) for warning in caught)
        yield Converted(planned, pixels, image, "", notes)


def _check_result(pixels: NDArray[Any], planned: PlannedImage) -> None:
    """Raise an error if the result isn't what the header promised."""
    if pixels.shape != planned.shape or pixels.dtype != planned.dtype:
        raise ResultDiffers(
            f"its header promised {planned.shape} {planned.dtype}, and its pixels gave "
            f"{pixels.shape} {pixels.dtype}: it was changed meanwhile, or is damaged"
        )


def _check_range(image: ImageFile, planned: PlannedImage, options: Options) -> None:
    """Raise an error if the pixels lie beyond the range that the header states."""
    if options.range_source == "headers" and image.value_range != planned.value_range:
        raise ResultDiffers(
            f"its header states the range {planned.value_range}, and its pixels lie beyond: state "
            "the range of all images, value_range=(lo, hi)"
        )


class ResultDiffers(GrayToRGBError, ValueError):
    """An image's pixels aren't what its header promised."""


def read_images(
    images: Sequence[PlannedImage], options: Options
) -> Iterator[tuple[PlannedImage, ImageFile | None, str, tuple[str, ...]]]:
    """Yield each planned image with what was read of it, or None and the reason, and notes."""
    arguments = options.read_arguments()
    for _, group in groupby(images, key=lambda planned: planned.item.path):
        frames = list(group)
        stack: ImageFile | None = None
        for planned in frames:
            try:
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    if planned.frame is None:
                        image = planned.item.read(**arguments)
                    elif (len(frames) > 1 and _is_small(planned)) or planned.frames == 1:
                        stack = planned.item.read(**arguments) if stack is None else stack
                        image = pick_frame(stack, planned.frame)
                    else:
                        image = planned.item.read(index=planned.frame, **arguments)
            except (GrayToRGBError, OSError, MemoryError) as error:
                yield planned, None, describe_error(error, planned), ()
                continue
            notes = tuple(str(w.message) for w in caught if issubclass(w.category, UserWarning))
            yield planned, image, "", notes


def _is_small(planned: PlannedImage) -> bool:
    """Return whether all frames of a file may be in memory at once."""
    return planned.frames * prod(planned.shape) * np.dtype(planned.dtype).itemsize <= _MOST


def pick_frame(stack: ImageFile, frame: int) -> ImageFile:
    """Return one image of a file that holds several, counted over all of its leading axes."""
    layout = stack.layout
    assert layout is not None, "a file of several images states its axes"
    leading = tuple(size for axis, size in zip(layout, stack.array.shape, strict=True)
                    if axis not in "HWC")  # fmt: skip
    at = iter(np.unravel_index(frame, leading))
    picked = tuple(slice(None) if axis in "HWC" else next(at) for axis in layout)
    axes = "".join(axis for axis in layout if axis in "HWC")
    return replace(stack, array=stack.array[picked], layout=axes)


def describe_error(error: BaseException, planned: PlannedImage) -> str:
    """Return why an image can't be read, without the place of its file, and in one line."""
    if isinstance(error, MemoryError):
        return "there isn't enough memory for it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error.args[0]) if error.args else str(error)
    return " ".join(text.removeprefix(f"{planned.item.location}: ").split())
