"""DICOM: the range that becomes black and white, and which end is white."""

import numpy as np
import pytest
from pydicom.uid import ImplicitVRLittleEndian

import graytorgb as g2r
from graytorgb.io.request import CT_WINDOWS

from .scans import GRAY, SIGNED, ramp, read, replace, scan, write

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
    ("colors", "shape", "orientation"),
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
    """INVERSE inverts once, with MONOCHROME1, where the standard has it, and without."""
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
    """An implicit file doesn't say which element is text."""
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
