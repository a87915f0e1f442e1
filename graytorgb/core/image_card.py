"""The card of an ``ImageFile`` in a notebook: a thumbnail, and what the file states and holds."""

from base64 import b64encode
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import BackendUnavailable
from ..extras import require
from . import notebook
from .depth import find_effective_bits, find_step, list_depths
from .wording import format_number, tell_count

if TYPE_CHECKING:
    from .image_file import ImageFile

Array = NDArray[Any]

_SIDE = 160  # pixels of a thumbnail
_VISIBLE = 16  # values that fill a smaller part of the range would be one flat shade
_TINY = 80  # an image this small is shown larger, with its pixels as squares
_COUNTED = 1 << 26  # values whose depth is looked for; more would take seconds
_SORTED = 1 << 22  # the same for values of more than 16 bits
_BLOCK = 1 << 20


class Found(NamedTuple):
    """What the samples of an image hold: their finite ends, the bits in use, and how many aren't.

    Attributes
    ----------
    lo, hi : int, float or None
        None if there is no finite value.
    bits : int or None
        None for floats, and for so many values that to look at all would take seconds.
    not_finite : int
    """

    lo: Any
    hi: Any
    bits: int | None
    not_finite: int


def make_image_card(image: "ImageFile") -> str:
    """Return the card of an image file as HTML."""
    array = image.array
    found = find_values(image)
    sizes = " x ".join(map(str, array.shape))
    layout = f"layout {image.layout}" if image.layout else "axes unknown"
    rows = [
        ("format", f"{image.format}: {image.mode}"),
        ("array", f"{sizes} {array.dtype}, {layout}"),
        ("value range", _tell_range(image)),
        ("values", _tell_values(found)),
        ("true depth", _tell_depth(image, found)),
        ("images", f"{image.frames:,} in the file" if image.frames > 1 else ""),
    ]
    picture = ""
    with suppress(Exception):  # a card without a picture still tells the numbers
        picture = _make_thumbnail(image, found)
    return notebook.make_card(image.path.name, rows, picture=picture, notes=image.notes)


def find_values(image: "ImageFile") -> Found:
    """Return the ends, the depth and the gaps of an image's samples, its alpha left out.

    Examples
    --------
    >>> from pathlib import Path
    >>> from graytorgb.core.image_file import ImageFile
    >>> array = np.array([[0, 16, 4080]], "uint16")
    >>> find_values(ImageFile(Path("x.png"), array, "HW", None, "", "PNG", "gray", 16))
    Found(lo=0, hi=4080, bits=8, not_finite=0)
    """
    colors = _drop_alpha(image.array, image.layout)
    kind = colors.dtype.kind
    if kind not in "biuf" or colors.size == 0:
        return Found(None, None, None, 0)
    if kind == "f":
        is_finite = np.isfinite(colors)
        count = int(np.count_nonzero(is_finite))
        if not count:
            return Found(None, None, None, colors.size)
        lo = colors.min(where=is_finite, initial=np.inf)
        hi = colors.max(where=is_finite, initial=-np.inf)
        return Found(lo.item(), hi.item(), None, colors.size - count)
    lo, hi, bits = colors.min().item(), colors.max().item(), None
    present = _find_present(colors)
    if present is not None:
        step = find_step(present)
        bits = find_effective_bits(present, step, list_depths(colors.dtype, image.bits))
    return Found(int(lo), int(hi), bits, 0)


def _find_present(values: Array) -> Array | None:
    """Return the different integers in rising order, or None if to find them takes long."""
    values = values.astype(np.uint8) if values.dtype.kind == "b" else values
    signed = values.dtype.kind == "i"
    if values.itemsize > 2:
        if values.size > _SORTED:
            return None
        return np.unique(values).astype("i8" if signed else "u8")
    if values.size > _COUNTED:
        return None
    limits = np.iinfo(values.dtype)
    is_there = np.zeros(limits.max - limits.min + 1, bool)
    flat = values.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        is_there[flat[start : start + _BLOCK].astype(np.int64) - limits.min] = True
    present: Array = np.flatnonzero(is_there) + limits.min
    return present if signed else present.astype("u8")


def _drop_alpha(array: Array, layout: str | None) -> Array:
    """Return the samples that are gray or colors: one or three of 2, 4 or more channels."""
    if not layout or "C" not in layout:
        return array
    axis = layout.index("C")
    colors = 1 if array.shape[axis] == 2 else 3
    return array[(slice(None),) * axis + (slice(colors),)]


def _tell_range(image: "ImageFile") -> str:
    """Return the range that is stated, and by what."""
    value_range, source = image.value_range, image.range_source
    if value_range is None:
        return f"none ({source})"
    if isinstance(value_range, tuple) and not isinstance(value_range[0], str):
        return f"{' to '.join(map(format_number, value_range))} ({source})"
    return f"{value_range!r} ({source})"


def _tell_values(found: Found) -> str:
    """Return the finite ends of the values, and how many aren't finite."""
    lost = f"{tell_count(found.not_finite, 'value')} not finite" if found.not_finite else ""
    if found.lo is None:
        return lost or "none"
    ends = f"{format_number(found.lo)} to {format_number(found.hi)}"
    return f"{ends}, {lost}" if lost else ends


def _tell_depth(image: "ImageFile", found: Found) -> str:
    """Return the bits in use, of those that are stated."""
    if found.bits is None:
        return ""
    stated = image.bits or 8 * image.array.itemsize
    if found.bits >= stated or image.array.dtype.kind == "b":
        return tell_count(found.bits, "bit")
    return f"{found.bits} of {tell_count(stated, 'bit')}"


def _make_thumbnail(image: "ImageFile", found: Found) -> str:
    """Return a thumbnail of the first image as HTML; ``""`` without Pillow, or nothing to show."""
    plane, count = _take_first(image)
    if plane is None or found.lo is None:
        return ""
    try:
        pillow = require("PIL.Image")
    except BackendUnavailable:
        return ""
    step = max(1, max(plane.shape[:2]) // (4 * _SIDE))
    lo, hi, shown = _choose_ends(image, found)
    picture = pillow.fromarray(_make_bytes(plane[::step, ::step], lo, hi))
    height, width = plane.shape[:2]
    picture.thumbnail((_SIDE, _SIDE))
    is_tiny = max(height, width) <= _TINY
    scale = max(1, _SIDE // max(height, width)) if is_tiny else 1
    file = BytesIO()
    picture.save(file, "PNG")
    first = f"the first of {count:,}; " if count > 1 else ""
    shown += ", not turned as its orientation says" if image.orientation != 1 else ""
    return notebook.make_picture(
        b64encode(file.getvalue()).decode("ascii"),
        picture.width * scale,
        f"{first}{shown}",
        f"Thumbnail of {image.path.name}",
        pixelated=is_tiny,
    )


def _take_first(image: "ImageFile") -> tuple[Array | None, int]:
    """Return the first image, (H, W) or (H, W, 3), and how many there are; None if it's unknown."""
    array, layout = image.array, image.layout or ("HW" if image.array.ndim == 2 else None)
    if layout is None or len(layout) != array.ndim or array.size == 0:
        return None, 0
    array = _drop_alpha(array, layout)
    order = "".join(sorted(layout, key=lambda axis: "HWC".find(axis)))
    array = array.transpose([layout.index(axis) for axis in order])
    leading = array.ndim - len(set(order) & set("HWC"))
    count = int(np.prod(array.shape[:leading]))
    array = array[(0,) * leading]
    if array.ndim == 3 and array.shape[-1] != 3:
        array = array[..., 0]
    return array, count


def _choose_ends(image: "ImageFile", found: Found) -> tuple[float, float, str]:
    """Return what is black and white in the thumbnail, and how to say that."""
    stated = image.value_range
    if isinstance(stated, tuple) and not isinstance(stated[0], str):
        lo, hi = map(float, stated)
        if not 0 < found.hi - found.lo < (hi - lo) / _VISIBLE:
            return lo, hi, "in its value range"
    return float(found.lo), float(found.hi), "from its smallest to its largest value"


def _make_bytes(plane: Array, lo: float, hi: float) -> Array:
    """Return a plane as bytes; what isn't a number becomes black."""
    with np.errstate(all="ignore"):
        half, low, span = plane.astype(np.float64) / 2, lo / 2, hi / 2 - lo / 2  # never infinite
        levels = (half - low) / span * 255 if span > 0 else np.zeros_like(half)
        levels = np.nan_to_num(levels, nan=0, posinf=255, neginf=0)
    return np.ascontiguousarray(np.rint(levels.clip(0, 255)).astype(np.uint8))
