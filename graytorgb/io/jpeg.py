"""JPEG: the segments are walked here, and libjpeg-turbo decodes the pixels through simplejpeg.

Pillow fills with gray what the header states and the data lack. simplejpeg makes errors of
libjpeg's warnings. A warning of bytes that say nothing of the pixels becomes a note instead.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import simplejpeg

from ..core.image_file import ImageFile, make_stand_in
from . import jpeg_segments as codes
from .jpeg_segments import APP0, APP14, MOST_SCANS, find_scan_end, read_frame_header, walk_segments
from .orientation import find_orientation
from .ranges import Array
from .request import Request

_EXIF, _XMP, _MPF = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"MPF\0"
_ICC = b"ICC_PROFILE\0"
_KINDS = {1: "gray", 3: "RGB"}
_LEAST_REDUCED = 16  # pixels of a side; for fewer, two of libjpeg's scales may give the same size
_SCANNED_SAMPLES = 10**8  # that more than MOST_SCANS scans may decode together


class Frame(NamedTuple):
    """The header of a JPEG up to its first scan, which has `in_scan` components.

    `extras` are the data of its EXIF, XMP, MPF and ICC segments, by their names.
    """

    code: int
    height: int
    width: int
    components: int
    bits: int
    in_scan: int
    extras: dict[bytes, bytes]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array: gray has no axis for channels."""
        return (self.height, self.width, *((self.components,) if self.components > 1 else ()))


def read(request: Request) -> ImageFile:
    """Read the image, of 8 bits, gray or RGB; or its luma alone, where gray is asked for."""
    data = request.read_bytes()
    frame = _check_frame(request, _find_frame(data))
    _check_scans(request, data, frame)
    shape, reduction = _find_shape(request, frame)
    request.check_size(shape, 1)
    array, found = _decode(data, shape, reduction)
    return _describe(request, frame, array, found, reduction)


def read_header(request: Request) -> ImageFile:
    """Read the segments up to the first scan, with a stand-in for the pixels."""
    data = request.start
    frame = _find_frame(data)
    while frame is None and len(data) < request.size:  # a large profile or thumbnail
        data = request.read_at(0, len(data) << 3)
        frame = _find_frame(data)
    frame = _check_frame(request, frame)
    request.check_size(frame.shape, 1)
    return _describe(request, frame, make_stand_in(frame.shape, np.uint8))


def _find_shape(request: Request, frame: Frame) -> tuple[tuple[int, ...], int]:
    """Return the shape that is decoded, and how many times smaller than the file's it is.

    libjpeg decodes each block of 8x8 pixels as 4x4, 2x2 or 1x1, and rounds up.
    """
    height, width, *channels = frame.shape
    reduction = 1
    if request.min_size and min(height, width) >= _LEAST_REDUCED:
        least = request.min_size
        scales = (8, 4, 2, 1)
        fits = (k for k in scales if -(-height // k) >= least[0] and -(-width // k) >= least[1])
        reduction = next(fits, 1)
    sizes = -(-height // reduction), -(-width // reduction)
    return (sizes if request.is_gray else (*sizes, *channels)), reduction


def _describe(
    request: Request, frame: Frame, array: Array, found: Sequence[str] = (), reduction: int = 1
) -> ImageFile:
    """Return the image with what the header states, and the notes that decoding found."""
    orientation, notes = find_orientation(frame.extras.get(_EXIF), frame.extras.get(_XMP, b""))
    if _MPF in frame.extras:
        notes.append("further pictures in the file (MPO) are left out")
    kind = _KINDS[frame.components]
    return request.describe_by_depth(
        array, "JPEG", kind, 8, notes=(*notes, *found), orientation=orientation,
        has_icc=_ICC in frame.extras, color_type=kind, reduction=reduction,
    )  # fmt: skip


def _find_frame(data: bytes) -> Frame | None:
    """Return what the segments up to the first scan state, or None if they aren't all there."""
    extras = dict[bytes, bytes]()
    code, found, in_scan = 0, 0, 0
    for marker, start, end in walk_segments(data):
        if marker in codes.STARTS_OF_FRAME:
            code, found = marker, start
        elif marker in (codes.APP1, codes.APP2):
            for name in (_EXIF, _XMP, _MPF, _ICC):
                if data.startswith(name, start + 4):
                    extras.setdefault(name, data[start + 4 : end])
        elif marker == codes.START_OF_SCAN:
            in_scan = data[start + 4] if start + 4 < len(data) else 0
            break
    if not (code and in_scan):
        return None
    height, width, components, bits = read_frame_header(data, found)
    return Frame(code, height, width, components, bits, in_scan, extras)


def _check_frame(request: Request, frame: Frame | None) -> Frame:
    """Return the header, or raise if it isn't of 8 bits, gray or RGB."""
    if frame is None:
        raise request.error("a JPEG that is damaged, or cut off, before its pixels")
    bits, components = frame.bits, frame.components
    if bits != 8:
        raise request.error(
            f"a JPEG of {bits} bits, and those of 8 are read: imagecodecs.jpeg8_decode(data) "
            "gives the values"
        )
    if components not in _KINDS:
        colors = "CMYK" if components == 4 else f"{components} components"
        raise request.error(
            f"its colors are {colors}, neither gray nor RGB: "
            "Image.open(path).convert('RGB') if Pillow's conversion is what you want"
        )
    request.pick_index(1, "image")
    return frame


def _check_scans(request: Request, data: bytes, frame: Frame) -> None:
    """Refuse more scans than the size of the image makes up for, before any is decoded."""
    if frame.code not in codes.PROGRESSIVE and frame.in_scan == frame.components:
        return  # libjpeg decodes one
    if data.count(b"\xff\xda") <= MOST_SCANS:  # an upper bound, which costs little
        return
    scans = sum(code == codes.START_OF_SCAN for code, _, _ in walk_segments(data))
    samples = frame.height * frame.width * frame.components
    if scans > MOST_SCANS and scans * samples > _SCANNED_SAMPLES:
        raise request.error(
            f"it has {scans} scans of {frame.height}x{frame.width} pixels, and more than "
            f"{MOST_SCANS} are read of up to {_SCANNED_SAMPLES // scans:,} samples alone, because "
            "each takes time: Image.open(path) if you trust it"
        )


def _decode(data: bytes, shape: tuple[int, ...], reduction: int) -> tuple[Array, list[str]]:
    """Return the pixels, and a note if bytes had to be left out that say nothing of them."""
    try:
        return _decode_strictly(data, shape, reduction), []
    except ValueError:
        cleaned = _keep_segments(data)
        if cleaned == data:
            raise
    note = "damaged beside its pixels, and left out: texts, profiles or bytes between its markers"
    return _decode_strictly(cleaned, shape, reduction), [note]


def _decode_strictly(data: bytes, shape: tuple[int, ...], reduction: int) -> Array:
    """Return the pixels, RGB or gray; simplejpeg raises ValueError for any warning of libjpeg."""
    buffer = np.empty(shape, np.uint8)  # has the size that was checked, whatever libjpeg finds
    # libjpeg takes the smallest of its scales that gives at least these sizes
    height, width = shape[:2] if reduction > 1 else (0, 0)
    colors = "GRAY" if len(shape) == 2 else "RGB"
    array: Array = simplejpeg.decode_jpeg(
        data, colorspace=colors, min_height=height, min_width=width, buffer=buffer
    )
    return array[..., 0] if len(shape) == 2 else array


def _keep_segments(data: bytes) -> bytes:
    """Return the file with only what decoding the pixels needs, as libjpeg knows it.

    Left out are stray bytes between segments, texts and profiles, and zeros before the end of the
    image. Other bytes there are what damaged pixels leave over.
    """
    kept = [data[:2]]
    for code, start, end in walk_segments(data):
        if code == codes.COMMENT or (code & 0xF0 == APP0 and code not in (APP0, APP14)):
            continue
        body = data[start : find_scan_end(data, end) if code == codes.START_OF_SCAN else end]
        if code == APP0 and body[4:9] == b"JFIF\0":
            body = body[:9] + b"\1" + body[10:]  # the version
        elif code == APP14 and body[4:9] == b"Adobe" and body[15:16] not in (b"\0", b"\1", b"\2"):
            body = body[:15] + b"\1" + body[16:]  # the transform to RGB: the usual one
        elif code == codes.END_OF_IMAGE:
            scan = kept[-1].rstrip(b"\0")
            kept[-1] = scan + b"\0" if scan.endswith(b"\xff") else scan  # 0xFF comes as 0xFF00
        kept.append(body)
    return b"".join(kept)
