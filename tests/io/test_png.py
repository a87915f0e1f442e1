"""PNG: what isn't pixels doesn't decide whether they can be read."""

import struct
import subprocess
import sys
import warnings
import zlib

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import skimage.data
from PIL.PngImagePlugin import PngInfo

import graytorgb as g2r
from graytorgb.io import read

from ..support import ROOT

ODD = ROOT / "tests" / "data" / "odd_files"
RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
COLOR = skimage.data.astronaut()[:64, 100:200]
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(name, body=b"", *, damaged=False):
    return (
        struct.pack(">I", len(body))
        + name
        + body
        + struct.pack(">I", zlib.crc32(name + body) ^ damaged)
    )


def split(png):
    """Yield the name and the body of each chunk."""
    position, found = 8, []
    while position < len(png):
        length, name = struct.unpack_from(">I4s", png, position)
        found.append((name, png[position + 8 : position + 8 + length]))
        position += 12 + length
    return found


def join(chunks):
    return SIGNATURE + b"".join(chunk(*parts) for parts in chunks)


def encode(pixels, path, **options):
    PIL.Image.fromarray(pixels).save(path, "PNG", **options)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "shape", "total", "damaged"),
    [
        ("cicp_pq", (8, 8, 3), 16_320, "cLLI, mDCV"),
        ("issue_430", (153, 568, 4), 36_455_459, "iCCP"),
        ("unknown_compression_method", (57, 57, 4), 2_627_004, "iCCP"),
    ],
)
def test_odd_files(capfd, name, shape, total, damaged):
    image = read(ODD / f"{name}.png")
    assert image.array.shape == shape
    assert image.array.dtype == np.uint8
    assert image.array.sum(dtype=int) == total
    assert image.notes == (f"damaged beside its pixels, and left out: {damaged}",)
    assert capfd.readouterr() == ("", "")  # libpng would print its warnings


BROKEN = {
    "checksum": chunk(b"tEXt", b"Title\0x", damaged=True),
    "profile": chunk(b"iCCP", b"name\0\7" + bytes(9)),
    "profile that inflates": chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(1 << 26))),
    "text that inflates": chunk(b"zTXt", b"Title\0\0" + zlib.compress(bytes(1 << 27))),
    "text": chunk(b"iTXt", b"\xff\xfe"),
    "long text": chunk(b"tEXt", b"Title\0" + b"x" * (9 << 20)),
    "exif": chunk(b"eXIf", b"nothing"),
    "gamma of 0": chunk(b"gAMA", bytes(4)),
    "physical size": chunk(b"pHYs", b"\0"),
    "unknown": chunk(b"abCd", b"x", damaged=True),
    "many": chunk(b"tEXt", b"a\0b") * 3000,
    "no transparency": chunk(b"tRNS", b"\1\2\3"),
    "damaged transparency": chunk(b"tRNS", b"\0\1", damaged=True),
    "no animation": chunk(b"acTL", bytes(8)),
    "animation of one": chunk(b"acTL", b"\0\0\0\1\0\0\0\0"),
}


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("bits", [8, 16])
def test_chunks_beside_the_pixels(tmp_path, capfd, what, where, bits):
    pixels = GRAY if bits == 8 else RNG.integers(0, 65536, (20, 30), dtype=np.uint16)
    png = encode(pixels, tmp_path / "x.png")
    at = 33 if where == "before" else len(png) - 12
    (tmp_path / "x.png").write_bytes(png[:at] + BROKEN[what] + png[at:])
    image = read(tmp_path / "x.png")
    np.testing.assert_array_equal(image.array, pixels)
    assert image.layout == "HW"
    told = {"checksum": "tEXt", "unknown": "abCd", "exif": "EXIF", "damaged transparency": "tRNS"}
    if where == "before":
        told |= {"no transparency": "tRNS", "no animation": "acTL"}
    assert len(image.notes) == (what in told)
    assert told.get(what, "") in "".join(image.notes)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("tail", [0, 3, 8, 11])
def test_a_file_without_its_end_has_its_pixels(tmp_path, tail):
    png = encode(GRAY, tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes(png[: len(png) - 12 + tail])
    np.testing.assert_array_equal(read(tmp_path / "x.png").array, GRAY)


def test_a_text_that_is_cut_off_after_the_pixels(tmp_path):
    png = encode(GRAY, tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes(png[:-12] + chunk(b"tEXt", b"Title\0" + bytes(500))[:200])
    image = read(tmp_path / "x.png")
    np.testing.assert_array_equal(image.array, GRAY)
    assert "tEXt" in image.notes[0]


def test_text_between_the_pixels(tmp_path):
    """The specification wants IDAT chunks to follow each other, and nothing is lost here."""
    head, (_, data), end = split(encode(GRAY, tmp_path / "x.png"))
    parts = [head, (b"IDAT", data[:50]), (b"tEXt", b"a\0b"), (b"IDAT", data[50:]), end]
    (tmp_path / "x.png").write_bytes(join(parts))
    np.testing.assert_array_equal(read(tmp_path / "x.png").array, GRAY)


def change_pixels(change):
    def apply(png):
        return join([(n, change(body) if n == b"IDAT" else body) for n, body in split(png)])

    return apply


DAMAGED = {
    "no IDAT": lambda png: join([part for part in split(png) if part[0] != b"IDAT"]),
    "an empty IDAT": change_pixels(lambda body: b""),
    "less": change_pixels(lambda body: body[: len(body) // 2]),
    "fewer rows": change_pixels(lambda body: zlib.compress(zlib.decompress(body)[: 31 * 10])),
    "no zlib": change_pixels(lambda body: b"\0" + body[1:]),
    "its checksum": lambda png: png[:60] + bytes([png[60] ^ 1]) + png[61:],
    "its header's checksum": lambda png: png[:30] + b"\0\0\0" + png[33:],
    "cut off": lambda png: png[: len(png) // 2],
    "an unknown critical chunk": lambda png: png[:33] + chunk(b"CgBI", bytes(4)) + png[33:],
    "a header of 3 bits": lambda png: png[:24] + b"\3" + png[25:],
    "color type 5": lambda png: png[:25] + b"\5" + png[26:],
    "a header alone": lambda png: png[:33],
    "half a header": lambda png: png[:20],
    "noise for a chunk's name": lambda png: png[:37] + b"\0\1\2\3" + png[41:],
}


@pytest.mark.parametrize("what", DAMAGED)
def test_missing_and_damaged_pixels(tmp_path, what):
    path = tmp_path / "x.png"
    path.write_bytes(DAMAGED[what](encode(GRAY, path)))
    with pytest.raises(g2r.ImageFileError, match=r"x\.png: ") as caught:
        read(path)
    assert "list index" not in str(caught.value)
    if what == "no IDAT":
        assert "a PNG without pixels: no IDAT chunk" in str(caught.value)


@pytest.mark.parametrize("size", [(0, 30), (20, 0), (0, 0)])
def test_a_png_without_a_size(tmp_path, size):
    head = struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    (tmp_path / "x.png").write_bytes(join(parts))
    with pytest.raises(g2r.ImageFileError, match="has no pixels"):
        read(tmp_path / "x.png")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_it_gives_what_libpng_gives(tmp_path, channels, dtype):
    pixels = RNG.integers(0, np.iinfo(dtype).max + 1, (33, 47, channels), dtype=dtype)
    pixels = pixels[..., 0] if channels == 1 else pixels
    (tmp_path / "x.png").write_bytes(imagecodecs.png_encode(pixels))
    np.testing.assert_array_equal(read(tmp_path / "x.png").array, pixels)


@pytest.mark.parametrize("transparency", [None, 3, bytes([0, 128, 255])])
def test_palettes(tmp_path, transparency):
    image = PIL.Image.fromarray(COLOR).quantize(64)
    options = {} if transparency is None else {"transparency": transparency}
    image.save(tmp_path / "x.png", **options)
    with PIL.Image.open(tmp_path / "x.png") as saved:
        expected = np.asarray(saved.convert("RGB" if transparency is None else "RGBA"))
    np.testing.assert_array_equal(read(tmp_path / "x.png").array, expected)


def animate(path, count=3, **options):
    frames = [PIL.Image.fromarray(np.roll(COLOR, 7 * k, 1)) for k in range(count)]
    frames[0].save(path, "PNG", save_all=True, append_images=frames[1:], **options)
    return np.stack([np.asarray(frame) for frame in frames])


def test_text_in_an_animation(tmp_path):
    path = tmp_path / "x.png"
    text = PngInfo()
    text.add_text("Title", "x" * 2000, zip=True)
    expected = animate(path, pnginfo=text)
    png = path.read_bytes()
    path.write_bytes(png[:33] + BROKEN["text that inflates"] + BROKEN["checksum"] + png[33:])
    image = read(path)
    np.testing.assert_array_equal(image.array, expected)
    assert "left out: tEXt" in image.notes[0]


def change_last_frame(change):
    """Change the data of an animation's last frame, or its whole chunk."""

    def apply(png):
        parts = split(png)
        last = max(k for k, (name, _) in enumerate(parts) if name == b"fdAT")
        body = parts[last][1]
        return join([*parts[:last], (b"fdAT", body[:4] + change(body[4:])), *parts[last + 1 :]])

    return apply


SHORT_FRAMES = {
    "short": change_last_frame(lambda body: zlib.compress(zlib.decompress(body)[:-400])),
    "cut": change_last_frame(lambda body: body[:-20]),
    "nothing": change_last_frame(lambda body: b""),
    "noise": change_last_frame(lambda body: b"\xff" * len(body)),
    "missing": lambda png: join([*split(png)[:-3], split(png)[-1]]),
    "all missing": lambda png: join(split(png)[:4]),
    "checksum": lambda png: png[:-13] + bytes([png[-13] ^ 1]) + png[-12:],
    "cut off": lambda png: png[:-500],
    "larger than the image": lambda png: join(
        [(n, b[:7] + b"\xff" + b[8:] if n == b"fcTL" else b) for n, b in split(png)]
    ),
}


def test_an_animation_with_its_frames_packed_anew(tmp_path):
    expected = animate(tmp_path / "x.png")
    pack = change_last_frame(lambda body: zlib.compress(zlib.decompress(body), 1))
    (tmp_path / "x.png").write_bytes(pack((tmp_path / "x.png").read_bytes()))
    np.testing.assert_array_equal(read(tmp_path / "x.png").array, expected)


@pytest.mark.parametrize("what", SHORT_FRAMES)
def test_an_animation_of_which_a_frame_is_missing_or_short(tmp_path, what):
    path = tmp_path / "x.png"
    animate(path)
    path.write_bytes(SHORT_FRAMES[what](path.read_bytes()))
    with pytest.raises(g2r.ImageFileError, match=r"x\.png: ") as caught:
        read(path)
    if "index=0" in str(caught.value):
        np.testing.assert_array_equal(read(path, index=0).array, COLOR)


def test_an_animation_that_states_many_frames(tmp_path):
    path = tmp_path / "x.png"
    animate(path)
    for count, says in ((200_000, "limit|at most 65,536"), (2**31, "limit"), (2**32 - 1, "")):
        parts = split(path.read_bytes())
        parts = [(n, struct.pack(">II", count, 0) if n == b"acTL" else b) for n, b in parts]
        (tmp_path / "y.png").write_bytes(join(parts))
        if says:
            with pytest.raises(g2r.ImageFileError, match=says):
                read(tmp_path / "y.png")
        else:  # no number of frames: the image itself is left
            assert "acTL" in read(tmp_path / "y.png").notes[0]


@pytest.mark.parametrize(("largest", "is_told"), [(4094, True), (4097, False), (0, False)])
def test_the_depth_is_judged_by_every_value(tmp_path, largest, is_told):
    """One pixel of 40,000 decides, in any place."""
    for at in (0, 5, 20_001, 39_999):
        pixels = np.zeros((200, 200), np.uint16)
        pixels.reshape(-1)[at] = largest
        (tmp_path / "x.png").write_bytes(imagecodecs.png_encode(pixels))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            read(tmp_path / "x.png")
        assert [str(w.message)[:29] for w in caught] == ["the file states its depth alo"] * is_told


@pytest.mark.parametrize("name", [b"ABCD", b"XYZw", b"IHDR"])
def test_a_critical_chunk_that_is_unknown(tmp_path, name):
    path = tmp_path / "x.png"
    header, *rest = split(encode(GRAY, path))
    for place in (0, 1):
        path.write_bytes(join([header, *rest[:place], (name, b"12345678"), *rest[place:]]))
        with pytest.raises(g2r.ImageFileError, match=f"it has a chunk {name.decode()}, "):
            read(path)


@pytest.mark.parametrize("after", [False, True])
def test_a_palette_that_is_missing(tmp_path, after):
    path = tmp_path / "x.png"
    PIL.Image.fromarray(GRAY).convert("P").save(path)
    chunks = split(path.read_bytes())
    palette = [c for c in chunks if c[0] == b"PLTE"]
    others = [c for c in chunks if c[0] != b"PLTE"]
    path.write_bytes(join([*others[:-1], *palette * after, others[-1]]))
    with pytest.raises(g2r.ImageFileError, match=r"indices of a palette \(PLTE\), and it has none"):
        read(path)


READS_MANY = """
import io
import numpy as np, PIL.Image
import graytorgb as g2r
file = io.BytesIO()
PIL.Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(file, "PNG")
whole = file.getvalue()
place = whole.index(b"IDAT") + 8
damaged = whole[:place] + bytes(4) + whole[place + 4 :]
errors = 0
for _ in range(10_000):
    try:
        g2r.io.decode(damaged)
    except g2r.ImageFileError:
        errors += 1
print(errors)
"""


def test_many_damaged_files_do_not_end_the_process():
    """On Python 3.11 imagecodecs' errors freed None after some thousand files."""
    done = subprocess.run(
        [sys.executable, "-c", READS_MANY], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["10000"]), done.stderr[-500:]
