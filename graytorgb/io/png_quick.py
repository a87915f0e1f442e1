"""Plain PNG pixels in half the time of libpng: zlib-ng inflates, and the Rust crate png unfilters.

kornia_rs brings that crate. Alone it would be as quick, but it doesn't compare the checksum of the
inflated data (Adler-32), and holds Python's lock for all of its time. So zlib-ng inflates first,
checks that sum and leaves the lock to other threads; the crate gets the inflated data as a PNG that
isn't compressed. Both checksums are compared, as libpng does. What isn't plain and whole in every
respect is left to libpng, which finds the error or a way.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import imagecodecs
from kornia_rs import io

from .ranges import Array

_MODES = {0: ("mono", 1), 2: ("rgb", 3), 6: ("rgba", 4)}  # by color type, with the samples
_MOST_BYTES = 32 << 20  # of filtered data, of which several copies are made
_LONGEST_SIDE = 1_000_000  # libpng's own limit
_BLOCK = 65535  # bytes of a deflate block that isn't compressed (RFC 1951, 3.2.4)
_END = bytes.fromhex("0000000049454e44ae426082")  # IEND
_PLAIN = b"\0\0\0"  # the methods of compression and filtering, and no interlace

_HAS_ZLIBNG = bool(imagecodecs.ZLIBNG.available)
_inflate: Any = imagecodecs.zlibng_decode if _HAS_ZLIBNG else imagecodecs.zlib_decode
_crc32: Any = imagecodecs.zlibng_crc32 if _HAS_ZLIBNG else imagecodecs.zlib_crc32


def decode(data: bytes, pixels: Sequence[tuple[int, int]]) -> Array | None:
    """Return the pixels of a PNG, or None if libpng has to decode it.

    Parameters
    ----------
    data : bytes
        A PNG with a header, without a transparent color.
    pixels : sequence of (start, end)
        Where its IDAT chunks are, with their lengths and checksums.

    Returns
    -------
    ndarray of uint8 or uint16, shape (H, W), (H, W, 3) or (H, W, 4)
    """
    width, height, bits, color = struct.unpack_from(">IIBB", data, 16)
    if color not in _MODES or bits not in (8, 16) or data[26:29] != _PLAIN:
        return None
    mode, samples = _MODES[color]
    size = height * (1 + width * samples * bits // 8)  # a byte before each row names its filter
    if size > _MOST_BYTES or max(width, height) > _LONGEST_SIDE:
        return None
    function = io.decode_image_png_u8 if bits == 8 else io.decode_image_png_u16
    try:
        filtered = _inflate(_join_pixels(data, pixels), out=size)
        if len(filtered) < size:
            return None
        array: Array = function(_store(data[:33], filtered), (height, width), mode)
    except Exception:  # of any class; libpng tells what it is
        return None
    return array[..., 0] if samples == 1 else array


def _join_pixels(data: bytes, pixels: Sequence[tuple[int, int]]) -> bytes:
    """Return the compressed data of the chunks, or raise ValueError for a wrong checksum."""
    view = memoryview(data)
    parts = []
    for start, end in pixels:
        if _crc32(view[start + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise ValueError("a wrong checksum")
        parts.append(view[start + 8 : end - 4])
    return b"".join(parts)


def _store(header: bytes, filtered: bytes) -> bytes:
    """Return a PNG of filtered data that isn't compressed, after a signature and header."""
    crc, size = 0, 0
    parts: list[bytes | memoryview] = [header, b""]
    for part in _split_blocks(filtered):
        crc, size = _crc32(part, crc), size + len(part)
        parts.append(part)
    parts[1] = struct.pack(">I", size - 4)
    return b"".join([*parts, crc.to_bytes(4, "big"), _END])


def _split_blocks(filtered: bytes) -> Iterator[bytes | memoryview]:
    """Yield the parts of an IDAT chunk: its name, and a zlib stream of blocks as they are."""
    view = memoryview(filtered)
    yield b"IDAT\x78\x01"
    for start in range(0, len(view), _BLOCK):
        block = view[start : start + _BLOCK]
        is_last = start + _BLOCK >= len(view)
        yield struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF)
        yield block
    yield bytes(4)  # in place of the sum that has been compared
