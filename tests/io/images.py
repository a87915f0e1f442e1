"""Images for tests of reading, and what every such test checks."""

from pathlib import Path

import numpy as np
import PIL.Image
import pydicom
import pydicom.data
import pytest
import skimage.data
import tifffile

import graytorgb as g2r
from graytorgb.io import read

CAMERA = skimage.data.camera()[100:228, 200:300]
COLOR = skimage.data.astronaut()[:64, 100:200]
DEEP = np.random.default_rng(0).integers(0, 65536, (40, 50), dtype=np.uint16)
DEEP_RGB = np.random.default_rng(1).integers(0, 65536, (20, 30, 3), dtype=np.uint16)
SCANS = Path(pydicom.data.__file__).parent

# pydicom and its files: odd values are warned of, and these files are full of them
odd = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
# where a test asks for the whole depth of a file that doesn't use it
deep = pytest.mark.filterwarnings("ignore:the file states its depth alone")


def save(path, image, **options):
    PIL.Image.fromarray(image).save(path, **options)
    return path


def by_pillow(path, mode=None):
    with PIL.Image.open(path) as image:
        return np.asarray(image.convert(mode or image.mode))


def assert_read(path, expected, layout, value_range, **options):
    image = read(path, **options)
    assert image.array.dtype == expected.dtype
    np.testing.assert_array_equal(image.array, expected)
    assert image.layout == layout
    assert image.value_range == value_range
    array, unpacked = image
    assert array is image.array
    assert unpacked == value_range
    assert image.array.dtype.isnative
    assert g2r.to_uint8(*image).shape == expected.shape
    return image


def write_tiff(path, pixels, **options):
    tifffile.imwrite(path, pixels, **options)
    return path
