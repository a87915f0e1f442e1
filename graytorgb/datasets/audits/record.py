"""``Record``: what the audit tells of one file, under the names of its JSON."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict, cast

import numpy as np

from ...core.image_file import ImageFile
from ...io.ranges import are_limits
from ..sources.items import find_class

if TYPE_CHECKING:
    from ...core.image_file import ImageHeader
    from ...inspection.loaders import Loss
    from ...inspection.values import Values


class LossRecord(TypedDict):
    """What a usual loader makes of a file.

    Attributes
    ----------
    levels_before, levels_after : int
        How many different values the file has, and how many are left.
    white : float
        The share of the pixels that became white and weren't white.
    bits_after : int
        The bits of a value of the loader's result.
    """

    levels_before: int
    levels_after: int
    white: float
    bits_after: int


class Record(TypedDict):
    """What an audit tells of one file; None where that isn't known.

    Where ``error`` isn't None only ``path``, ``folder``, ``size``, ``digest`` and ``copy_of`` are
    known, and ``format`` if the content tells it.

    Attributes
    ----------
    path : str
        The file, relative to the source. Bytes of its name that aren't text are surrogates.
    folder : str
        The first folder of the path, which is the class for ``ImageFolder``; empty if it has none.
    size : int
        The bytes of the file.
    digest : str
        The first 32 hexadecimal digits of the SHA-256 of the file's bytes.
    format, mode, color_type, dtype, layout : str
        See :class:`graytorgb.io.ImageFile`.
    shape : list of int
        The size of each axis of the array.
    frames : int
        How many images the file holds.
    bits, effective_bits : int
        The bits that the file states for a value, and those in use. None for floats.
    step : int or float
        The greatest number that divides every value; 16 for an image of 12 bits shifted to 16.
    levels : int
        How many different values there are.
    min, max : int or float
        The smallest and the largest finite value.
    not_finite : int
        How many values are NaN or infinite.
    color : {"gray", "rgb-gray", "rgb-nearly-gray", "color"}
        Whether there is one channel, three equal ones, three that differ by JPEG's noise, or color.
    alpha : {"none", "opaque", "constant", "varying"}
    value_range : [lo, hi]
        The range that the file states. ``range_source`` says where; ``depth_only`` is whether it is
        only the depth of the samples.
    inverted : bool
        Whether the file stores white as its smallest value.
    orientation : int
        How the array has to be turned to be upright, by EXIF's numbers; 1 is not at all.
    icc, constant : bool
        Whether there is a color profile, and whether all pixels are equal.
    wasted_bytes : int
        The bytes that storing gray as three equal channels takes in memory beyond one channel.
    notes : list of str
    copy_of : str
        The path of the first file with the same bytes.
    error : str
        Why the file can't be read.
    losses : dict of {name of a loader: dict or None}
        What each usual loader loses; None for a loader that refuses the file.
    findings : list of str
        The names of what a user should know of the file, such as ``"gray stored as RGB"``.
    """

    path: str
    folder: str
    size: int | None
    digest: str | None
    format: str | None
    mode: str | None
    color_type: str | None
    shape: list[int] | None
    layout: str | None
    dtype: str | None
    frames: int | None
    bits: int | None
    effective_bits: int | None
    step: int | float | None
    levels: int | None
    min: int | float | None
    max: int | float | None
    not_finite: int | None
    color: str | None
    alpha: str | None
    value_range: list[int | float] | None
    range_source: str | None
    depth_only: bool | None
    inverted: bool | None
    orientation: int | None
    icc: bool | None
    constant: bool | None
    wasted_bytes: int | None
    notes: list[str]
    copy_of: str | None
    error: str | None
    losses: dict[str, LossRecord | None] | None
    findings: list[str]


def start_record(path: str, size: int | None) -> Record:
    """Return a record that tells a file's path and size alone.

    >>> start_record("cats/1.png", 100)["folder"]
    'cats'
    """
    record = cast(Record, dict.fromkeys(Record.__annotations__))
    record["path"], record["size"] = path, size
    record["folder"] = find_class(path) or ""
    record["notes"], record["findings"] = [], []
    return record


def add_header(record: Record, image: "ImageFile | ImageHeader") -> None:
    """Add to a record what a file's header tells."""
    pixels = image.array if isinstance(image, ImageFile) else image
    stated = image.value_range
    record["format"], record["mode"], record["color_type"] = (
        image.format, image.mode, image.color_type,
    )  # fmt: skip
    record["shape"], record["dtype"], record["layout"] = (
        list(pixels.shape), pixels.dtype.name, image.layout,
    )  # fmt: skip
    record["frames"], record["bits"] = image.frames, image.bits
    record["value_range"] = [as_json(end) for end in stated] if are_limits(stated) else None
    record["range_source"], record["depth_only"] = image.range_source, image.depth_only
    record["inverted"], record["orientation"] = image.is_inverted, image.orientation
    record["icc"] = image.has_icc
    record["notes"] = list(image.notes)


def add_values(record: Record, image: ImageFile, values: "Values") -> None:
    """Add to a record what a file's values tell."""
    record["effective_bits"], record["step"] = values.effective_bits, as_json(values.step)
    record["levels"], record["not_finite"] = values.levels, values.not_finite
    record["min"], record["max"] = as_json(values.minimum), as_json(values.maximum)
    record["color"], record["alpha"] = values.color, values.alpha
    record["constant"] = values.is_constant
    is_stored_thrice = values.color == "rgb-gray" and image.color_type in ("RGB", "RGBA")
    channels = image.array.shape[cast(str, image.layout).index("C")] if is_stored_thrice else 1
    record["wasted_bytes"] = 2 * image.array.nbytes // channels if is_stored_thrice else 0


def add_losses(record: Record, losses: "Mapping[str, Loss | None]") -> None:
    """Add to a record what the usual loaders lose of the file."""
    told: dict[Loss | None, LossRecord | None] = {None: None}  # several loaders lose the same
    for loss in losses.values():
        if loss is not None and loss not in told:
            told[loss] = {
                "levels_before": int(loss.levels_before), "levels_after": int(loss.levels_after),
                "white": float(loss.white), "bits_after": int(loss.bits_after),
            }  # fmt: skip
    record["losses"] = {name: told[loss] for name, loss in losses.items()}


def as_json(value: Any) -> Any:
    """Return a number as JSON can hold it: Python's own, and None if it isn't finite.

    >>> import numpy as np
    >>> as_json(np.uint16(7)), as_json(np.float32(0.5)), as_json(float("nan")), as_json(True)
    (7, 0.5, None, 1)
    """
    if value is None or (isinstance(value, float | np.floating) and not math.isfinite(value)):
        return None
    return float(value) if isinstance(value, float | np.floating) else int(value)
