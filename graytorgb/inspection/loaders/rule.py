"""``Rule``: what a loader does to one file; and what of a file decides that."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...io import ImageFile
from ...io.ranges import are_limits
from . import file_bytes
from .arithmetic import KEEP, Map


class Rule(NamedTuple):
    """What a loader does to one file.

    Attributes
    ----------
    map : Map
        The arithmetic on each stored value.
    is_rgb : bool
        Whether gray becomes three channels.
    alpha : {"drop", "keep", "multiply", "as stored", "divide"} or (r, g, b)
        What becomes of alpha: 8-bit colors may be multiplied by it, or have a background where it
        is 0. Colors that are stored multiplied (associated alpha) may be left as they are stored,
        or be divided as 8 bits and rounded down.
    has_all_frames : bool
        Whether the result has all frames, pages or images of the file, or the first alone.
    has_frame_axis : bool
        Whether a single image has an axis of frames too.
    is_turned : bool
        Whether the image is turned upright as the file's orientation asks for.
    samples : ndarray of uint8, (H, W, C), or None
        What the loader gives in place of the file's colors, such as the indices of a palette.
    decode : callable or None
        Returns what the loader gives in place of the file's colors, (H, W, C) of uint8, or None if
        the file can't be read again. The colors by `map` are close to that, and take less time.
    is_ruined : bool
        Whether the result is bytes that have nothing to do with the picture.
    """

    map: Map = KEEP
    is_rgb: bool = True
    alpha: Literal["drop", "keep", "multiply", "as stored", "divide"] | tuple[int, int, int] = (
        "drop"
    )
    has_all_frames: bool = False
    has_frame_axis: bool = False
    is_turned: bool = False
    samples: NDArray[np.uint8] | None = None
    decode: Callable[[], NDArray[np.uint8] | None] | None = None
    is_ruined: bool = False


# A file and its bytes, if the caller has them; None where the loader raises an error
FindRule = Callable[[ImageFile, bytes | None], Rule | None]
RUINED = Rule(is_ruined=True)


def put_on_background(image: ImageFile, data: bytes | None, rule: Rule) -> Rule | None:
    """Return the rule with the background color of a GIF where it is transparent."""
    if image.array.shape[-1] not in (2, 4) or not (image.layout or "").endswith("C"):
        return rule
    content = file_bytes.read_data(image, data)
    return None if content is None else rule._replace(alpha=file_bytes.find_background(content))


def find_largest(image: ImageFile) -> int:
    """Return the value of an integer array that is white by the depth that the file states."""
    if image.range_source.startswith("the largest sample stated") and are_limits(image.value_range):
        return int(image.value_range[1])
    dtype = image.array.dtype
    if dtype.kind != "u":
        return 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)
    bits = image.bits or 8 * dtype.itemsize
    return int((1 << (max(bits, 8) if image.format != "TIFF" else bits)) - 1)


def is_deep(image: ImageFile) -> bool:
    """Return whether the samples have 16 bits."""
    return bool(image.array.dtype == np.uint16)


def is_gray(image: ImageFile) -> bool:
    """Return whether the file stores gray, with alpha or without."""
    return image.mode.startswith("gray")


def is_palette(image: ImageFile) -> bool:
    """Return whether the array holds the colors of a palette."""
    return image.color_type == "palette"


def is_stack(image: ImageFile) -> bool:
    """Return whether the array holds several frames or pages."""
    return bool(set(image.layout or "") - set("HWC"))


def has_key(image: ImageFile) -> bool:
    """Return whether a PNG's alpha is a transparent color (tRNS), which most decoders leave out."""
    return image.format == "PNG" and not is_palette(image) and "with alpha" not in image.mode


def find_compression(image: ImageFile) -> str:
    """Return the name of a TIFF's compression, empty for none."""
    parts = image.mode.split("; ")[0].split(", ")[1:]
    return next((part for part in parts if part.isupper()), "")


def find_total(image: ImageFile) -> float | None:
    """Return the sum of the two values that change places in an inverted TIFF, if it is known."""
    return sum(image.value_range) if are_limits(image.value_range) else None
