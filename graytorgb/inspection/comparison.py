"""What the usual conversion makes of a file: ``Image.open(path).convert("RGB")``, measured."""

import sys
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ..core.image_file import ImageFile
from ..core.layout import find_order
from ..core.value_range import ValueRange
from ..functional.to_rgb import to_rgb
from ..functional.to_uint8 import to_uint8
from ..io.image import Array, Request

_READERS = {
    "DICOM": "pydicom.dcmread(path).pixel_array",
    "TIFF": "tifffile.imread(path)",
    "NumPy": "np.load(path)",
}


class Picture(NamedTuple):
    """An 8-bit rendering of a file's first plane.

    Attributes
    ----------
    rgb : ndarray of uint8, shape (H, W, 3)
        The pixels.
    levels : int
        How many values are left of the file's.
    black, white : float
        The shares of the pixels that are 0 and 255 in every channel.
    """

    rgb: NDArray[np.uint8]
    levels: int
    black: float
    white: float

    @classmethod
    def of(cls, rgb: NDArray[np.uint8]) -> "Picture":
        """The picture with its figures."""
        black, white = ((rgb == level).all(-1).mean() for level in (0, 255))
        return cls(rgb, len(np.unique(rgb)), float(black), float(white))


class Comparison(NamedTuple):
    """The usual conversion and ours, of the same plane.

    Attributes
    ----------
    levels : int
        The different values in that plane of the file.
    how : str
        The usual conversion, as code.
    naive : Picture or None
        What it gives; None if it fails.
    refusal : str
        Its error, if it does.
    ours : Picture
        ``to_rgb(to_uint8(array, value_range))``.
    """

    levels: int
    how: str
    naive: Picture | None
    refusal: str
    ours: Picture

    @property
    def same(self) -> bool:
        """Whether both give the same pixels."""
        return self.naive is not None and np.array_equal(self.naive.rgb, self.ours.rgb)


def compare(image: ImageFile, value_range: ValueRange) -> Comparison:
    """Convert the first plane of a file both ways.

    Raises
    ------
    LayoutError
        If its axes aren't known.
    ChannelError
        If it has another number of channels than 1 to 4.
    LevelsError
        If a value is NaN, or the range can't be used.
    """
    plane, axes = first_plane(image)
    eight = to_uint8(image.array, value_range)  # all of it, because minmax looks at all
    ours = to_rgb(first_plane(image, eight)[0], axes, alpha="drop")
    how, naive, refusal = _convert_naively(image)
    return Comparison(
        levels=len(np.unique(plane)),
        how=how,
        naive=None if naive is None else Picture.of(naive),
        refusal=refusal,
        ours=Picture.of(ours),
    )


def first_plane(image: ImageFile, array: Array | None = None) -> tuple[Array, str]:
    """The first image of a stack, as HW or HWC, and which of both it is."""
    array = image.array if array is None else array
    layout = image.layout
    if layout is None:  # to_rgb's error says what to state
        to_rgb(array)
        raise AssertionError("to_rgb takes no array whose axes it can't tell")
    picked = tuple(slice(None) if axis in "HWC" else 0 for axis in layout)
    left = "".join(axis for axis in layout if axis in "HWC")
    axes = "HWC" if "C" in left else "HW"
    return array[picked].transpose(find_order(left, axes)), axes


def _convert_naively(image: ImageFile) -> tuple[str, NDArray[np.uint8] | None, str]:
    """The code, its pixels or None, and its error."""
    how = 'Image.open(path).convert("RGB")'
    try:
        with warnings.catch_warnings():  # a DICOM file may begin as a TIFF, and not go on as one
            warnings.simplefilter("ignore")
            with Image.open(image.path) as opened:
                return how, np.asarray(opened.convert("RGB")), ""
    except UnidentifiedImageError:
        pass
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        return how, None, str(error)
    reader = _READERS[image.format]
    how = f'Image.fromarray({reader}).convert("RGB")'
    plane = first_plane(image, _read_plainly(image))[0]
    try:
        return how, np.asarray(Image.fromarray(plane).convert("RGB")), ""
    except (TypeError, ValueError) as error:
        return how, None, str(error)


def _read_plainly(image: ImageFile) -> Any:
    """The array as a short script would read it: no rescale, no window, nothing turned round."""
    if image.format == "NumPy":
        return image.array
    if image.format == "TIFF":
        import tifffile

        return tifffile.imread(image.path)
    # What pydicom gives, by the codecs of io.read: pydicom's own choice, GDCM, can end the process.
    from ..io.dicom_decode import decode
    from ..io.dicom_header import open_scan

    with Request(image.path, limit=sys.maxsize) as request:
        return decode(open_scan(request))
