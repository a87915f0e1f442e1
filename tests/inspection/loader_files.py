"""Image files of every mode and depth that each format can hold, for tests of the loaders."""

import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
import tifffile

from ..io.test_png import SIGNATURE, chunk

RNG = np.random.default_rng(12)
BYTES = RNG.permutation(256).astype(np.uint8).reshape(16, 16)  # each value once
WORDS = RNG.permutation(65536).astype(np.uint16).reshape(256, 256)
CAMERA12 = (WORDS >> 4)[:32, :24]  # a 12-bit camera's values in 16 bits
COLOR = RNG.integers(0, 256, (16, 20, 3), dtype=np.uint8)
COLOR[:2] = 255
DEEP_COLOR = RNG.integers(0, 65536, (16, 20, 3), dtype=np.uint16)
DEEP_COLOR[:2], DEEP_COLOR[2:4] = 65535, 65300
ALPHA = RNG.integers(0, 256, (16, 20, 1), dtype=np.uint8)
DEEP_ALPHA = RNG.integers(0, 65536, (16, 20, 1), dtype=np.uint16)
SMOOTH = np.add.outer(np.arange(24), 3 * np.arange(32)).astype(np.uint8)
SMOOTH_COLOR = np.dstack([SMOOTH, SMOOTH[::-1], 255 - SMOOTH])
NOISE = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
EXIF_SIX = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"


def write_png(path, samples, bits, color, chunks=(), *, interlaced=False):
    """Write the samples of a PNG, (H, W) or (H, W, C), of any bits, color type and chunks."""
    height, width = samples.shape[:2]
    passes = _ADAM7 if interlaced else [(0, 0, 1, 1)]
    body = b""
    for x, y, dx, dy in passes:
        part = samples[y::dy, x::dx]
        if part.size:
            body += b"".join(b"\0" + _pack(row, bits) for row in part.reshape(part.shape[0], -1))
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlaced)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(body, 1)), (b"IEND", b"")]
    path.write_bytes(SIGNATURE + b"".join(chunk(*part) for part in parts))


_ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
          (0, 1, 1, 2)]  # fmt: skip


def _pack(row, bits):
    """Return samples as bytes, the first in the upper bits."""
    if bits in (8, 16):
        return row.astype(f">u{bits // 8}").tobytes()
    each = (row[:, None] >> np.arange(bits)[::-1]) & 1
    return np.packbits(each.astype(np.uint8)).tobytes()


def _png(bits, color, samples, *chunks, **options):
    return partial(write_png, samples=samples, bits=bits, color=color, chunks=chunks, **options)


def _pillow(pixels, *more, mode=None, **options):
    def write(path):
        image = PIL.Image.fromarray(pixels)
        image = image.convert(mode) if mode else image
        if more:
            options.update(save_all=True, append_images=[PIL.Image.fromarray(x) for x in more])
        image.save(path, **options)

    return write


def _palette_image(colors, *more, transparency=None, **options):
    """Return a writer of an image with a palette, by Pillow."""

    def make(indices):
        image = PIL.Image.fromarray(indices, "P")
        image.putpalette(colors.tobytes())
        return image

    def write(path):
        given = dict(options)
        if more:
            given.update(save_all=True, append_images=[make(x) for x in more])
        if transparency is not None:
            given["transparency"] = transparency
        make((BYTES % np.uint16(len(colors))).astype(np.uint8)).save(path, **given)

    return write


def _tiff(pixels, **options):
    return lambda path: tifffile.imwrite(path, pixels, **options)


def _bytes(data):
    return lambda path: path.write_bytes(data)


def _few(bits, shape=(16, 20)):
    return RNG.integers(0, 1 << bits, shape, dtype=np.uint16)


GRAYS = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1)
COLORS = RNG.integers(0, 256, (256, 3), dtype=np.uint8)


def _plte(bits, colors=COLORS):
    return b"PLTE", colors[: 1 << bits].tobytes()


def _pngs():
    yield from ((f"gray{b}", _png(b, 0, _few(b))) for b in (1, 2, 4))
    yield "gray8", _png(8, 0, BYTES)
    yield "gray16", _png(16, 0, WORDS)
    yield "gray12in16", _png(16, 0, CAMERA12)
    yield "gray16sbit12", _png(16, 0, CAMERA12 << 4, (b"sBIT", b"\x0c"))
    yield "gray8interlaced", _png(8, 0, BYTES, interlaced=True)
    yield "gray16interlaced", _png(16, 0, WORDS, interlaced=True)
    yield "gray1interlaced", _png(1, 0, _few(1), interlaced=True)
    for b in (1, 2, 4, 8, 16):
        yield f"gray{b}key", _png(b, 0, _few(b), (b"tRNS", b"\0\1"))
    yield "gray16key65535", _png(16, 0, WORDS, (b"tRNS", b"\xff\xff"))
    yield "graya8", _png(8, 4, np.dstack([COLOR[..., 0], ALPHA]))
    yield "graya16", _png(16, 4, np.dstack([DEEP_COLOR[..., 0], DEEP_ALPHA]))
    for b in (1, 2, 4, 8):
        yield f"palette{b}", _png(b, 3, _few(b), _plte(b))
        yield f"palette{b}gray", _png(b, 3, _few(b), _plte(b, GRAYS[:: 256 >> b]))
        yield f"palette{b}alpha", _png(b, 3, _few(b), _plte(b), (b"tRNS", b"\0\x80"))
    yield "palette8short", _png(8, 3, _few(3), _plte(3))
    yield "rgb8", _png(8, 2, COLOR)
    yield "rgb16", _png(16, 2, DEEP_COLOR)
    yield "rgb8key", _png(8, 2, COLOR, (b"tRNS", b"\0\xff\0\xff\0\xff"))
    yield "rgb16key", _png(16, 2, DEEP_COLOR, (b"tRNS", b"\xff\x14\xff\x14\xff\x14"))
    yield "rgba8", _png(8, 6, np.dstack([COLOR, ALPHA]))
    yield "rgba16", _png(16, 6, np.dstack([DEEP_COLOR, DEEP_ALPHA]))
    yield "gray8turned", _png(8, 0, COLOR[..., 0], (b"eXIf", EXIF_SIX))
    yield "gray16turned", _png(16, 0, CAMERA12, (b"eXIf", EXIF_SIX))
    yield "rgb8turned", _png(8, 2, COLOR, (b"eXIf", EXIF_SIX))
    yield "palette8turned", _png(8, 3, _few(8), _plte(8), (b"eXIf", EXIF_SIX))
    yield "gray8gamma", _png(8, 0, BYTES, (b"gAMA", struct.pack(">I", 100000)))
    yield "gray16gamma", _png(16, 0, CAMERA12, (b"gAMA", struct.pack(">I", 100000)))
    yield "gray8animated", _pillow(BYTES, BYTES.T)
    yield "rgb8animated", _pillow(COLOR, COLOR[::-1])
    yield "rgba8animated", _pillow(np.dstack([COLOR, ALPHA]), np.dstack([COLOR[::-1], ALPHA]))


def _jpegs():
    yield "gray8", _pillow(SMOOTH, quality=90)
    yield "rgb8", _pillow(SMOOTH_COLOR, quality=90, subsampling=0)
    yield "rgb8subsampled", _pillow(SMOOTH_COLOR, quality=90, subsampling=2)
    yield "rgb8subsampled422", _pillow(SMOOTH_COLOR, quality=90, subsampling=1)
    yield "rgb8progressive", _pillow(SMOOTH_COLOR, quality=90, progressive=True)
    yield "rgb8stored", _pillow(SMOOTH_COLOR, quality=90, keep_rgb=True)
    yield "gray8noise", _pillow(NOISE[..., 0].copy(), quality=100)
    yield "rgb8noise", _pillow(NOISE, quality=100)
    yield "rgb8coarse", _pillow(NOISE, quality=20)
    for k in range(2, 9):
        exif = PIL.Image.Exif()
        exif[274] = k
        yield f"gray8turned{k}", _pillow(SMOOTH, quality=90, exif=exif)
        yield f"rgb8turned{k}", _pillow(SMOOTH_COLOR, quality=90, subsampling=0, exif=exif)


def _webps():
    yield "rgb8", _pillow(COLOR, lossless=True)
    yield "rgb8lossy", _pillow(SMOOTH_COLOR, quality=90)
    yield "rgba8", _pillow(np.dstack([COLOR, ALPHA]), lossless=True, exact=True)
    yield "rgb8animated", _pillow(COLOR, COLOR[::-1], lossless=True)
    exif = PIL.Image.Exif()
    exif[274] = 6
    yield "rgb8turned", _pillow(COLOR, lossless=True, exif=exif)
    rgba = np.dstack([COLOR, ALPHA])
    yield "rgba8animated", _pillow(rgba, rgba[::-1].copy(), lossless=True, exact=True)


def _gifs():
    yield "gray8", _pillow(BYTES)
    yield "palette8", _palette_image(COLORS)
    yield "palette8alpha", _palette_image(COLORS, transparency=7)
    yield "palette8animated", _palette_image(COLORS, BYTES.T.copy())
    yield "gray8animated", _pillow(BYTES, BYTES.T.copy())
    yield "palette2", _palette_image(COLORS[:4])
    yield "gray8alpha", _pillow(BYTES, transparency=7)
    yield "palette8background", _palette_image(COLORS, transparency=7, background=9)


def _bmp(bits, size, rows, colors=b"", compression=0, masks=b"", head=40):
    """Return the bytes of a bitmap, whose rows go from the bottom up."""
    width, height = size
    used = len(colors) // 4
    info = struct.pack("<IiiHHIIiiII", head, width, height, 1, bits, compression, len(rows), 2835,
                       2835, used, 0) + masks  # fmt: skip
    start = 14 + len(info) + len(colors)
    return struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start) + info + colors + rows


def _bgrx(colors):
    return b"".join(bytes([*color[::-1], 0]) for color in colors.tolist())


def _bmps():
    yield "gray8", _pillow(BYTES)
    yield "rgb8", _pillow(COLOR)
    yield "palette8", _palette_image(COLORS)
    for bits in (1, 4):
        samples = _few(bits, (16, 32))
        rows = b"".join(_pack(row, bits) for row in samples[::-1])
        yield f"palette{bits}", _bytes(_bmp(bits, (32, 16), rows, _bgrx(COLORS[: 1 << bits])))
        grays = GRAYS[:: 256 >> bits] if bits == 4 else GRAYS[[0, 255]]
        yield f"gray{bits}", _bytes(_bmp(bits, (32, 16), rows, _bgrx(grays)))
        yield f"gray{bits}down", _bytes(_bmp(bits, (32, -16), rows, _bgrx(grays)))
    rows = (_few(16, (16, 20)) & 0x7FFF).astype("<u2").tobytes()
    yield "rgb16bits", _bytes(_bmp(16, (20, 16), rows))
    masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    yield "rgb565", _bytes(_bmp(16, (20, 16), _few(16).astype("<u2").tobytes(), b"", 3, masks))
    bgra = np.dstack([COLOR, ALPHA])
    yield "rgb32", _bytes(_bmp(32, (20, 16), bgra.tobytes()))
    yield "rgba8", _pillow(bgra)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + bytes(68 - 16)
    masks = masks[: 108 - 40]
    yield "rgba8v4", _bytes(_bmp(32, (20, 16), bgra.tobytes(), b"", 3, masks, 108))
    rle = b"".join(bytes([4, k, 4, 255 - k, 0, 0]) for k in range(8)) + b"\0\1"
    yield "gray8rle", _bytes(_bmp(8, (8, 8), rle, _bgrx(GRAYS), 1))
    yield "rgb8down", _bytes(_bmp(24, (20, -16), COLOR.tobytes()))


def _pnm(kind, samples, largest):
    height, width = samples.shape[:2]
    head = b"P%d\n%d %d\n" % (kind, width, height)
    head += b"" if kind in (1, 4) else b"%d\n" % largest
    if kind < 4:
        text = "\n".join(" ".join(map(str, row)) for row in samples.reshape(height, -1).tolist())
        return head + text.encode() + b"\n"
    if kind == 4:
        return head + np.packbits(samples.astype(np.uint8), axis=1).tobytes()
    return head + samples.astype("u1" if largest < 256 else ">u2").tobytes()


def _pnms():
    yield "bits-p1", _bytes(_pnm(1, _few(1), 1))
    yield "bits-p4", _bytes(_pnm(4, _few(1), 1))
    for largest in (1, 15, 100, 255, 256, 1000, 4095, 65535):
        gray = np.arange(largest + 1) if largest > 255 else np.resize(np.arange(largest + 1), 320)
        gray = gray.reshape(-1, 1 if gray.size % 16 else 16).astype(np.uint16)
        color = RNG.integers(0, largest + 1, (16, 20, 3), dtype=np.uint16)
        color[:2] = largest
        for kind in (5, 2):
            yield f"gray{largest}-p{kind}", _bytes(_pnm(kind, gray[:256], largest))
        for kind in (6, 3):
            yield f"rgb{largest}-p{kind}", _bytes(_pnm(kind, color, largest))


def _tiff_bits(pixels, bits, photometric, colors=None):
    """Return a writer of a TIFF of samples of few bits, each row in whole bytes."""

    def write(path):
        height, width = pixels.shape
        data = b"".join(_pack(row, bits) for row in pixels)
        tags = [(256, 3, width), (257, 3, height), (258, 3, bits), (259, 3, 1),
                (262, 3, photometric), (273, 4, 8), (277, 3, 1), (278, 3, height),
                (279, 4, len(data))]  # fmt: skip
        tags = [(*tag[:2], 1, tag[2]) for tag in tags]
        if colors is not None:
            tags.append((320, 3, len(colors), 8 + len(data)))
            data += colors.astype("<u2").tobytes()
        head = struct.pack("<2sHI", b"II", 42, 8 + len(data))
        body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        path.write_bytes(head + data + body + bytes(4))

    return write


def _tiffs():
    gray, white = {"photometric": "minisblack"}, {"photometric": "miniswhite"}
    rgb = {"photometric": "rgb"}
    for bits in (1, 2, 4, 6, 10, 12, 14):
        yield f"gray{bits}", _tiff_bits(_few(bits, (16, 32)), bits, 1)
        yield f"white{bits}", _tiff_bits(_few(bits, (16, 32)), bits, 0)
    yield "gray8", _tiff(BYTES, **gray)
    yield "gray16", _tiff(WORDS, **gray)
    yield "gray16big", _tiff(WORDS, byteorder=">", **gray)
    yield "gray12in16", _tiff(CAMERA12, **gray)
    yield "gray16lzw", _tiff(CAMERA12, compression="lzw", **gray)
    yield "gray16tiled", _tiff(WORDS, tile=(64, 64), **gray)
    yield "white8", _tiff(BYTES, **white)
    yield "white16", _tiff(WORDS, **white)
    yield "white16lzw", _tiff(WORDS, compression="lzw", **white)
    for dtype in ("u4", "u8", "i1", "i2", "i4", "i8"):
        info = np.iinfo(dtype)
        ends = [info.min, info.min + 1, info.max - 1, info.max]
        values = [-1, 0, 1, 100, 127, 128, 254, 255, 256, 257, 65535, 65536, 1 << 24, *ends]
        values = np.clip(np.array(values, object), info.min, info.max).astype(dtype)
        yield f"gray{dtype}", _tiff(np.resize(values, (17, 16)), **gray)
    yield "grayi2big", _tiff(WORDS.view(np.int16), byteorder=">", **gray)
    for dtype in ("f2", "f4", "f8"):
        values = np.array([-1e4, -1.5, -0.5, 0, 0.25, 0.49, 0.5, 0.51, 0.999, 1, 1.5, 2.5, 3.5, 127,
                           254.4, 254.5, 254.6, 255, 255.5, 256, 1000, 6e4], dtype)  # fmt: skip
        yield f"gray{dtype}", _tiff(np.resize(values, (16, 22)), **gray)
        values = np.array([0, np.nan, np.inf, -np.inf, 1], dtype)
        yield f"gray{dtype}nan", _tiff(np.resize(values, (16, 20)), **gray)
    yield "palette8", _tiff(BYTES, photometric="palette", colormap=(COLORS.T.astype("u2") * 257))
    deep = RNG.integers(0, 65536, (3, 256), dtype=np.uint16)
    yield "palette8deep", _tiff(BYTES, photometric="palette", colormap=deep)
    deep = RNG.integers(0, 65536, (3, 65536), dtype=np.uint16)
    yield "palette16", _tiff(WORDS, photometric="palette", colormap=deep)
    yield "rgb8", _tiff(COLOR, **rgb)
    yield (
        "rgb8planes",
        _tiff(np.ascontiguousarray(COLOR.transpose(2, 0, 1)), planarconfig="separate", **rgb),
    )
    yield "rgb16", _tiff(DEEP_COLOR, **rgb)
    yield "rgb16lzw", _tiff(DEEP_COLOR, compression="lzw", **rgb)
    yield "rgb16big", _tiff(DEEP_COLOR, byteorder=">", **rgb)
    yield (
        "rgb16planes",
        _tiff(np.ascontiguousarray(DEEP_COLOR.transpose(2, 0, 1)), planarconfig="separate", **rgb),
    )
    yield "rgbf4", _tiff((DEEP_COLOR / 65535).astype("f4"), **rgb)
    yield "rgbu4", _tiff(DEEP_COLOR.astype("u4") << 16, **rgb)
    rgba, deep = np.dstack([COLOR, ALPHA]), np.dstack([DEEP_COLOR, DEEP_ALPHA])
    yield "rgba8", _tiff(rgba, extrasamples=["unassalpha"], **rgb)
    yield "rgba16", _tiff(deep, extrasamples=["unassalpha"], **rgb)
    less = np.minimum(rgba, rgba[..., 3:])
    yield "rgba8associated", _tiff(less, extrasamples=["assocalpha"], **rgb)
    yield "rgbx8", _tiff(rgba, extrasamples=["unspecified"], **rgb)
    yield "graya8", _tiff(rgba[..., 2:], extrasamples=["unassalpha"], planarconfig="contig", **gray)
    yield (
        "graya16",
        _tiff(deep[..., 2:], extrasamples=["unassalpha"], planarconfig="contig", **gray),
    )
    yield "pages8", _tiff(np.stack([BYTES, BYTES.T]), **gray)
    yield "pages16", _tiff(np.stack([WORDS, WORDS.T]), **gray)
    yield "pagesrgb8", _tiff(np.stack([COLOR, COLOR[::-1]]), **rgb)
    yield (
        "bands5",
        _tiff(RNG.integers(0, 256, (16, 20, 5), dtype=np.uint8), planarconfig="contig", **gray),
    )
    for k in range(2, 9):
        turned = [(274, "H", 1, k, True)]
        yield f"gray8turned{k}", _tiff(COLOR[..., 0].copy(), extratags=turned, **gray)
        yield f"gray16turned{k}", _tiff(CAMERA12, extratags=turned, **gray)
        yield f"rgb8turned{k}", _tiff(COLOR, extratags=turned, **rgb)
    yield (
        "rgba8turned",
        _tiff(rgba, extrasamples=["unassalpha"], extratags=[(274, "H", 1, 3, True)], **rgb),
    )
    yield "gray8jpeg", _tiff(SMOOTH, compression="jpeg", **gray)
    yield "rgb8jpeg", _tiff(SMOOTH_COLOR, compression="jpeg", **rgb)
    yield "gray8deflate", _tiff(BYTES, compression="zlib", predictor=True, **gray)
    yield "bigtiff8", _tiff(BYTES, bigtiff=True, **gray)
    yield "bigtiff16", _tiff(WORDS, bigtiff=True, **gray)


def _odd_tiffs():
    """Compressions and tags that some decoders refuse, or read in a way of their own."""
    gray, white = {"photometric": "minisblack"}, {"photometric": "miniswhite"}
    rgb = {"photometric": "rgb"}
    noise, deep = NOISE, WORDS[:64, :64]
    for name in ("packbits", "deflate", "zstd", "lzma", "jpeg2000", "jpegxl", "jpegxr", "png"):
        yield f"gray8{name}", _tiff(noise[..., 0].copy(), compression=name, **gray)
        yield f"gray16{name}", _tiff(deep, compression=name, **gray)
        yield f"rgb8{name}", _tiff(noise, compression=name, **rgb)
    yield "rgb8webp", _tiff(noise, compression="webp", **rgb)
    for bits in (1, 2, 4, 8):
        indices = RNG.integers(0, 1 << bits, (16, 32), dtype=np.uint16)
        for largest in (255, 65535):
            colors = RNG.integers(0, largest + 1, 3 << bits)
            yield f"palette{bits}to{largest}", _tiff_bits(indices, bits, 3, colors)
    yield "bool", _tiff(noise[..., 0] > 99, **gray)
    yield "pageswhite16", _tiff(np.stack([deep, deep.T]), **white)
    yield "white16to4095", _tiff(deep >> 4, extratags=[(281, "H", 1, 4095, True)], **white)
    ends = [(340, "f", 1, 0.0, True), (341, "f", 1, 300.0, True)]
    yield "whitef4", _tiff(noise[..., 0].astype("f4") * 1.1, extratags=ends, **white)
    yield "whiteu4", _tiff(deep.astype("u4"), **white)
    planes = {"planarconfig": "separate", **rgb}
    yield "rgb16planesbig", _tiff(_planes(DEEP_COLOR), byteorder=">", **planes)
    yield "rgb16planeslzw", _tiff(_planes(DEEP_COLOR), compression="lzw", **planes)
    rgba, both = np.dstack([COLOR, ALPHA]), np.dstack([DEEP_COLOR, DEEP_ALPHA])
    yield "rgba8planes", _tiff(_planes(rgba), extrasamples=["unassalpha"], **planes)
    yield "rgba16planes", _tiff(_planes(both), extrasamples=["unassalpha"], **planes)
    less = np.minimum(both, both[..., 3:])
    yield "rgba16associated", _tiff(less, extrasamples=["assocalpha"], **rgb)
    yield "rgbaf4", _tiff(rgba.astype("f4"), extrasamples=["unassalpha"], **rgb)
    yield "rgbi1", _tiff(COLOR.view("i1"), **rgb)
    yield "rgbi2", _tiff(COLOR.astype("i2") - 99, **rgb)
    yield "hyperstack16", _tiff(deep.reshape(2, 2, 32, 32), imagej=True)


def _planes(pixels):
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _numpys():
    for dtype in ("?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"):
        values = np.resize(np.array([0, 1, 0.3, 100, 127, 3, 5]).astype(dtype), (16, 18))
        yield f"gray{dtype.replace('?', 'bool')}", partial(_save_array, values)
    yield "gray16", partial(_save_array, WORDS)
    yield "rgb8", partial(_save_array, COLOR)
    yield "rgb16", partial(_save_array, DEEP_COLOR)
    yield "rgba8", partial(_save_array, np.dstack([COLOR, ALPHA]))


def _save_array(array, path):
    np.save(path, array)


WRITERS: dict[str, Callable[[Path], object]] = {
    f"{name}.{suffix}": write
    for suffix, writers in {
        "png": _pngs(), "jpg": _jpegs(), "webp": _webps(), "gif": _gifs(), "bmp": _bmps(),
        "pnm": _pnms(), "tif": _tiffs(), "tiff": _odd_tiffs(), "npy": _numpys(),
    }.items()
    for name, write in writers
}  # fmt: skip
