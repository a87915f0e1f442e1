"""Draw files of an audited set small, for a page: as they are, and as each loader gives them."""

import warnings
from base64 import b64encode
from collections.abc import Mapping
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.value_range import ValueRange
from ..functional.to_rgb import to_rgb
from ..functional.to_uint8 import to_uint8
from ..inspection.comparison import pick_plane
from ..inspection.loaders import convert_like
from ..io import ImageFile
from ..io.orientation import orient
from ..io.ranges import are_limits
from .audit_depths import find_depth
from .audit_record import LossRecord, Record
from .audit_sample import is_visible
from .items import Item

THUMBNAIL, COMPARED = 144, 280  # the longer side, in pixels
_LIMIT = 512 << 20  # bytes of decoded pixels, for a page that anyone can make
_SMALL = 100  # a picture with shorter sides is enlarged, with its pixels as squares
_JPEG_QUALITY = 84

Pixels = NDArray[np.uint8]
Ranges = Mapping[str, ValueRange | None]


class Picture(NamedTuple):
    """A picture that is part of a page.

    Attributes
    ----------
    uri : str
        The bytes of a PNG or JPEG file as a ``data:`` URI.
    is_small : bool
        Whether its pixels should be seen when it is enlarged.
    """

    uri: str
    is_small: bool


class Rendering(NamedTuple):
    """What some loaders make of a file, which is the same for them.

    Attributes
    ----------
    loaders : list of str
    loss : LossRecord
    picture : Picture or None
        None where the result isn't defined.
    """

    loaders: list[str]
    loss: LossRecord
    picture: Picture | None


class Drawn(NamedTuple):
    """A file as this package reads it, and as the loaders give it that ruin it.

    Attributes
    ----------
    picture : Picture
    value_range : (lo, hi) or str
        The values that are black and white in it.
    levels : int
        How many different values it has.
    renderings : list of Rendering
    """

    picture: Picture
    value_range: Any
    levels: int
    renderings: list[Rendering]


def draw_thumbnail(item: Item, record: Record, ranges: Ranges) -> Picture:
    """Read a file again and return it as a small picture, upright.

    Parameters
    ----------
    item : Item
    record : Record
        What the audit told of it.
    ranges : mapping of {str: (lo, hi) or None}
        The value range of each depth of the set, for files that state none.

    Raises
    ------
    Exception
        Whatever reading it raises, such as FileNotFoundError for a file that is gone.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they tell is among an image's notes
        image = item.read(limit=_LIMIT)
        return encode(_render(image, record, _find_range(image, record, ranges)), THUMBNAIL)


def draw_losses(item: Item, record: Record, ranges: Ranges) -> Drawn:
    """Read a file again and return it beside what each loader gives that ruins it.

    The parameters and the errors are those of :func:`draw_thumbnail`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = item.read_data()
        image = item.read(limit=_LIMIT) if data is None else item.read(data=data, limit=_LIMIT)
        value_range = _find_range(image, record, ranges)
        ours = _render(image, record, value_range)
        drawn: list[tuple[Pixels | None, Rendering]] = []
        for name, loss in (record["losses"] or {}).items():
            if loss is not None and is_visible(loss):
                _add(drawn, name, loss, convert_like(name, image, data=data))
    levels = int(np.count_nonzero(np.bincount(ours.ravel(), minlength=256)))
    renderings = [rendering for _, rendering in drawn]
    return Drawn(encode(ours, COMPARED), value_range, levels, renderings)


def encode(rgb: Pixels, side: int) -> Picture:
    """Return pixels, (H, W, 3), as a picture that isn't larger than `side`, in few bytes."""
    is_gray = bool((rgb[..., :1] == rgb[..., 1:]).all())
    picture = Image.fromarray(rgb[..., 0] if is_gray else rgb)
    is_small = max(picture.size) < _SMALL
    picture.thumbnail((side, side), Image.Resampling.BOX)
    png, jpeg = BytesIO(), BytesIO()
    picture.save(png, "PNG", optimize=True)
    picture.save(jpeg, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    # few levels show in a PNG as they are, and a JPEG blurs them
    is_cheap = is_small or len(png.getvalue()) <= 1.5 * len(jpeg.getvalue())
    kind, data = ("png", png) if is_cheap else ("jpeg", jpeg)
    return Picture(f"data:image/{kind};base64,{b64encode(data.getvalue()).decode()}", is_small)


def _find_range(image: ImageFile, record: Record, ranges: Ranges) -> ValueRange:
    """Return the range that a file states, or that of all files of its depth, or its extremes."""
    if are_limits(image.value_range) and not image.depth_only:
        return image.value_range
    return ranges.get(find_depth(record) or "") or "minmax"


def _render(image: ImageFile, record: Record, value_range: ValueRange) -> Pixels:
    """Return the first image of a file as 8-bit RGB, upright; varying alpha is laid on white."""
    plane, axes = pick_plane(image, image.array)
    if plane.dtype.kind == "f" and not np.isfinite(plane).all():
        plane, value_range = _replace_not_finite(plane, value_range)
    levels = to_uint8(orient(plane, axes, int(image.orientation)), value_range)
    alpha: Any = (255, 255, 255) if record["alpha"] == "varying" else "drop"
    rgb: Pixels = to_rgb(levels, axes, alpha=alpha)
    return rgb


def _replace_not_finite(
    plane: NDArray[Any], value_range: ValueRange
) -> tuple[NDArray[Any], ValueRange]:
    """Return a plane with black in place of NaN, and a range that doesn't depend on it."""
    finite = plane[np.isfinite(plane)]
    if are_limits(value_range):
        lo, hi = value_range
    else:
        lo, hi = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    limits = (float(lo), float(hi)) if lo < hi else (float(lo), float(lo) + 1)
    return np.nan_to_num(plane, nan=limits[0], posinf=limits[1], neginf=limits[0]), limits


def _add(
    drawn: list[tuple[Pixels | None, Rendering]],
    name: str,
    loss: LossRecord,
    given: NDArray[Any] | None,
) -> None:
    """Add what a loader gives, to those that give the same."""
    rgb = None
    if given is not None:
        first = given[0] if given.ndim == 4 else given
        rgb = to_rgb(to_uint8(first, "dtype"), "HWC", alpha="drop")
    for other, rendering in drawn:
        is_same = rgb is other is None or (
            rgb is not None and other is not None and np.array_equal(rgb, other)
        )
        if is_same and rendering.loss == loss:
            rendering.loaders.append(name)
            return
    picture = None if rgb is None else encode(rgb, COMPARED)
    drawn.append((rgb, Rendering([name], loss, picture)))
