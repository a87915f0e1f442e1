"""The backend ``pillow``: ``Image.convert("RGB")``, for uint8, which is all that RGB holds there.

It works in strips of a few images or of a part of one, because each pixel takes 10 bytes on its
way through Pillow.
"""

import numpy as np
from PIL import Image

from .protocol import Array, allocate_result, as_contiguous, cut_into_strips


def expand(gray: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.Backend`."""
    out = allocate_result(gray, axis, out)
    channel_last = np.moveaxis(out, axis, -1)
    for part in cut_into_strips(gray, 1 << 17):
        strip = as_contiguous(gray[part])
        image = Image.fromarray(strip.reshape(-1, strip.shape[-1]))
        channel_last[part] = np.asarray(image.convert("RGB")).reshape(*strip.shape, 3)
    return out
