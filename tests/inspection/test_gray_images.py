"""Image files of any depth as gray from 0 to 1, in one size."""

import warnings

import numpy as np
import PIL.Image
import pytest
import skimage.data
import tifffile

import graytorgb as g2r
from graytorgb import ImageFileError, LevelsError
from graytorgb.inspection.gray_images import read_gray, read_grays


@pytest.fixture
def folder(tmp_path):
    """Images of several depths."""
    (tmp_path / "inner").mkdir()
    camera = skimage.data.camera()
    PIL.Image.fromarray(camera).save(tmp_path / "camera.png")
    PIL.Image.fromarray(camera.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    PIL.Image.fromarray(skimage.data.astronaut()).save(tmp_path / "inner" / "color.jpg")
    stack = np.stack([camera, camera[::-1]])
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    return tmp_path


def test_every_depth_in_its_own_range(folder):
    camera = skimage.data.camera() / 255
    size = camera.shape
    for name, tolerance in (("camera.png", 1e-6), ("deep.png", 1e-6)):
        [unit] = read_gray(folder / name, size, None)
        assert unit.dtype == np.float32
        assert np.abs(unit - camera).max() <= tolerance
    first, second = read_gray(folder / "stack.tif", size, None)
    assert np.array_equal(first, second[::-1])
    [color] = read_gray(folder / "inner" / "color.jpg", (512, 512), None)
    expected = skimage.data.astronaut() @ [0.299, 0.587, 0.114] / 255
    assert np.abs(color - expected).mean() < 0.02


@pytest.mark.filterwarnings("ignore:more than half of an image is above")
def test_a_range_of_ones_own(folder):
    [unit] = read_gray(folder / "deep.png", (512, 512), (0, 32767.5))
    expected = np.minimum(skimage.data.camera().astype(float) * 257 / 32767.5, 1)
    assert np.abs(unit - expected).max() <= 1e-6


def test_a_range_of_more_than_the_file_has(folder):
    with pytest.raises(LevelsError, match=r"go to 255 at most.*to 4095"):
        list(read_gray(folder / "camera.png", (512, 512), (0, 4095)))


def test_images_are_resized(folder):
    [unit] = read_gray(folder / "camera.png", (31, 47), None)
    assert unit.shape == (31, 47)
    assert 0 <= unit.min() < unit.max() <= 1


def test_alpha_is_left_out(tmp_path):
    camera = skimage.data.camera()
    PIL.Image.fromarray(np.dstack([camera, camera[::-1]])).save(tmp_path / "x.png")
    [unit] = read_gray(tmp_path / "x.png", camera.shape, None)
    assert np.abs(unit - camera / 255).max() <= 1e-6


@pytest.mark.parametrize("planes", [False, True])
def test_color_in_either_order_of_axes(tmp_path, planes):
    pixels = np.random.default_rng(0).integers(0, 65536, (24, 30, 3), dtype=np.uint16)
    stored = np.ascontiguousarray(pixels.transpose(2, 0, 1)) if planes else pixels
    config = "separate" if planes else "contig"
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric="rgb", planarconfig=config)
    [unit] = read_gray(tmp_path / "x.tif", (24, 30), None)
    np.testing.assert_allclose(unit, pixels @ [0.299, 0.587, 0.114] / 65535, atol=1e-6)


def test_bands_are_images_of_their_own(tmp_path):
    bands = np.random.default_rng(0).integers(0, 65536, (24, 30, 5), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", bands, photometric="minisblack", planarconfig="contig")
    units = list(read_gray(tmp_path / "x.tif", (24, 30), None))
    np.testing.assert_allclose(units, bands.transpose(2, 0, 1) / 65535, atol=1e-6)


def test_values_that_are_not_finite(tmp_path):
    pixels = np.zeros((8, 8), np.float32)
    pixels[0, 0] = np.inf
    np.save(tmp_path / "x.npy", pixels)
    with pytest.raises(g2r.ImageFileError, match=r"x\.npy: it has values that aren't finite"):
        list(read_gray(tmp_path / "x.npy", (8, 8), (0, 1)))


def test_axes_that_are_not_known(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 20, 30), np.uint8))
    with pytest.raises(g2r.ImageFileError, match="nothing tells its axes"):
        list(read_gray(tmp_path / "x.npy", (8, 8), None))


class TestFolders:
    @pytest.fixture
    def images(self, tmp_path):
        (tmp_path / "set").mkdir()
        return tmp_path / "set"

    def test_unreadable_files_are_skipped_and_counted(self, images):
        PIL.Image.fromarray(skimage.data.camera()).save(images / "b.png")
        (images / "a.png").write_bytes(b"no image")
        PIL.Image.fromarray(skimage.data.camera()).save(images / "c.png")
        cut = (images / "c.png").read_bytes()
        (images / "c.png").write_bytes(cut[: len(cut) // 2])
        found = read_grays(images, (32, 32), None, 5)
        assert len(found.images) == 1
        assert not found.has_more
        assert [file.name for file, _ in found.skipped] == ["a.png", "c.png"]
        assert all(reason for _, reason in found.skipped)

    def test_a_file_that_is_named_is_not_skipped(self, images):
        (images / "a.png").write_bytes(b"no image")
        with pytest.raises(ImageFileError, match=r"a\.png"):
            read_grays(images / "a.png", (32, 32), None, 5)
        with pytest.raises(ImageFileError, match=r"none of its 1 image files can be read.*a\.png"):
            read_grays(images, (32, 32), None, 5)

    @pytest.mark.parametrize("suffix", ["png", "tif"])
    def test_deep_images_are_read_by_the_range_of_the_file(self, images, suffix):
        """Signs of white at the top of 16 bits, and no other range is assumed."""
        deep = skimage.data.camera().astype(np.uint16) * 257
        PIL.Image.fromarray(deep).save(images / f"a.{suffix}")
        [image] = read_grays(images, (512, 512), None, 5).images
        np.testing.assert_allclose(image, skimage.data.camera() / 255, atol=1e-6)

    def test_near_black_images_are_refused(self, images):
        """12 bits in files of 16 bits; the range that the message names works."""
        deep = skimage.data.camera().astype(np.uint16) * 16
        for name in "ab":
            PIL.Image.fromarray(deep).save(images / f"{name}.png")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(LevelsError, match=r"nearly black.*up to 4080: .*") as caught:
                read_grays(images, (32, 32), None, 5)
        assert caught.value.remedies == ("image_range",)
        assert str(caught.value).endswith("value_range=(0, 4095)")
        [image, _] = read_grays(images, (32, 32), (0, 4095), 5).images
        assert image.max() > 0.9

    @pytest.mark.parametrize("level", [40, 128, 255])
    def test_images_of_one_gray_are_refused(self, images, level):
        PIL.Image.fromarray(np.full((9, 9), level, np.uint8)).save(images / "a.png")
        for path in (images, images / "a.png"):
            with pytest.raises(LevelsError, match="one gray value all over"):
                read_grays(path, (8, 8), None, 5)
        PIL.Image.fromarray(skimage.data.camera()).save(images / "b.png")
        assert len(read_grays(images, (8, 8), None, 5).images) == 2

    def test_more_than_asked_for(self, images):
        for name in "abc":
            PIL.Image.fromarray(skimage.data.camera()).save(images / f"{name}.png")
        found = read_grays(images, (8, 8), None, 2)
        assert (len(found.images), found.has_more) == (2, True)
