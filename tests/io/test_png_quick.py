"""The quick way of plain PNGs gives what libpng gives, and refuses what libpng refuses."""

import struct
import sys
import zlib

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graytorgb as g2r
from graytorgb.io import decode, png, png_quick

from ..support import run_python
from .test_png import SIGNATURE, chunk, join, split

RNG = np.random.default_rng(0)
KINDS = [(dtype, samples) for dtype in ("u1", "u2") for samples in (1, 3, 4)]
SHAPE = (13, 17)


def draw(dtype, samples):
    """Return pixels that compress a little, so that every part of deflate is used."""
    largest = np.iinfo(dtype).max
    pixels = RNG.integers(0, largest, (*SHAPE, samples), dtype, endpoint=True)
    pixels[:6] = np.sort(pixels[:6], axis=1)
    return pixels[..., 0] if samples == 1 else pixels


def decode_both(data, monkeypatch):
    """Return the pixels, or None for an error, by libpng and with the quick way before it."""
    found = []
    for function in (None, png_quick.decode):
        monkeypatch.setattr(png, "_find_quick_way", lambda function=function: function)
        try:
            found.append(decode(data).array)
        except g2r.ImageFileError:
            found.append(None)
    return found


def assert_same(data, monkeypatch):
    """Check that both ways give the same pixels, or that both refuse, and return the pixels."""
    slow, quick = decode_both(data, monkeypatch)
    assert (slow is None) == (quick is None)
    if slow is not None:
        assert slow.dtype == quick.dtype
        np.testing.assert_array_equal(slow, quick)
    return slow


def find_pixels(data):
    """Return where the IDAT chunks are."""
    places, start = [], 8
    while start < len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if data[start + 4 : start + 8] == b"IDAT":
            places.append((start, end))
        start = end
    return places


@pytest.mark.parametrize(("dtype", "samples"), KINDS)
@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_it_decodes_plain_pixels(dtype, samples, level):
    pixels = draw(dtype, samples)
    data = imagecodecs.png_encode(pixels, level=level)
    array = png_quick.decode(data, find_pixels(data))
    assert array.dtype == pixels.dtype
    assert array.flags.writeable
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array, pixels)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["u1", "u2"]).flatmap(
        lambda dtype: hnp.arrays(
            dtype, st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3, 4]))
        )
    )
)
def test_any_pixels(pixels):
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    data = imagecodecs.png_encode(pixels)
    np.testing.assert_array_equal(png_quick.decode(data, find_pixels(data)), pixels)


@pytest.mark.parametrize("size", [(1, 1), (300, 400), (1, 65534), (1, 65535), (257, 254)])
def test_blocks_of_every_length(size):
    """A block of deflate holds 65,535 bytes: one, a full one, one byte more."""
    pixels = RNG.integers(0, 256, size, dtype=np.uint8)
    data = imagecodecs.png_encode(pixels)
    np.testing.assert_array_equal(png_quick.decode(data, find_pixels(data)), pixels)


def list_changes(dtype, samples):
    """Yield PNGs that are changed where it matters, most of them with right chunk checksums."""
    pixels = draw(dtype, samples)
    whole = imagecodecs.png_encode(pixels, level=6)
    header, *_ = split(whole)
    packed = b"".join(body for name, body in split(whole) if name == b"IDAT")
    raw = zlib.decompress(packed)
    row = len(raw) // SHAPE[0]

    def build(*parts):
        return join([header, *((b"IDAT", part) for part in parts), (b"IEND", b"")])

    for place in range(33, len(whole), 7):
        yield whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        yield whole[:place]
    for place in (*range(4), *range(4, len(packed), 5), *range(len(packed) - 5, len(packed))):
        for value in (packed[place] ^ 1, packed[place] ^ 255):
            yield build(packed[:place] + bytes([value]) + packed[place + 1 :])
        yield build(packed[:place])
    for k in range(SHAPE[0]):
        for kind in (0, 1, 2, 3, 4, 5, 255):
            yield build(zlib.compress(raw[: k * row] + bytes([kind]) + raw[k * row + 1 :]))
    for size in range(0, len(raw), 29):
        yield build(zlib.compress(raw[:size]))
    for size in (1, 7, 100):
        yield build(*(packed[k : k + size] for k in range(0, len(packed), size)))
    yield from (build(packed + b"more"), build(packed, b"more"), build(b"", packed, b""))
    yield from (build(zlib.compress(raw + b"\1")), build(zlib.compress(raw * 30)))
    yield from (whole + b"more", whole[:-12], build(packed) + whole)
    for bits in range(9, 16):
        stream = zlib.compressobj(6, zlib.DEFLATED, bits)
        yield build(stream.compress(raw) + stream.flush())
    for first in range(256):
        yield build(bytes([first, 31 - first * 256 % 31]) + packed[2:])
    for palette in (bytes(30), bytes(31)):
        yield join([header, (b"PLTE", palette), (b"IDAT", packed), (b"IEND", b"")])
        yield join([header, (b"IDAT", packed), (b"PLTE", palette), (b"IEND", b"")])
    for place, values in {
        8: range(0, 33),
        9: range(8),
        10: (1, 255),
        11: (1, 64),
        12: (1, 2),
    }.items():
        for value in values:
            changed = header[1][:place] + bytes([value]) + header[1][place + 1 :]
            yield join([(b"IHDR", changed), (b"IDAT", packed), (b"IEND", b"")])
    for width in (16, 18, 0, 1_000_001, 1 << 31):
        changed = struct.pack(">I", width) + header[1][4:]
        yield join([(b"IHDR", changed), (b"IDAT", packed), (b"IEND", b"")])
    damaged = chunk(*header, damaged=True)
    yield SIGNATURE + damaged + chunk(b"IDAT", packed) + chunk(b"IEND")


@pytest.mark.parametrize(("dtype", "samples"), KINDS)
def test_changed_files(monkeypatch, capfd, dtype, samples):
    """Both checksums count: of a chunk, and of the inflated data."""
    results = [assert_same(data, monkeypatch) for data in list_changes(dtype, samples)]
    decoded = sum(result is not None for result in results)
    assert 60 < decoded < len(results) - 300


@pytest.mark.parametrize("kind", ["palette", "tRNS", "interlaced", "2 bits", "gray+alpha", "large"])
def test_what_is_left_to_libpng(monkeypatch, kind):
    pixels = draw("u1", 1)
    data = imagecodecs.png_encode(pixels)
    header, *rest = split(data)
    if kind == "tRNS":
        data = join([header, (b"tRNS", b"\0\5"), *rest])
    elif kind in ("palette", "2 bits"):
        fields = struct.pack(">IIBBBBB", 4, 2, 2, 3 if kind == "palette" else 0, 0, 0, 0)
        palette = [(b"PLTE", bytes(range(12)))] * (kind == "palette")
        data = join([(b"IHDR", fields), *palette, (b"IDAT", zlib.compress(bytes(4))), rest[-1]])
    elif kind == "interlaced":
        fields = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 1)
        data = join([(b"IHDR", fields), (b"IDAT", zlib.compress(b"\0\7")), rest[-1]])
    elif kind == "gray+alpha":
        data = imagecodecs.png_encode(np.dstack([pixels, pixels]))
    else:
        monkeypatch.setattr(png_quick, "_MOST_BYTES", pixels.size)
    if kind != "tRNS":  # which is another chunk's matter
        assert png_quick.decode(data, find_pixels(data)) is None
    calls = []
    monkeypatch.setattr(
        png.imagecodecs, "png_decode", lambda data, real=png.imagecodecs.png_decode: (
            calls.append(1), real(data)
        )[1],
    )  # fmt: skip
    assert decode(data).array.size
    assert calls == [1]


@pytest.mark.parametrize("state", ["missing", "broken"])
def test_without_the_library(tmp_path, state):
    """libpng decodes then, and gives the same."""
    path = tmp_path / "x.png"
    pixels = draw("u2", 1)
    path.write_bytes(imagecodecs.png_encode(pixels))
    np.save(tmp_path / "x.npy", pixels)
    block = "sys.modules['kornia_rs'] = None"
    if state == "broken":
        (tmp_path / "kornia_rs.py").write_text("raise RuntimeError('broken')")
        block = f"sys.path.insert(0, {str(tmp_path)!r})"
    run_python(
        f"import sys; {block}\n"
        "import numpy as np\n"
        "from graytorgb.io import read\n"
        f"array = read({str(path)!r}).array\n"
        f"assert (array == np.load({str(tmp_path / 'x.npy')!r})).all()\n"
        "assert 'graytorgb.io.png_quick' not in sys.modules\n"
    )


def test_the_library_loads_nothing_large():
    heavy = ("torch", "cv2", "kornia", "PIL", "tensorflow")
    run_python(
        f"import sys, graytorgb.io.png_quick\nassert not set({heavy!r}) & set(sys.modules)\n"
    )


def test_the_file_is_refused_with_libpngs_words():
    data = imagecodecs.png_encode(draw("u1", 1))
    header, *_ = split(data)
    packed = b"".join(body for name, body in split(data) if name == b"IDAT")
    wrong = packed[:-1] + bytes([packed[-1] ^ 1])
    with pytest.raises(g2r.ImageFileError, match="incorrect data check"):
        decode(join([header, (b"IDAT", wrong), (b"IEND", b"")]))
    assert sys.modules["graytorgb.io.png_quick"] is png_quick
