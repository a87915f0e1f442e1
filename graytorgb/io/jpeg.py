"""JPEG: its markers are walked here, and libjpeg-turbo decodes the pixels through simplejpeg.

Pillow's way fills with gray what the header states and the data lack; simplejpeg makes libjpeg's
warnings errors. Those of bytes that say nothing of the pixels are told in a note instead.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import simplejpeg

from ..core.image_file import ImageFile
from .image import Array, Request
from .orientation import find_orientation

# The codes that follow 0xFF (ITU-T T.81, table B.1)
_START_OF_SCAN, _END_OF_IMAGE, _APP0, _APP1, _APP2, _APP14, _COMMENT = (
    0xDA, 0xD9, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE,
)  # fmt: skip
_FRAMES = {0xC0 + k for k in range(16)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_ALONE = {0x01, *range(0xD0, 0xDA)}  # without a length
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_EXIF, _XMP, _MPF = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"MPF\0"
_KINDS = {1: ("gray", "GRAY"), 3: ("RGB", "RGB")}

# A scan costs time for each block of the image, and few bytes where it changes nothing: 44 KB can
# ask for 400 of 4000x4000. Encoders write 6 to 20; libjpeg-turbo's own tools refuse more than 500
# where they don't trust a file (TJFLAG_LIMITSCANS), whatever the image's size.
_SCANS, _SCANNED_SAMPLES = 100, 10**8


class Frame(NamedTuple):
    """What a JPEG states before its first scan; `in_scan` is the components of that."""

    code: int
    height: int
    width: int
    components: int
    in_scan: int
    exif: bytes | None
    xmp: bytes
    has_others: bool


def read(request: Request) -> ImageFile:
    """The image, 8 bits gray or RGB."""
    data = request.read_bytes()
    frame = _read_frame(request, data)
    request.pick(1, "image")
    kind, colors = _KINDS[frame.components]
    shape = (frame.height, frame.width, frame.components)
    request.check_size(shape[: 2 + (frame.components > 1)], 1)
    _check_scans(request, data, frame)
    orientation, notes = find_orientation(frame.exif, frame.xmp)
    if frame.has_others:
        notes.append("further pictures in the file (MPO) are left out")
    array, found = _decode(data, shape, colors)
    return ImageFile(
        path=request.path,
        array=array[..., 0] if frame.components == 1 else array,
        layout="HW" if frame.components == 1 else "HWC",
        value_range=(0, 255),
        range_source="JPEG's depth",
        format="JPEG",
        mode=f"{kind}, 8 bits",
        bits=8,
        notes=(*notes, *found),
        orientation=orientation,
    )


def _walk(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Each segment's code, start and end, up to the end of the image, as libjpeg finds them.

    A scan's data comes after its segment.
    """
    position = 2
    while found := _MARKER.search(data, position):
        start = found.start()
        code = data[start + 1]
        end = start + 2
        if code not in _ALONE:
            end += int.from_bytes(data[end : end + 2], "big")
        yield code, start, end
        if code == _END_OF_IMAGE:
            return
        position = _end_scan(data, end) if code == _START_OF_SCAN else end


def _end_scan(data: bytes, start: int) -> int:
    found = _AFTER_SCAN.search(data, start)
    return found.start() if found else len(data)


def _read_frame(request: Request, data: bytes) -> Frame:
    """The header, refused if it isn't of 8 bits, gray or RGB."""
    stated, extras = b"", dict[bytes, bytes]()
    code, in_scan = 0, 0
    for marker, start, end in _walk(data):
        if marker in _FRAMES:
            code, stated = marker, data[start + 4 : end]
        elif marker in (_APP1, _APP2):
            for name in (_EXIF, _XMP, _MPF):
                if data.startswith(name, start + 4):
                    extras.setdefault(name, data[start + 4 : end])
        elif marker == _START_OF_SCAN:
            in_scan = data[start + 4] if start + 4 < len(data) else 0
            break
    if len(stated) < 6 or not in_scan:
        raise request.error("a JPEG that is damaged, or cut off, before its pixels")
    bits, components = stated[0], stated[5]
    height, width = int.from_bytes(stated[1:3], "big"), int.from_bytes(stated[3:5], "big")
    if bits != 8:
        raise request.error(
            f"a JPEG of {bits} bits, and those of 8 are read: imagecodecs.jpeg8_decode(data) "
            "gives the values"
        )
    if components not in _KINDS:
        named = {4: "CMYK"}.get(components, f"{components} components")
        raise request.error(
            f"its colors are {named}, neither gray nor RGB: "
            "Image.open(path).convert('RGB') if Pillow's conversion is what you want"
        )
    exif, xmp, others = extras.get(_EXIF), extras.get(_XMP, b""), _MPF in extras
    return Frame(code, height, width, components, in_scan, exif, xmp, others)


def _check_scans(request: Request, data: bytes, frame: Frame) -> None:
    """Refuse more scans than the size of the image makes up for, before any is decoded."""
    if frame.code not in _PROGRESSIVE and frame.in_scan == frame.components:
        return  # libjpeg decodes one
    if data.count(b"\xff\xda") <= _SCANS:  # an upper bound, which costs little
        return
    scans = sum(code == _START_OF_SCAN for code, _, _ in _walk(data))
    samples = frame.height * frame.width * frame.components
    if scans > _SCANS and scans * samples > _SCANNED_SAMPLES:
        raise request.error(
            f"it has {scans} scans of {frame.height}x{frame.width} pixels, and more than {_SCANS} "
            f"are read of up to {_SCANNED_SAMPLES // scans:,} samples alone, because each takes "
            "time: Image.open(path) if you trust it"
        )


def _decode(data: bytes, shape: tuple[int, ...], colors: str) -> tuple[Array, list[str]]:
    """The pixels, and a note if bytes had to be left out that say nothing of them."""
    try:
        return _decode_strictly(data, shape, colors), []
    except ValueError:
        cleaned = _keep_segments(data)
        if cleaned == data:
            raise
    note = "damaged beside its pixels, and left out: texts, profiles or bytes between its markers"
    return _decode_strictly(cleaned, shape, colors), [note]


def _decode_strictly(data: bytes, shape: tuple[int, ...], colors: str) -> Array:
    buffer = np.empty(shape, np.uint8)  # of the size that was checked, whatever libjpeg finds
    array: Array = simplejpeg.decode_jpeg(data, colorspace=colors, buffer=buffer)
    return array


def _keep_segments(data: bytes) -> bytes:
    """The file with only what decoding the pixels needs, as libjpeg knows it.

    Left out are stray bytes between segments, texts and profiles, and zeros before the end of the
    image. Other bytes there are what damaged pixels leave over.
    """
    kept = [data[:2]]
    for code, start, end in _walk(data):
        if code == _COMMENT or (code & 0xF0 == _APP0 and code not in (_APP0, _APP14)):
            continue
        body = data[start : _end_scan(data, end) if code == _START_OF_SCAN else end]
        if code == _APP0 and body[4:9] == b"JFIF\0":
            body = body[:9] + b"\1" + body[10:]  # the version
        elif code == _APP14 and body[4:9] == b"Adobe" and body[15:16] not in (b"\0", b"\1", b"\2"):
            body = body[:15] + b"\1" + body[16:]  # the transform to RGB: the usual one
        elif code == _END_OF_IMAGE:
            scan = kept[-1].rstrip(b"\0")
            kept[-1] = scan + b"\0" if scan.endswith(b"\xff") else scan  # 0xFF comes as 0xFF00
        kept.append(body)
    return b"".join(kept)
