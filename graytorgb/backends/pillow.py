"""Pillow: ``Image.convert("RGB")``, image by image; 8 bits are all that Pillow's RGB holds."""

import numpy as np
from PIL import Image

from ..layout import insert
from . import Array, solid, strips


def expand(grey: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.Backend`."""
    if out is None:
        out = np.empty(insert(grey.shape, axis), grey.dtype)
    channel_last = np.moveaxis(out, axis, -1)
    for index in np.ndindex(grey.shape[:-2]):
        image, rgb = grey[index], channel_last[index]
        # Large images in tiles: Pillow's RGB takes 4 bytes a pixel, and as many again to
        # become an array.
        for rows in strips(image):
            for columns in strips(image[0]):
                tile = Image.fromarray(solid(image[rows, columns]))
                rgb[rows, columns] = tile.convert("RGB")
    return out
