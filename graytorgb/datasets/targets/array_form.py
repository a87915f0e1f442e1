"""The shape and the dtype that the images of an array have in common."""

import math
from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import OptionError, TargetError
from ..conversions.options import Options
from ..conversions.planned import PlannedImage
from ..sources.items import find_class
from .protocol import Plan
from .rows import number_classes

if TYPE_CHECKING:
    from ..sources.items import Item

_SHARD_BYTES = 32 << 20
_SHARD_IMAGES = 1024  # a reader of one image reads its shard's index too, 16 bytes an image


def find_array_form(plan: Plan, options: Options) -> dict[str, Any]:
    """Return what the images of an array have in common.

    Returns
    -------
    dict
        ``"shape"``, (H, W, C); ``"dtype"``, the smallest that holds every value of every image;
        ``"per_shard"``, how many images a shard has: about 32 MiB, at most 1024 images;
        ``"is_array"``, whether the source is one array; ``"classes"``, the label of each.

    Raises
    ------
    OptionError
        If the options name a format of files.
    TargetError
        If the images differ in size, or no dtype holds all of their values.
    """
    if options.format is not None:
        problem = "format is of files, and this target is an array"
        error = OptionError(
            f"{problem}: leave format={options.format!r} away, or name a folder or a .tar as the "
            "target"
        )
        error.remedies, error.problem = ("format",), problem
        raise error
    first: dict[tuple[tuple[int, ...], str], PlannedImage] = {}
    arrays: set[tuple[str, str | None] | None] = set()
    classes = set()
    for image in plan:
        first.setdefault((image.shape, image.dtype), image)
        classes.add(find_class(image.name))
        arrays.add(_find_array(image.item))
    shapes = {shape: image for (shape, _), image in reversed(first.items())}
    if len(shapes) > 1:
        raise _refuse_sizes(list(reversed(shapes.values())), options)
    dtype = str(join_dtypes({dtype: image for (_, dtype), image in reversed(first.items())}))
    shape = (*next(iter(shapes)), 1)[:3]
    size = math.prod(shape) * np.dtype(dtype).itemsize
    per_shard = count_shard_images(size, _SHARD_BYTES, _SHARD_IMAGES)
    is_array = len(arrays) == 1 and None not in arrays
    return {
        "shape": list(shape), "dtype": dtype, "per_shard": per_shard, "is_array": is_array,
        "classes": {} if is_array else number_classes(classes),
    }  # fmt: skip


def _find_array(item: "Item") -> tuple[str, str | None] | None:
    """Return the array that an image is named by; None for a file, or an image with its own name.

    A Zarr group of this package tells the path of each of its images.
    """
    is_numbered = item.path.startswith(PurePath(item.location).name)
    if item.reader in ("array", "zarr") and is_numbered:
        return item.location, item.member
    return None


def count_shard_images(image_bytes: float, shard_bytes: int, most: int) -> int:
    """Return how many images go into one shard: as many as fit, at least one.

    >>> count_shard_images(224 * 224 * 3, 32 << 20, 1024)
    222
    """
    return max(1, min(most, math.floor(shard_bytes / max(image_bytes, 1))))


def join_dtypes(images: dict[str, PlannedImage]) -> np.dtype[Any]:
    """Return the smallest dtype that holds every value of every image.

    Parameters
    ----------
    images : dict
        An image of each dtype.

    Raises
    ------
    TargetError
        If there is none, as for 64-bit integers beside floats.
    """
    joined = np.result_type(*images)
    lost = [dtype for dtype in images if not _holds(joined, np.dtype(dtype))]
    if not lost:
        return joined
    other = next(dtype for dtype in images if dtype != lost[0])
    problem = (
        f"no dtype holds the values of {lost[0]}, as of {images[lost[0]].name}, and those of "
        f"{other}, as of {images[other].name}, without a loss: convert them one by one, or state "
        "the range"
    )
    error = TargetError(f"{problem} and convert(..., bits=8, value_range=(lo, hi))")
    error.remedies, error.problem = ("bits", "value_range"), problem
    raise error


def _holds(joined: np.dtype[Any], dtype: np.dtype[Any]) -> bool:
    """Return whether a dtype holds every value of another; numpy ignores what floats round."""
    if joined.kind == "f" and dtype.kind in "iu":
        digits = dtype.itemsize * 8 - (dtype.kind == "i")
        return bool(digits <= np.finfo(joined).nmant + 1)
    return True


def _refuse_sizes(images: Iterable[PlannedImage], options: Options) -> TargetError:
    """Return the error for images of several sizes."""
    first, second, *_ = images
    told = [f"{image.name} is {image.shape[0]} x {image.shape[1]}" for image in (first, second)]
    hint = "size=(height, width)"
    if options.size is None:
        hint += ", such as size=(224, 224)"
    problem = f"the images of an array have one size, and {told[0]} and {told[1]} (height x width)"
    error = TargetError(f"{problem}: convert(..., {hint}), or convert into a folder")
    error.remedies, error.problem = ("size",), f"{problem}; a folder takes any"
    return error
