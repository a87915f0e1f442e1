"""From a file and its options to a checked image: the format's reader, and what follows it."""

import operator
import os
from dataclasses import replace
from typing import Any, cast

import numpy as np

from ..core.image_file import ImageFile, ImageHeader, make_stand_in
from ..core.notice import RangeWarning, warn_of_range
from ..core.value_range import ValueRange, check_policy, is_deeper
from ..core.wording import suggest
from ..errors import GrayToRGBError, LevelsError, OptionError
from ..extras import require
from .formats import FORMATS, find_format, name_format
from .gray import check_color, reduce_to_gray
from .orientation import STEPS, orient
from .request import CT_WINDOWS, Request, Window, name_call, take_path

LIMIT = 2 << 30  # bytes of the decoded array
_EIGHT_BITS = (np.dtype(np.uint8), np.dtype(np.int8))


def read_image(
    path: str | os.PathLike[str],
    data: bytes | None,
    *,
    color: Any,
    alpha: Any,
    min_size: Any,
    value_range: ValueRange | None,
    index: int | str | None,
    window: Any,
    limit: Any,
    orientation: Any,
    is_alone: bool = False,
) -> ImageFile:
    """Read an image for :func:`graytorgb.io.read` and `decode`, which say what the options mean.

    With `is_alone` the path only names the data, and no other file is looked for beside it.
    """
    if value_range is not None:
        value_range = check_policy(value_range)
    if orientation not in ("keep", "apply"):
        near = suggest(orientation, ("keep", "apply"))
        raise OptionError(f'orientation is "keep" or "apply", not {orientation!r}{near}')
    alpha = check_color(color, alpha, name_call(is_alone))
    request = Request(
        take_path(path), index, _check_window(window), _check_limit(limit), value_range, data,
        is_gray=color == "gray", alpha=alpha, min_size=_check_min_size(min_size), is_alone=is_alone,
    )  # fmt: skip
    with request:
        name, note = _find_format(request)
        image = _call_reader(request, name, "read")
        array = image.array
        if not array.dtype.isnative:
            image = replace(image, array=array.astype(array.dtype.newbyteorder("=")))
        if value_range is not None:
            image = replace(
                image, value_range=value_range, range_source="the caller", depth_only=False
            )
        elif _needs_int16(array.dtype, image.value_range):
            request.check_size(array.shape, 2)
            image = replace(image, array=image.array.astype(np.int16))
        image = _warn_of_unused_depth(image, request.call)  # of all channels, under any `color`
        if request.is_gray:
            image = reduce_to_gray(request, image)
    if image.orientation != 1:
        image = _orient(image, orientation, request.call)
    return replace(image, notes=(note, *image.notes)) if note else image


def read_image_header(
    path: str | os.PathLike[str], index: int | str | None, limit: Any, data: bytes | None
) -> ImageHeader:
    """Read what a file tells without its pixels, for :func:`graytorgb.io.read_header`."""
    with Request(take_path(path), index, "file", _check_limit(limit), None, data) as request:
        name, note = _find_format(request)
        image = _call_reader(request, name, "read_header")
        if _needs_int16(image.array.dtype, image.value_range):
            request.check_size(image.array.shape, 2)
            image = replace(image, array=make_stand_in(image.array.shape, np.int16))
    if image.orientation != 1:
        image = _orient(image, "keep", request.call)
    if note:
        image = replace(image, notes=(note, *image.notes))
    return ImageHeader.from_image(image)


def check_data(data: Any) -> bytes | None:
    """Return the file's bytes, or raise OptionError for what `read` doesn't take as such."""
    if data is None or isinstance(data, bytes):
        return data
    kind = type(data).__name__
    raise OptionError(f"data is the file's bytes, not of type {kind}: data=bytes(data)")


def _check_limit(limit: Any) -> int:
    """Return the limit, or raise OptionError if it is no number of bytes."""
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0:
        raise OptionError(f"limit is a number of bytes, such as {LIMIT}, not {limit!r}")
    return cast(int, limit)


def _check_min_size(size: Any) -> tuple[int, int] | None:
    """Return the smallest height and width, or raise OptionError if they aren't two sizes."""
    if size is None:
        return None
    try:
        height, width = map(operator.index, size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise OptionError(
            "min_size is (height, width), two whole numbers of pixels from 1 on, such as "
            f"(448, 448), not {size!r}"
        )
    return height, width


def _needs_int16(dtype: np.dtype[Any], value_range: ValueRange | None) -> bool:
    """Return whether 8 bits have a range under which the verbs refuse them.

    They may have lost their depth; as int16 they are taken.
    """
    return dtype in _EIGHT_BITS and is_deeper(255, 256, value_range)


def _call_reader(request: Request, name: str, function: str) -> ImageFile:
    """Return the image from its format's reader, checked; every error names the file.

    `function` is ``"read"``, or ``"read_header"``, which gives a stand-in for the pixels.
    """
    if request.window not in ("file", None) and name != "DICOM":
        problem = f"{request.path}: a window is DICOM's, and this is {name}"
        error = LevelsError(f"{problem}: value_range=(lo, hi)")
        error.remedies, error.problem = ("value_range",), problem
        raise error
    entry = FORMATS[name]
    module = require(f"graytorgb.io.{entry.module}", entry.library, entry.extra)
    try:
        image = cast(ImageFile, getattr(module, function)(request))
    except (GrayToRGBError, MemoryError, Warning):
        raise
    except Exception as error:  # decoders fail with any class: struct.error, SyntaxError, ...
        raise request.error(
            f"{name} that can't be read: damaged, truncated, or of a kind that no library here "
            f"decodes: {error}"
        ) from error
    request.check_result(image.array, image.layout)
    return image


def _check_window(window: Any) -> Window:
    """Return `window` with numbers as floats, or raise LevelsError if it is no window."""
    if window is None or (isinstance(window, str) and window in ("file", *CT_WINDOWS)):
        return cast(Window, window)
    if not isinstance(window, str):
        try:
            center, width = map(float, window)
        except (TypeError, ValueError):
            pass
        else:
            if width >= 1 and abs(center) + width < float("inf"):
                return center, width
    names = ", ".join(f'"{name}"' for name in CT_WINDOWS)
    raise LevelsError(
        f'window is "file", None, (center, width) with width >= 1, or for CT one of {names}; '
        f"not {window!r}{suggest(window, ('file', *CT_WINDOWS))}"
    )


def _find_format(request: Request) -> tuple[str, str | None]:
    """Return the format that the file's content tells, and a note if its name says another."""
    head = request.start
    suffix = os.path.splitext(request.path)[1]  # noqa: PTH122 - Path.suffix takes longer
    found, usual = find_format(head, suffix), name_format(suffix)
    if found is None:
        named = f", though its name says {usual}" if usual else ""
        if not head:
            raise request.error(f"not an image that can be read: it is empty (0 bytes){named}")
        raise request.error(
            f"not an image that can be read: it starts with {head[:8]!r}, as no format that is "
            f"read here does{named}. These are read: {', '.join(FORMATS)}. Save the image as one "
            "of them, or decode the file with its own library and give the array to to_rgb"
        )
    if usual not in (None, found):
        return found, f"the name says {usual}, the content is {found}"
    return found, None


def _orient(image: ImageFile, orientation: str, call: str) -> ImageFile:
    """Return the image turned upright if that was asked for, or with a note that it isn't."""
    kind, value = "TIFF" if image.format == "TIFF" else "EXIF", image.orientation
    if orientation == "keep":
        note = (
            f"{kind} orientation {value} isn't applied, so the image is to be {STEPS[value]}: "
            f'{call}, orientation="apply")'
        )
        return replace(image, notes=(note, *image.notes))
    array = orient(image.array, cast(str, image.layout), value)
    note = f"{STEPS[value]}, as {kind} orientation {value} asks for"
    return replace(image, array=array, orientation=1, notes=(note, *image.notes))


def _warn_of_unused_depth(image: ImageFile, call: str) -> ImageFile:
    """Warn, and add a note, if the file states its depth alone and the values use little of it."""
    array = image.array
    if not image.depth_only or (image.bits or 0) <= 8 or array.size == 0:
        return image
    lo, hi = cast(tuple[float, float], image.value_range)
    few = array.reshape(-1)[:: array.size // 1024 + 1] if array.flags.c_contiguous else array
    if int(few.max()) - int(few.min()) >= (hi - lo) / 16:  # a few values are seen in less time
        return image
    if not 0 < int(array.max()) - int(array.min()) < (hi - lo) / 16:
        return image
    text = (  # without the file's name, so that Python shows it once for a folder
        f"the file states its depth alone, {image.bits} bits, and the values fill less than a "
        "sixteenth of it, so to_uint8 leaves less than 16 levels: state what is black and white, "
        f"{call}, {image.advice})"
    )
    problem = (
        f"the file states its depth alone, {image.bits} bits, and the values fill less than a "
        "sixteenth of it, so that 8 bits have less than 16 levels of them"
    )
    used = int(array.max()).bit_length()
    fitting = (0, (1 << max(8, used)) - 1) if int(array.min()) >= 0 else None
    warn_of_range(RangeWarning(text, problem, fitting), stacklevel=4)
    return replace(image, notes=(*image.notes, text))
