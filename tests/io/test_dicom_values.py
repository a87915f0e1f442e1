"""DICOM: the values, their range and which way round they are, from odd headers too."""

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_color_lut
from pydicom.uid import JPEG2000, ImplicitVRLittleEndian, JPEG2000Lossless

import graytorgb as g2r
from graytorgb.io.image import CT_WINDOWS

from .scans import ramp, read, replace, scan, write

GRAY = ramp()
SIGNED = (GRAY.astype(np.int16) - 2048).astype(np.int16)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.dcm"


def item(**elements):
    dataset = pydicom.Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def sequence(**elements):
    return pydicom.Sequence([item(**elements)])


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


# Windows


@pytest.mark.parametrize("text", [b"nan ", b"inf ", b"a,b ", b"4..0", b"4_0 "])
@pytest.mark.parametrize("keyword", ["WindowCenter", "WindowWidth"])
def test_a_window_that_is_no_number_is_named(path, keyword, text):
    elements = {"WindowCenter": "40", "WindowWidth": "400", keyword: "7.25"}
    replace(write(path, GRAY, BitsStored=12, **elements), b"7.25", text)
    says = rf"its {keyword} is .*; read\(path, window=None\) ignores it"
    with pytest.raises(g2r.ImageFileError, match=says):
        read(path)
    for window in (None, (100, 200)):
        image = read(path, window=window)
        np.testing.assert_array_equal(image.array, GRAY)
        assert any(keyword in note for note in image.notes)


@pytest.mark.parametrize(
    ("centers", "widths", "value_range"),
    [
        (["40", "50"], ["400"], (-160, 239)),
        (["40"], ["400", "500"], (-160, 239)),
        (["40", ""], ["400", ""], (-160, 239)),
        (["40"], "", (0, 4095)),
        ("", "", (0, 4095)),
        (None, ["400"], (0, 4095)),
    ],
)
def test_centers_and_widths_that_differ_in_number(path, centers, widths, value_range):
    image = read(write(path, GRAY, BitsStored=12, WindowCenter=centers, WindowWidth=widths))
    assert image.value_range == value_range
    differ = sum(map(bool, centers or [])) != sum(map(bool, widths or []))
    assert any("only pairs are windows" in note for note in image.notes) == differ


@pytest.mark.parametrize("center", [0, 0.5, 1, 1000, 1000.5, -3.25, 4095, 1e6])
@pytest.mark.parametrize("slope", ["1", "-1", "0.001", "1000"])
@pytest.mark.parametrize("colors", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.filterwarnings("ignore:more than half of an image is above")
def test_a_window_of_width_1_is_a_threshold(path, center, slope, colors):
    elements = {"PhotometricInterpretation": colors, "RescaleSlope": slope}
    write(path, SIGNED, WindowCenter=center, WindowWidth=1, **elements)
    image = read(path)
    lo, hi = image.value_range
    assert lo < hi
    white = SIGNED * float(slope) > center - 0.5
    if colors == "MONOCHROME1":
        white = ~white
    np.testing.assert_array_equal(g2r.to_uint8(*image), np.where(white, 255, 0))
    assert read(path, window=(center, 1)).value_range == (lo, hi)


# Which way round


@pytest.mark.parametrize(
    ("colors", "shape", "turned"),
    [
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", "IDENTITY", True),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", None, False),
    ],
)
def test_presentation_lut_shape(path, colors, shape, turned):
    """INVERSE turns once, be it beside MONOCHROME1, with which the standard has it, or not."""
    elements = {"PhotometricInterpretation": colors, "PresentationLUTShape": shape}
    image = read(write(path, GRAY, BitsStored=12, **elements))
    np.testing.assert_array_equal(image.array, 4095 - GRAY if turned else GRAY)
    assert any(note.startswith("inverted") for note in image.notes) == turned
    told = any("PresentationLUTShape" in note for note in image.notes)
    assert told == ((colors, shape) in [("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "IDENTITY")])


def test_floats_are_inverted_within_the_callers_range(path):
    floats = np.linspace(-1, 3, 48 * 64, dtype=np.float32).reshape(48, 64)
    write(path, floats, PhotometricInterpretation="MONOCHROME1")
    with pytest.raises(g2r.ImageFileError, match=r"value_range=\(lo, hi\)\) inverts it within"):
        read(path)
    for value_range, total in [((0, 2), 2), ((-1.5, 5), 3.5), ("minmax", 2), ("dtype", 1),
                               (("percentile", 1, 99), 2)]:  # fmt: skip
        image = read(path, value_range=value_range)
        np.testing.assert_allclose(image.array, np.float32(total) - floats, atol=1e-6)
        assert image.value_range == value_range
    plain = read(write(path, floats), value_range=(0, 2))
    turned = read(write(path, floats, PhotometricInterpretation="MONOCHROME1"), value_range=(0, 2))
    levels = g2r.to_uint8(*turned).astype(int) + g2r.to_uint8(*plain)
    assert np.abs(levels - 255).max() <= 1


@pytest.mark.filterwarnings("ignore:more than half of an image is above")
def test_signed_values_are_inverted(path):
    write(path, SIGNED, PhotometricInterpretation="MONOCHROME1", BitsStored=12)
    for options in ({}, {"value_range": "minmax"}, {"window": None}):
        image = read(path, **options)
        np.testing.assert_array_equal(image.array, -1 - SIGNED.astype(int))
    assert image.value_range == (-2048, 2047)
    for lo, hi in [(-100, 100), (0, 1000), (-3000, -1000), (0, 32767)]:
        image = read(path, value_range=(lo, hi))
        plain = read(
            write(path.with_name("plain.dcm"), SIGNED, BitsStored=12), value_range=(lo, hi)
        )
        assert image.value_range == (lo, hi)
        levels = g2r.to_uint8(*image).astype(int) + g2r.to_uint8(*plain)
        assert np.abs(levels - 255).max() <= 1
    with pytest.raises(g2r.ImageFileError, match=r"lo \+ hi has to be a whole number"):
        read(path, value_range=(0, 0.5))


# The depth


@pytest.mark.parametrize(("stored", "high"), [(12, 15), (12, 14), (8, 15), (12, 10), (16, 11)])
def test_a_high_bit_elsewhere_is_refused(path, stored, high):
    shifted = (GRAY << 4).astype(np.uint16)
    with pytest.raises(g2r.ImageFileError, match=f"its HighBit is {high} and its BitsStored"):
        read(write(path, shifted, BitsStored=stored, HighBit=high))


def test_unused_bits_are_cut_off(path):
    """Overlays were kept in them: PS3.5, 8.1.1 of 2004."""
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


# Palettes


def with_palette(path, *, bits, cells, change=None):
    tables = np.random.default_rng(0).integers(0, 1 << bits, (3, 256))
    elements = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        elements[f"{name}PaletteColorLookupTableData"] = table.astype(f"<u{cells // 8}").tobytes()
    indices = (GRAY // 16).astype(np.uint8)
    return write(path, indices, **elements | (change or {})), indices, tables


@pytest.mark.parametrize(("bits", "cells"), [(8, 8), (16, 16), (8, 16)])
def test_palettes(path, bits, cells):
    _, indices, tables = with_palette(path, bits=bits, cells=cells)
    image = read(path)
    np.testing.assert_array_equal(image.array, np.moveaxis(tables[:, indices], 0, -1))
    np.testing.assert_array_equal(image.array, apply_color_lut(indices, pydicom.dcmread(path)))
    assert image.value_range == (0, (1 << bits) - 1)
    assert image.layout == "HWC"


@pytest.mark.parametrize(
    "change",
    [
        {"RedPaletteColorLookupTableDescriptor": None},
        {"BluePaletteColorLookupTableDescriptor": [256, 0, 8, 1]},
        {"BluePaletteColorLookupTableDescriptor": [255, 0, 8]},
        {"GreenPaletteColorLookupTableDescriptor": [256, 0, 12]},
        {"GreenPaletteColorLookupTableData": None},
        {"GreenPaletteColorLookupTableData": bytes(100)},
    ],
)
def test_an_odd_palette_is_named(path, change):
    with_palette(path, bits=8, cells=8, change=change)
    with pytest.raises(g2r.ImageFileError, match=r"Palette|palette") as caught:
        read(path)
    assert "damaged" not in str(caught.value)


def test_indices_beyond_a_palette_take_its_ends(path):
    with_palette(path, bits=8, cells=8)
    dataset = pydicom.dcmread(path)
    tables = [np.frombuffer(dataset[f"{name}PaletteColorLookupTableData"].value, np.uint8)
              for name in ("Red", "Green", "Blue")]  # fmt: skip
    elements = {element.keyword: element.value for element in dataset if "Palette" in element.name}
    for name in ("Red", "Green", "Blue"):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 100, 8]
    elements["PhotometricInterpretation"] = "PALETTE COLOR"
    image = read(write(path, GRAY, **elements))
    expected = np.stack(tables, -1)[np.clip(GRAY.astype(int) - 100, 0, 255)]
    np.testing.assert_array_equal(image.array, expected)


def test_segmented_palettes(path):
    """Segments of PS3.3, C.7.9.2: one entry, then a line; and what would take gigabytes."""
    segments = np.array([0, 1, 0, 1, 255, 65535], np.uint16)
    elements = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name in ("Red", "Green", "Blue"):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        elements[f"Segmented{name}PaletteColorLookupTableData"] = segments.tobytes()
    indices = (GRAY // 16).astype(np.uint8)
    image = read(write(path, indices, **elements))
    np.testing.assert_array_equal(image.array[..., 0], indices.astype(np.uint16) * 257)
    bomb = np.tile(np.array([1, 65535, 0], np.uint16), 20_000)
    bomb[:3] = [0, 1, 0]
    elements["SegmentedBluePaletteColorLookupTableData"] = bomb.tobytes()
    with pytest.raises(g2r.ImageFileError, match="expands to more than"):
        read(write(path, indices, **elements))


# CT


def test_ct_windows_by_name(path):
    path = scan("CT_small.dcm")
    assert set(CT_WINDOWS) == {"lung", "bone", "brain", "abdomen", "soft tissue"}
    for name, window in CT_WINDOWS.items():
        named, own = read(path, window=name), read(path, window=window)
        np.testing.assert_array_equal(named.array, own.array)
        assert named.value_range == own.value_range
        assert name in named.range_source
        assert len(np.unique(g2r.to_uint8(*named))) > 40
    assert read(path, window="lung").value_range == (-1350, 149)
    assert read(path, window="brain").value_range == (0, 79)


def test_the_warning_names_them(path):
    with pytest.warns(UserWarning, match='read.path, window="lung", "bone", "brain", "abdomen",'):
        g2r.io.read(scan("CT_small.dcm"))
    write(path, GRAY, Modality="MR")
    with pytest.warns(UserWarning, match=r"read\(path, window=\(center, width\)\)"):
        g2r.io.read(write(path, GRAY // 4, Modality="MR"))


@pytest.mark.parametrize(
    ("elements", "fits"),
    [
        ({"Modality": "CT", "RescaleIntercept": -1024}, True),
        ({"Modality": "CT", "RescaleIntercept": -1024, "RescaleType": "HU"}, True),
        ({"Modality": "CT", "RescaleIntercept": -1024, "RescaleType": "US"}, False),
        ({"Modality": "CT"}, False),
        ({"Modality": "MR", "RescaleIntercept": -1024}, False),
        ({"Modality": None, "RescaleIntercept": -1024}, False),
    ],
)
@pytest.mark.parametrize("name", CT_WINDOWS)
def test_ct_windows_are_for_hounsfield_units(path, elements, fits, name):
    write(path, GRAY, **elements)
    if fits:
        assert name in read(path, window=name).range_source
        return
    with pytest.raises(g2r.LevelsError, match=f'window="{name}" is for CT in Hounsfield units'):
        read(path, window=name)


def test_ct_windows_are_for_dicom(tmp_path):
    np.save(tmp_path / "x.npy", GRAY)
    with pytest.raises(g2r.LevelsError, match="a window is DICOM's"):
        read(tmp_path / "x.npy", window="lung")
    with pytest.raises(g2r.LevelsError, match='"lung", "bone", "brain", "abdomen", "soft tissue"'):
        read(scan("CT_small.dcm"), window="liver")


def test_implicit_value_representations(path):
    """Where the file doesn't say which element is text."""
    write(path, GRAY, syntax=ImplicitVRLittleEndian, RescaleIntercept="-1024.5",
          WindowCenter=["40", "60"], WindowWidth=["400", "100"])  # fmt: skip
    image = read(path)
    np.testing.assert_array_equal(image.array, GRAY - 1024.5)
    assert image.value_range == (-160, 239)
    assert "windows in the file: (40, 400); (60, 100)" in image.notes


# Windows of more than 8 bits on values of 8


@pytest.mark.filterwarnings("ignore:more than half:UserWarning")
@pytest.mark.parametrize("colors", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("stated", ["file", "caller"])
@pytest.mark.parametrize(
    ("center", "width", "widened"),
    [(128, 300, True), (128, 4096, True), (300, 20, True), (-1000, 2, True), (128, 256, False)],
)
def test_a_window_beyond_8_bits(path, colors, signed, stated, center, width, widened):
    pixels = ramp(16, 16, np.uint8, 255)
    if signed:
        pixels = (pixels.astype(np.int16) - 128).astype(np.int8)
        center -= 128
    elements = {"WindowCenter": center, "WindowWidth": width} if stated == "file" else {}
    write(path, pixels, PhotometricInterpretation=colors, **elements)
    image = read(path, window="file" if stated == "file" else (center, width))
    plain = read(path, window=None)
    assert plain.array.dtype == pixels.dtype
    np.testing.assert_array_equal(image.array, plain.array)
    lo, hi = image.value_range
    if not widened:
        assert image.array.dtype == pixels.dtype
    exact = np.clip((image.array.astype(float) - lo) / (hi - lo), 0, 1) * 255
    np.testing.assert_allclose(g2r.to_uint8(*image), exact, atol=0.5 + 1e-9)
    prepared = g2r.prepare(image.array, (0, 1), value_range=image.value_range)
    np.testing.assert_allclose(prepared[..., 0], exact / 255, atol=1e-6)


def test_a_widened_image_keeps_to_the_limit(path):
    write(path, ramp(16, 16, np.uint8, 255), WindowCenter=128, WindowWidth=300)
    assert read(path, limit=512).array.nbytes == 512
    with pytest.raises(g2r.ImageFileError, match="the limit is 511"):
        read(path, limit=511)
    assert read(path, limit=256, value_range=(0, 255)).array.dtype == np.uint8


@pytest.mark.parametrize("colors", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("width", ["1e19", "1e20", "1e200"])
def test_a_window_wider_than_any_integer(path, width, colors):
    image = read(
        write(path, GRAY, WindowCenter="0", WindowWidth=width, PhotometricInterpretation=colors)
    )
    lo, hi = image.value_range
    assert hi - lo == pytest.approx(float(width))
    assert set(np.unique(g2r.to_uint8(*image))) <= {127, 128}


def test_a_slope_that_is_lost_beside_its_intercept_is_named(path):
    with pytest.raises(g2r.ImageFileError, match="its RescaleSlope is 1e-30, which float64 loses"):
        read(write(path, GRAY, RescaleSlope="1e-30", RescaleIntercept="-1024"))
    image = read(write(path, GRAY, RescaleSlope="1e-30"))
    assert image.value_range[1] == pytest.approx(65535e-30)


@pytest.mark.parametrize("frames", ["", "0"])
def test_an_empty_number_of_frames(path, frames):
    """pydicom warns of it, and warnings are errors here."""
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
