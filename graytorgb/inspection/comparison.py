"""The loss of the usual conversion of a file to RGB, ``Image.open(path).convert("RGB")``."""

import sys
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.layout import find_order
from ..core.value_range import ValueRange
from ..functional.to_rgb import to_rgb
from ..functional.to_uint8 import to_uint8
from ..io import ImageFile
from ..io.request import Request
from .counting import Samples, count, find_present
from .loaders import LOADERS, convert_like
from .values import find_values

# How a short script reads files that Pillow doesn't open, by format
_READERS = {
    "DICOM": "pydicom.dcmread(path).pixel_array",
    "TIFF": "tifffile.imread(path)",
    "NumPy": "np.load(path)",
}
_FEW_LEVELS = 16


class Picture(NamedTuple):
    """An 8-bit rendering of the first plane of a file, and its figures.

    Attributes
    ----------
    rgb : ndarray of uint8, shape (H, W, 3)
        The pixels.
    levels : int
        How many different values the pixels have.
    black, white : float
        The shares of the pixels that are 0 and 255 in every channel.
    """

    rgb: NDArray[np.uint8]
    levels: int
    black: float
    white: float


class Comparison(NamedTuple):
    """The usual conversion of a plane beside the one of this package.

    Attributes
    ----------
    levels : int
        How many different values that plane of the file has.
    code : str
        The usual conversion, as code.
    naive : Picture or None
        The result of the usual conversion, or None if it fails.
    refusal : str
        Why the usual conversion gives nothing, empty if it does.
    ours : Picture
        The result of ``to_rgb(to_uint8(array, value_range))``.
    """

    levels: int
    code: str
    naive: Picture | None
    refusal: str
    ours: Picture


def compare(image: ImageFile, value_range: ValueRange) -> Comparison:
    """Compare the usual conversion of a file's first plane with ours.

    Raises
    ------
    LayoutError
        If the image has no layout.
    LevelsError
        If the range can't be used for the image's values.
    """
    plane, axes = pick_plane(image, image.array)
    ours = to_rgb(pick_plane(image, to_uint8(image.array, value_range))[0], axes, alpha="drop")
    code, naive, refusal = _convert_naively(image)
    return Comparison(
        levels=find_values(replace(image, array=plane, layout=axes)).levels,
        code=code,
        naive=None if naive is None else _measure(naive),
        refusal=refusal,
        ours=_measure(ours),
    )


def describe_loss(image: ImageFile, comparison: Comparison, remedy: str) -> str:
    """Return one sentence on what the usual conversion loses.

    `remedy` names what has to be stated if our own conversion leaves few levels.
    """
    naive, ours = comparison.naive, comparison.ours
    if naive is None:
        return f"The usual conversion fails, so nothing is lost in silence: {comparison.refusal}"
    if np.array_equal(naive.rgb, ours.rgb):
        alpha = " but its alpha" if image.array.shape[-1] in (2, 4) and image.layout else ""
        return f"The usual conversion gives the same pixels: nothing is lost{alpha}."
    told = [f"leaves {naive.levels:,} of {comparison.levels:,} levels"]
    pairs = {"white": (naive.white, ours.white), "black": (naive.black, ours.black)}
    for name, (share, own) in pairs.items():
        if share - own > 0.001:
            told.append(f"turns {share:.1%} of the pixels {name} (graytorgb: {own:.1%})")
    if ours.levels < min(_FEW_LEVELS, comparison.levels):
        told.append(f"ours has {ours.levels} levels, until {remedy} says what is white")
    return f"The usual conversion {'; '.join(told)}."


def _measure(rgb: NDArray[np.uint8]) -> Picture:
    """Return the pixels with their figures."""
    black, white = (float((rgb == level).all(-1).mean()) for level in (0, 255))
    counts = count(Samples(rgb.reshape(-1, 3), 3))
    return Picture(rgb, len(find_present(counts.numbers)) if counts else 0, black, white)


def pick_plane(image: ImageFile, array: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Return the first image of an array in the file's layout, and its axes, HW or HWC."""
    layout = image.layout
    if layout is None:  # to_rgb's error says what to state
        to_rgb(array)
        raise AssertionError("to_rgb takes no array whose axes it can't tell")
    picked = tuple(slice(None) if axis in "HWC" else 0 for axis in layout)
    left = "".join(axis for axis in layout if axis in "HWC")
    axes = "HWC" if "C" in left else "HW"
    return array[picked].transpose(find_order(left, axes)), axes


def _convert_naively(image: ImageFile) -> tuple[str, NDArray[Any] | None, str]:
    """Return the code of the usual conversion, its pixels or None, and why there are none."""
    code, naive = LOADERS["pillow"].code, None
    if image.format not in ("DICOM", "NumPy"):
        naive = convert_like("pillow", image)
    if naive is None and image.format in _READERS:
        code = f'Image.fromarray({_READERS[image.format]}).convert("RGB")'
        plain = replace(image, array=_read_plainly(image), format="NumPy")
        naive = convert_like("pillow", plain)
    if naive is None:
        return code, None, f"{code} raises an error"
    return code, naive[0] if naive.ndim == 4 else naive, ""


def _read_plainly(image: ImageFile) -> Any:
    """Return the array as a short script would read it: not rescaled, windowed or inverted."""
    if image.format == "TIFF":
        import tifffile

        return tifffile.imread(image.path)
    if image.format != "DICOM":
        return image.array
    # pydicom's array, by the codecs of io.read: pydicom's own choice, GDCM, can end the process
    from ..io.dicom_decode import decode
    from ..io.dicom_header import open_scan

    with Request(image.path, limit=sys.maxsize) as request:
        return decode(open_scan(request))
