"""DICOM: the values, the windows and the functional groups, beside what pydicom gives."""

import warnings

import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.pixels import apply_color_lut, apply_rescale, apply_voi_lut, apply_windowing
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

import graytorgb as g2r
from graytorgb.io import read

from ..support import needs_package, run_python
from .images import (
    CAMERA,
    SCANS,
    assert_read,
    deep,
    odd,
    save,
)
from .scans import scan


def test_every_dicom_file_of_pydicoms_against_pydicom():
    """The values are pydicom's, rescaled or looked up; a file that it can't read is named."""
    needs_package("gdcm")  # with which pydicom decodes all that is read here
    read_, refused = [], []
    for path in sorted(SCANS.rglob("*")):
        if not path.is_file() or path.read_bytes()[128:132] != b"DICM":
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = pydicom_values(path)
            except Exception:
                if path.name in ("JPEG-lossy.dcm", "JPGExtended.dcm"):
                    continue  # JPEG of 12 bits, which pydicom lacks: tests/io/test_dicom_frames.py
                with pytest.raises(g2r.ImageFileError, match=path.name.replace("+", r"\+")):
                    read(path)
                refused.append(path.name)
                continue
            image = read(path, window=None)
        np.testing.assert_array_equal(image.array, expected, err_msg=str(path))
        shape = "N" * ("frames" in image.mode) + "HW" + "C" * (expected.shape[-1] == 3)
        assert image.layout == shape
        lo, hi = image.value_range
        assert lo <= image.array.min() <= image.array.max() <= hi
        read_.append(path.name)
    assert len(read_) >= 95, refused
    assert "MR_truncated.dcm" in refused


def pydicom_values(path):
    dataset = pydicom.dcmread(path)
    colors = dataset.PhotometricInterpretation
    if colors == "PALETTE COLOR":
        return apply_color_lut(dataset.pixel_array, dataset)
    if not colors.startswith("MONO"):
        return dataset.pixel_array
    values = apply_rescale(dataset.pixel_array, dataset)
    if colors == "MONOCHROME1":
        ends = apply_rescale(np.array([0, (1 << dataset.BitsStored) - 1]), dataset)
        values = ends.sum() - values
    return values


def shown_by_pydicom(path, **changes):
    """Return the values from 0 to 1, in the window that pydicom applies."""
    dataset = pydicom.dcmread(path)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    values = apply_rescale(dataset.pixel_array, dataset)
    full = apply_rescale(limits(dataset), dataset)
    shown = (apply_windowing(values, dataset) - full[0]) / (full[1] - full[0])
    return 1 - shown if dataset.PhotometricInterpretation == "MONOCHROME1" else shown


def limits(dataset):
    span = 1 << dataset.BitsStored
    return np.array([0, span - 1]) - (span // 2 if dataset.PixelRepresentation else 0)


WINDOWED = ["MR_small.dcm", "examples_overlay.dcm", "693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm"]


def assert_shown(image, expected):
    """Check that to_uint8 gives the expected image within half a level."""
    result = g2r.to_uint8(*image)
    assert np.abs(result - 255 * expected).max() <= 0.5 + 1e-6
    assert len(np.unique(result)) > 8


@odd
@deep
@pytest.mark.parametrize("name", WINDOWED)
def test_the_window_in_the_file(name):
    image = read(scan(name))
    np.testing.assert_array_equal(image.array, read(scan(name), window=None).array)
    assert "the window in the file" in image.range_source
    assert_shown(image, shown_by_pydicom(scan(name)))


@odd
def test_monochrome1_is_inverted_window_and_all():
    paths = [p for p in SCANS.rglob("*") if p.name in ("6154", "6247", "6278")]
    assert len(paths) == 3
    for path in paths:
        assert pydicom.dcmread(path).PhotometricInterpretation == "MONOCHROME1"
        image = read(path)
        assert "MONOCHROME1" in image.notes[0]
        assert_shown(image, shown_by_pydicom(path))


@odd
@pytest.mark.filterwarnings("ignore:more than half of an image is above")
@pytest.mark.parametrize("window", [(40, 400), (0, 1), (-600.5, 1500.25), (50.5, 1)])
def test_a_window_of_ones_own(window):
    center, width = window
    expected = shown_by_pydicom(scan("CT_small.dcm"), WindowCenter=center, WindowWidth=width)
    image = read(scan("CT_small.dcm"), window=window)
    result = g2r.to_uint8(*image)
    assert np.abs(result - 255 * expected).max() <= 0.5 + 1e-6
    assert image.array.min() == -896
    assert image.array.max() == 1167  # nothing is clipped but by to_uint8


@pytest.mark.parametrize("colors", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("function", ["LINEAR_EXACT", "SIGMOID"])
def test_other_functions_of_a_window(ct, function, colors):
    changes = {"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": function}
    changes["PhotometricInterpretation"] = colors
    image = read(ct(**changes))
    assert function in image.range_source
    assert_shown(image, shown_by_pydicom(scan("CT_small.dcm"), **changes))


def test_windows_that_cannot_be(ct):
    for changes, says in [
        ({"WindowCenter": 40, "WindowWidth": 0}, "width 0 is void"),
        ({"WindowCenter": 40, "WindowWidth": 0.5}, "width 0.5 is void"),
        ({"WindowCenter": None, "WindowWidth": None}, "16 bits stored"),
    ]:
        with pytest.warns(UserWarning, match="its depth alone"):
            image = read(ct(**changes))
        assert image.range_source.endswith(says)
        assert image.value_range == (-33792, 31743)
    with pytest.raises(g2r.ImageFileError, match="'CUBIC' is unknown"):
        read(ct(WindowCenter=40, WindowWidth=400, VOILUTFunction="CUBIC"))


def lut(entries, first, bits):
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "US" if first >= 0 else "SS", [len(entries), first, bits])
    item.add_new("LUTData", "US", [int(v) for v in entries])
    item.LUTExplanation = "ours"
    return pydicom.Sequence([item])


@deep
@pytest.mark.parametrize(("bits", "entries"), [(16, 4096), (12, 4096), (8, 256), (8, 4096)])
def test_voi_lut(ct, bits, entries):
    rng = np.random.default_rng(bits)
    table = np.sort(rng.integers(0, 1 << bits, entries))
    path = ct(VOILUTSequence=lut(table, 0, bits), WindowCenter=40, WindowWidth=400)
    image = read(path)
    values = read(path, window=None).array
    np.testing.assert_array_equal(image.array, table[np.clip(values, 0, entries - 1)])
    assert image.value_range == (0, (1 << bits) - 1)
    assert image.range_source == "the VOI LUT in the file, ours"
    path = ct(VOILUTSequence=lut(table, 0, bits), PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read(path).array, (1 << bits) - 1 - image.array)
    path = ct(VOILUTSequence=lut(table, 0, bits))
    if bits > 8:  # in 8 bits the indices of pydicom wrap round
        np.testing.assert_array_equal(image.array, apply_voi_lut(values, pydicom.dcmread(path)))


@deep
@pytest.mark.parametrize("first", [0, 200, -100])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_modality_lut(ct, bits, first):
    table = np.sort(np.random.default_rng(bits).integers(0, 1 << bits, 4096))
    path = ct(ModalityLUTSequence=lut(table, first, bits))
    image = read(path, window=(100, 200))
    stored = pydicom.dcmread(path).pixel_array.astype(int)
    np.testing.assert_array_equal(image.array, table[np.clip(stored - first, 0, 4095)])
    assert image.value_range == (0, 199)
    assert read(path, window=None).value_range == (0, (1 << bits) - 1)


def test_a_lut_of_words(ct):
    """LUTData may be OW: bytes, in the file's order."""
    table = np.arange(4096, dtype="<u2") * 16
    sequence = lut([0], 0, 16)
    sequence[0].LUTDescriptor = [4096, 0, 16]
    sequence[0]["LUTData"] = pydicom.DataElement("LUTData", "OW", table.tobytes())
    image = read(ct(VOILUTSequence=sequence))
    values = read(scan("CT_small.dcm"), window=(0, 400)).array
    np.testing.assert_array_equal(image.array, table[np.clip(values, 0, 4095)])


def test_rescale_keeps_integers_and_is_exact_with_fractions(ct):
    whole = read(ct(RescaleSlope=2, RescaleIntercept=-1024), window=(0, 400))
    assert whole.array.dtype == np.int32
    path = ct(RescaleSlope="0.37", RescaleIntercept="-3.5")
    with pytest.warns(UserWarning, match="its depth alone"):
        image = read(path)
    dataset = pydicom.dcmread(path)
    np.testing.assert_array_equal(image.array, apply_rescale(dataset.pixel_array, dataset))
    np.testing.assert_allclose(image.value_range, np.array([-32768, 32767]) * 0.37 - 3.5)
    negative = read(ct(RescaleSlope=-1, RescaleIntercept=0), window=None, value_range="minmax")
    np.testing.assert_array_equal(negative.array, -dataset.pixel_array.astype(int))
    with pytest.raises(g2r.ImageFileError, match="RescaleSlope is 0"):
        read(ct(RescaleSlope=0, RescaleIntercept=0))


def enhanced(tmp_path, *, slopes=(1, 1), windows=((40, 400), (40, 400)), shared=False):
    """Write a CT of two frames that keeps rescale and window in functional groups."""
    dataset = pydicom.dcmread(scan("CT_small.dcm"))
    stored = dataset.pixel_array
    dataset.NumberOfFrames = 2
    dataset.PixelData = np.stack([stored, stored[::-1]]).tobytes()
    del dataset.RescaleSlope, dataset.RescaleIntercept
    groups = []
    for slope, (center, width) in zip(slopes, windows, strict=True):
        rescale, window, group = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept = slope, -1024
        window.WindowCenter, window.WindowWidth = center, width
        group.PixelValueTransformationSequence = pydicom.Sequence([rescale])
        group.FrameVOILUTSequence = pydicom.Sequence([window])
        groups.append(group)
    if shared:
        dataset.SharedFunctionalGroupsSequence = pydicom.Sequence(groups[:1])
    else:
        dataset.PerFrameFunctionalGroupsSequence = pydicom.Sequence(groups)
    dataset.save_as(tmp_path / "enhanced.dcm")
    return tmp_path / "enhanced.dcm", np.stack([stored, stored[::-1]]), groups


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("slopes", [(1, 1), (0.5, 2)])
def test_functional_groups(tmp_path, slopes, shared):
    path, stored, groups = enhanced(tmp_path, slopes=slopes, shared=shared)
    items = [group.PixelValueTransformationSequence[0] for group in groups]
    if shared:
        items = [items[0]] * 2
    expected = np.stack([apply_rescale(s, i) for s, i in zip(stored, items, strict=True)])
    image = read(path)
    np.testing.assert_array_equal(image.array, expected)
    assert image.layout == "NHW"
    assert image.value_range == (-160, 239)
    for index in (0, 1):
        one = read(path, index=index)
        np.testing.assert_array_equal(one.array, expected[index])
        assert one.layout == "HW"


def test_frames_with_different_windows(tmp_path):
    path, _, _ = enhanced(tmp_path, windows=((40, 400), (-600, 1500)))
    image = read(path)
    assert image.value_range is None
    with pytest.raises(g2r.LevelsError, match="the frames have different windows"):
        g2r.to_uint8(*image)
    assert read(path, index=0).value_range == (-160, 239)
    assert read(path, index=1).value_range == (-1350, 149)
    assert read(path, window=(0, 101)).value_range == (-50.5, 49.5)


def test_floats(ct):
    """Parametric maps have FloatPixelData, of 32 bits."""
    dataset = pydicom.dcmread(scan("CT_small.dcm"))
    pixels = np.linspace(-1, 1, 128 * 128, dtype=np.float32).reshape(128, 128)
    for keyword in ("PixelData", "BitsStored", "HighBit", "RescaleSlope", "RescaleIntercept"):
        del dataset[keyword]
    dataset.BitsAllocated = 32
    dataset.FloatPixelData = pixels.tobytes()
    path = ct()
    dataset.save_as(path)
    image = read(path)
    np.testing.assert_array_equal(image.array, pixels)
    assert image.value_range is None
    assert read(path, window=(0, 2)).value_range == (-1, 0)


def test_frames_of_which_some_have_a_window(tmp_path):
    path, _, _ = enhanced(tmp_path)
    dataset = pydicom.dcmread(path)
    del dataset.PerFrameFunctionalGroupsSequence[1].FrameVOILUTSequence
    dataset.save_as(path)
    assert read(path).value_range is None
    assert read(path, index=0).value_range == (-160, 239)


def test_a_window_is_for_dicom(tmp_path):
    with pytest.raises(g2r.LevelsError, match=r"x\.png: a window is DICOM's, and this is PNG"):
        read(save(tmp_path / "x.png", CAMERA), window=(40, 400))


def test_a_window_is_for_gray():
    with pytest.raises(g2r.ImageFileError, match="a window is for gray, and this is RGB"):
        read(scan("examples_rgb_color.dcm"), window=(40, 400))


@odd
def test_several_windows_are_told():
    image = read(scan("examples_overlay.dcm"))
    assert image.value_range == (55, 844)
    assert image.notes == ("windows in the file: (450, 790) WINDOW1; (200, 443) WINDOW2",)
    assert read(scan("examples_overlay.dcm"), window=(200, 443)).value_range == (-21.5, 420.5)


def test_deflated_dicom():
    path = scan("image_dfl.dcm")
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
    assert_read(path, pydicom.dcmread(path).pixel_array, "HW", (0, 255))


def test_dicom_from_before_the_preamble(tmp_path):
    whole = scan("CT_small.dcm").read_bytes()
    dataset = pydicom.dcmread(scan("CT_small.dcm"))
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    start = 132 + 12 + dataset.file_meta.FileMetaInformationGroupLength
    path = tmp_path / "old.dcm"
    path.write_bytes(whole[start:])
    expected = read(scan("CT_small.dcm"), window=(40, 400))
    np.testing.assert_array_equal(read(path, window=(40, 400)).array, expected.array)


def test_a_missing_codec_is_a_hint(tmp_path):
    code = f"""
import sys
for name in ("gdcm", "openjpeg", "pylibjpeg", "jpeg_ls", "PIL"):
    sys.modules[name] = None
import graytorgb as g2r
try:
    g2r.io.read({str(scan("MR_small_jp2klossless.dcm"))!r})
except g2r.BackendUnavailable as error:
    print(error.missing, error)
"""
    output = run_python(code)
    assert output.startswith("True ")
    assert "MR_small_jp2klossless.dcm: JPEG 2000" in output
    assert "pip install 'graytorgb[dicom]'" in output
