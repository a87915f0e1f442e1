"""``read``: an image file's every value, its layout and its true value range.

>>> import pydicom.data
>>> import graytorgb as g2r
>>> scan = g2r.io.read(pydicom.data.get_testdata_file("MR_small.dcm", download=False))
>>> scan.array.shape, scan.layout, scan.value_range
((64, 64), 'HW', (-200, 1399))
>>> g2r.to_uint8(*scan).dtype
dtype('uint8')
"""

import os
import stat
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from ..core.image_file import ImageFile
from ..core.value_range import ValueRange, check_policy, is_deeper
from ..errors import GrayToRGBError, ImageFileError, LevelsError, OptionError
from ..extras import require
from .image import CT_WINDOWS, Request, Window
from .orientation import STEPS, orient

__all__ = ["LIMIT", "ImageFile", "read"]

LIMIT = 2 << 30  # bytes of the decoded result
_EIGHT_BITS = (np.dtype(np.uint8), np.dtype(np.int8))


class Format(NamedTuple):
    """A format's line: what must be known before its library is imported.

    Attributes
    ----------
    module : str
        Its reader, a file in this folder.
    library, extra : str
        The package that the reader imports, and the extra that installs it.
    suffixes : tuple of str
        The usual ones; the content decides all the same.
    holds : str
        What is read of it.
    decoder : str
        Which library decodes the pixels.
    """

    module: str
    library: str
    extra: str
    suffixes: tuple[str, ...]
    holds: str
    decoder: str


_AS_PILLOW = ("as Pillow opens it; every frame", "Pillow")
FORMATS = {
    "PNG": Format(
        "png", "imagecodecs", "png", (".png", ".apng"),
        "1 to 16 bits; gray, RGB, palette, alpha; animated in 8 bits", "imagecodecs",
    ),
    "JPEG": Format(
        "jpeg", "simplejpeg", "jpeg", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
        "8 bits, gray and RGB", "simplejpeg",
    ),
    "WebP": Format("pillow", "PIL", "pillow", (".webp",), *_AS_PILLOW),
    "GIF": Format("gif", "PIL", "pillow", (".gif",), *_AS_PILLOW),
    "BMP": Format("bmp", "imagecodecs", "bmp", (".bmp", ".dib"), "as Pillow opens it",
                  "imagecodecs, Pillow"),
    "PNM": Format(
        "pnm", "PIL", "pillow", (".pbm", ".pgm", ".ppm", ".pnm"),
        "1 to 16 bits, gray and RGB; binary and plain text", "NumPy, Pillow",
    ),
    "TIFF": Format(
        "tiff", "tifffile", "tiff", (".tif", ".tiff", ".btf", ".lsm", ".svs", ".stk"),
        "1 to 64 bits, 12 packed too, signed, floats; pages, hyperstacks, OME, ImageJ; the "
        "compressions of imagecodecs", "tifffile",
    ),
    "DICOM": Format(
        "dicom", "pydicom", "dicom", (".dcm", ".dicom", ".ima"),
        "rescale, Modality LUT, window, VOI LUT, MONOCHROME1, frames, color; the compressions of "
        "libjpeg-turbo, OpenJPEG and CharLS, RLE, deflate", "pydicom",
    ),
    "NumPy": Format(
        "numpy", "numpy", "io", (".npy", ".npz"), "numbers and bool, without pickles", "NumPy"
    ),
}  # fmt: skip

_USUAL = {suffix: name for name, entry in FORMATS.items() for suffix in entry.suffixes}

# Each format's first bytes, as its specification gives them.
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # BigTIFF
    b"MM\0+": "TIFF",
    b"\x93NUMPY": "NumPy",
    b"PK\x03\x04": "NumPy",  # .npz is a zip file
    **{b"P%d%c" % (kind, gap): "PNM" for kind in range(1, 7) for gap in b" \t\n\v\f\r#"},
}
_SIGNATURE_SIZES = sorted({len(start) for start in _SIGNATURES})
# The sizes of a BMP's header, with which a device-independent bitmap begins (.dib)
_BITMAP_HEADERS = {size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124)}
_NO_FILES = {
    stat.S_IFIFO: "a pipe (FIFO)", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}  # fmt: skip


def read(
    path: str | os.PathLike[str],
    *,
    value_range: ValueRange | None = None,
    index: int | str | None = None,
    window: Window = "file",
    limit: int = LIMIT,
    orientation: str = "keep",
) -> ImageFile:
    """Read an image file with every value, its layout and the range that the file states.

    ``to_uint8(*read(path))`` is the image as 8 bits, with black and white where the file puts
    them; ``to_rgb(image.array, image.layout)`` keeps every value.

    Parameters
    ----------
    path : str or path
        PNG, JPEG, WebP, GIF, BMP, PBM/PGM/PPM, TIFF, DICOM, .npy or .npz. The content tells
        the format, not the name.
    value_range : (lo, hi), "dtype", "minmax" or ("percentile", p, q), optional
        Yours, in place of the file's.
    index : int or str, optional
        One frame of DICOM, one page of TIFF, one frame of an animation, from 0; the name of
        an array in .npz. None: all of them, with a leading axis.
    window : "file", (center, width), "lung", "bone", "brain", "abdomen", "soft tissue" or None
        DICOM: which values become black and white. ``"file"``: the window, or the VOI LUT,
        that the file states; its first, if it states several. ``(center, width)``: yours, by
        DICOM's linear function, in the modality's values (Hounsfield units). The names are
        usual windows for CT, in Hounsfield units, and refused for other files. None: the
        whole depth.
    limit : int
        The most bytes that the array may take, checked before it is decoded. 2 GiB.
    orientation : "keep" or "apply"
        Whether the array is turned as the file's EXIF data (JPEG, PNG, WebP) or its TIFF tag
        asks for. ``"keep"``: it stays as it is stored, and ``notes`` and ``orientation`` of the
        result tell.

    Returns
    -------
    ImageFile
        ``array``, ``layout`` and ``value_range``; it unpacks to ``array, value_range``.

    Raises
    ------
    ImageFileError
        If the file is empty, damaged, truncated, of no format that is read, larger than the
        limit, contradicts itself, or holds what has no gray or RGB values; or if it is a pipe,
        a socket or a device. An OSError too; it names the file.
    FileNotFoundError, IsADirectoryError, PermissionError
        As ``open`` raises them.
    BackendUnavailable
        If the format's library, or a codec for its compression, isn't installed.
    LevelsError
        If `value_range` or `window` is none of these, or `window` doesn't suit the file.
    OptionError
        If `limit` or `orientation` is none of these.

    Warns
    -----
    UserWarning
        If the file states more than 8 bits and no more than that, and its values fill less than
        a sixteenth of them: ``to_uint8`` would leave less than 16 levels. A 12-bit camera in a
        16-bit PNG looks so, and nothing in the file tells it from a dark image.

    Notes
    -----
    The range is what the file states, never what its pixels happen to be:

    - PNG, JPEG, WebP, GIF, BMP: 0 to the largest value of the depth. PNG's sBIT doesn't
      change that: samples of fewer significant bits are stored scaled to the full depth
      (PNG specification, 11.3.2.4).
    - PNM: 0 to the largest value that the header states.
    - TIFF of unsigned integers: 0 to 2^BitsPerSample - 1 (TIFF 6.0, PhotometricInterpretation);
      fewer bits where OME's SignificantBits says so, or SMaxSampleValue or MaxSampleValue is
      2^k - 1. Other values of those are the image's own extremes, kept "for statistical
      purposes only". Signed integers and floats: SMinSampleValue to SMaxSampleValue if they
      hold for the pixels. Where nothing but more than 8 bits is stated, or nothing at all:
      ImageJ's display range. Images whose 0 is white are turned round, within your range if
      you state one; alpha that the colors were multiplied by (associated) becomes straight.
    - DICOM: the edges of the window, on the values after rescale or Modality LUT (PS3.3,
      C.11.1 and C.11.2); without one, BitsStored rescaled. A VOI LUT or a sigmoid isn't a
      range, so it is applied to the array. MONOCHROME1, or PresentationLUTShape INVERSE, is
      turned round, window and all; floats within the caller's `value_range`. Values of 8 bits
      become int16, and stay the same numbers, where the window goes beyond 8 bits.
    - .npy: 0 to 255 for uint8, 0 to 1 for bool.

    Where a file states none (floats, .npy of more bits) ``value_range`` is None, and unpacking
    raises an error that asks for it: ``"minmax"`` would be a different rule for each image of
    a data set, so it has to be asked for.

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
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0:
        raise OptionError(f"limit is a number of bytes, such as {LIMIT}, not {limit!r}")
    path = path if isinstance(path, Path) else Path(path)  # making one takes a while
    with Request(path, index, _check_window(window), limit, value_range) as request:
        name, note = _identify(request)
        image = _decode(request, name)
    array = image.array
    if not array.dtype.isnative:
        image = replace(image, array=array.astype(array.dtype.newbyteorder("=")))
    if image.orientation != 1:
        image = _orient(image, orientation)
    if note:
        image = replace(image, notes=(note, *image.notes))
    if value_range is not None:
        return replace(image, value_range=value_range, range_source="the caller", depth_only=False)
    if array.dtype in _EIGHT_BITS and is_deeper(255, 256, image.value_range):
        image = _widen(request, image)
    return _warn_of_unused_depth(image)


def _decode(request: Request, name: str) -> ImageFile:
    """The image by its format's reader, checked; an error names the file, whatever failed."""
    if request.window not in ("file", None) and name != "DICOM":
        raise LevelsError(
            f"{request.path}: a window is DICOM's, and this is {name}: value_range=(lo, hi)"
        )
    entry = FORMATS[name]
    module = require(f"graytorgb.io.{entry.module}", entry.library, entry.extra)
    try:
        image = cast(ImageFile, module.read(request))
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


def _identify(request: Request) -> tuple[str, str | None]:
    """The format by the file's content, and a note if its name says another."""
    kind = stat.S_IFMT(request.path.stat().st_mode)
    if kind in _NO_FILES:  # before it is opened: opening a pipe waits for another process
        raise request.error(f"this is {_NO_FILES[kind]}, and an image is read from a file")
    head = request.read_start()
    usual = _USUAL.get(request.path.suffix.lower())
    found = _find_signature(head)
    if found is None and usual == "DICOM" and head:
        return usual, None  # files from before the preamble was required; pydicom judges
    if found is None and usual == "BMP" and head[:4] in _BITMAP_HEADERS:
        return usual, None  # a bitmap without the header of a file
    if found is None:
        what = f"starts with {head[:8]!r}" if head else "is empty (0 bytes)"
        named = f", though its name says {usual}" if usual else ""
        raise ImageFileError(
            f"{request.path}: not an image that can be read: it {what}{named}. "
            f"These are: {', '.join(FORMATS)}"
        )
    if usual not in (None, found):
        return found, f"the name says {usual}, the content is {found}"
    return found, None


def _find_signature(head: bytes) -> str | None:
    if head[128:132] == b"DICM":  # first: the 128 bytes before it may look like a TIFF
        return "DICOM"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    found = (_SIGNATURES.get(head[:size]) for size in _SIGNATURE_SIZES)
    return next(filter(None, found), None)


def _orient(image: ImageFile, orientation: str) -> ImageFile:
    """Turn the image upright, if that was asked for, or say that it isn't."""
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


def _widen(request: Request, image: ImageFile) -> ImageFile:
    """Give values of 8 bits the room of 16 where the file's window, or yours, goes beyond 8.

    Under such a range, values of 8 bits look as if they had lost their depth, and are refused.
    """
    request.check_size(image.array.shape, 2)
    return replace(image, array=image.array.astype(np.int16))


def _warn_of_unused_depth(image: ImageFile) -> ImageFile:
    """Say so if the depth is all that the file states, and the values lie close together."""
    array = image.array
    if not image.depth_only or (image.bits or 0) <= 8 or array.size == 0:
        return image
    lo, hi = cast(tuple[float, float], image.value_range)
    few = array.reshape(-1)[:: array.size // 1024 + 1] if array.flags.c_contiguous else array
    if int(few.max()) - int(few.min()) >= (hi - lo) / 16:  # mostly; all values take longer
        return image
    if not 0 < int(array.max()) - int(array.min()) < (hi - lo) / 16:
        return image
    text = (  # the same for every file of a folder, so that Python shows it once
        f"the file states its depth alone, {image.bits} bits, and the values fill less than a "
        "sixteenth of it, so to_uint8 leaves less than 16 levels: state what is black and white, "
        f"read(path, {image.advice})"
    )
    warnings.warn(text, stacklevel=3)
    return replace(image, notes=(*image.notes, text))
