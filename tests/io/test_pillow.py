"""GIF, WebP and BMP: animations, screens and headers."""

import io
import struct

import numpy as np
import PIL.Image
import pytest
from PIL import GifImagePlugin

import graytorgb as g2r
from graytorgb.io import read

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (10, 12), dtype=np.uint8)
COLOR = RNG.integers(0, 256, (10, 12, 3), dtype=np.uint8)


def encode(kind, *frames, **options):
    memory = io.BytesIO()
    first, *others = map(PIL.Image.fromarray, frames)
    if others:
        options |= {"save_all": True, "append_images": others}
    first.save(memory, kind, **options)
    return memory.getvalue()


def read_bytes(folder, data, suffix, **options):
    path = folder / f"x{suffix}"
    path.write_bytes(data)
    return read(path, **options)


def gif_of(count, screen=(1, 1), size=(1, 1), at=(0, 0)):
    """Return a GIF of black frames, of a few bytes each."""
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + bytes([0, 0, 0, 255, 10, 255])
    control = b"\x21\xf9\4\0\0\0\0\0"
    frame = control + b"," + struct.pack("<HHHHB", *at, *size, 0) + b"\2\2\x4c\1\0"
    return head + frame * count + b";"


@pytest.mark.parametrize("screen", [(4, 5), (12, 5), (0, 0)])
def test_a_gif_that_is_larger_than_its_screen(tmp_path, screen):
    gif = bytearray(encode("GIF", GRAY))
    gif[6:10] = struct.pack("<HH", *screen)
    image = read_bytes(tmp_path, bytes(gif), ".gif")
    assert image.array.shape[:2] == GRAY.shape
    np.testing.assert_array_equal(image.array.reshape(10, 12, -1)[..., 0], GRAY)
    assert f"beyond its screen, {screen[1]}x{screen[0]}, which is read as 10x12" in image.notes[0]


@pytest.mark.parametrize("index", [None, 0, 1, 2])
def test_frames_that_are_larger_than_the_screen(tmp_path, index):
    frames = [GRAY, GRAY.T[:10, :10].repeat(2, 0).repeat(2, 1), GRAY]
    parts = [encode("GIF", frame) for frame in frames]
    head = parts[0][:6] + struct.pack("<HHBBB", 4, 5, 0, 0, 0)
    blocks = []
    for part in parts:  # each frame with its global palette as its own
        start = 13 + (3 << (part[10] & 7) + 1)
        at = part.index(b",", start)
        flags = part[at + 9] | 0x80 | part[10] & 7
        blocks.append(part[at : at + 9] + bytes([flags]) + part[13:start] + part[at + 10 : -1])
    image = read_bytes(tmp_path, head + b"".join(blocks) + b";", ".gif", index=index)
    assert image.array.shape[-3:-1] == (20, 20)
    planes = image.array[..., 0]
    if index in (None, 1):
        np.testing.assert_array_equal((planes if index else planes[1]), frames[1])
    if index in (None, 0):
        np.testing.assert_array_equal((planes[0] if index is None else planes)[:10, :12], GRAY)


def test_200_000_frames_are_refused_before_one_is_decoded(tmp_path, monkeypatch):
    data = gif_of(200_000)
    monkeypatch.setattr(GifImagePlugin.GifImageFile, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(g2r.ImageFileError, match=r"it has 200,000 frames, and at most 65,536"):
        read_bytes(tmp_path, data, ".gif")
    with pytest.raises(g2r.ImageFileError, match=r"it has 200,000 frames, and at most 65,536"):
        read_bytes(tmp_path, data, ".gif", index=-1)
    with pytest.raises(
        g2r.ImageFileError, match=r"60000x20x30x4 samples .*the limit is 10,000,000"
    ):
        read_bytes(tmp_path, gif_of(60_000, screen=(30, 20)), ".gif", limit=10_000_000)
    with pytest.raises(g2r.ImageFileError, match="index is None or 0 to 199999"):
        read_bytes(tmp_path, data, ".gif", index=200_000)


def test_one_of_200_000_frames(tmp_path, monkeypatch):
    """Pillow looks at no later frame: it would take seconds to count them."""
    seek = GifImagePlugin.GifImageFile._seek
    sought = []

    def record(self, frame, update_image=True):
        sought.append(frame)
        return seek(self, frame, update_image)

    monkeypatch.setattr(GifImagePlugin.GifImageFile, "_seek", record)
    image = read_bytes(tmp_path, gif_of(200_000), ".gif", index=2)
    assert image.array.shape == (1, 1, 3)
    assert max(sought) == 2


def test_a_gif_that_ends_between_two_frames(tmp_path):
    """The rest of the file looks whole, and frames are missing."""
    data = encode("GIF", *(np.roll(COLOR, k, 0) for k in range(3)))
    whole = read_bytes(tmp_path, data, ".gif")
    second = data.index(b"\0\x21\xf9", 20 + data.index(b"\0\x21\xf9")) + 1
    for cut in (second, len(data) - 1, second + 30):
        with pytest.raises(g2r.ImageFileError, match=r"after [123] whole frames, .*index=0"):
            read_bytes(tmp_path, data[:cut], ".gif")
        first = read_bytes(tmp_path, data[:cut], ".gif", index=0)
        np.testing.assert_array_equal(first.array[..., :3], whole.array[0, ..., :3])
    with pytest.raises(g2r.ImageFileError, match="cut off before its first frame"):
        read_bytes(tmp_path, data[:8], ".gif")
    with pytest.raises(g2r.ImageFileError, match="after 0 whole frames"):
        read_bytes(tmp_path, data[:13], ".gif")


def test_what_pillow_needs_not_know(tmp_path):
    """Comments, applications and empty blocks, of any size, between a GIF's frames."""
    data = encode("GIF", *(np.roll(COLOR, k, 0) for k in range(3)))
    expected = read_bytes(tmp_path, data, ".gif").array
    at = data.index(b"\x21\xf9")
    for block in (b"\x21\xfe" + (b"\xff" + b"x" * 255) * 1000 + b"\0", b"\x21\xfe\0", b"\0\0",
                  b"\x21\xff\x0bNETSCAPE2.0\3\1\0\0\0", b"\x21\x01\3abc\0"):  # fmt: skip
        image = read_bytes(tmp_path, data[:at] + block + data[at:], ".gif")
        np.testing.assert_array_equal(image.array, expected)


def test_a_gray_frame_before_one_with_colors(tmp_path):
    """Pillow gives the second frame without its palette, so the colors would be wrong."""
    levels, colors = bytes([0, 0, 0, 1, 1, 1]), bytes([200, 10, 30, 255, 10, 255])
    data = gif_of(2).replace(bytes([0, 0, 0, 255, 10, 255]), levels)
    head, size, codes = data[:-1].rpartition(struct.pack("<HHH", 0, 1, 1))
    with pytest.raises(g2r.ImageFileError, match="can't be read"):
        read_bytes(tmp_path, head + size + b"\x80" + colors + codes[1:] + b";", ".gif")


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_frames_of_which_some_have_alpha(tmp_path, kind):
    """All frames are decoded to one mode, and keep the file's values bit for bit."""
    alpha = np.dstack([COLOR, np.where(GRAY > 99, 255, 0).astype(np.uint8)])
    frames = [PIL.Image.fromarray(p) for p in (np.dstack([COLOR, np.full_like(GRAY, 255)]), alpha)]
    options = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(tmp_path / "x", kind, save_all=True, append_images=frames[1:], **options)
    expected = []
    with PIL.Image.open(tmp_path / "x") as opened:
        for k in range(2):
            opened.seek(k)
            expected.append(np.asarray(opened.convert("RGBA")))
    image = read(tmp_path / "x")
    assert image.layout == "NHWC"
    np.testing.assert_array_equal(image.array, np.stack(expected)[..., : image.array.shape[-1]])


@pytest.mark.parametrize("pixels", [GRAY, COLOR, GRAY > 99], ids=["gray", "color", "bits"])
def test_a_bitmap_without_the_header_of_a_file(tmp_path, pixels):
    bmp = encode("BMP", pixels)
    image = read_bytes(tmp_path, bmp[14:], ".dib")
    with PIL.Image.open(io.BytesIO(bmp)) as opened:
        mode = "L" if opened.mode in ("1", "P") else opened.mode
        np.testing.assert_array_equal(image.array, np.asarray(opened.convert(mode)))
    assert image.format == "DIB"
    np.testing.assert_array_equal(read_bytes(tmp_path, bmp, ".bmp").array, image.array)
    with pytest.raises(g2r.ImageFileError, match=r"x\.txt: not an image"):
        read_bytes(tmp_path, bmp[14:], ".txt")


@pytest.mark.parametrize("suffix", [".bmp", ".dib"])
def test_a_bitmap_that_is_short_or_empty(tmp_path, suffix):
    bmp = encode("BMP", COLOR)
    start = 0 if suffix == ".bmp" else 14
    for cut in range(start + 2, len(bmp), 7):
        with pytest.raises(g2r.ImageFileError, match=r"x\.(bmp|dib): "):
            read_bytes(tmp_path, bmp[start:cut], suffix)
    for at in (18, 22):
        empty = bmp[:at] + bytes(4) + bmp[at + 4 :]
        with pytest.raises(g2r.ImageFileError):
            read_bytes(tmp_path, empty[start:], suffix)


def test_damaged_exif_in_a_webp(tmp_path):
    webp = encode("WEBP", COLOR, lossless=True, exif=b"Exif\0\0nothing")
    image = read_bytes(tmp_path, webp, ".webp")
    np.testing.assert_array_equal(image.array, COLOR)
    assert "EXIF data is damaged" in image.notes[0]
