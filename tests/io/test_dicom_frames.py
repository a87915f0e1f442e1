"""DICOM: what a header and its frames say of the pixels is compared before they are decoded."""

import struct
import zlib

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

import graytorgb as g2r

from ..support import run_python
from .scans import ramp, read, replace, scan, write

GRAY8, GRAY12 = ramp(dtype=np.uint8, top=255), ramp()
RGB8 = np.stack([GRAY8, GRAY8[::-1], GRAY8[:, ::-1]], -1)
RGB16 = np.stack([GRAY12, GRAY12[::-1], GRAY12[:, ::-1]], -1)


def encode_jpeg2000(pixels, container="j2k", reversible=True):
    level = 0 if reversible else 90  # dB
    return imagecodecs.jpeg2k_encode(
        pixels, level, reversible=reversible, codecformat=container, mct=False
    )


def encode_lossless(pixels):
    bits = 8 * pixels.itemsize
    return imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=1, bitspersample=bits)


def encode_rle(pixels):
    planes = np.atleast_3d(pixels).astype(pixels.dtype.newbyteorder(">"))
    cells = planes.transpose(2, 0, 1).reshape(planes.shape[2], -1)[..., None].view(np.uint8)
    segments = [
        imagecodecs.packbits_encode(cells[sample, :, byte].tobytes())
        for sample in range(cells.shape[0])
        for byte in range(cells.shape[2])
    ]
    segments = [segment + bytes(len(segment) % 2) for segment in segments]
    starts = np.cumsum([64, *map(len, segments[:-1])])
    head = [len(segments), *starts, *[0] * (15 - len(segments))]
    return struct.pack("<16L", *head) + b"".join(segments)


ENCODERS = {
    "baseline": (JPEGBaseline8Bit, lambda x: imagecodecs.jpeg8_encode(x, 95)),
    "extended": (JPEGExtended12Bit, lambda x: imagecodecs.jpeg8_encode(x, 95, bitspersample=12)),
    "lossless": (JPEGLossless, encode_lossless),
    "lossless SV1": (JPEGLosslessSV1, encode_lossless),
    "JPEG-LS": (JPEGLSLossless, imagecodecs.jpegls_encode),
    "JPEG-LS near": (JPEGLSNearLossless, lambda x: imagecodecs.jpegls_encode(x, level=1)),
    "JPEG 2000": (JPEG2000Lossless, encode_jpeg2000),
    "JPEG 2000 lossy": (JPEG2000, lambda x: encode_jpeg2000(x, reversible=False)),
    "JP2": (JPEG2000Lossless, lambda x: encode_jpeg2000(x, "jp2")),
    "HTJ2K": (HTJ2KLossless, lambda x: imagecodecs.htj2k_encode(x, reversible=True)),
    "HTJ2K lossy": (HTJ2K, lambda x: imagecodecs.htj2k_encode(x, reversible=True)),
    "RLE": (RLELossless, encode_rle),
}
LOSSY = ("baseline", "extended", "JPEG-LS near", "JPEG 2000 lossy")


def deep(codec):
    """Return gray of 12 bits in 16, or of 8 bits where the codec has no more."""
    return GRAY8 if codec == "baseline" else GRAY12


def write_frames(path, codec, pixels, frames=None, **elements):
    syntax, encode = ENCODERS[codec]
    frames = [encode(pixels)] if frames is None else frames
    if codec == "extended":
        elements = {"BitsStored": 12, **elements}
    return write(path, pixels, frames=frames, syntax=syntax, **elements)


@pytest.mark.parametrize("codec", ENCODERS)
def test_every_codec_gives_the_pixels(tmp_path, codec):
    pixels = deep(codec)
    image = read(write_frames(tmp_path / "x.dcm", codec, pixels), window=None)
    assert image.layout == "HW"
    assert image.array.dtype == pixels.dtype
    off = np.abs(image.array.astype(int) - pixels).max()
    assert off <= (16 if codec in LOSSY else 0)


@pytest.mark.parametrize("codec", sorted(set(ENCODERS) - {"baseline", "extended", "JPEG-LS near"}))
def test_every_codec_gives_signed_pixels(tmp_path, codec):
    """Signed pixels are encoded as encoders do it: JPEG, JPEG-LS and RLE keep only the bits."""
    pixels = (GRAY12.astype(np.int16) - 2048).astype(np.int16)
    encode = ENCODERS[codec][1]
    bits_alone = "JPEG 2000" not in codec and codec != "JP2" and "HTJ2K" not in codec
    frame = encode(pixels.view(np.uint16) if bits_alone else pixels)
    path = write_frames(tmp_path / "x.dcm", codec, pixels, [frame])
    image = read(path, window=None)
    assert np.abs(image.array.astype(int) - pixels).max() <= (16 if codec in LOSSY else 0)


@pytest.mark.parametrize("codec", ["baseline", "lossless", "JPEG-LS", "JPEG 2000", "HTJ2K", "RLE"])
def test_rgb_of_every_codec(tmp_path, codec):
    syntax, encode = ENCODERS[codec]
    frame = encode(RGB8)
    if codec == "baseline":
        frame = imagecodecs.jpeg8_encode(RGB8, 95, colorspace="rgb", outcolorspace="rgb")
    path = write(tmp_path / "x.dcm", RGB8, frames=[frame], syntax=syntax)
    image = read(path)
    assert image.layout == "HWC"
    assert np.abs(image.array.astype(int) - RGB8).max() <= (8 if codec == "baseline" else 0)


# What contradicts


@pytest.mark.parametrize("codec", ENCODERS)
def test_a_frame_of_more_samples_than_stated(tmp_path, codec):
    three = RGB8 if codec == "baseline" else RGB16
    frame = ENCODERS[codec][1](three)
    path = write_frames(tmp_path / "x.dcm", codec, deep(codec), [frame])
    with pytest.raises(g2r.ImageFileError, match=r"SamplesPerPixel is 1, and a frame has 3|segm"):
        read(path)


@pytest.mark.parametrize("codec", ENCODERS)
def test_a_frame_of_fewer_samples_than_stated(tmp_path, codec):
    three = RGB8 if codec == "baseline" else RGB16
    frame = ENCODERS[codec][1](deep(codec))
    path = write_frames(tmp_path / "x.dcm", codec, three, [frame])
    with pytest.raises(g2r.ImageFileError, match=r"SamplesPerPixel is 3, and a frame has 1|segm"):
        read(path)


@pytest.mark.parametrize("codec", sorted(set(ENCODERS) - {"RLE"}))
@pytest.mark.parametrize("change", [(slice(None), slice(None, -1)), (slice(0, 24), slice(None))])
def test_a_frame_of_another_size(tmp_path, codec, change):
    frame = ENCODERS[codec][1](np.ascontiguousarray(deep(codec)[change]))
    path = write_frames(tmp_path / "x.dcm", codec, deep(codec), [frame])
    with pytest.raises(g2r.ImageFileError, match="it states 64x48 pixels, and a frame has"):
        read(path)


@pytest.mark.parametrize("codec", sorted(set(ENCODERS) - {"RLE", "baseline", "extended"}))
@pytest.mark.parametrize(("stated", "held"), [(GRAY8, GRAY12), (GRAY12, GRAY8)])
def test_a_frame_of_another_precision(tmp_path, codec, stated, held):
    path = write_frames(tmp_path / "x.dcm", codec, stated, [ENCODERS[codec][1](held)])
    with pytest.raises(g2r.ImageFileError, match=r"a frame has samples of (8|16) bits"):
        read(path)


def test_a_frame_of_12_bits_under_a_header_of_8(tmp_path):
    frame = ENCODERS["extended"][1](GRAY12)
    path = write(tmp_path / "x.dcm", GRAY8, frames=[frame], syntax=JPEGExtended12Bit)
    with pytest.raises(g2r.ImageFileError, match="a frame has samples of 12 bits"):
        read(path)


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("other", ["baseline", "lossless", "JPEG-LS", "JPEG 2000"])
def test_a_frame_of_another_codec(tmp_path, codec, other):
    if ENCODERS[codec][0] == ENCODERS[other][0] or {codec, other} <= {"lossless", "lossless SV1"}:
        return
    if "JPEG 2000" in (codec, other) and ("J" in codec and "2" in codec and other == "JPEG 2000"):
        return
    if codec == "JPEG-LS near" and other == "JPEG-LS":
        return
    if codec == "extended" and other == "baseline":
        return  # 8 bits under 12, another test
    path = write_frames(tmp_path / "x.dcm", codec, GRAY8, [ENCODERS[other][1](GRAY8)], BitsStored=8)
    with pytest.raises(g2r.ImageFileError, match=r"isn't|another kind|segments|header states"):
        read(path)


def test_rle_of_another_number_of_segments_or_order(tmp_path):
    frame = encode_rle(GRAY12)
    path = tmp_path / "x.dcm"
    with pytest.raises(g2r.ImageFileError, match="take 2 segments of RLE, and a frame has 1"):
        read(write_frames(path, "RLE", GRAY12, [encode_rle(GRAY8)]))
    swapped = frame[:4] + frame[8:12] + frame[4:8] + frame[12:]
    for bad in (swapped, frame[:8] + struct.pack("<L", 1 << 30) + frame[12:]):
        with pytest.raises(g2r.ImageFileError, match="aren't in order"):
            read(write_frames(path, "RLE", GRAY12, [bad]))
    with pytest.raises(g2r.ImageFileError, match="truncated"):
        read(write_frames(path, "RLE", GRAY12, [frame[:60]]))


def test_rle_takes_no_more_than_the_frame(tmp_path):
    """Two bytes of RLE can give 128."""
    frame = struct.pack("<16L", 1, 64, *[0] * 14) + bytes([129, 7]) * 100_000
    path = write_frames(tmp_path / "x.dcm", "RLE", GRAY8, [frame])
    with pytest.raises(g2r.ImageFileError, match=r"x\.dcm"):
        read(path)


@pytest.mark.parametrize("codec", ENCODERS)
def test_a_truncated_frame(tmp_path, codec):
    """The file is whole, and a frame in it isn't."""
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64)).astype(deep(codec).dtype)
    frame = ENCODERS[codec][1](pixels)
    for size in (2, 10, len(frame) // 2, len(frame) - 40):
        path = write_frames(tmp_path / "x.dcm", codec, pixels, [frame[: size // 2 * 2]])
        with pytest.raises(g2r.ImageFileError, match=r"x\.dcm"):
            read(path, window=None)


# The number of frames


def test_more_frames_than_stated(tmp_path):
    """Once (2, 64, 64) came back with the layout HW, and 20,000 frames passed any limit."""
    for count in (2, 20_000):
        pixels = np.zeros((count, 8, 8), np.uint16)
        path = write(tmp_path / "x.dcm", pixels, NumberOfFrames=None)
        says = rf"states 1 frames \(NumberOfFrames is absent\), and its pixels have {count}"
        with pytest.raises(g2r.ImageFileError, match=says):
            read(path, limit=1000, window=None)
        path = write(tmp_path / "x.dcm", pixels, NumberOfFrames=count - 1)
        with pytest.raises(g2r.ImageFileError, match="its header states"):
            read(path, window=None)


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("stated", [None, 1, 3])
def test_another_number_of_compressed_frames(tmp_path, codec, stated):
    pixels = np.stack([deep(codec), deep(codec)[::-1]])
    frames = [ENCODERS[codec][1](frame) for frame in pixels]
    path = write_frames(tmp_path / "x.dcm", codec, pixels, frames)
    both = read(path, window=None)
    assert both.layout == "NHW"
    np.testing.assert_array_equal(read(path, window=None, index=1).array, both.array[1])
    write_frames(path, codec, pixels, frames, NumberOfFrames=stated)
    with pytest.raises(g2r.ImageFileError, match=rf"states {stated or 1} frames.* pixels have 2"):
        read(path, window=None)


def test_fragments_are_joined(tmp_path):
    """A frame may lie in several fragments, and the table of offsets may be empty."""
    frames = [encode_jpeg2000(frame) for frame in (GRAY12, GRAY12[::-1])]
    pixels = np.stack([GRAY12, GRAY12[::-1]])
    path = write_frames(tmp_path / "x.dcm", "JPEG 2000", pixels, frames)
    dataset = pydicom.dcmread(path)
    for has_bot in (True, False):
        dataset.PixelData = encapsulate(frames, fragments_per_frame=3, has_bot=has_bot)
        dataset.save_as(path)
        np.testing.assert_array_equal(read(path, window=None).array, pixels)


@pytest.mark.parametrize("lie", ["far", "long", "same", "empty", None])
def test_offsets_that_lie(tmp_path, lie):
    pixels = np.stack([GRAY12, GRAY12 ^ 1])
    frames = [encode_jpeg2000(frame) for frame in pixels]
    sizes = [len(frame) + len(frame) % 2 for frame in frames]
    second, length = {"far": (1 << 40, sizes[1]), "long": (0, 1 << 40), "same": (0, sizes[0]),
                      "empty": (0, 0), None: (sizes[0] + 8, sizes[1])}[lie]  # fmt: skip
    path = write_frames(
        tmp_path / "x.dcm", "JPEG 2000", pixels, frames,
        ExtendedOffsetTable=struct.pack("<2Q", 0, second),
        ExtendedOffsetTableLengths=struct.pack("<2Q", sizes[0], length),
        PixelData=encapsulate(frames, has_bot=False),
    )  # fmt: skip
    if lie is None:
        np.testing.assert_array_equal(read(path, window=None).array, pixels)
        return
    with pytest.raises(g2r.ImageFileError, match="its table of frame offsets doesn't lead to"):
        read(path, window=None)


def test_a_basic_offset_table_that_lies(tmp_path):
    pixels = np.stack([GRAY12, GRAY12 ^ 1])
    frames = [encode_jpeg2000(frame) for frame in pixels]
    path = write_frames(tmp_path / "x.dcm", "JPEG 2000", pixels, frames)
    dataset = pydicom.dcmread(path)
    for second in (0, 2, 1 << 30):
        data = bytearray(encapsulate(frames, fragments_per_frame=2, has_bot=True))
        data[12:16] = struct.pack("<L", second)
        dataset.PixelData = bytes(data)
        dataset.save_as(path)
        with pytest.raises(g2r.ImageFileError, match="its table of frame offsets"):
            read(path, window=None)


@pytest.mark.parametrize("count", [-1, 2**31 - 1, 10**12])
def test_an_impossible_number_of_frames(tmp_path, count):
    path = write(tmp_path / "x.dcm", GRAY12, NumberOfFrames=4096)
    replace(path, b"4096", b"%4d" % count if count < 0 else b"9999")
    with pytest.raises(g2r.ImageFileError, match=r"NumberOfFrames|its header states"):
        read(path)
    path = write(tmp_path / "x.dcm", GRAY12, NumberOfFrames=1024)
    replace(path, b"1024", b"1e99")
    with pytest.raises(g2r.ImageFileError, match=r"limit|NumberOfFrames"):
        read(path)


def test_the_length_of_uncompressed_pixels(tmp_path):
    path = write(tmp_path / "x.dcm", GRAY12, Rows=49)
    with pytest.raises(g2r.ImageFileError, match="states 6,272 bytes of pixels, and it has 6,144"):
        read(path, window=None)
    path = write(tmp_path / "x.dcm", GRAY12, Rows=40)
    with pytest.raises(g2r.ImageFileError, match="states 5,120 bytes of pixels, and it has 6,144"):
        read(path, window=None)
    padded = np.concatenate([GRAY12, np.zeros((3, 64), np.uint16)])
    image = read(write(path, padded, Rows=48), window=None)
    np.testing.assert_array_equal(image.array, GRAY12)
    assert "384 zeros follow the pixels, left out" in image.notes
    assert read(scan("MR_small_padded.dcm")).array.shape == (64, 64)


@pytest.mark.parametrize(
    ("colors", "samples"), [("MONOCHROME2", 3), ("RGB", 1), ("PALETTE COLOR", 3), ("YBR_FULL", 4)]
)
def test_samples_that_the_colors_do_not_have(tmp_path, colors, samples):
    path = write(
        tmp_path / "x.dcm", RGB8, PhotometricInterpretation=colors, SamplesPerPixel=samples
    )
    with pytest.raises(g2r.ImageFileError, match=f"SamplesPerPixel is {samples}, and {colors} has"):
        read(path)


def test_bits_in_one_bit(tmp_path):
    mask = np.random.default_rng(0).integers(0, 2, (3, 5, 7)).astype(np.uint8)
    packed = np.packbits(mask.ravel(), bitorder="little").tobytes()
    path = write(tmp_path / "x.dcm", mask, BitsAllocated=1, BitsStored=1, PixelData=packed + b"\0")
    np.testing.assert_array_equal(read(path).array, mask)
    assert read(path).value_range == (0, 1)
    with pytest.raises(g2r.ImageFileError, match="its pixels have 3"):
        read(write(path, mask, BitsAllocated=1, BitsStored=1, PixelData=packed + b"\0",
                   NumberOfFrames=2))  # fmt: skip


# A file must not end the process, nor take what it likes


DEATHS = {
    "three samples": lambda: (JPEG2000Lossless, encode_jpeg2000(RGB8)),
    "abc before SOS": lambda: (
        JPEGBaseline8Bit,
        imagecodecs.jpeg8_encode(GRAY8).replace(b"\xff\xda", b"abc\xff\xda", 1),
    ),
    "abc before SOF": lambda: (
        JPEGBaseline8Bit,
        imagecodecs.jpeg8_encode(GRAY8).replace(b"\xff\xc0", b"abc\xff\xc0", 1),
    ),
    "abc in lossless": lambda: (
        JPEGLosslessSV1,
        encode_lossless(GRAY8).replace(b"\xff\xda", b"abc\xff\xda", 1),
    ),
    "abc in JPEG-LS": lambda: (
        JPEGLSLossless,
        imagecodecs.jpegls_encode(GRAY8).replace(b"\xff\xda", b"abc\xff\xda", 1),
    ),
    "no tables": lambda: (
        JPEGLosslessSV1,
        encode_lossless(GRAY8).replace(b"\xff\xc4", b"\xff\xfe", 1),
    ),
}


@pytest.mark.parametrize("name", DEATHS)
def test_a_file_does_not_end_the_process(tmp_path, name):
    syntax, frame = DEATHS[name]()
    path = write(tmp_path / "x.dcm", GRAY8, frames=[frame], syntax=syntax)
    code = f"""
import graytorgb as g2r
try:
    g2r.io.read({str(path)!r})
except g2r.ImageFileError as error:
    print("refused:", error)
"""
    assert run_python(code).startswith(f"refused: {path}: ")


def test_gdcm_is_not_imported():
    names = ["JPEGLSNearLossless_08.dcm", "SC_rgb_jpeg_gdcm.dcm", "JPEG2000.dcm", "JPGExtended.dcm",
             "SC_rgb_dcmtk_+eb+cr.dcm"]  # fmt: skip
    code = f"""
import sys, warnings
warnings.simplefilter("ignore")
sys.modules["gdcm"] = None
import graytorgb as g2r
for path in {[str(scan(name)) for name in names]!r}:
    print(g2r.io.read(path, window=None).array.shape)
"""
    assert len(run_python(code).splitlines()) == len(names)


def test_a_deflated_file_whose_group_length_lies(tmp_path):
    """pydicom ignores the stated length, so the reader ignores it too."""
    whole = scan("image_dfl.dcm").read_bytes()
    meta = pydicom.dcmread(scan("image_dfl.dcm")).file_meta
    start = 132 + 12 + meta.FileMetaInformationGroupLength
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = squeeze.compress(bytes(1 << 27)) + squeeze.flush()
    path = tmp_path / "bomb.dcm"
    for lie in (0, 14, 10_000, len(whole) + len(bomb), 0xFFFFFFFF):
        head = whole[:140] + struct.pack("<L", lie) + whole[144:start]
        path.write_bytes(head + bomb)
        with pytest.raises(g2r.ImageFileError, match="its deflated data takes more than the limit"):
            read(path, limit=1 << 26)
        path.write_bytes(head + whole[start:])
        np.testing.assert_array_equal(read(path).array, read(scan("image_dfl.dcm")).array)


def test_a_deflated_file_that_is_cut(tmp_path):
    whole = scan("image_dfl.dcm").read_bytes()
    path = tmp_path / "x.dcm"
    for cut in (400, len(whole) // 2, len(whole) - 12):  # 8 bytes follow the stream
        path.write_bytes(whole[:cut])
        with pytest.raises(g2r.ImageFileError, match=r"x\.dcm"):
            read(path)


# 12 bits


@pytest.mark.parametrize("name", ["JPEG-lossy.dcm", "JPGExtended.dcm"])
def test_jpeg_of_12_bits(name):
    dataset = pydicom.dcmread(scan(name))
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    image = read(scan(name), window=None)
    np.testing.assert_array_equal(image.array, imagecodecs.jpeg8_decode(frame))
    assert image.value_range == (0, 4095)
    assert image.bits == 12


@pytest.mark.parametrize(
    ("name", "blocked", "package"),
    [
        ("JPGExtended.dcm", ["imagecodecs"], "12 bits needs a codec, imagecodecs"),
        ("SC_rgb_jpeg_gdcm.dcm", ["imagecodecs"], "needs a codec, imagecodecs"),
        ("MR_small_jpeg_ls_lossless.dcm", ["jpeg_ls"], "needs a codec, pyjpegls"),
        ("JPEG2000.dcm", ["openjpeg", "pylibjpeg", "PIL"], "pylibjpeg-openjpeg or pillow"),
    ],
)
def test_a_missing_codec_is_named(name, blocked, package):
    code = f"""
import sys
for name in {blocked!r}:
    sys.modules[name] = None
import graytorgb as g2r
try:
    g2r.io.read({str(scan(name))!r})
except g2r.BackendUnavailable as error:
    print(error.missing, error)
"""
    output = run_python(code)
    assert output.startswith("True ")
    assert f"{name}: JPEG" in output
    assert package in output
    assert "pip install 'graytorgb[dicom]'" in output


@pytest.mark.parametrize("container", ["j2k", "jp2"])
def test_signed_samples_under_an_unsigned_header(tmp_path, container):
    """Otherwise -30 would become 65506."""
    signed = GRAY12.astype(np.int16) - 30
    frame = encode_jpeg2000(signed, container)
    path = write(tmp_path / "x.dcm", signed, frames=[frame], syntax=JPEG2000Lossless)
    np.testing.assert_array_equal(read(path).array, signed)
    write(path, signed, frames=[frame], syntax=JPEG2000Lossless, PixelRepresentation=0)
    with pytest.raises(g2r.ImageFileError, match="a frame has signed samples"):
        read(path)
