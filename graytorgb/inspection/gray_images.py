"""Gray images from 0 to 1 in one size, for the proof of a network: from files, or of noise."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from warnings import catch_warnings, filterwarnings

import numpy as np
from numpy.typing import NDArray

from ..errors import GrayToRGBError, ImageFileError, LevelsError
from ..extras import require
from ..functional.prepare import prepare
from ..io import ImageFile, find_image_files, read

Gray = NDArray[np.float32]

_NEAR_BLACK = 1 / 16  # of white: 12 bits in a file of 16 reach no more
_FLAT = 1 / 512  # of white, the difference between the values of an image of one gray
_LOOKED_AT = 8  # files whose values an error quotes

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601


def read_gray(
    path: Path, size: tuple[int, int], value_range: tuple[float, float] | None
) -> Iterator[Gray]:
    """Read each image of a file, of any depth and kind, as gray from 0 to 1, resized.

    Parameters
    ----------
    path : Path
        The file, of a format that :func:`graytorgb.io.read` takes.
    size : (height, width)
        The size of the result; images are resized by bicubic interpolation.
    value_range : (lo, hi) or None
        The values that are black and white. None takes what the file states.

    Yields
    ------
    ndarray of shape (height, width), float32
        Black is 0 and white is 1; values beyond are saturated. Color becomes its luma by Rec. 601,
        and alpha is left out.

    Raises
    ------
    ImageFileError
        If the file can't be read, its axes aren't known, or a value isn't finite.
    LevelsError
        If neither the caller nor the file states a range, or 8 bits are under a range of more.
    """
    for plane in _read_planes(path, value_range):
        yield _resize(plane, size)


class GrayImages(NamedTuple):
    """Gray images of a file or a folder.

    Attributes
    ----------
    images : list of ndarray of shape (height, width), float32
    has_more : bool
        Whether there are more images than these.
    skipped : list of (path, str)
        The files of the folder that can't be read, and why.
    """

    images: list[Gray]
    has_more: bool
    skipped: list[tuple[Path, str]]


def read_grays(
    path: Path, size: tuple[int, int], value_range: tuple[float, float] | None, at_most: int
) -> GrayImages:
    """Read the first images of a file or a folder, as :func:`read_gray` reads them.

    In a folder, files that can't be read are skipped.

    Raises
    ------
    ImageFileError
        If a file that is given itself can't be read, or none in the folder.
    LevelsError
        If neither the caller nor a file states a range, or the images are nearly black or of one
        gray each, so that they show nothing of a network. That is so, for example, where a camera
        of 12 bits wrote files of 16.
    """
    skipped: list[tuple[Path, str]] = []
    every = _list_planes(path, value_range, skipped)
    brightest, images, is_flat = 0.0, [], True
    for plane in islice(every, at_most):
        image = _resize(plane, size)
        images.append(image)
        brightest = max(brightest, float(min(plane.max(), image.max())))
        is_flat = is_flat and bool(plane.max() - plane.min() <= _FLAT)
    has_more = next(every, None) is not None
    if not images:
        file, reason = skipped[0]
        raise ImageFileError(
            f"{path}: none of its {len(skipped)} image files can be read; the first is "
            f"{file.name}: {reason}"
        )
    if brightest <= _NEAR_BLACK:
        raise _make_dark_error(path, value_range, brightest)
    if is_flat:
        raise _make_levels_error(
            f"{path}: each image has one gray value all over, which proves nothing: name other "
            "images, or the values that are black and white",
            "value_range=(lo, hi)",
        )
    return GrayImages(images, has_more, skipped)


def _list_planes(
    path: Path, value_range: tuple[float, float] | None, skipped: list[tuple[Path, str]]
) -> Iterator[Gray]:
    """Yield the images of a file or a folder; add the files that can't be read to `skipped`."""
    is_folder = path.is_dir()
    for file in find_image_files(path):
        try:
            yield from _read_planes(file, value_range)
        except LevelsError:
            raise
        except (GrayToRGBError, OSError) as error:
            if not is_folder:
                raise
            skipped.append((file, str(error).partition("\n")[0]))


def _make_dark_error(
    path: Path, value_range: tuple[float, float] | None, brightest: float
) -> LevelsError:
    """Return the error for images that are nearly black, with the range that their values need."""
    largest = 0.0
    for file in find_image_files(path)[:_LOOKED_AT]:
        with suppress(GrayToRGBError, OSError), catch_warnings(action="ignore"):
            largest = max(largest, float(read(file, value_range=value_range).array.max()))
    white = 2 ** max(1, int(largest).bit_length()) - 1
    advice, ends = "value_range=(lo, hi)", ""
    if largest > 1:
        advice, ends = f"value_range=(0, {white})", f", such as 0 and {white}"
    return _make_levels_error(
        f"{path}: all images are nearly black, at most {brightest:.2g} of white, so they prove "
        f"little. Their values go up to {largest:g}: state which are black and white{ends}",
        advice,
    )


def _make_levels_error(problem: str, advice: str) -> LevelsError:
    """Return a LevelsError that a range of the images' values solves."""
    error = LevelsError(f"{problem}, {advice}")
    error.remedies, error.problem = ("image_range",), problem
    return error


def _read_planes(path: Path, value_range: tuple[float, float] | None) -> Gray:
    """Return every image of a file, (N, H, W), from 0 to 1."""
    try:
        with catch_warnings():
            # read_grays looks at all images, and raises an error
            filterwarnings("ignore", ".*states its depth alone", UserWarning)
            return _scale(read(path, value_range=value_range))
    except LevelsError as error:
        error.remedies = ("image_range",)
        raise


def _resize(plane: Gray, size: tuple[int, int]) -> Gray:
    """Return an image in another size, by bicubic interpolation, from 0 to 1."""
    image = require("PIL.Image")
    small = image.fromarray(plane).resize(size[::-1], image.Resampling.BICUBIC)
    return np.asarray(small, np.float32).clip(0, 1)  # bicubic overshoots at edges


def make_noise_images(size: tuple[int, ...], count: int) -> list[Gray]:
    """Return images of noise from 0 to 1, always the same."""
    rng = np.random.default_rng(0)
    return [rng.random(size).astype(np.float32) for _ in range(count)]


def _scale(image: ImageFile) -> Gray:
    """Return every image of a file, (N, H, W), from 0 to 1."""
    array, value_range = image
    layout = image.layout
    if layout is None:
        raise ImageFileError(f"{image.path}: nothing tells its axes, shape {array.shape}")
    if not np.isfinite(array).all():
        raise ImageFileError(f"{image.path}: it has values that aren't finite")
    is_color = False
    if "C" in layout:
        array = np.moveaxis(array, layout.index("C"), -1)
        layout = layout.replace("C", "") + "C"
        is_color = array.shape[-1] >= 3
        array = array[..., : 3 if is_color else 1]
    leading = "".join(axis for axis in layout if axis not in "HWC")
    unit = prepare(array, "0..1", f"{layout}->{leading}HWC", value_range=value_range)
    gray: Gray = unit @ _LUMA if is_color else unit[..., 0]
    return gray.reshape(-1, *gray.shape[-2:])
