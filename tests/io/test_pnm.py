"""PBM, PGM and PPM: every sample as it is, up to the largest that the header states."""

import warnings

import numpy as np
import PIL.Image
import pytest

import graytorgb as g2r
from graytorgb.io import read

from ..support import ROOT

ODD = ROOT / "tests" / "data" / "odd_files"
RNG = np.random.default_rng(0)
HEIGHT, WIDTH = 11, 13


def draw(largest, channels=1):
    """Return random samples, the smallest and the largest among them."""
    shape = (HEIGHT, WIDTH) if channels == 1 else (HEIGHT, WIDTH, channels)
    dtype = np.uint8 if largest < 256 else np.uint16
    samples = RNG.integers(0, largest + 1, shape).astype(dtype)
    samples.flat[:2] = 0, largest
    return samples


def encode(kind, samples, largest=None, header=b"P%d %d %d%s\n"):
    stated = b"" if largest is None else b" %d" % largest
    head = header % (kind, samples.shape[1], samples.shape[0], stated)
    if kind == 4:
        return head + np.packbits(samples, axis=1).tobytes()
    if kind < 4:
        rows = samples.reshape(len(samples), -1)
        return head + b"\n".join(b" ".join(b"%d" % v for v in row) for row in rows) + b"\n"
    return head + samples.astype(">u2" if largest > 255 else "u1").tobytes()


@pytest.mark.filterwarnings("ignore:the file states its depth alone")
@pytest.mark.parametrize("largest", [1, 7, 100, 254, 255, 256, 1000, 4095, 65534, 65535])
@pytest.mark.parametrize(("kind", "channels"), [(2, 1), (3, 3), (5, 1), (6, 3)])
def test_every_sample(tmp_path, kind, channels, largest):
    samples = draw(largest, channels)
    path = tmp_path / "x.pnm"
    path.write_bytes(encode(kind, samples, largest))
    image = read(path)
    assert image.array.dtype == samples.dtype
    np.testing.assert_array_equal(image.array, samples)
    assert image.layout == ("HW" if channels == 1 else "HWC")
    assert image.value_range == (0, largest)
    assert image.bits == largest.bit_length()
    assert image.notes == ()
    expected = np.rint(samples / largest * 255)
    assert np.abs(g2r.to_uint8(*image) - expected).max() <= 1
    with PIL.Image.open(path) as opened:  # which scales to 8 or 16 bits
        if opened.mode != "I" and channels * largest < 766:
            np.testing.assert_array_equal(g2r.to_uint8(*image), np.asarray(opened))


def test_16_bit_color():
    image = read(ODD / "rgb-3c-16b.ppm")
    assert image.array.shape == (151, 157, 3)
    assert image.array.dtype == np.uint16
    assert image.array.sum(dtype=int) == 2_024_349_944
    assert image.value_range == (0, 65535)
    assert image.mode == "RGB, 16 bits"


@pytest.mark.parametrize("kind", [1, 4])
def test_bits(tmp_path, kind):
    bits = RNG.integers(0, 2, (HEIGHT, WIDTH), dtype=np.uint8)
    (tmp_path / "x.pbm").write_bytes(encode(kind, bits))
    image = read(tmp_path / "x.pbm")
    np.testing.assert_array_equal(image.array, 255 * (1 - bits))  # 1 is black
    assert (image.value_range, image.bits, image.mode) == ((0, 255), 1, "gray, 1 bits")


HEADERS = [
    b"P%d\t%d\t%d%s\t", b"P%d\r\n%d\r\n%d%s\n", b"P%d\v%d\f%d%s\n", b"P%d\n# by hand\n%d %d%s\n",
    b"P%d#c\n%d #c\n#c\r %d%s\n", b"P%d   %d \t\n %d%s ", b"P%d %d %d%s#c\n", b"P%d 000%d 0%d%s\r",
]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 6])
def test_gaps_in_the_header(tmp_path, header, kind):
    bits = kind in (1, 4)
    samples = draw(1 if bits else 255, 3 if kind in (3, 6) else 1)
    samples.flat[0] = 10 if kind > 4 else 1  # a line feed is a sample too
    (tmp_path / "x.ppm").write_bytes(encode(kind, samples, None if bits else 255, header))
    expected = 255 * (1 - samples) if bits else samples
    np.testing.assert_array_equal(read(tmp_path / "x.ppm").array, expected)


def test_what_follows_the_pixels_is_told(tmp_path):
    data = encode(5, draw(255), 255)
    (tmp_path / "x.pgm").write_bytes(data + data)
    assert read(tmp_path / "x.pgm").notes == (f"{len(data)} bytes after its pixels are left out",)


@pytest.mark.parametrize(("kind", "channels"), [(5, 1), (6, 3), (2, 1), (3, 3)])
@pytest.mark.parametrize("largest", [100, 1000])
def test_samples_beyond_the_largest(tmp_path, kind, channels, largest):
    samples = draw(largest, channels)
    samples.flat[5] = largest + 1
    (tmp_path / "x.pnm").write_bytes(encode(kind, samples, largest))
    with pytest.raises(g2r.ImageFileError, match=f"states {largest} as the largest sample, and it"):
        read(tmp_path / "x.pnm")


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 6])
def test_cut_off_anywhere(tmp_path, kind):
    """A cut file is an error or whole, but for a last digit that is missing in plain text."""
    bits = kind in (1, 4)
    data = encode(kind, draw(1 if bits else 255, 3 if kind in (3, 6) else 1), None if bits else 255)
    whole = len(data.rstrip(b"\n")) if kind < 4 else len(data)
    for cut in range(2, whole - 2):
        (tmp_path / "x.pnm").write_bytes(data[:cut])
        with pytest.raises(g2r.ImageFileError, match=r"x\.pnm: "):
            read(tmp_path / "x.pnm")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"P5 0 4 255\n", "has no pixels"),
        (b"P5 4 0 255\n", "has no pixels"),
        (b"P4 0 0\n", "has no pixels"),
        (b"P5 4 4 0\n" + bytes(16), "states 0 as the largest"),
        (b"P6 4 4 65536\n" + bytes(96), "states 65536 as the largest"),
        (b"P5 -4 4 255\n" + bytes(16), "isn't numbers"),
        (b"P5 4 4\n", "isn't numbers"),
        (b"P5 99999999999 4 255\n", "isn't numbers"),
        (b"P5 9999999999 9999999999 255\n", "the limit is"),
        (b"P2 2 2 255\n1 2 x 4\n", "can't be read"),
        (b"P2 2 2 255\n1 2 -3 4\n", "can't be read"),
        (b"P1 2 2\n0 1 2 1\n", "can't be read"),
    ],
)
def test_headers_and_texts_that_cannot_be(tmp_path, data, says):
    (tmp_path / "x.pnm").write_bytes(data)
    with pytest.raises(g2r.ImageFileError, match=says):
        read(tmp_path / "x.pnm")


def test_the_depth_is_warned_of_where_it_is_all_that_is_stated(tmp_path):
    samples = draw(4095)
    (tmp_path / "full.pgm").write_bytes(encode(5, samples >> 4, 65535))
    with pytest.warns(UserWarning, match="16 bits"):
        read(tmp_path / "full.pgm")
    (tmp_path / "stated.pgm").write_bytes(encode(5, samples >> 4, 4095))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(tmp_path / "stated.pgm").value_range == (0, 4095)


@pytest.mark.parametrize("kind", [4, 5, 6])
@pytest.mark.parametrize("largest", [255, 65535])
def test_a_line_end_of_windows(tmp_path, kind, largest):
    """The second byte isn't a sample if the file has one byte more than its samples."""
    samples = np.random.default_rng(0).integers(0, 256, 8 * 3 * 3 * 2, np.uint8).tobytes()
    size = {4: 3, 5: 24, 6: 72}[kind] * (1 if kind == 4 or largest < 256 else 2)
    head = f"P{kind} 8 3" + f" {largest}" * (kind > 4)
    path = tmp_path / "x.pnm"

    def write(gap, data):
        path.write_bytes(head.encode() + gap + data)
        return read(path)

    plain = write(b"\n", samples[:size])
    image = write(b"\r\n", samples[:size])
    np.testing.assert_array_equal(image.array, plain.array)
    assert image.notes == (r"its header ends in two bytes, \r and \n",)
    first = write(b"\r", b"\n" + samples[: size - 1])
    np.testing.assert_array_equal(first.array, write(b"\n", b"\n" + samples[: size - 1]).array)
    assert first.notes == ()
