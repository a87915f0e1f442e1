"""The segments of a JPEG, found without decoding: in JPEG files, TIFF's tiles and DICOM's frames.

The codes that follow 0xFF and the layout of a segment are those of ITU-T T.81, annex B.
"""

import re
import struct
from collections.abc import Iterator

START_OF_SCAN, END_OF_IMAGE, APP0, APP1, APP2, APP14, COMMENT = (
    0xDA, 0xD9, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE,
)  # fmt: skip
STARTS_OF_FRAME = {0xC0 + k for k in range(16)} - {0xC4, 0xC8, 0xCC}
PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_ALONE = {0x01, *range(0xD0, 0xDA)}  # markers without a length and data
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")

# A scan costs time for each block of the image, and few bytes where it changes nothing: 44 KB can
# ask for 400 of 4000x4000. Encoders write 6 to 20; libjpeg-turbo's own tools refuse more than 500
# where they don't trust a file (TJFLAG_LIMITSCANS), whatever the image's size.
MOST_SCANS = 100


def walk_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield each segment's code, start and end, up to the end of the image, as libjpeg finds them.

    Stray bytes between segments are skipped. A scan's data comes after its segment.
    """
    position = 2
    while found := _MARKER.search(data, position):
        start = found.start()
        code = data[start + 1]
        end = start + 2
        if code not in _ALONE:
            end += int.from_bytes(data[end : end + 2], "big")
        yield code, start, end
        if code == END_OF_IMAGE:
            return
        position = find_scan_end(data, end) if code == START_OF_SCAN else end


def find_scan_end(data: bytes, start: int) -> int:
    """Return where the compressed data of a scan ends that starts at `start`."""
    found = _AFTER_SCAN.search(data, start)
    return found.start() if found else len(data)


def read_frame_header(data: bytes, start: int) -> tuple[int, int, int, int]:
    """Return the height, width, samples and bits that a start-of-frame segment states (B.2.2).

    Raises
    ------
    ValueError
        If the data ends within the segment.
    """
    try:
        bits, height, width, samples = struct.unpack_from(">BHHB", data, start + 4)
    except struct.error:
        raise ValueError("its header is cut") from None
    return height, width, samples, bits
