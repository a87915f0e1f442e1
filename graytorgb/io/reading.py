"""Read an image file: tell its format, decode it, and check what was decoded."""

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..core.image_file import ImageFile, ImageHeader, make_stand_in
from ..core.notice import RangeWarning
from ..core.value_range import ValueRange, check_policy, is_deeper
from ..errors import GrayToRGBError, LevelsError, OptionError
from ..extras import require
from .formats import FORMATS, find_format, name_format
from .orientation import STEPS, orient
from .request import CT_WINDOWS, Request, Window

LIMIT = 2 << 30  # bytes of the decoded array
_EIGHT_BITS = (np.dtype(np.uint8), np.dtype(np.int8))


def read(
    path: str | os.PathLike[str],
    *,
    value_range: ValueRange | None = None,
    index: int | str | None = None,
    window: Window = "file",
    limit: int = LIMIT,
    orientation: str = "keep",
    data: bytes | None = None,
) -> ImageFile:
    """Read an image file: every value, the layout, and the value range that the file states.

    ``to_uint8(read(path))`` gives the image as 8 bits, with black and white where the file puts
    them. ``to_rgb(image.array, image.layout)`` keeps every value.

    Parameters
    ----------
    path : str or path
        A file of one of the :data:`formats <graytorgb.io.FORMATS>`: PNG, JPEG, WebP, GIF, BMP,
        PBM/PGM/PPM, TIFF, DICOM, .npy or .npz. The content tells the format, not the name.
    value_range : (lo, hi), "dtype", "minmax" or ("percentile", p, q), optional
        Your range, used in place of the file's.
    index : int or str, optional
        Which image to read of a file that holds several: the number, from 0, of a frame (DICOM,
        animations) or a page (TIFF), or the name of an array (.npz). None reads all of them, with
        a leading axis.
    window : "file", (center, width), "lung", "bone", "brain", "abdomen", "soft tissue" or None
        Which values of a DICOM image become black and white. ``"file"`` takes the window or the
        VOI LUT that the file states, the first if it states several. ``(center, width)`` is your
        own window, by DICOM's linear function, in the modality's values (Hounsfield units). The
        names are usual windows for CT, in Hounsfield units, and are refused for other files. None
        takes the whole depth.
    limit : int
        The most bytes that the array may take, checked before it is decoded. The default is 2 GiB.
    orientation : "keep" or "apply"
        Whether to turn the array upright, as the file's EXIF data (JPEG, PNG, WebP) or its TIFF
        tag asks for. ``"keep"`` leaves it as it is stored, and ``orientation`` and ``notes`` of
        the result tell how to turn it.
    data : bytes, optional
        The file's bytes, if you have them already. `path` then only names the file, and nothing
        is opened but other files that a TIFF's OME description names.

    Returns
    -------
    ImageFile
        The pixels as ``array``, with ``layout``, ``value_range`` and what else the file states.
        It unpacks to ``array, value_range``.

    Raises
    ------
    ImageFileError
        If the file is empty, damaged, truncated or of no format that is read; if it is larger
        than the limit, contradicts itself, or holds neither gray nor RGB values; or if it is a
        pipe, a socket or a device. The error is an OSError too, and names the file.
    FileNotFoundError, IsADirectoryError, PermissionError
        If ``open`` raises them for this path.
    BackendUnavailable
        If the format's library, or a codec for its compression, isn't installed.
    LevelsError
        If `value_range` or `window` is none of the above, or `window` doesn't suit the file.
    OptionError
        If `limit`, `orientation` or `data` is none of the above.

    Warns
    -----
    UserWarning
        If the file states a depth of more than 8 bits and nothing else about its range, and the
        values fill less than a sixteenth of that depth: ``to_uint8`` would leave less than 16
        levels. A 12-bit camera's image in a 16-bit PNG is such a file, and nothing in it tells
        that image from a dark one.

    Notes
    -----
    The range is the one that the file states, and doesn't depend on the pixels:

    - PNG, JPEG, WebP, GIF, BMP: 0 to the largest value of the depth. PNG's sBIT doesn't
      change that: samples of fewer significant bits are stored scaled to the full depth
      (PNG specification, 11.3.2.4).
    - PNM: 0 to the largest value that the header states.
    - TIFF of unsigned integers: 0 to 2^BitsPerSample - 1 (TIFF 6.0, PhotometricInterpretation);
      fewer bits where OME's SignificantBits says so, or where SMaxSampleValue or MaxSampleValue
      is 2^k - 1. Any other value of these two tags is the image's own extreme, stored "for
      statistical purposes only". TIFF of signed integers and floats: SMinSampleValue to
      SMaxSampleValue if all pixels lie between them. Where a file of more than 8 bits states
      only its depth, or states nothing: ImageJ's display range. Images whose 0 is white are
      inverted, within your range if you state one. Colors that are stored multiplied by their
      alpha (associated alpha) are divided by it.
    - DICOM: the edges of the window, on the values after rescale or Modality LUT (PS3.3,
      C.11.1 and C.11.2); without one, BitsStored rescaled. A VOI LUT or a sigmoid isn't a
      range, so it is applied to the array. An image with MONOCHROME1, or PresentationLUTShape
      INVERSE, is inverted together with its window; floats are inverted within the caller's
      `value_range`. Values of 8 bits become int16, with the same numbers, where the window goes
      beyond 8 bits.
    - .npy: 0 to 255 for uint8, 0 to 1 for bool.

    Where a file states no range (floats, .npy of more bits), ``value_range`` is None, and
    unpacking raises an error that asks for one. ``"minmax"`` isn't assumed, because it would
    scale each image of a data set differently.

    Examples
    --------
    >>> import pydicom.data
    >>> from graytorgb.io import read
    >>> path = pydicom.data.get_testdata_file("examples_overlay.dcm", download=False)
    >>> scan = read(path)
    >>> scan.value_range, scan.range_source
    ((55, 844), 'the window in the file, center 450, width 790')
    >>> read(path, window=None).value_range
    (0, 4095)
    """
    if value_range is not None:
        value_range = check_policy(value_range)
    if orientation not in ("keep", "apply"):
        raise OptionError(f'orientation is "keep" or "apply", not {orientation!r}')
    with _make_request(path, index, _check_window(window), limit, value_range, data) as request:
        name, note = _find_format(request)
        image = _call_reader(request, name, "read")
    array = image.array
    if not array.dtype.isnative:
        image = replace(image, array=array.astype(array.dtype.newbyteorder("=")))
    if image.orientation != 1:
        image = _orient(image, orientation)
    if note:
        image = replace(image, notes=(note, *image.notes))
    if value_range is not None:
        return replace(image, value_range=value_range, range_source="the caller", depth_only=False)
    if _needs_int16(array.dtype, image.value_range):
        request.check_size(array.shape, 2)
        image = replace(image, array=image.array.astype(np.int16))
    return _warn_of_unused_depth(image)


def read_header(
    path: str | os.PathLike[str],
    *,
    index: int | str | None = None,
    limit: int = LIMIT,
    data: bytes | None = None,
) -> ImageHeader:
    """Read what an image file tells of its pixels, without decoding them.

    Of most files a few KB are read. GIF, WebP and animations are read whole, because only their
    blocks tell how many frames there are.

    Parameters
    ----------
    path, index, limit, data
        As :func:`read` takes them.

    Returns
    -------
    ImageHeader
        The shape, dtype, layout, range and all else that :func:`read` would tell of the file. A
        range in a TIFF's tags is taken as stated, where :func:`read` leaves it out if pixels lie
        beyond.

    Raises
    ------
    ImageFileError, BackendUnavailable, OptionError, FileNotFoundError, PermissionError
        As :func:`read` raises them for what the header tells. Damaged pixels aren't seen.

    Examples
    --------
    >>> import pydicom.data
    >>> from graytorgb.io import read_header
    >>> path = pydicom.data.get_testdata_file("examples_overlay.dcm", download=False)
    >>> header = read_header(path)
    >>> header.shape, header.dtype, header.value_range, header.color_type
    ((300, 484), dtype('uint16'), (55, 844), 'gray')
    """
    with _make_request(path, index, "file", limit, None, data) as request:
        name, note = _find_format(request)
        image = _call_reader(request, name, "read_header")
        if _needs_int16(image.array.dtype, image.value_range):
            request.check_size(image.array.shape, 2)
            image = replace(image, array=make_stand_in(image.array.shape, np.int16))
    if image.orientation != 1:
        image = _orient(image, "keep")
    if note:
        image = replace(image, notes=(note, *image.notes))
    return ImageHeader.from_image(image)


def _make_request(
    path: str | os.PathLike[str],
    index: int | str | None,
    window: Window,
    limit: int,
    value_range: ValueRange | None,
    data: Any,
) -> Request:
    """Return the request of a call, or raise OptionError for a limit or data of another kind."""
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0:
        raise OptionError(f"limit is a number of bytes, such as {LIMIT}, not {limit!r}")
    if data is not None and not isinstance(data, bytes):
        kind = type(data).__name__
        raise OptionError(f"data is the file's bytes, not of type {kind}: data=bytes(data)")
    path = path if isinstance(path, Path) else Path(path)  # to make a Path takes a while
    return Request(path, index, window, limit, value_range, data)


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
        raise LevelsError(
            f"{request.path}: a window is DICOM's, and this is {name}: value_range=(lo, hi)"
        )
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
        f"not {window!r}"
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


def _orient(image: ImageFile, orientation: str) -> ImageFile:
    """Return the image turned upright if that was asked for, or with a note that it isn't."""
    kind, value = "TIFF" if image.format == "TIFF" else "EXIF", image.orientation
    if orientation == "keep":
        note = (
            f"{kind} orientation {value} isn't applied, so the image is to be {STEPS[value]}: "
            'read(path, orientation="apply")'
        )
        return replace(image, notes=(note, *image.notes))
    array = orient(image.array, cast(str, image.layout), value)
    note = f"{STEPS[value]}, as {kind} orientation {value} asks for"
    return replace(image, array=array, orientation=1, notes=(note, *image.notes))


def _warn_of_unused_depth(image: ImageFile) -> ImageFile:
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
        f"read(path, {image.advice})"
    )
    problem = (
        f"the file states its depth alone, {image.bits} bits, and the values fill less than a "
        "sixteenth of it, so that 8 bits have less than 16 levels of them"
    )
    used = int(array.max()).bit_length()
    fitting = (0, (1 << max(8, used)) - 1) if int(array.min()) >= 0 else None
    warnings.warn(RangeWarning(text, problem, fitting), stacklevel=3)
    return replace(image, notes=(*image.notes, text))
