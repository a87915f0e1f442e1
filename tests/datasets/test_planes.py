"""One gray plane of any file: which values it has, what is refused, and what the message says."""

import re

import numpy as np
import PIL.Image
import pydicom.data
import pytest

import graytorgb as g2r
from graytorgb.core.notice import RangeWarning
from graytorgb.datasets.conversions.options import Options
from graytorgb.datasets.conversions.pixels import convert_image
from graytorgb.datasets.loading.planes import is_fault_of_file, load_plane, make_plane_options
from graytorgb.datasets.pixels.crops import CenterView
from graytorgb.datasets.sources.opening import open_source
from graytorgb.errors import (
    BackendUnavailable,
    ChannelError,
    ImageFileError,
    LayoutError,
    LevelsError,
    OptionError,
)

from ..support import needs
from .trees import deep, gray, write_png, write_tiff

needs("pillow")


def load(source, view=None, **options):
    return load_plane(source, make_plane_options(**options), view)


def find_dicom(name):
    return pydicom.data.get_testdata_file(name, download=False)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1"])
def test_eight_bits_are_pillows(tmp_path, mode):
    rng = np.random.default_rng(0)
    image = PIL.Image.fromarray(rng.integers(0, 256, (9, 13, 3), np.uint8)).convert(mode)
    image.save(tmp_path / "x.png")
    plane = load(tmp_path / "x.png")
    assert np.array_equal(plane, np.asarray(image.convert("L")))
    assert plane.flags.c_contiguous
    assert plane.flags.writeable
    assert np.array_equal(load(tmp_path / "x.png", value_range="dtype"), plane)


def test_color_jpeg_is_near_to_pillows(tmp_path):
    rng = np.random.default_rng(0)
    small = PIL.Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
    small.resize((64, 48)).save(tmp_path / "x.jpg", quality=95)
    wanted = np.asarray(PIL.Image.open(tmp_path / "x.jpg").convert("L"))
    assert np.abs(load(tmp_path / "x.jpg").astype(int) - wanted).max() <= 3


def test_deep_files_need_a_range(tmp_path):
    pixels = write_png(tmp_path / "deep.png", gray(1, high=8192, dtype=np.uint16))
    with pytest.raises(LevelsError) as caught:
        load(tmp_path / "deep.png", root="'scans'", call="GrayImageFolder('scans'")
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "deep.png"))
    assert "graytorgb.datasets.audit('scans').value_range" in message
    assert "GrayImageFolder('scans', value_range=(0, 4095))" in message
    assert "GrayImageFolder('scans', dtype=torch.uint16)" in message
    plane = load(tmp_path / "deep.png", value_range=(0, 8191))
    assert np.array_equal(plane, g2r.to_uint8(pixels, (0, 8191)))
    kept = load(tmp_path / "deep.png", keeps_depth=True)
    assert kept.dtype == np.uint16
    assert np.array_equal(kept, pixels)


@pytest.mark.parametrize(
    "policy", [(0, 4095), (1000, 3500), "dtype", "minmax", ("percentile", 1, 99)]
)
@pytest.mark.parametrize("view", [None, CenterView((7, 9), 11)])
def test_a_deep_file_is_what_convert_makes_of_it(tmp_path, policy, view):
    pixels = write_png(tmp_path / "deep.png", deep(2, (24, 31)))
    plane = load(tmp_path / "deep.png", view, value_range=policy)
    found = {
        "minmax": (int(pixels.min()), int(pixels.max())),
        ("percentile", 1, 99): tuple(np.percentile(pixels, (1, 99)).tolist()),
    }.get(policy, policy)
    size = None if view is None else 11
    image = g2r.io.read(tmp_path / "deep.png", value_range=found)
    wanted = convert_image(image, Options(to="gray", bits=8, value_range=found, size=size))
    if view is not None:
        top, left = round((wanted.shape[0] - 7) / 2), round((wanted.shape[1] - 9) / 2)
        wanted = wanted[top : top + 7, left : left + 9]
    assert np.abs(plane.astype(int) - wanted).max() <= (0 if view is None else 1)


def test_a_window_of_one_file_is_named_and_not_applied():
    path = find_dicom("examples_overlay.dcm")
    with pytest.raises(LevelsError, match="this one states 55 to 844"):
        load(path)
    assert load(path, value_range=(0, 4095)).shape == (300, 484)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float32"])
def test_levels_are_those_of_to_uint8(tmp_path, dtype):
    first = -32768 if dtype == "int16" else 0
    pixels = (np.arange(65536) + first).astype(dtype).reshape(256, 256)
    np.save(tmp_path / "x.npy", pixels)
    for value_range in ((0, 65535), (-1000.5, 40000.25), (100, 40001)):
        plane = load(tmp_path / "x.npy", value_range=value_range)
        assert np.array_equal(plane, g2r.to_uint8(pixels, value_range))
        assert plane.flags.writeable
    with pytest.warns(RangeWarning, match="becomes white"):
        load(tmp_path / "x.npy", value_range=(-40000, first + 20000))


def test_a_real_scan():
    path = find_dicom("CT_small.dcm")
    image = g2r.io.read(path, value_range=(-200, 1500))
    view = CenterView((64, 64), 73)
    plane = load(path, view, value_range=(-200, 1500))
    whole = convert_image(image, Options(to="gray", bits=8, value_range=(-200, 1500), size=73))
    assert np.abs(plane.astype(int) - whole[4:68, 4:68]).max() <= 1
    early = PIL.Image.fromarray(g2r.to_uint8(image)).resize((73, 73), PIL.Image.Resampling.BILINEAR)
    away = np.abs(plane.astype(int) - np.asarray(early)[4:68, 4:68])
    assert np.percentile(away, 95) <= 1  # only where values are beyond the range they differ more
    with pytest.raises(LevelsError, match="int32"):
        load(path)


def test_an_inverted_scan_is_inverted_in_the_stated_range(tmp_path):
    pixels = deep(3)
    scan = pydicom.dcmread(find_dicom("CT_small.dcm"))
    scan.PixelData, scan.Rows, scan.Columns = pixels.tobytes(), *pixels.shape
    scan.PhotometricInterpretation, scan.PixelRepresentation = "MONOCHROME1", 0
    scan.RescaleSlope, scan.RescaleIntercept, scan.BitsStored, scan.HighBit = 1, 0, 12, 11
    scan.save_as(tmp_path / "inverted")
    plane = load(tmp_path / "inverted", value_range=(0, 4095))
    assert np.array_equal(plane, g2r.to_uint8(4095 - pixels, (0, 4095)))


def test_eight_bits_under_a_range_of_more(tmp_path):
    write_png(tmp_path / "x.png", gray(1))
    with pytest.raises(LevelsError, match=r"x.png: it has 8 bits.*0 to 4095.*GrayImageFolder"):
        load(tmp_path / "x.png", value_range=(0, 4095))
    plane = load(tmp_path / "x.png", value_range=(0, 200))
    assert np.array_equal(plane, g2r.to_uint8(gray(1), (0, 200)))


def test_fewer_bits_than_eight_have_their_formats_white(tmp_path):
    (tmp_path / "x.pgm").write_bytes(b"P5 3 1 100\n" + bytes([0, 50, 100]))
    assert load(tmp_path / "x.pgm").tolist() == [[0, 128, 255]]
    PIL.Image.fromarray(np.array([[True, False]])).save(tmp_path / "x.png")
    assert load(tmp_path / "x.png").tolist() == [[255, 0]]
    np.save(tmp_path / "x.npy", np.array([[True, False]]))
    assert load(tmp_path / "x.npy", value_range=(0, 4095)).tolist() == [[255, 0]]


def test_keeping_sixteen_bits(tmp_path):
    write_png(tmp_path / "x.png", gray(1))
    with pytest.raises(LevelsError, match=r"x.png: it has 8 bits, and dtype=torch.uint16"):
        load(tmp_path / "x.png", keeps_depth=True)
    with pytest.raises(LevelsError, match="dark under the range 0 to 4095"):
        load(tmp_path / "x.png", keeps_depth=True, value_range=(0, 4095))
    kept = load(tmp_path / "x.png", keeps_depth=True, value_range=(0, 255))
    assert kept.dtype == np.uint16
    assert np.array_equal(kept, gray(1))
    np.save(tmp_path / "big.npy", np.array([[0, 65535]], np.int64))
    assert load(tmp_path / "big.npy", keeps_depth=True).tolist() == [[0, 65535]]
    for values in ([[-1, 5]], [[0, 65536]]):
        np.save(tmp_path / "big.npy", np.array(values, np.int32))
        with pytest.raises(LevelsError, match=r"big.npy: its values are int32"):
            load(tmp_path / "big.npy", keeps_depth=True)
    np.save(tmp_path / "real.npy", np.array([[0.5]], np.float32))
    with pytest.raises(LevelsError, match="float32"):
        load(tmp_path / "real.npy", keeps_depth=True)
    with pytest.raises(OptionError, match="minmax"):
        make_plane_options("minmax", keeps_depth=True)


def test_floats(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.array([[0.0, 0.5, 1.0]], np.float32))
    with pytest.raises(LevelsError, match="float32"):
        load(path)
    assert load(path, value_range="dtype").tolist() == [[0, 128, 255]]
    assert load(path, value_range=(0.0, 2.0)).tolist() == [[0, 64, 128]]
    np.save(path, np.array([[0.0, np.nan, 1.0]], np.float32))
    for view in (None, CenterView((1, 1), 1)):
        with pytest.raises(LevelsError, match=r"x.npy.*NaN"):
            load(path, view, value_range="minmax")


def test_alpha(tmp_path):
    pixels = np.dstack([gray(k) for k in range(4)])
    PIL.Image.fromarray(pixels).save(tmp_path / "x.png")
    with pytest.raises(ChannelError, match=r'x.png.*alpha="drop"'):
        load(tmp_path / "x.png")
    dropped = load(tmp_path / "x.png", alpha="drop")
    assert np.array_equal(dropped, g2r.to_gray(pixels[..., :3], "HWC->HW"))
    white = load(tmp_path / "x.png", alpha=(255, 255, 255))
    over = g2r.to_rgb(pixels, "HWC", alpha=(255, 255, 255))
    assert np.array_equal(white, g2r.to_gray(over, "HWC->HW"))


def test_orientation(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(gray(0, (8, 16))).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(load(tmp_path / "x.png"), np.rot90(gray(0, (8, 16)), -1))
    assert np.array_equal(load(tmp_path / "x.png", orientation="keep"), gray(0, (8, 16)))


def test_files_of_several_images(tmp_path):
    write_tiff(tmp_path / "pages.tif", gray(0, (3, 12, 16)))
    frames = [PIL.Image.fromarray(gray(k)) for k in range(2)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    for path, count in ((tmp_path / "pages.tif", 3), (tmp_path / "moving.gif", 2),
                        (find_dicom("rtdose.dcm"), 15)):  # fmt: skip
        with pytest.raises(
            LayoutError, match=rf"holds {count} images.*datasets.convert\("
        ) as caught:
            load(path, value_range="minmax")
        assert str(caught.value).startswith(str(path))
    np.save(tmp_path / "stack.npy", np.zeros((3, 12, 16), np.uint8))
    with pytest.raises(LayoutError, match=r"stack.npy: nothing tells \w+ axes"):
        load(tmp_path / "stack.npy")


def test_bad_files_are_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(ImageFileError, match=r"broken\.png"):
        load(tmp_path / "broken.png")
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        load(str(tmp_path / "gone.png"))


def test_too_little_memory_names_the_file(tmp_path, monkeypatch):
    from graytorgb.datasets.loading import planes

    def fail(*args, **options):
        raise MemoryError

    monkeypatch.setattr(planes, "read", fail)
    with pytest.raises(MemoryError, match=r"huge\.png"):
        load(tmp_path / "huge.png")


def test_items_of_arrays(tmp_path):
    stack = np.random.default_rng(0).integers(0, 256, (3, 12, 16, 3), np.uint8)
    np.save(tmp_path / "stack.npy", stack)
    items = list(open_source(tmp_path / "stack.npy").items())
    for item, image in zip(items, stack, strict=True):
        assert np.array_equal(load(item), g2r.to_gray(image, "HWC->HW"))
    np.save(tmp_path / "deep.npy", np.zeros((5, 12, 16), np.uint16))
    (first, *_) = open_source(tmp_path / "deep.npy", layout="NHW").items()
    with pytest.raises(LevelsError, match=re.escape("deep.npy[0]: its values")):
        load(first)


def test_the_range_of_an_audit(tmp_path):
    write_png(tmp_path / "a" / "1.png", deep(1))
    with g2r.datasets.audit(tmp_path, workers=1) as found:
        assert make_plane_options(found).value_range == (0, 4095)
    write_png(tmp_path / "a" / "2.png", gray(1))
    with (
        g2r.datasets.audit(tmp_path, workers=1) as found,
        pytest.raises(LevelsError, match=r"no one range.*several depths"),
    ):
        make_plane_options(found)


def test_wrong_options():
    with pytest.raises(LevelsError, match="value_range"):
        make_plane_options("max")
    with pytest.raises(ChannelError, match="alpha"):
        make_plane_options(alpha="keep")
    with pytest.raises(OptionError, match="orientation"):
        make_plane_options(orientation=True)


@pytest.mark.parametrize(
    ("error", "is_fault"),
    [(ImageFileError("x"), True), (LevelsError("x"), True), (ChannelError("x"), True),
     (FileNotFoundError(2, "x"), True), (MemoryError(), True), (LayoutError("x"), True),
     (OSError(24, "too many open files"), False), (BackendUnavailable("x"), False),
     (OptionError("x"), False), (KeyError("x"), False), (TypeError("x"), False),
     (KeyboardInterrupt(), False)],
)  # fmt: skip
def test_whose_fault_an_error_is(error, is_fault):
    assert is_fault_of_file(error) is is_fault


@pytest.mark.parametrize("form", ["deep", "alpha"])
def test_an_option_that_was_not_stated_is_no_fault_of_a_file(tmp_path, form):
    """``on_error="skip"`` would leave every such image out, and train on nothing."""
    deep = np.zeros((4, 4), np.uint16) if form == "deep" else np.zeros((4, 4, 4), np.uint8)
    PIL.Image.fromarray(deep).save(tmp_path / "x.png")
    error = {"deep": LevelsError, "alpha": ChannelError}[form]
    with pytest.raises(error) as caught:
        load(tmp_path / "x.png")
    assert not is_fault_of_file(caught.value)
