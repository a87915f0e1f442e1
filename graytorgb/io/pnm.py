"""PBM, PGM and PPM: the header is read here, and Pillow decodes the samples.

Pillow gives 16-bit color as 8 bits, and scales samples whose largest value isn't 255 or 65535.
So it is handed a header of a gray image, three times as wide for color and of a full depth, of
which it gives each sample as it is.
"""

import re
from io import BytesIO

import numpy as np
from PIL.PpmImagePlugin import PpmImageFile

from .image import Array, ImageFile, Request

_GAP = rb"(?:[ \t\n\v\f\r]|#[^\r\n]*[\r\n])"
_SIZE = re.compile(rb"P[1-6]" + _GAP + rb"+(\d{1,10})" + _GAP + rb"+(\d{1,10})")
_LARGEST = re.compile(_GAP + rb"+(\d{1,10})")
_END = re.compile(_GAP)  # one; what follows is a sample, though it may look like a gap


def read(request: Request) -> ImageFile:
    """The image: bits as 0 and 255, other samples as they are, to the largest that is stated."""
    data = request.read_bytes()
    kind = int(data[1:2])
    width, height, largest, start = _read_header(request, data, kind)
    channels = 3 if kind in (3, 6) else 1
    itemsize = 1 if largest < 256 else 2
    request.check_size((height, width, channels)[: 2 + (channels > 1)], itemsize)
    notes = []
    if kind > 3:
        size = ((width + 7) // 8 if kind == 4 else width * channels * itemsize) * height
        if len(data) - start > size:
            notes.append(f"{len(data) - start - size:,} bytes after its pixels are left out")
    array = _decode(kind, width * channels, height, largest, data[start:])
    if largest not in (255, 65535) and array.max() > largest and kind not in (1, 4):
        raise request.error(
            f"its header states {largest} as the largest sample, and it has {array.max()}"
        )
    bits = 1 if kind in (1, 4) else largest.bit_length()
    is_depth = largest in (255, 65535)
    return ImageFile(
        path=request.path,
        array=array.reshape(height, width, channels) if channels > 1 else array,
        layout="HWC" if channels > 1 else "HW",
        value_range=(0, largest),
        range_source="PPM's depth" if is_depth else f"the largest sample stated, {largest}",
        format="PPM",
        mode=f"{'RGB' if channels > 1 else 'grey'}, {bits} bits",
        bits=bits,
        depth_only=is_depth,
        notes=tuple(notes),
    )


def _read_header(request: Request, data: bytes, kind: int) -> tuple[int, int, int, int]:
    """Width, height, the largest sample, and where the samples begin; 255 for bits."""
    size = _SIZE.match(data)
    stated = size and (size if kind in (1, 4) else _LARGEST.match(data, size.end()))
    end = stated and _END.match(data, stated.end())
    if size is None or stated is None or end is None:
        raise request.error(f"a P{kind} file whose header isn't numbers: damaged, or cut off in it")
    largest = 255 if kind in (1, 4) else int(stated[1])
    if not 0 < largest < 65536:
        raise request.error(f"its header states {largest} as the largest sample: 1 to 65535 can be")
    return int(size[1]), int(size[2]), largest, end.end()


def _decode(kind: int, width: int, height: int, largest: int, samples: bytes) -> Array:
    """The samples as gray, or bits as 0 and 255."""
    head = b"P%d %d %d" % (kind if kind in (1, 4) else 2 if kind <= 3 else 5, width, height)
    if kind not in (1, 4):
        head += b" %d" % (255 if largest < 256 else 65535)
    with PpmImageFile(BytesIO(head + b"\n" + samples)) as image:
        decoded = np.asarray(image.convert("L") if image.mode == "1" else image)
    return decoded.astype(np.uint8 if largest < 256 else np.uint16, copy=False)
