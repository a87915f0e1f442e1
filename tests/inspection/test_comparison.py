"""The usual conversion beside ours: by the arithmetic of the loaders, where Pillow can open it."""

import numpy as np
import PIL.Image
import pytest
import tifffile

from graytorgb.inspection.comparison import compare, describe_loss
from graytorgb.io import read

from .loader_files import WRITERS


def compare_file(path):
    image = read(path)
    return image, compare(image, image.value_range or "minmax")


@pytest.mark.filterwarnings("ignore:the file states its depth alone")
@pytest.mark.parametrize(
    "name",
    ["gray16.png", "palette8.png", "graya16.png", "gray8.jpg", "rgba8.webp", "gray8animated.gif",
     "gray1000-p5.pnm", "white16.tif", "pages16.tif", "grayi2.tif", "rgb16.tif"],
)  # fmt: skip
def test_what_pillow_opens(tmp_path, name):
    WRITERS[name](tmp_path / name)
    _, comparison = compare_file(tmp_path / name)
    with PIL.Image.open(tmp_path / name) as image:
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(comparison.naive.rgb, expected)
    assert comparison.code == 'Image.open(path).convert("RGB")'
    assert comparison.refusal == ""


def test_a_tiff_that_only_its_array_opens(tmp_path):
    WRITERS["grayf8.tif"](tmp_path / "x.tif")
    _, comparison = compare_file(tmp_path / "x.tif")
    plain = tifffile.imread(tmp_path / "x.tif")
    expected = np.asarray(PIL.Image.fromarray(plain).convert("RGB"))
    np.testing.assert_array_equal(comparison.naive.rgb, expected)
    assert comparison.code == 'Image.fromarray(tifffile.imread(path)).convert("RGB")'


@pytest.mark.parametrize("name", ["palette16.tif", "grayf2.tif", "rgbf4.tif", "grayi8.npy"])
def test_what_pillow_refuses(tmp_path, name):
    WRITERS[name](tmp_path / name)
    image, comparison = compare_file(tmp_path / name)
    assert comparison.naive is None
    reader = "np.load" if name.endswith("npy") else "tifffile.imread"
    assert comparison.refusal == f'Image.fromarray({reader}(path)).convert("RGB") raises an error'
    assert describe_loss(image, comparison, "").startswith("The usual conversion fails, so nothing")
