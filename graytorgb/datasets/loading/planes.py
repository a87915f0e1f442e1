"""``read_plane``: one gray plane of 8 bits, or of 16, of an image file."""

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.alpha import Alpha
from ...core.value_range import ValueRange
from ...functional.to_gray import to_gray
from ...functional.to_uint8 import to_uint8
from ...io import read
from ..sources.items import Item

Array = NDArray[Any]


@dataclass(frozen=True)
class PlaneOptions:
    """How an image file becomes one gray plane.

    Attributes
    ----------
    value_range : value range or None
        The values that become black and white. With None, 8-bit files stay as they are, and deeper
        ones are an error.
    keeps_depth : bool
        Whether the plane is uint16, with all values.
    alpha : "error", "drop" or a background
        What becomes of an alpha channel.
    orientation : "apply" or "keep"
        Whether the image is turned upright.
    """

    value_range: ValueRange | None = None
    keeps_depth: bool = False
    alpha: Alpha = "error"
    orientation: str = "apply"


def read_plane(source: str | PathLike[str] | Item, options: PlaneOptions) -> Array:
    """Read one gray plane.

    Parameters
    ----------
    source : str, path or Item
        An image file, or an image of a data set.
    options : PlaneOptions

    Returns
    -------
    ndarray of uint8 or uint16, shape (H, W)
    """
    # TODO of the helper who owns this: gray-first decoding, refusals, depth, alpha
    image = read(source, orientation=options.orientation) if not isinstance(source, Item) else (
        source.read(orientation=options.orientation)
    )  # fmt: skip
    gray = to_gray(image.array, image.layout)
    return gray if gray.dtype == np.uint8 else to_uint8(gray, options.value_range)
