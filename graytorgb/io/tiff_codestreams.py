"""Headers of what only TIFF's strips and tiles hold: LERC, PNG, WebP, JPEG XR and JPEG XL."""

import struct
from collections.abc import Callable

from .codestreams import Header, Segment, read_jpeg, read_jpeg2000, walk_boxes
from .formats import find_format
from .png_colors import PNG_COLORS, PNG_PALETTE

_LERC_KINDS = ("i8", "u8", "i16", "u16", "i32", "u32", "f32", "f64")


def read_lerc(data: Segment) -> Header:
    """Return what a Lerc2 or Lerc1 blob states, which must be the only one (Esri's Lerc2.h)."""
    if data[0:9] == b"CntZImage":
        _, _, height, width = data.unpack("<iiii", 10)
        if data[0 : data.size].count(b"CntZImage") > 1:
            raise ValueError("its LERC has several bands")
        return Header(height, width, 1, 32, "f")
    if data[0:6] != b"Lerc2 ":
        raise ValueError("its data is no LERC, or is compressed once more")
    (version,) = data.unpack("<i", 6)
    at = 10 if version < 3 else 14  # a checksum
    height, width = data.unpack("<ii", at)
    at += 8
    samples = 1
    if version >= 4:
        (samples,) = data.unpack("<i", at)
        at += 4
    _, _, size, kind = data.unpack("<iiii", at)
    if not 0 <= kind < len(_LERC_KINDS) or not 0 < size <= data.size:
        raise ValueError("its LERC is damaged or cut")
    if data[size : size + 6] == b"Lerc2 ":
        raise ValueError("its LERC has several bands")
    name = _LERC_KINDS[kind]
    return Header(height, width, samples, int(name[1:]), name[0])


def read_png(data: Segment) -> Header:
    """Return what the IHDR chunk of a PNG states; refuse a palette and a transparent color."""
    if find_format(data[0:12]) != "PNG" or data[12:16] != b"IHDR":
        raise ValueError("its data is no PNG")
    width, height, bits, color = data.unpack(">IIBB", 16)
    if color == PNG_PALETTE or color not in PNG_COLORS:
        raise ValueError("its PNG has a palette of its own")
    at = 8
    while at < data.size:
        size, name = struct.unpack(">I4s", b"".join([data[at : at + 8], bytes(8)])[:8])
        if name == b"tRNS":
            raise ValueError("its PNG has a transparent color")
        if name == b"IDAT":
            break
        at += 12 + size
    return Header(height, width, PNG_COLORS[color][1], bits)


def read_webp(data: Segment) -> Header:
    """Return what the first chunk of a WebP file states (RFC 9649)."""
    name = data[12:16]
    if find_format(data[0:12]) != "WebP":
        raise ValueError("its data is no WebP")
    if name == b"VP8X":
        flags, width, height = (int.from_bytes(part, "little") for part in
                                (data[20:21], data[24:27], data[27:30]))  # fmt: skip
        if flags & 2:
            raise ValueError("its WebP is animated")
        return Header(height + 1, width + 1, 4 if flags & 16 else 3, 8)
    if name == b"VP8L":
        (packed,) = data.unpack("<I", 21)
        size = (packed >> 14 & 0x3FFF) + 1, (packed & 0x3FFF) + 1
        return Header(*size, 4 if packed >> 28 & 1 else 3, 8)
    width, height = data.unpack("<HH", 26)
    return Header(height & 0x3FFF, width & 0x3FFF, 3, 8)


# The last byte of a pixel format's GUID: samples, bits, kind (jxrlib's JXRGlue.h)
_JXR_FORMATS = {
    0x08: (1, 8, "u"), 0x0B: (1, 16, "u"), 0x11: (1, 32, "f"), 0x3E: (1, 16, "f"),
    0x0C: (3, 8, "u"), 0x0D: (3, 8, "u"), 0x0F: (4, 8, "u"), 0x10: (4, 8, "u"),
    0x15: (3, 16, "u"), 0x16: (4, 16, "u"), 0x17: (4, 16, "u"), 0x3B: (3, 16, "f"),
    0x19: (4, 32, "f"), 0x1B: (3, 32, "f"), 0x27: (3, 32, "f"), 0x3A: (4, 16, "f"),
    0xE9: (4, 8, "u"),
}  # fmt: skip


def read_jpegxr(data: Segment) -> Header:
    """Return what a JPEG XR's tags and its codestream state, the same size (ITU-T T.832)."""
    if data[0:3] != b"II\xbc":
        raise ValueError("its data is no JPEG XR")
    (at,) = data.unpack("<I", 4)
    (count,) = data.unpack("<H", at)
    tags = {}
    for k in range(count):
        code, kind, number, value = data.unpack("<HHII", at + 2 + 12 * k)
        tags[code] = value & (0xFFFF if kind == 3 else 0xFFFFFFFF) if number == 1 else value
    guid = data[tags.get(0xBC01, 0) :][:16]
    start = tags.get(0xBCC0, 0)
    is_known = len(guid) == 16 and guid[15] in _JXR_FORMATS
    if data[start : start + 8] != b"WMPHOTO\0" or not is_known:
        raise ValueError("its JPEG XR is damaged, or of a kind that isn't read")
    is_short = data[start + 10 : start + 11] >= b"\x80"
    width, height = data.unpack(">HH" if is_short else ">II", start + 12)
    size = height + 1, width + 1
    if size != (tags.get(0xBC81), tags.get(0xBC80)):
        raise ValueError(f"its JPEG XR states two sizes, one of them {size[0]}x{size[1]}")
    alpha, alpha_size = tags.get(0xBCC2, 0), tags.get(0xBCC3, 0)
    if alpha and alpha_size == data.size:
        alpha_size -= alpha  # jxrlib counts from the start of the file
    if max(start + tags.get(0xBCC1, 0), alpha + alpha_size) > data.size:
        raise ValueError("its JPEG XR is cut")
    samples, bits, sample = _JXR_FORMATS[guid[15]]
    return Header(*size, samples, bits, sample)


class _Bits:
    """The numbers in a JPEG XL's header, low bits first (ISO 18181-1, annex B)."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        """Return the number in the next bits."""
        if count > self._left:
            raise ValueError("its header is cut")
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return value

    def choose(self, *forms: tuple[int, int]) -> int:
        """Return the next number, which has one of four forms, each an offset and its bits."""
        offset, count = forms[self.take(2)]
        return offset + self.take(count)


_JXL_PARTS = (b"jxlc", b"jxlp")  # boxes of the codestream, whole or the first part
_JXL_ENUM = ((0, 0), (1, 0), (2, 4), (18, 6))
_JXL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def read_jpegxl(data: Segment) -> Header:
    """Return what a JPEG XL codestream states, bare or in boxes (ISO 18181-1, annex D)."""
    start = 0
    if data[0:12] == b"\0\0\0\x0cJXL \r\n\x87\n":
        boxes = walk_boxes(data, 12, data.size)
        places = (at + 4 * (name == b"jxlp") for name, at, _ in boxes if name in _JXL_PARTS)
        start = next(places, data.size)  # before a part of the codestream is its number
    if data[start : start + 2] != b"\xff\x0a":
        raise ValueError("its data is no JPEG XL")
    bits = _Bits(data[start + 2 : start + 66])
    height, width = _read_jpegxl_size(bits)
    if bits.take(1):  # all_default: 8 bits, RGB
        return Header(height, width, 3, 8)
    if bits.take(1):  # extra_fields
        if bits.take(3):
            raise ValueError("its JPEG XL has an orientation of its own")
        if bits.take(1):
            _read_jpegxl_size(bits)
        if bits.take(2):
            raise ValueError("its JPEG XL has a preview or is animated")
    depth, kind = _read_jpegxl_depth(bits)
    bits.take(1)  # modular_16_bit_buffers
    extra = bits.choose((0, 0), (1, 0), (2, 4), (1, 12))
    if extra > 1:
        raise ValueError("its JPEG XL has several further channels")
    if extra:
        _check_jpegxl_alpha(bits)
    bits.take(1)  # xyb_encoded
    is_gray = False
    if not bits.take(1):  # all_default: sRGB
        bits.take(1)  # want_icc
        is_gray = bits.choose(*_JXL_ENUM) == 1
    return Header(height, width, (1 if is_gray else 3) + extra, depth, kind)


def _check_jpegxl_alpha(bits: _Bits) -> None:
    """Skip the description of a further channel; raise ValueError if it isn't alpha."""
    if bits.take(1):  # all_default: alpha of 8 bits
        return
    if bits.choose(*_JXL_ENUM):
        raise ValueError("its JPEG XL has a further channel that isn't alpha")
    _read_jpegxl_depth(bits)
    bits.choose((0, 0), (3, 0), (4, 0), (1, 3))  # dim_shift
    bits.take(8 * bits.choose((0, 0), (0, 4), (16, 5), (48, 10)))  # the channel's name
    bits.take(1)  # alpha_associated


def _read_jpegxl_size(bits: _Bits) -> tuple[int, int]:
    """Return the next height and width."""
    small = bits.take(1)
    forms = ((1, 9), (1, 13), (1, 18), (1, 30))
    height = 8 * (bits.take(5) + 1) if small else bits.choose(*forms)
    ratio = bits.take(3)
    if ratio:
        wide, high = _JXL_RATIOS[ratio - 1]
        return height, height * wide // high
    return height, 8 * (bits.take(5) + 1) if small else bits.choose(*forms)


def _read_jpegxl_depth(bits: _Bits) -> tuple[int, str]:
    """Return the next depth: the bits of a sample and its kind."""
    if bits.take(1):
        depth = bits.choose((32, 0), (16, 0), (24, 0), (1, 6))
        bits.take(4)  # the bits of the exponent
        return depth, "f"
    return bits.choose((8, 0), (10, 0), (12, 0), (1, 6)), "u"


# The readers of headers by the value of TIFF's tag Compression. What isn't here has no header,
# and takes its size from the tags.
HEADERS: dict[int, Callable[[Segment], Header]] = {
    6: read_jpeg, 7: read_jpeg, 33007: read_jpeg, 34892: read_jpeg,
    33003: read_jpeg2000, 33004: read_jpeg2000, 33005: read_jpeg2000, 34712: read_jpeg2000,
    34887: read_lerc, 34933: read_png,
    50001: read_webp, 34927: read_webp,
    22610: read_jpegxr, 34934: read_jpegxr,
    50002: read_jpegxl, 52546: read_jpegxl,
}  # fmt: skip
