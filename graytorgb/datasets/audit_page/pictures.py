"""Draw files of an audited set small, for a page: as they are, and as each loader gives them."""

from base64 import b64encode
from collections.abc import Mapping
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.collected_warnings import collect_warnings
from ...core.value_range import ValueRange
from ...functional.to_rgb import to_rgb
from ...functional.to_uint8 import to_uint8
from ...inspection.comparison import pick_plane
from ...inspection.loaders import convert_like
from ...io import ImageFile
from ...io.orientation import orient
from ...io.ranges import are_limits
from ..audits.depths import find_depth
from ..audits.record import LossRecord, Record
from ..sources.items import Item
from .sample import is_visible

THUMBNAIL, COMPARED = 144, 280  # the longer side, in pixels
_LIMIT = 512 << 20  # bytes of decoded pixels, for a page that anyone can make
_SMALL = 100  # a picture with shorter sides is enlarged, with its pixels as squares
_JPEG_QUALITY = 84
_FEW_LEVELS = 16
_ROUNDING = 2  # of 255: nobody sees it
_SAME_SHARE = 0.001  # of white pixels

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
    alike : list of str
        The loaders whose picture is like ours.
    harmless : list of str
        The loaders that lose nothing that shows, but scale or turn the picture otherwise.
    """

    picture: Picture
    value_range: Any
    levels: int
    renderings: list[Rendering]
    alike: list[str]
    harmless: list[str]


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
    with collect_warnings():  # what they tell is among an image's notes
        return encode(_render(item.read(limit=_LIMIT), record, ranges)[0], THUMBNAIL)


def draw_losses(item: Item, record: Record, ranges: Ranges) -> Drawn:
    """Read a file again and return it beside what each loader gives that ruins it.

    The parameters and the errors are those of :func:`draw_thumbnail`.
    """
    with collect_warnings():
        data = item.read_data()
        image = item.read(limit=_LIMIT) if data is None else item.read(data=data, limit=_LIMIT)
        ours, value_range = _render(image, record, ranges)
        drawn: list[tuple[Pixels | None, Rendering]] = []
        alike, harmless = [], []
        for name, loss in (record["losses"] or {}).items():
            if loss is not None:
                rgb = _convert(name, image, data)
                if rgb is not None and _are_alike(rgb, ours):
                    alike.append(name)
                elif is_visible(loss):
                    _add(drawn, name, loss, rgb)
                else:
                    harmless.append(name)
    renderings = [rendering for _, rendering in drawn]
    levels = _count_levels(ours)
    return Drawn(encode(ours, COMPARED), value_range, levels, renderings, alike, harmless)


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


def _render(image: ImageFile, record: Record, ranges: Ranges) -> tuple[Pixels, ValueRange]:
    """Return the first image of a file as 8-bit RGB, upright, and what is black and white in it.

    That is the range that the file states, or the one of all files of its depth. A file of which
    this range shows next to nothing is drawn between its own extremes.
    """
    plane, axes = pick_plane(image, image.array)
    plane = orient(plane, axes, int(image.orientation))
    value_range = ranges.get(find_depth(record) or "") or "minmax"
    if are_limits(image.value_range) and not image.depth_only:
        value_range = image.value_range
    alpha: Any = (255, 255, 255) if record["alpha"] == "varying" else "drop"
    for chosen in (value_range, "minmax"):
        finite, limits = _replace_not_finite(plane, chosen)
        rgb: Pixels = to_rgb(to_uint8(finite, limits), axes, alpha=alpha)
        if _count_levels(rgb) >= min(_FEW_LEVELS, record["levels"] or 0):
            break
    return rgb, chosen


def _count_levels(rgb: Pixels) -> int:
    return int(np.count_nonzero(np.bincount(rgb.ravel(), minlength=256)))


def _replace_not_finite(
    plane: NDArray[Any], value_range: ValueRange
) -> tuple[NDArray[Any], ValueRange]:
    """Return a plane with black in place of NaN, and a range that doesn't depend on it."""
    if plane.dtype.kind != "f" or np.isfinite(plane).all():
        return plane, value_range
    finite = plane[np.isfinite(plane)]
    if are_limits(value_range):
        lo, hi = value_range
    else:
        lo, hi = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    limits = (float(lo), float(hi)) if lo < hi else (float(lo), float(lo) + 1)
    return np.nan_to_num(plane, nan=limits[0], posinf=limits[1], neginf=limits[0]), limits


def _convert(name: str, image: ImageFile, data: bytes | None) -> Pixels | None:
    """Return the first image of a file as a loader gives it, in 8-bit RGB; None if undefined."""
    given = convert_like(name, image, data=data)
    if given is None:
        return None
    first: NDArray[Any] = given[0] if given.ndim == 4 else given
    return to_rgb(to_uint8(first, "dtype"), "HWC", alpha="drop")


def _are_alike(rgb: Pixels, ours: Pixels) -> bool:
    """Return whether two pictures differ by rounding alone."""
    return rgb.shape == ours.shape and bool(
        (np.maximum(rgb, ours) - np.minimum(rgb, ours) <= _ROUNDING).all()
    )


def _add(
    drawn: list[tuple[Pixels | None, Rendering]], name: str, loss: LossRecord, rgb: Pixels | None
) -> None:
    """Add what a loader gives, to those that give the same."""
    for other, rendering in drawn:
        is_same = rgb is other is None or (
            rgb is not None and other is not None and _are_alike(rgb, other)
        )
        if is_same and abs(rendering.loss["white"] - loss["white"]) < _SAME_SHARE:
            rendering.loaders.append(name)
            return
    picture = None if rgb is None else encode(rgb, COMPARED)
    drawn.append((rgb, Rendering([name], loss, picture)))
