"""Pillow: ``Image.convert("RGB")``; 8 bits are all that Pillow's RGB holds.

In strips of some images or a part of one, because each pixel takes 10 bytes on its way through
Pillow.
"""

import numpy as np
from PIL import Image

from .protocol import Array, room, solid, strips


def expand(gray: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.protocol.Backend`."""
    out = room(gray, axis, out)
    channel_last = np.moveaxis(out, axis, -1)
    for part in strips(gray, 1 << 17):
        strip = solid(gray[part])
        image = Image.fromarray(strip.reshape(-1, strip.shape[-1]))
        channel_last[part] = np.asarray(image.convert("RGB")).reshape(*strip.shape, 3)
    return out
