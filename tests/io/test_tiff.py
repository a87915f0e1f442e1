"""TIFF: what its samples and its axes are, by its tags, and against Pillow."""

import struct

import numpy as np
import PIL.Image
import pytest
import tifffile

import graytorgb as g2r
from graytorgb.io import read

from ..support import ROOT

ODD = ROOT / "tests" / "data" / "odd_files"
RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (40, 50), dtype=np.uint16)
BYTES = RNG.integers(0, 256, (40, 50), dtype=np.uint8)

# where a test asks for the whole depth of a file that doesn't use it
deep = pytest.mark.filterwarnings("ignore:the file states its depth alone")


def write(path, pixels, **options):
    tifffile.imwrite(path, pixels, **options)
    return path


def by_pillow(path, mode):
    with PIL.Image.open(path) as image:
        return np.asarray(image.convert(mode))


def drop_tag(path, code):
    """Give a tag of the first page another number, which no reader knows."""
    with tifffile.TiffFile(path, mode="r+b") as file:
        offset = file.pages[0].tags[code].offset
        order = file.byteorder
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(struct.pack(f"{order}H", 65000))
    return path


# Files of other projects


@pytest.mark.parametrize(
    ("name", "shape", "layout", "total"),
    [
        ("testfax4.tiff", (3369, 2453), "HW", 7_404_371),
        ("hopper_g4.tif", (128, 128), "HW", 6_370),
        ("sm_colors_pb.tif", (64, 64, 3), "HWC", 1_729_056),
        ("flower_no_photometric.tif", (43, 73, 3), "HWC", 819_646),
    ],
)
def test_odd_files(name, shape, layout, total):
    image = read(ODD / name)
    assert (image.array.shape, image.layout) == (shape, layout)
    assert image.array.sum(dtype=int) == total


@pytest.mark.parametrize(
    ("name", "mode"), [("palette-1c-1b.tiff", "RGB"), ("input_256_matte.tiff", "RGBA")]
)
def test_odd_palettes(name, mode):
    image = read(ODD / name)
    assert (image.layout, image.value_range) == ("HWC", (0, 65535))
    np.testing.assert_array_equal(image.array >> 8, by_pillow(ODD / name, mode))


def test_odd_pages_of_one_shape():
    first = read(ODD / "compression.tif", index=0)
    assert first.array.sum() == 90
    both = read(ODD / "compression.tif")
    assert (both.array.shape, both.layout, both.value_range) == ((2, 10, 10), "NHW", (0, 255))
    np.testing.assert_array_equal(both.array[0], first.array * np.uint8(255))
    np.testing.assert_array_equal(both.array[1], read(ODD / "compression.tif", index=1).array)
    assert "pages of 1 bit are 0 and 255 beside those of 8" in both.notes


def test_an_odd_width_of_0():
    with pytest.raises(g2r.ImageFileError, match=r"1x0x4 samples .*, which is no image"):
        read(ODD / "0x1.tiff")


# Axes


@pytest.mark.parametrize(
    ("shape", "options", "layout"),
    [
        ((5, 32, 40, 1), {}, "NHWC"),
        ((32, 40, 1), {}, "HWC"),
        ((5, 32, 40, 1), {"metadata": {"axes": "TYXC"}}, "THWC"),
        ((5, 32, 40, 1), {"metadata": {"axes": "TYXS"}}, "THWC"),
        ((2, 5, 32, 40, 1), {}, "NDHWC"),
        ((5, 1, 32, 40), {}, "NDHW"),
        ((2, 3, 4, 5, 32, 40), {}, "NDBEHW"),
        ((5, 32, 40, 3), {}, "NHWC"),
        ((5, 3, 32, 40), {"photometric": "rgb"}, "NCHW"),
        ((5, 2, 32, 40), {"metadata": {"axes": "TCYX"}}, "TDHW"),
        ((5, 2, 32, 40), {"metadata": {"axes": "TCYX"}, "ome": True}, "TDHW"),
        ((5, 2, 32, 40), {"metadata": {"axes": "TCYX"}, "imagej": True}, "TDHW"),
        ((2, 5, 32, 40), {"metadata": {"axes": "HHYX"}}, "DBHW"),
        ((2, 5, 32, 40), {"metadata": {"axes": "DCYX"}}, "DBHW"),
        ((5, 32, 40, 2), {"photometric": "minisblack", "planarconfig": "contig"}, "NHWS"),
    ],
)
def test_axes_have_distinct_letters(tmp_path, shape, options, layout):
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    image = read(write(tmp_path / "x.tif", pixels, **options))
    assert image.layout == layout
    np.testing.assert_array_equal(image.array, pixels)


# Alpha


def premultiplied(opaque, dtype):
    """Return straight colors, and those colors multiplied by their alpha, at all levels of it."""
    alpha = np.linspace(0, opaque, 256).round().astype(dtype)[None, :, None]
    straight = RNG.integers(0, opaque, (40, 256, 3), endpoint=True).astype(dtype)
    colors = (straight.astype(np.float64) * alpha / opaque).round().astype(dtype)
    alpha = np.broadcast_to(alpha, (40, 256, 1))
    return np.dstack([straight, alpha]), np.dstack([colors, alpha])


@deep
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_associated_alpha_becomes_straight(tmp_path, dtype, order, planar):
    opaque = int(np.iinfo(dtype).max)
    straight, stored = premultiplied(opaque, dtype)
    pixels = stored.transpose(2, 0, 1) if planar else stored
    path = write(
        tmp_path / "x.tif", np.ascontiguousarray(pixels), photometric="rgb",
        extrasamples=["assocalpha"], byteorder=order,
        planarconfig="separate" if planar else "contig",
    )  # fmt: skip
    image = read(path)
    assert image.layout == ("CHW" if planar else "HWC")
    array = image.array.transpose(1, 2, 0) if planar else image.array
    np.testing.assert_array_equal(array[..., 3], stored[..., 3])
    alpha = stored[..., 3:].astype(np.float64)
    error = np.abs(array[..., :3] - straight[..., :3].astype(np.float64))
    assert (error * alpha <= 0.5 * opaque + alpha).all()  # half a stored level, and rounding
    assert (array[..., :3][alpha[..., 0] == 0] == 0).all()
    assert any("straight now" in note for note in image.notes)


def test_associated_alpha_on_white(tmp_path):
    """Gray 200 under alpha 64: stored as 50, and 241 on white."""
    pixels = np.full((4, 5, 4), (50, 50, 50, 64), np.uint8)
    path = write(tmp_path / "x.tif", pixels, photometric="rgb", extrasamples=["assocalpha"])
    image = read(path)
    on_white = g2r.to_rgb(image.array, image.layout, alpha=(255, 255, 255))
    assert (on_white == 241).all()
    gray = write(
        tmp_path / "y.tif", pixels[..., 2:], photometric="minisblack", planarconfig="contig",
        extrasamples=["assocalpha"],
    )  # fmt: skip
    image = read(gray)
    on_white = g2r.to_rgb(image.array, image.layout, alpha=(255, 255, 255))
    assert (on_white == 241).all()


@pytest.mark.parametrize("alpha", [0, 100])
def test_a_color_above_its_alpha_is_refused(tmp_path, alpha):
    pixels = np.full((4, 5, 4), (0, 101, 0, alpha), np.uint8)
    path = write(tmp_path / "x.tif", pixels, photometric="rgb", extrasamples=["assocalpha"])
    with pytest.raises(g2r.ImageFileError, match="larger than its alpha allows"):
        read(path)
    path = write(tmp_path / "y.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read(path).array, pixels)


def test_associated_alpha_of_floats(tmp_path):
    pixels = np.array([[[0.25, 2, 0, 0.5], [0, 0, 0, 0]]], np.float32)
    path = write(tmp_path / "x.tif", pixels, photometric="rgb", extrasamples=["assocalpha"])
    expected = [[[0.5, 4, 0, 0.5], [0, 0, 0, 0]]]
    np.testing.assert_array_equal(read(path).array, expected)
    write(path, pixels * np.float32(3), photometric="rgb", extrasamples=["assocalpha"])
    with pytest.raises(g2r.ImageFileError, match="larger than its alpha allows"):
        read(path)


# Min is white


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_min_is_white_leaves_alpha_as_it_is(tmp_path, kind):
    pixels = np.dstack([np.full((40, 50), 60, np.uint8), np.full((40, 50), 120, np.uint8)])
    path = write(
        tmp_path / "x.tif", pixels, photometric="miniswhite", planarconfig="contig",
        extrasamples=[kind],
    )  # fmt: skip
    image = read(path)
    assert image.layout == "HWC"
    gray = 195 if kind == "unassalpha" else 255 - 128  # 60 of 120 is 127.5 of 255, to 128
    assert (image.array[..., 0] == gray).all()
    assert (image.array[..., 1] == 120).all()


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_min_is_white_within_the_callers_range(tmp_path, dtype):
    pixels = RNG.integers(-1000, 3000, (40, 50)).astype(dtype)
    path = write(tmp_path / "x.tif", pixels, photometric="miniswhite")
    image = read(path, value_range=(-1000, 3000))
    assert image.value_range == (-1000, 3000)
    np.testing.assert_array_equal(image.array, 2000 - pixels)
    assert image.array.dtype == dtype
    with pytest.raises(g2r.ImageFileError, match=r"read\(path, value_range=\(lo, hi\)\)"):
        read(path)
    eight = g2r.to_uint8(*read(path, value_range="minmax"))
    np.testing.assert_array_equal(eight, g2r.to_uint8(-pixels, "minmax"))


def test_min_is_white_in_unsigned_integers_within_the_callers_range(tmp_path):
    path = write(tmp_path / "x.tif", DEEP >> 4, photometric="miniswhite")
    image = read(path, value_range=(0, 4095))
    np.testing.assert_array_equal(image.array, 4095 - (DEEP >> 4))
    path = write(tmp_path / "y.tif", DEEP, photometric="miniswhite")
    image = read(path, value_range=(0, 4095))
    np.testing.assert_array_equal(image.array, 4095 - np.minimum(DEEP, 4095))
    assert "saturate" in image.notes[0]


def test_min_is_white_within_a_range_beyond_the_dtype(tmp_path):
    """The inverted values that the dtype doesn't hold saturate."""
    path = write(tmp_path / "x.tif", DEEP, photometric="miniswhite")
    image = read(path, value_range=(0, 70_000))
    np.testing.assert_array_equal(image.array, 70_000 - np.maximum(DEEP, 4465).astype(int))
    assert "saturate" in image.notes[0]


def test_min_is_white_in_integers_within_a_fractional_range(tmp_path):
    path = write(tmp_path / "x.tif", DEEP, photometric="miniswhite")
    with pytest.raises(g2r.ImageFileError, match=r"lo \+ hi has to be a whole number"):
        read(path, value_range=(0, 100.5))


@deep
def test_min_is_white_in_a_hyperstack(tmp_path):
    stack = np.stack([[DEEP, DEEP // 2], [DEEP // 3, DEEP // 4]])
    path = write(tmp_path / "x.tif", stack, photometric="miniswhite")
    np.testing.assert_array_equal(read(path).array, 65_535 - stack)


# Palettes, and what isn't stated


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_all_depths(tmp_path, bits):
    path = tmp_path / "x.tif"
    palette = RNG.integers(0, 256, (1 << bits, 3), dtype=np.uint8)
    index = RNG.integers(0, 1 << bits, (16, 24), dtype=np.uint8)
    packed = np.packbits(
        np.unpackbits(index[..., None], axis=-1)[..., 8 - bits :].reshape(16, -1), -1
    )
    write(path, packed, metadata=None, photometric="palette", colormap=np.zeros((3, 256), "u2"))
    with tifffile.TiffFile(path, mode="r+b") as file:
        tags = file.pages[0].tags
        tags["ImageWidth"].overwrite(24)
        tags["BitsPerSample"].overwrite(bits)
        tags["ColorMap"].overwrite(palette.T.astype(np.uint16).ravel() * 257)
    image = read(path)
    np.testing.assert_array_equal(image.array, palette[index].astype(np.uint16) * 257)
    np.testing.assert_array_equal(image.array >> 8, by_pillow(path, "RGB"))


def test_pages_with_palettes_of_their_own(tmp_path):
    palettes = RNG.integers(0, 65536, (2, 3, 256), dtype=np.uint16)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for palette in palettes:
            file.write(BYTES, photometric="palette", colormap=palette, metadata=None)
    image = read(tmp_path / "x.tif")
    assert image.layout == "NHWC"
    np.testing.assert_array_equal(image.array, np.stack([p.T[BYTES] for p in palettes]))


def test_a_hyperstack_with_one_palette(tmp_path):
    palette = RNG.integers(0, 65536, (3, 256), dtype=np.uint16)
    stack = np.stack([BYTES, BYTES[::-1]])
    image = read(write(tmp_path / "x.tif", stack, photometric="palette", colormap=palette))
    np.testing.assert_array_equal(image.array, palette.T[stack])
    assert image.layout == "NHWC"
    assert image.notes == ("axes NHWC: N is other, H is height, W is width, C is sample",)


@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits"])
def test_pages_of_one_shape_and_another_compression(tmp_path, compression):
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(DEEP, metadata=None)
        file.write(DEEP + 1, metadata=None, compression=compression)
        file.write(DEEP + 2, metadata=None, photometric="miniswhite")
    image = read(tmp_path / "x.tif")
    assert (image.layout, image.value_range) == ("NHW", (0, 65535))
    np.testing.assert_array_equal(image.array, np.stack([DEEP, DEEP + 1, 65535 - (DEEP + 2)]))
    with pytest.raises(g2r.ImageFileError, match="limit"):
        read(tmp_path / "x.tif", limit=2 * DEEP.nbytes)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(DEEP, metadata=None)
        file.write(DEEP.astype(np.float32), metadata=None)
    with pytest.raises(g2r.ImageFileError, match="its pages can't be one stack"):
        read(tmp_path / "x.tif")


@pytest.mark.parametrize(
    "options", [{"photometric": "miniswhite"}, {"compression": "zlib", "predictor": True}], ids=str
)
def test_a_page_amid_others_that_is_stored_in_another_way(tmp_path, options):
    """tifffile compares pages 1, 7 and the last one with the first."""
    pages = RNG.integers(0, 256, (12, 40, 50), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for k, page in enumerate(pages):
            file.write(page, metadata=None, **(options if k == 5 else {}))
    image = read(tmp_path / "x.tif")
    assert image.layout == "NHW"
    expected = pages.copy()
    if "photometric" in options:
        expected[5] = 255 - pages[5]
    np.testing.assert_array_equal(image.array, expected)
    np.testing.assert_array_equal(read(tmp_path / "x.tif", index=5).array, expected[5])


def test_without_photometric_interpretation(tmp_path):
    gray = drop_tag(write(tmp_path / "x.tif", BYTES), 262)
    image = read(gray)
    np.testing.assert_array_equal(image.array, BYTES)
    assert image.notes == ("it states no PhotometricInterpretation, and is read as MINISBLACK",)
    color = np.dstack([BYTES, BYTES[::-1], BYTES[:, ::-1]])
    image = read(drop_tag(write(tmp_path / "y.tif", color, photometric="rgb"), 262))
    np.testing.assert_array_equal(image.array, color)
    fax = tmp_path / "fax.tif"
    PIL.Image.fromarray(BYTES > 99).save(fax, compression="group4")
    np.testing.assert_array_equal(read(drop_tag(fax, 262)).array, read(fax).array)


@pytest.mark.parametrize(
    ("photometric", "samples"), [(2, 1), (2, 2), (6, 1), (0, 2), (1, 2), (3, 2)]
)
def test_samples_that_contradict_the_colors(tmp_path, photometric, samples):
    pixels = np.dstack([BYTES] * samples) if samples > 1 else BYTES
    options = {"planarconfig": "contig", "extrasamples": ["unassalpha"]} if samples > 1 else {}
    path = write(tmp_path / "x.tif", pixels, photometric="minisblack", metadata=None, **options)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["PhotometricInterpretation"].overwrite(photometric)
        if photometric in (0, 1, 3):
            file.pages[0].tags["ExtraSamples"].overwrite((2, 2))
    with pytest.raises(g2r.ImageFileError, match=r"contradict each other|neither gray nor RGB"):
        read(path)


@pytest.mark.parametrize(
    ("extra", "told"), [([0], True), ([2], False), ([2, 0], True), ([0, 0], True)]
)
def test_further_samples_beside_colors(tmp_path, extra, told):
    pixels = np.dstack([BYTES] * (3 + len(extra)))
    path = write(tmp_path / "x.tif", pixels, photometric="rgb", extrasamples=extra)
    image = read(path)
    np.testing.assert_array_equal(image.array, pixels)
    assert image.layout == "HWC"
    assert any("isn't stated" in note for note in image.notes) == told


# Ranges


@pytest.mark.parametrize("tag", [280, 281, 340, 341])
@pytest.mark.parametrize("kind", [1, 2, 3, 5, 6, 7, 11, 12])
def test_sample_values_of_any_type(tmp_path, kind, tag):
    value = {2: "abc", 5: (255, 1), 7: b"\xff\xff\xff"}.get(kind, 1)
    pixels = np.dstack([BYTES] * 3)
    count = 3 if kind == 7 else 1
    path = write(
        tmp_path / "x.tif", pixels, photometric="rgb", metadata=None,
        extratags=[(tag, kind, 0 if kind == 2 else count, value, True)],
    )  # fmt: skip
    np.testing.assert_array_equal(read(path).array, pixels)


@deep
def test_imagejs_display_range(tmp_path):
    def of(pixels, **metadata):
        path = write(tmp_path / "x.tif", pixels, imagej=True, metadata=metadata)
        image = read(path)
        np.testing.assert_array_equal(image.array, pixels)
        return image.value_range

    assert of((DEEP / 65535).astype(np.float32), min=0.0, max=0.5) == (0, 0.5)
    assert of(DEEP, min=100.0, max=4095.0) == (100, 4095)
    assert of(DEEP, min=4095.0, max=100.0) == (0, 65535)
    assert of(DEEP) == (0, 65535)
    assert of(BYTES, min=10.0, max=20.0) == (0, 255)  # 8 bits are a range of their own
    assert of(np.stack([DEEP] * 2), axes="CYX", min=1.0, max=9.0) == (0, 65535)  # one channel's
    assert of(np.stack([DEEP] * 2), axes="CYX", Ranges=(1.0, 9.0, 1.0, 9.0)) == (1, 9)
    assert of(np.stack([DEEP] * 2), axes="CYX", Ranges=(1.0, 9.0, 1.0, 8.0)) == (0, 65535)


# Orientation


# As PIL.ImageOps.exif_transpose turns them
TRANSPOSE = dict(enumerate((PIL.Image.Transpose(n) for n in (0, 3, 1, 5, 4, 6, 2)), 2))


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("color", [False, True])
def test_orientation(tmp_path, value, color):
    pixels = np.dstack([BYTES, BYTES // 2, BYTES // 3]) if color else BYTES
    path = write(tmp_path / "x.tif", pixels, extratags=[(274, "H", 1, value, True)])
    kept, turned = read(path), read(path, orientation="apply")
    np.testing.assert_array_equal(kept.array, pixels)
    upright = PIL.Image.fromarray(pixels)
    if value > 1:
        upright = upright.transpose(TRANSPOSE[value])
    np.testing.assert_array_equal(turned.array, np.asarray(upright))
    assert (kept.orientation, turned.orientation) == (value, 1)
    told = any("isn't applied" in note for note in kept.notes)
    assert told == (value != 1)
    assert any("as TIFF orientation" in note for note in turned.notes) == told


@pytest.mark.parametrize("count", [2, 5])
def test_pages_that_are_turned_in_different_ways(tmp_path, count):
    """tifffile looks only at some pages, and reads the others in the way of the first."""
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for k in range(count):
            turned = 6 if k == count - 1 else 1
            file.write(BYTES, extratags=[(274, "H", 1, turned, True)], metadata=None)
    with pytest.raises(g2r.ImageFileError, match=r"can't be one stack.*index=0"):
        read(tmp_path / "x.tif")
    last = read(tmp_path / "x.tif", index=count - 1, orientation="apply")
    np.testing.assert_array_equal(last.array, np.rot90(BYTES, -1))


def test_an_orientation_that_there_is_not(tmp_path):
    path = write(tmp_path / "x.tif", BYTES, extratags=[(274, "H", 1, 9, True)])
    image = read(path, orientation="apply")
    np.testing.assert_array_equal(image.array, BYTES)
    assert any("orientation 9 is none of 1 to 8" in note for note in image.notes)


@pytest.mark.parametrize("by_imagej", [False, True])
def test_a_stated_range_beyond_8_bits(tmp_path, by_imagej):
    """Values of 8 bits under a range of more bits get a dtype that the verbs take."""
    pixels = np.arange(-128, 128, dtype=np.int8).reshape(16, 16)
    tags = [(340, "h", 1, -200, True), (341, "h", 1, 300, True)]
    if by_imagej:
        tags = [(270, "s", 0, "ImageJ=1.53\nimages=1\nmin=-200.0\nmax=300.0\n", True)]
    path = write(tmp_path / "x.tif", pixels, metadata=None, extratags=tags)
    image = g2r.io.read(path)
    assert image.value_range == (-200, 300)
    np.testing.assert_array_equal(image.array, pixels)
    expected = np.rint((pixels.astype(float) + 200) / 500 * 255)
    np.testing.assert_array_equal(g2r.to_uint8(*image), expected)
