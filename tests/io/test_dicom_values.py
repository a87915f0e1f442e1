"""DICOM: the values and their depth, from odd headers too."""

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000, JPEG2000Lossless

import graytorgb as g2r

from .scans import GRAY, SIGNED, item, read, replace, sequence, write

# Rescale


@pytest.mark.parametrize(
    ("slope", "intercept", "expected"),
    [
        (None, -1024, GRAY.astype(int) - 1024),
        ("", -1024, GRAY.astype(int) - 1024),
        (2, None, GRAY.astype(int) * 2),
        (2, "", GRAY.astype(int) * 2),
        (-1, None, -GRAY.astype(int)),
        (None, None, GRAY),
        ("", "", GRAY),
        ("0.5", None, GRAY / 2),
    ],
)
@pytest.mark.parametrize("grouped", [False, True])
def test_slope_and_intercept_have_their_own_defaults(path, slope, intercept, expected, grouped):
    elements = {"RescaleSlope": slope, "RescaleIntercept": intercept}
    elements = {keyword: value for keyword, value in elements.items() if value is not None}
    if grouped:
        group = item(PixelValueTransformationSequence=sequence(**elements))
        elements = {"SharedFunctionalGroupsSequence": pydicom.Sequence([group])}
    image = read(write(path, GRAY, BitsStored=12, **elements), window=None)
    np.testing.assert_array_equal(image.array, expected)
    assert image.value_range == (expected.min(), expected.max())


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
@pytest.mark.parametrize("text", ["nan  ", "inf  ", "-inf ", "abcde", "1,2,3", "1\\2  ", "1_0  "])
def test_a_rescale_that_is_no_number_is_named(path, keyword, text):
    elements = {"RescaleSlope": "1.11", "RescaleIntercept": "2.22", keyword: "17.25"}
    replace(write(path, GRAY, **elements), b"17.25", text.encode())
    with pytest.raises(g2r.ImageFileError, match=f"its {keyword}"):
        read(path)


def test_a_slope_of_0_is_named(path):
    for slope in ("0", "1e308"):
        with pytest.raises(g2r.ImageFileError, match="its RescaleSlope is"):
            read(write(path, GRAY, RescaleSlope=slope, RescaleIntercept=5))


def test_a_decimal_comma_is_read_and_told(path):
    write(path, GRAY, RescaleSlope="2.5", WindowCenter="1000.25", WindowWidth="500.75")
    for old in (b"2.5", b"1000.25", b"500.75"):
        replace(path, old, old.replace(b".", b","))
    image = read(path)
    np.testing.assert_array_equal(image.array, GRAY * 2.5)
    assert image.value_range == (1000.25 - 0.5 - 499.75 / 2, 1000.25 - 0.5 + 499.75 / 2)
    assert "RescaleSlope is '2,5' in the file, read as 2.5" in image.notes
    assert "WindowCenter is '1000,25' in the file, read as 1000.25" in image.notes


# The depth


@pytest.mark.parametrize(("stored", "high"), [(12, 15), (12, 14), (8, 15), (12, 10), (16, 11)])
def test_a_high_bit_elsewhere_is_refused(path, stored, high):
    shifted = (GRAY << 4).astype(np.uint16)
    with pytest.raises(g2r.ImageFileError, match=f"its HighBit is {high} and its BitsStored"):
        read(write(path, shifted, BitsStored=stored, HighBit=high))


def test_unused_bits_are_cut_off(path):
    """The unused bits may hold an overlay: PS3.5, 8.1.1 of 2004."""
    marks = np.random.default_rng(0).integers(0, 16, GRAY.shape, dtype=np.uint16) << 12
    image = read(write(path, GRAY | marks, BitsStored=12, HighBit=11))
    np.testing.assert_array_equal(image.array, GRAY)
    low = SIGNED.view(np.uint16) & 0xFFF
    image = read(write(path, low, BitsStored=12, HighBit=11, PixelRepresentation=1))
    np.testing.assert_array_equal(image.array, SIGNED)


@pytest.mark.parametrize("signed", [False, True])
def test_the_overshoot_of_a_lossy_codec_is_saturated(path, signed):
    rng = np.random.default_rng(0)
    pixels = np.where(rng.integers(0, 2, (6, 8)).repeat(8, 0).repeat(8, 1), 4095, 0)
    pixels = (pixels - 2048 * signed).astype(np.int16 if signed else np.uint16)
    frame = imagecodecs.jpeg2k_encode(pixels, 55, reversible=False, codecformat="j2k")
    decoded = imagecodecs.jpeg2k_decode(frame).astype(int)
    lo, hi = (-2048, 2047) if signed else (0, 4095)
    beyond = (decoded < lo) | (decoded > hi)
    assert beyond.sum() > 20
    write(path, pixels, frames=[frame], syntax=JPEG2000, BitsStored=12)
    image = read(path)
    np.testing.assert_array_equal(image.array, decoded.clip(lo, hi))
    assert image.value_range == (lo, hi)
    assert any(f"{beyond.sum():,} values that lossy" in note for note in image.notes)


def test_values_far_beyond_the_depth_are_refused(path):
    frame = imagecodecs.jpeg2k_encode(GRAY, 0, reversible=True, codecformat="j2k")
    for syntax, bits in [(JPEG2000, 11), (JPEG2000Lossless, 11), (JPEG2000Lossless, 8)]:
        write(path, GRAY, frames=[frame], syntax=syntax, BitsStored=bits)
        with pytest.raises(g2r.ImageFileError, match=f"it states {bits} bits, and its values"):
            read(path)


# What is missing


@pytest.mark.parametrize(
    "keyword",
    ["SamplesPerPixel", "BitsStored", "PixelRepresentation", "BitsAllocated", "Rows", "Columns",
     "PhotometricInterpretation"],
)  # fmt: skip
def test_a_missing_element_is_named(path, keyword):
    with pytest.raises(g2r.ImageFileError, match=f"it has no {keyword}"):
        read(write(path, GRAY, **{keyword: None}))


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("BitsStored", 17), ("BitsStored", 0), ("PixelRepresentation", 2), ("BitsAllocated", 12),
     ("Rows", 0), ("Columns", 0), ("Rows", [48, 48]), ("BitsStored", [12, 12])],
)  # fmt: skip
def test_an_impossible_element_is_named(path, keyword, value):
    elements = {"HighBit": None, keyword: value}
    with pytest.raises(g2r.ImageFileError, match=f"{keyword}|pixels") as caught:
        read(write(path, GRAY, **elements))
    assert "damaged" not in str(caught.value)


def test_a_missing_planar_configuration_is_named(path):
    rgb = np.stack([GRAY % 251, GRAY % 241, GRAY % 239], -1).astype(np.uint8)
    with pytest.raises(g2r.ImageFileError, match="its PlanarConfiguration is missing"):
        read(write(path, rgb, PlanarConfiguration=None))
    planes = np.ascontiguousarray(np.moveaxis(rgb, -1, 0)).tobytes()
    image = read(write(path, rgb, PlanarConfiguration=1, PixelData=planes))
    np.testing.assert_array_equal(image.array, rgb)
    frame = imagecodecs.jpeg2k_encode(rgb, 0, reversible=True, codecformat="j2k")
    write(path, rgb, frames=[frame], syntax=JPEG2000Lossless, PlanarConfiguration=None)
    np.testing.assert_array_equal(read(path).array, rgb)


def grouped(count):
    windows = [item(FrameVOILUTSequence=sequence(WindowCenter=40, WindowWidth=400))] * count
    rescale = sequence(RescaleSlope=2, RescaleIntercept=-100)
    slopes = [item(PixelValueTransformationSequence=rescale)] * count
    return pydicom.Sequence(windows), pydicom.Sequence(slopes)


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("index", [None, 0, 2])
def test_another_number_of_functional_groups_than_frames(path, count, index):
    pixels = np.stack([GRAY] * 3)
    says = f"PerFrameFunctionalGroupsSequence has {count} items, and 3 are expected"
    for groups in grouped(count):
        write(path, pixels, PerFrameFunctionalGroupsSequence=groups)
        with pytest.raises(g2r.ImageFileError, match=says):
            read(path, index=index)
    assert read(write(path, pixels, PerFrameFunctionalGroupsSequence=grouped(3)[0]))


TABLE = {"LUTDescriptor": [4096, 0, 16], "LUTData": list(range(4096))}
ODD_TABLES = [
    ({"LUTDescriptor": None}, "has no LUTDescriptor"),
    ({"LUTDescriptor": [4096, 0]}, "has LUTDescriptor"),
    ({"LUTDescriptor": [4096, 0, 32]}, "has entries of 32 bits"),
    ({"LUTData": None}, "has no LUTData"),
    ({"LUTData": list(range(100))}, "states 4096 entries, and its LUTData has 100"),
]


@pytest.mark.parametrize(("change", "says"), ODD_TABLES)
@pytest.mark.parametrize("keyword", ["ModalityLUTSequence", "VOILUTSequence"])
def test_a_table_that_lacks_something_is_named(path, keyword, change, says):
    table = pydicom.Dataset()
    for name, value in {**TABLE, **change}.items():
        if value is not None:
            table.add_new(name, "US", value)
    write(path, GRAY, **{keyword: pydicom.Sequence([table])})
    with pytest.raises(g2r.ImageFileError, match=f"its {keyword} {says}") as caught:
        read(path)
    if keyword == "VOILUTSequence":
        assert "window=None" in str(caught.value)
        np.testing.assert_array_equal(read(path, window=None).array, GRAY)


def test_a_slope_that_is_lost_beside_its_intercept_is_named(path):
    with pytest.raises(g2r.ImageFileError, match="its RescaleSlope is 1e-30, which float64 loses"):
        read(write(path, GRAY, RescaleSlope="1e-30", RescaleIntercept="-1024"))
    image = read(write(path, GRAY, RescaleSlope="1e-30"))
    assert image.value_range[1] == pytest.approx(65535e-30)


@pytest.mark.parametrize("frames", ["", "0"])
def test_an_empty_number_of_frames(path, frames):
    """pydicom warns of such a number, and warnings are errors here."""
    np.testing.assert_array_equal(read(write(path, GRAY, NumberOfFrames=frames)).array, GRAY)


@pytest.mark.parametrize("keyword", ["ModalityLUTSequence", "VOILUTSequence"])
@pytest.mark.parametrize("kind", ["US", "OW"])
def test_a_table_deeper_than_it_states(path, keyword, kind):
    entries = np.arange(4096, dtype=np.uint16)
    for bits, fits in ((8, False), (11, False), (12, True), (16, True)):
        table = sequence(LUTDescriptor=[4096, 0, bits])
        table[0].add_new("LUTData", kind, entries.tobytes() if kind == "OW" else entries.tolist())
        write(path, GRAY, BitsStored=12, **{keyword: table})
        if fits:
            np.testing.assert_array_equal(read(path).array, GRAY)
            continue
        with pytest.raises(
            g2r.ImageFileError, match=f"states entries of {bits} bits, and one"
        ) as c:
            read(path)
        assert ("read(path, window=None)" in str(c.value)) == (keyword == "VOILUTSequence")
