"""What the usual loaders make of a file: equal to the libraries, pixel for pixel and in figures."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

import graytorgb as g2r
from graytorgb.core.image_file import ImageFile
from graytorgb.inspection.loaders import LOADERS, Loss, arithmetic, convert_like, find_losses
from graytorgb.inspection.loaders.arithmetic import Map
from graytorgb.inspection.loaders.losses import count_by_pixels, count_by_table
from graytorgb.inspection.loaders.rule import Rule
from graytorgb.inspection.values import find_values
from graytorgb.io import read

from ..support import needs, needs_package, run_python
from .loader_files import BYTES, WORDS, WRITERS
from .loader_results import check_files, write_files

SUFFIXES = sorted({name.partition(".")[2] for name in WRITERS})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("files"))


def by_pillow(path):
    """Open as ImageFolder does, by a file object; a turned gray TIFF is scrambled by its path."""
    if path.suffix == ".npy":
        return np.asarray(PIL.Image.fromarray(np.load(path)).convert("RGB"))
    with path.open("rb") as file, PIL.Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def by_opencv(path):
    import cv2

    pixels = cv2.imread(str(path))
    if pixels is None:
        raise OSError
    return pixels[..., ::-1]


def by_torchvision(path):
    from torchvision.io import decode_image

    return np.moveaxis(decode_image(str(path)).numpy(), -3, -1)


def by_torchcodec(path):
    from torchcodec.decoders import decode_image

    return np.moveaxis(decode_image(path).numpy(), -3, -1)


LIBRARIES = {
    "pillow": by_pillow,
    "opencv": by_opencv,
    "torchvision": by_torchvision,
    "torchcodec": by_torchcodec,
}
READS = {
    "opencv": set(SUFFIXES) - {"npy"},
    "torchvision": {"png", "jpg", "webp", "gif"},
    "torchcodec": {"png", "jpg", "webp", "gif"},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("loader", LIBRARIES)
def test_each_loader_equals_its_library(folder, loader, suffix):
    if loader == "torchcodec":
        needs_package("torchcodec")
    else:
        needs(loader)
    checked = check_files(loader, LIBRARIES[loader], folder.glob(f"*.{suffix}"))
    assert (checked > 0) == (suffix in READS.get(loader, SUFFIXES))


def test_every_loader_is_compared():
    assert set(LOADERS) == {*LIBRARIES, "tensorflow", "keras"}  # the last two in tests/isolated


# Figures


SMALL, DEEP, EVERY = ["uint8", "int8", "bool"], ["uint16"], ["uint16", "int16", "uint8", "int8"]
MAPS = {
    "keep": (Map(arithmetic.keep), SMALL),
    "clip": (Map(arithmetic.clip), [*EVERY, "bool", "uint32", "int32"]),
    "high byte": (Map(arithmetic.take_high_byte), ["uint16", "int16"]),
    "divide": (Map(arithmetic.divide), ["uint16", "int16"]),
    "scale": (Map(arithmetic.scale_and_clip, (65535,)), DEEP),
    "inverted": (Map(arithmetic.clip_inverted, (65535,)), DEEP),
    "inverted by OpenCV": (Map(arithmetic.invert_then_take_high_byte, (65535,)), DEEP),
    "black": (Map(arithmetic.blacken), EVERY),
}


@given(data=st.data())
@pytest.mark.parametrize("name", MAPS)
def test_the_histogram_tells_what_the_pixels_tell(data, name):
    """By both ways, for every dtype, whichever part of its values an image has."""
    map_, dtypes = MAPS[name]
    dtype = np.dtype(data.draw(st.sampled_from(dtypes)))
    lo, hi = arithmetic.find_limits(dtype) if dtype.itemsize < 3 else (0, 1000)
    ends = sorted(data.draw(st.tuples(*[st.integers(lo, hi)] * 2)))
    seed = data.draw(st.integers(0, 99))
    pixels = np.random.default_rng(seed).integers(*ends, (12, 13), endpoint=True)
    image = make_image(pixels.astype(dtype))
    values = find_values(image)
    by_table = count_by_table(image, values, values.counts, map_)
    assert by_table == count_by_pixels(image, values, Rule(map_), is_whole=True)


def make_image(array, mode="gray, 16 bits", kind="TIFF", name="x.tif"):
    """Return an image as `read` gives it, without a file."""
    bits = 1 if array.dtype.kind == "b" else 8 * array.itemsize
    return ImageFile(
        path=Path(name), array=array, layout="HW" if array.ndim == 2 else "HWC", value_range=None,
        range_source="", format=kind, mode=mode, bits=bits,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:the file states its depth alone")
def test_the_losses_of_a_12_bit_camera(tmp_path):
    """Figures that a person can check: 4,096 levels, of which 256 to 17 are left."""
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    PIL.Image.fromarray(ramp).save(tmp_path / "x.png")
    image = read(tmp_path / "x.png")
    losses = find_losses(image, find_values(image))
    assert list(losses) == list(LOADERS)
    assert losses == {
        "pillow": Loss(4096, 256, 3841 / 4096, 8),
        "opencv": Loss(4096, 16, 0.0, 8),
        "torchvision": Loss(4096, 4096, 0.0, 16),
        "torchcodec": Loss(4096, 17, 0.0, 8),
        "tensorflow": Loss(4096, 16, 0.0, 8),
        "keras": Loss(4096, 256, 3841 / 4096, 8),
    }


def test_white_that_was_white_does_not_count(tmp_path):
    PIL.Image.fromarray(np.array([[65535, 65535, 300, 0]], np.uint16)).save(tmp_path / "x.png")
    image = read(tmp_path / "x.png")
    assert find_losses(image, find_values(image))["pillow"] == Loss(3, 2, 0.25, 8)


def test_the_levels_of_16_bit_color_are_those_of_all_samples(folder):
    image = read(folder / "rgb16.png")
    loss = find_losses(image, find_values(image))["opencv"]
    assert loss.levels_before == len(np.unique(image.array))
    assert loss.levels_after == len(np.unique(image.array >> 8))
    whitened = (image.array >> 8 == 255).all(-1) & (image.array < 65535).any(-1)
    assert loss.white == whitened.mean() > 0


# What the file's bytes tell


@pytest.mark.parametrize(
    ("name", "loader"),
    [("palette8.png", "torchvision"), ("palette8.bmp", "tensorflow"), ("gray8.jpg", "tensorflow"),
     ("rgb565.bmp", "opencv"), ("palette8alpha.gif", "torchcodec"), ("gray15-p2.pnm", "opencv"),
     ("rgba8associated.tif", "pillow")],
)  # fmt: skip
def test_the_bytes_take_the_place_of_a_path_that_is_gone(folder, tmp_path, name, loader):
    path = tmp_path / name
    WRITERS[name](path)
    image, data = read(path), path.read_bytes()
    expected = convert_like(loader, image)
    losses = find_losses(image, find_values(image))
    path.unlink()
    np.testing.assert_array_equal(convert_like(loader, image, data=data), expected)
    assert find_losses(image, find_values(image), data=data) == losses
    without = convert_like(loader, image)
    assert without is None or not np.array_equal(without, expected)
    find_losses(image, find_values(image))


def test_indices_are_not_colors(tmp_path):
    """Two indices of one color are two levels for torchvision, and index 255 is white."""
    image = PIL.Image.fromarray(np.array([[0, 1, 255, 255]], np.uint8), "P")
    image.putpalette(np.zeros((256, 3), np.uint8).tobytes())
    image.save(tmp_path / "x.png")
    found = read(tmp_path / "x.png")
    assert find_losses(found, find_values(found))["torchvision"] == Loss(1, 3, 0.5, 8)


# DICOM and arrays, which only `Image.fromarray` takes


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["CT_small.dcm", "examples_overlay.dcm", "SC_rgb_rle_2frame.dcm"])
def test_dicom_files(name):
    path = get_testdata_file(name, download=False)
    image = read(path)
    losses = find_losses(image, find_values(image))
    assert [loader for loader, loss in losses.items() if loss] == ["pillow"]
    given = convert_like("pillow", image)
    frames = image.array if "N" in image.layout else image.array[None]
    expected = np.stack([np.asarray(PIL.Image.fromarray(x).convert("RGB")) for x in frames])
    np.testing.assert_array_equal(given, expected if "N" in image.layout else expected[0])
    is_white = (expected == 255).all(-1).mean()
    assert losses["pillow"].white <= is_white
    assert losses["pillow"].levels_after == len(np.unique(expected))


@pytest.mark.parametrize("layout", ["CHW", "HWN", "CNHW"])
def test_arrays_whose_axes_pillow_takes_for_others(layout):
    image = replace(make_image(np.zeros((3,) * len(layout), np.uint8), kind="NumPy"), layout=layout)
    assert convert_like("pillow", image) is None


def test_a_loader_that_there_is_not():
    with pytest.raises(g2r.OptionError, match=r"loader is one of pillow, opencv.*not 'cv2'"):
        convert_like("cv2", make_image(BYTES))


@pytest.mark.parametrize("name", LOADERS)
def test_a_remedy_gives_rgb_of_8_bits(tmp_path, name):
    """The code runs, keeps every level of 8 bits, and has the shape that the loader gives."""
    needs("torchvision")
    import torch

    PIL.Image.fromarray(BYTES).save(tmp_path / "x.png")
    fake = SimpleNamespace(constant=lambda array: array)
    scope = {"g2r": g2r, "torch": torch, "Image": PIL.Image, "tf": fake, "path": tmp_path / "x.png"}
    pixels = np.asarray(eval(LOADERS[name].remedy, scope))
    pixels = pixels.transpose(1, 2, 0) if pixels.shape[0] == 3 else pixels
    np.testing.assert_array_equal(pixels, np.stack([BYTES] * 3, -1))


def test_no_library_is_imported(tmp_path):
    PIL.Image.fromarray(WORDS).save(tmp_path / "x.png")
    code = f"""
import sys
from graytorgb.inspection.values import find_values
from graytorgb.io import read
from graytorgb.inspection.loaders import LOADERS, convert_like
for name in LOADERS:
    assert convert_like(name, read({str(tmp_path / "x.png")!r})) is not None
print(*sorted({{"PIL", "cv2", "torch", "torchvision", "torchcodec", "tensorflow", "keras"}}
              & set(sys.modules)))
"""
    assert run_python(code) == ""
