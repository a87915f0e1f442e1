"""JPEG: what isn't pixels doesn't decide whether they can be read."""

import io
import re

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import simplejpeg
import skimage.data

import graytorgb as g2r
from graytorgb.io import read

GRAY = skimage.data.camera()[100:228, 200:300]
COLOR = skimage.data.astronaut()[:64, 100:200]
PIXELS = {"gray": GRAY, "color": COLOR}


def encode(pixels, **options):
    memory = io.BytesIO()
    PIL.Image.fromarray(pixels).save(memory, "JPEG", **options)
    return memory.getvalue()


def by_pillow(jpeg):
    with PIL.Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image)


def insert(jpeg, before, data, last=False):
    at = (jpeg.rindex if last else jpeg.index)(before)
    return jpeg[:at] + data + jpeg[at:]


def segment(code, body):
    return b"\xff" + bytes([code]) + (len(body) + 2).to_bytes(2, "big") + body


STRAYS = [b"abc", b"\0", bytes(1000), b"\xff\0", b"\xff\xff\xff", b"a\xff\0"]


@pytest.mark.parametrize("pixels", PIXELS)
@pytest.mark.parametrize("strays", STRAYS)
@pytest.mark.parametrize("before", [b"\xff\xe0", b"\xff\xdb", b"\xff\xc4", b"\xff\xda"])
@pytest.mark.parametrize("progressive", [False, True])
def test_stray_bytes_between_markers(tmp_path, pixels, strays, before, progressive):
    jpeg = encode(PIXELS[pixels], progressive=progressive)
    path = tmp_path / "x.jpg"
    path.write_bytes(insert(jpeg, before, strays))
    image = read(path)
    np.testing.assert_array_equal(image.array, by_pillow(jpeg))
    if strays.strip(b"\xff"):
        assert "bytes between its markers" in image.notes[0]
    else:
        assert image.notes == ()  # ITU-T T.81, B.1.1.2: fill bytes


@pytest.mark.parametrize("pixels", PIXELS)
@pytest.mark.parametrize("progressive", [False, True])
def test_bytes_before_the_end(tmp_path, pixels, progressive):
    """Zeros fill a file up; other bytes are mostly left over from damaged pixels."""
    jpeg = encode(PIXELS[pixels], progressive=progressive)
    path = tmp_path / "x.jpg"
    for strays in (b"\0", bytes(1000), b"\xff" * 5):
        path.write_bytes(insert(jpeg, b"\xff\xd9", strays, last=True))
        np.testing.assert_array_equal(read(path).array, by_pillow(jpeg))
    path.write_bytes(insert(jpeg, b"\xff\xd9", b"abcdefghi" * 20, last=True))
    try:
        pixels = read(path).array
    except g2r.ImageFileError:
        return
    np.testing.assert_array_equal(pixels, by_pillow(jpeg))


ODD = {
    "EXIF": segment(0xE1, b"Exif\0\0nothing"),
    "empty EXIF": segment(0xE1, b"Exif\0\0"),
    "ICC": segment(0xE2, b"ICC_PROFILE\0\0\0"),
    "ICC of a part": segment(0xE2, b"ICC_PROFILE\0\3\1" + bytes(90)),
    "Photoshop": segment(0xED, b"Photoshop 3.0\x008BIM\xff\xff"),
    "MPO": segment(0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
    "JFIF": segment(0xE0, b"JFIF\0"),
    "JFXX": segment(0xE0, b"JFXX\0\x10"),
    "Adobe": segment(0xEE, b"Adobe"),
    "comment": segment(0xFE, b"x" * 65533) * 40,
    "empty": b"\xff\xe5\0\2",
    "length of 0": b"\xff\xfe\0\0",
    "restart": b"\xff\xd3",
}


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("pixels", PIXELS)
def test_segments_beside_the_pixels(tmp_path, what, pixels):
    jpeg = encode(PIXELS[pixels])
    path = tmp_path / "x.jpg"
    path.write_bytes(insert(jpeg, b"\xff\xdb", ODD[what]))
    image = read(path)
    np.testing.assert_array_equal(image.array, by_pillow(jpeg))
    told = {"EXIF": "EXIF data is damaged", "empty EXIF": "EXIF data is damaged", "MPO": "MPO"}
    assert told.get(what, "") in "".join(image.notes)


def test_an_unknown_version_of_jfif(tmp_path):
    jpeg = encode(COLOR)
    at = jpeg.index(b"JFIF\0") + 5
    (tmp_path / "x.jpg").write_bytes(jpeg[:at] + b"\x09" + jpeg[at + 1 :])
    np.testing.assert_array_equal(read(tmp_path / "x.jpg").array, by_pillow(jpeg))


def test_colors_that_only_the_segments_tell(tmp_path):
    """Adobe's segment says that the components are RGB: it decides about the pixels."""
    jpeg = encode(COLOR, keep_rgb=True)
    for data in (jpeg, insert(jpeg, b"\xff\xdb", b"abc")):
        (tmp_path / "x.jpg").write_bytes(data)
        np.testing.assert_array_equal(read(tmp_path / "x.jpg").array, by_pillow(jpeg))


@pytest.mark.parametrize("pixels", PIXELS)
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 4}])
def test_missing_pixels(tmp_path, pixels, options):
    jpeg = encode(PIXELS[pixels], **options)
    path = tmp_path / "x.jpg"
    for cut in (len(jpeg) - 2, len(jpeg) - 9, len(jpeg) // 2, jpeg.index(b"\xff\xda") + 4, 200, 20):
        path.write_bytes(jpeg[:cut])
        with pytest.raises(g2r.ImageFileError, match=r"x\.jpg: "):
            read(path)


def test_stray_bytes_do_not_hide_missing_pixels(tmp_path):
    jpeg = insert(encode(COLOR), b"\xff\xdb", b"abc")
    for cut in (len(jpeg) - 2, len(jpeg) - 9, len(jpeg) // 2):
        (tmp_path / "x.jpg").write_bytes(jpeg[:cut])
        with pytest.raises(g2r.ImageFileError):
            read(tmp_path / "x.jpg")


@pytest.mark.parametrize("what", ["no scan", "no frame", "height 0", "two frames"])
def test_headers_that_cannot_be(tmp_path, what):
    jpeg = encode(GRAY)
    frame, scan = jpeg.index(b"\xff\xc0"), jpeg.index(b"\xff\xda")
    data = {
        "no scan": jpeg[:scan] + b"\xff\xd9",
        "no frame": jpeg[:frame] + jpeg[frame + 13 :],
        "height 0": jpeg[: frame + 5] + b"\0\0" + jpeg[frame + 7 :],
        "two frames": jpeg[:frame] + jpeg[frame : frame + 13] + jpeg[frame:],
    }[what]
    (tmp_path / "x.jpg").write_bytes(data)
    with pytest.raises(g2r.ImageFileError):
        read(tmp_path / "x.jpg")


def test_other_depths_are_named(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 4096, (32, 32), dtype=np.uint16)
    jpeg = imagecodecs.jpeg8_encode(pixels, bitspersample=12)
    (tmp_path / "x.jpg").write_bytes(jpeg)
    with pytest.raises(g2r.ImageFileError, match=r"a JPEG of 12 bits.*imagecodecs\.jpeg8_decode"):
        read(tmp_path / "x.jpg")
    assert imagecodecs.jpeg8_decode(jpeg).dtype == np.uint16


def with_scans(pixels, count):
    """A progressive JPEG of zeros, each coefficient in as many scans of its own as there can be."""
    jpeg = encode(np.zeros_like(pixels), progressive=True)
    start = jpeg.index(b"\xff\xda", jpeg.index(b"\xff\xda") + 1)  # the first after the means
    end = start + 2 + re.search(rb"\xff[^\0]", jpeg[start + 2 :]).start()
    script = [(k, high, high - 1) for high in range(13, 0, -1) for k in range(1, 64)]
    scans = [(k, 0, 13) for k in range(1, 64)] + script
    parts = [
        jpeg[start : start + 7] + bytes([k, k, high << 4 | low]) + jpeg[start + 10 : end]
        for k, high, low in scans[: count - 1]
    ]
    return jpeg[:start] + b"".join(parts) + b"\xff\xd9"


def test_many_scans_of_a_large_image(tmp_path, monkeypatch):
    jpeg = with_scans(np.zeros((4000, 4000), np.uint8), 400)
    assert len(jpeg) < 100_000
    (tmp_path / "x.jpg").write_bytes(jpeg)
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *args, **options: pytest.fail("decoded"))
    with pytest.raises(g2r.ImageFileError, match="it has 400 scans of 4000x4000 pixels"):
        read(tmp_path / "x.jpg")


def test_scans_are_counted_and_not_what_looks_like_them(tmp_path):
    """Few scans of a large image, or many of a small one, and a comment full of scans' codes."""
    large = encode(np.zeros((4000, 4000), np.uint8), progressive=True)
    comment = segment(0xFE, b"\xff\xda" * 500)
    for jpeg in (
        insert(large, b"\xff\xdb", comment),
        with_scans(np.zeros((64, 64), np.uint8), 400),
        with_scans(np.zeros((2000, 2000), np.uint8), 99),
    ):
        (tmp_path / "x.jpg").write_bytes(jpeg)
        assert not read(tmp_path / "x.jpg").array.any()


@pytest.mark.parametrize("pixels", PIXELS)
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_it_gives_what_libjpeg_gives(tmp_path, pixels, subsampling):
    for options in ({}, {"progressive": True}, {"quality": 30}, {"restart_marker_rows": 1}):
        jpeg = encode(PIXELS[pixels], subsampling=subsampling, **options)
        (tmp_path / "x.jpg").write_bytes(jpeg)
        np.testing.assert_array_equal(read(tmp_path / "x.jpg").array, by_pillow(jpeg))
