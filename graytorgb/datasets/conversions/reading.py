"""Read and convert the images of a task, in a worker."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ...core.collected_warnings import collect_warnings
from ...core.image_file import ImageFile
from ...core.value_range import ValueRange
from ...errors import GrayToRGBError
from .notes import Note, make_note
from .options import Options
from .pixels import convert_image
from .planned import PlannedImage

if TYPE_CHECKING:
    from ..sources.items import Item

_MOST = 512 << 20  # bytes of a stack that is read at once; of a larger one each image is read alone


class Converted(NamedTuple):
    """One image of a task, or why there is none.

    Attributes
    ----------
    planned : PlannedImage
    pixels : ndarray or None
        The converted pixels, as :func:`graytorgb.datasets.conversions.pixels.convert_image` gives
        them; None if the image can't be read or converted.
    image : ImageFile or None
        What was read.
    error : str
        Why there are no pixels, without the file's name.
    notes : tuple of Note
        What a user should know.
    """

    planned: PlannedImage
    pixels: NDArray[Any] | None
    image: ImageFile | None = None
    error: str = ""
    notes: tuple[Note, ...] = ()


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
            with collect_warnings() as caught:
                pixels = convert_image(image, options)
                _check_range(image, planned, options)
                _check_result(pixels, planned)
        except (GrayToRGBError, MemoryError) as problem:
            yield Converted(planned, None, image, planned.item.describe_error(problem))
            continue
        if options.range_source != "headers":  # the notes are on a range that isn't stated
            notes = ()
        notes += tuple(make_note(warning.message) for warning in caught)
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
) -> Iterator[tuple[PlannedImage, ImageFile | None, str, tuple[Note, ...]]]:
    """Yield each planned image with what was read of it, or None and the reason, and notes."""
    arguments = options.read_arguments()
    for planned in images:
        try:
            if _is_read_whole(planned):
                stack, notes = _read_stack(planned.item, arguments.get("value_range"))
                image = pick_frame(stack, cast(int, planned.frame))
            else:
                index = {} if planned.frame is None else {"index": planned.frame}
                image, notes = _read(planned.item, **index, **arguments)
        except (GrayToRGBError, OSError, MemoryError) as error:
            yield planned, None, planned.item.describe_error(error), ()
        else:
            yield planned, image, "", notes


def _read(item: "Item", **arguments: Any) -> tuple[ImageFile, tuple[Note, ...]]:
    """Read an image, and return it with what the warnings say."""
    with collect_warnings() as caught:
        image = item.read(**arguments)
    return image, tuple(make_note(w.message) for w in caught if issubclass(w.category, UserWarning))


@lru_cache(1)  # the next image is mostly of the same file
def _read_stack(item: "Item", value_range: ValueRange | None) -> tuple[ImageFile, tuple[Note, ...]]:
    """Read all images of a file, under a range if one is stated."""
    return _read(item, **({} if value_range is None else {"value_range": value_range}))


def forget_stack() -> None:
    """Free the memory of the stack that was read last."""
    _read_stack.cache_clear()


def _is_read_whole(planned: PlannedImage) -> bool:
    """Return whether a file of several images is read at once.

    It is if this takes little memory, or if its images have no single number.
    """
    has_number = planned.leading_axes == 1 and planned.frames > 1
    return planned.frame is not None and (planned.stack_bytes <= _MOST or not has_number)


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
