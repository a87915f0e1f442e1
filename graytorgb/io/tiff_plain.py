"""Plain TIFF files, which need no library: one page of gray or RGB, not compressed.

tifffile takes longer to describe such a file than the system takes to read it. A file that isn't
plain in every respect, or is damaged, is left to tifffile.
"""

import math
import struct
from itertools import accumulate

import numpy as np

from ..core.image_file import ImageFile, make_stand_in
from .request import Request

_MOST_TAGS, _MOST_STRIPS = 64, 1 << 16
_INTEGERS = {3: "H", 4: "I"}  # TIFF's SHORT and LONG
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 262, 277
_KIND, _OFFSETS, _ROWS, _COUNTS, _DESCRIPTION = 254, 273, 278, 279, 270
_SINGLE = (_WIDTH, _HEIGHT, _PHOTOMETRIC, _SAMPLES, _ROWS)
# The values of Compression, FillOrder, Orientation, PlanarConfiguration, Predictor and SampleFormat
# where they are left out
_DEFAULTS = {259: 1, 266: 1, 274: 1, 284: 1, 317: 1, 339: 1}
_USED = {*_SINGLE, _KIND, _BITS, _OFFSETS, _COUNTS, *_DEFAULTS}
_UNUSED = {282, 283, 296, 305, 306}  # the resolution, the software and the time
_COLORS = {(1, 1): "gray", (2, 3): "RGB"}  # by PhotometricInterpretation and samples a pixel

Tags = dict[int, tuple[int, ...]]


def read_plain(request: Request, tags: Tags, *, decodes: bool) -> ImageFile | None:
    """Return the image of a plain file by its tags, or None for any other file.

    Without `decodes` a stand-in takes the place of the pixels.
    """
    if any({*tags.get(code, (value,))} != {value} for code, value in _DEFAULTS.items()):
        return None
    shape, stated = _find_shape(tags), tags.get(_BITS, (1,))
    samples = shape[2] if len(shape) > 2 else 1
    kind = _COLORS.get((tags[_PHOTOMETRIC][0], samples))
    if kind is None or stated not in ((8,) * samples, (16,) * samples) or min(shape[:2]) < 2:
        return None
    bits = stated[0]
    rows = max(1, tags.get(_ROWS, tags[_HEIGHT])[0])
    offset = _find_pixels(request, tags, -(-shape[0] // rows), math.prod(shape) * bits // 8)
    if offset is None:
        return None
    request.pick_index(1, "pages")
    request.check_size(shape, bits // 8)
    dtype = np.dtype(f"{_find_order(request)}u{bits // 8}")
    array = request.read_array(shape, dtype, offset) if decodes else make_stand_in(shape, dtype)
    source = f"TIFF's depth, {bits} bits"
    return request.describe_by_depth(array, "TIFF", kind, bits, source=source)


def find_tags(request: Request) -> Tags | None:
    """Return the tags of a file with one page that a plain file may have, or None.

    None is for a file whose other tags, description or further pages say more.
    """
    order = _find_order(request)
    tags = _read_tags(request, order)
    if tags is None or not {_WIDTH, _HEIGHT, _PHOTOMETRIC, _OFFSETS, _COUNTS} <= tags.keys():
        return None
    if any(len(tags.get(code, (0,))) != 1 for code in _SINGLE) or tags.get(_KIND, (0,)) != (0,):
        return None
    return tags if _has_plain_description(request, order, tags) else None


def _find_shape(tags: Tags) -> tuple[int, ...]:
    """Return height, width and, if there are several, the samples of a pixel."""
    shape = tags[_HEIGHT] + tags[_WIDTH]
    samples = tags.get(_SAMPLES, (1,))
    return shape if samples == (1,) else shape + samples


def _find_order(request: Request) -> str:
    """Return the file's byte order, as struct and NumPy write it."""
    return "<" if request.start.startswith(b"II") else ">"


def _read_tags(request: Request, order: str) -> Tags | None:
    """Return the tags of a file with one page, or None if one of them is not known here.

    The values of the description's tag are its place and its length.
    """
    head = request.start[:8]
    is_ndpi = request.path.suffix.lower() == ".ndpi"  # Hamamatsu's has offsets of 8 bytes
    if is_ndpi or len(head) < 8 or struct.unpack(order + "H", head[2:4]) != (42,):
        return None  # such as BigTIFF
    directory = request.read_at(struct.unpack(order + "I", head[4:])[0], 2 + 12 * _MOST_TAGS + 4)
    count = struct.unpack(order + "H", directory[:2])[0] if len(directory) > 2 else 0
    end = 2 + 12 * count
    if not 0 < count <= _MOST_TAGS or directory[end : end + 4] != b"\0\0\0\0":
        return None  # more pages, or none
    tags: Tags = {}
    for code, kind, number, value in struct.iter_unpack(order + "HHI4s", directory[2:end]):
        if code in tags or number > _MOST_STRIPS:
            return None
        place = struct.unpack(order + "I", value)[0]
        if code == _DESCRIPTION:
            tags[code] = place, number
        elif code in _UNUSED:
            tags[code] = ()
        elif code in _USED and kind in _INTEGERS:
            form = struct.Struct(f"{order}{number}{_INTEGERS[kind]}")
            data = value if form.size <= 4 else request.read_at(place, form.size)
            if len(data) < form.size:
                return None
            tags[code] = form.unpack(data[: form.size])
        else:
            return None
    return tags


def _find_pixels(request: Request, tags: Tags, strips: int, size: int) -> int | None:
    """Return where the pixels start, if all strips are there without gaps between them."""
    offsets, counts = tags[_OFFSETS], tags[_COUNTS]
    if not len(offsets) == len(counts) == strips or sum(counts) != size:
        return None
    *starts, end = accumulate(counts, initial=offsets[0])
    return offsets[0] if starts == list(offsets) and end <= request.size else None


def _has_plain_description(request: Request, order: str, tags: Tags) -> bool:
    """Return whether the description says nothing more; tifffile writes the shape into it."""
    if _DESCRIPTION not in tags:
        return True
    place, size = tags[_DESCRIPTION]
    text = struct.pack(order + "I", place)[:size] if size <= 4 else request.read_at(place, size)
    shape = ", ".join(map(str, _find_shape(tags))).encode()
    return text.rstrip(b"\0 ") in (b"", b'{"shape": [%s]}' % shape)
