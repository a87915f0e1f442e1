"""The table of file formats: what each is told by, who reads it, and what is read of it.

A new format is a reader, a module here with ``read(request)`` and ``read_header(request)``, and a
line of this table; and an extra in setup.cfg if it brings a library.
"""

import re
from pathlib import PurePath
from typing import NamedTuple


class Format(NamedTuple):
    """A format of image files, as far as it is known before its library is imported.

    Attributes
    ----------
    module : str
        The module in this folder that reads it.
    library, extra : str
        The package that the reader imports, and the extra that installs it.
    suffixes : tuple of str
        The usual endings of such a file's name. The content decides all the same.
    signature : bytes
        A regular expression for the first bytes of every such file.
    holds : str
        What is read of it.
    decoder : str
        The libraries that decode the pixels.
    bare_signature : bytes
        A regular expression for the first bytes of such a file without its usual head, which may
        begin files of other kinds too, and so counts only together with a usual suffix.
    """

    module: str
    library: str
    extra: str
    suffixes: tuple[str, ...]
    signature: bytes
    holds: str
    decoder: str
    bare_signature: bytes = b"(?!)"  # matches nothing


_AS_PILLOW = ("as Pillow opens it; every frame", "Pillow")
FORMATS = {
    # First, because the 128 bytes before its signature may look like another format. Without them
    # it begins with a data element of group 0002 or 0008: the tag, then two letters or a length.
    "DICOM": Format(
        "dicom", "pydicom", "dicom", (".dcm", ".dicom", ".ima"),
        rb".{128}DICM|[\x02\x08]\0.\0(?:[A-Z]{2}|..\0\0)",
        "rescale, Modality LUT, window, VOI LUT, MONOCHROME1, frames, color; the compressions of "
        "libjpeg-turbo, OpenJPEG and CharLS, RLE, deflate", "pydicom",
        rb"[\0-\x28]\0..(?:[A-Z]{2}|..\0\0)|\0[\0-\x28]..(?:[A-Z]{2}|\0\0..)",  # any low group
    ),
    "PNG": Format(
        "png", "imagecodecs", "png", (".png", ".apng"), rb"\x89PNG\r\n\x1a\n",
        "1 to 16 bits; gray, RGB, palette, alpha; animated in 8 bits", "imagecodecs",
    ),
    "JPEG": Format(
        "jpeg", "simplejpeg", "jpeg", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), rb"\xff\xd8",
        "8 bits, gray and RGB", "simplejpeg",
    ),
    "WebP": Format("pillow", "PIL", "pillow", (".webp",), b"RIFF.{4}WEBP", *_AS_PILLOW),
    "GIF": Format("gif", "PIL", "pillow", (".gif",), b"GIF8[79]a", *_AS_PILLOW),
    "BMP": Format(
        "bmp", "imagecodecs", "bmp", (".bmp", ".dib"), b"BM", "as Pillow opens it",
        "imagecodecs, Pillow",
        rb"[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0",  # the size of the image's header
    ),
    "PNM": Format(
        "pnm", "PIL", "pillow", (".pbm", ".pgm", ".ppm", ".pnm"), rb"P[1-6][ \t\n\v\f\r#]",
        "1 to 16 bits, gray and RGB; binary and plain text", "NumPy, Pillow",
    ),
    "TIFF": Format(
        "tiff", "tifffile", "tiff", (".tif", ".tiff", ".btf", ".lsm", ".svs", ".stk"),
        rb"II[*+]\0|MM\0[*+]",  # + is BigTIFF
        "1 to 64 bits, 12 packed too, signed, floats; pages, hyperstacks, OME, ImageJ; the "
        "compressions of imagecodecs", "tifffile",
    ),
    "NumPy": Format(
        "npy", "numpy", "io", (".npy", ".npz"), rb"\x93NUMPY|PK\x03\x04",  # .npz is a zip file
        "numbers and bool, without pickles", "NumPy",
    ),
}  # fmt: skip

HEAD = 132  # bytes that tell a format: DICOM's signature ends there
# The formats whose first bytes no other kind of file has. A zip file needn't be an .npz, nor a text
# that begins with "BM" a bitmap.
_TELLING_FORMATS = ("PNG", "JPEG", "WebP", "GIF", "TIFF")

_BY_SUFFIX = {suffix: name for name, entry in FORMATS.items() for suffix in entry.suffixes}
SUFFIXES = frozenset(_BY_SUFFIX)
_SIGNATURES = re.compile(
    b"|".join(b"(?P<%s>%s)" % (name.encode(), e.signature) for name, e in FORMATS.items()),
    re.DOTALL,
)
_BARE_SIGNATURES = {
    name: re.compile(entry.bare_signature, re.DOTALL) for name, entry in FORMATS.items()
}


def find_format(head: bytes, suffix: str = "") -> str | None:
    """Return the name of the format that a file's first bytes tell, or None.

    Parameters
    ----------
    head : bytes
        The first bytes of the file, `HEAD` or more if it has them.
    suffix : str
        The ending of the file's name, which makes a bare signature count.

    Examples
    --------
    >>> find_format(b"GIF89a..."), find_format(b"<html>", ".png")
    ('GIF', None)
    """
    found = _SIGNATURES.match(head)
    if found:
        return found.lastgroup
    usual = name_format(suffix)
    return usual if usual and _BARE_SIGNATURES[usual].match(head) else None


def is_surely_image(head: bytes) -> bool:
    """Return whether no other kind of file begins with these bytes, `HEAD` or more of them.

    >>> is_surely_image(b"GIF89a..."), is_surely_image(b"BM, a text")
    (True, False)
    """
    if head.startswith(b"\x93NUMPY") or head[128:132] == b"DICM":
        return True
    return find_format(head) in _TELLING_FORMATS


def has_image_name(path: str) -> bool:
    """Return whether a file is an image by the ending of its name.

    >>> has_image_name("scans/a.PNG"), has_image_name("notes.txt")
    (True, False)
    """
    return name_format(PurePath(path).suffix) is not None


def name_format(suffix: str) -> str | None:
    """Return the name of the format that a file with such an ending usually has, or None.

    >>> name_format(".TIF")
    'TIFF'
    """
    return _BY_SUFFIX.get(suffix.lower())
