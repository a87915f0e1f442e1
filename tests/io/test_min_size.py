"""``read(path, min_size=...)``: JPEG files decoded at a fraction of their size."""

import io

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import skimage.data

import graytorgb as g2r
from graytorgb.io import decode, read

from ..support import packaged
from .images import CAMERA, COLOR, DEEP, save
from .test_gray import encode_jpeg

# The largest difference, in levels of 255, to full decoding after an antialiased bilinear resize;
# and the least share of pixels that differ by 1 at most. By how many times the decoded sides are
# longer than those of the target. These are the figures in the docstring of `read`.
BOUNDS = {2: (18, 0.5), 4: (10, 0.89), 6: (8, 0.97)}


@pytest.mark.parametrize("color", ["keep", "gray"])
@pytest.mark.parametrize("size", [(512, 512), (301, 450), (16, 17), (33, 1000), (15, 400), (1, 1)])
@pytest.mark.parametrize("is_color", [False, True])
def test_the_smallest_that_does(color, size, is_color):
    pixels = np.resize(COLOR if is_color else CAMERA, (*size, 3) if is_color else size)
    data = encode_jpeg(pixels)
    for k in (1, 2, 4, 8):
        for more in (0, 1):
            least = tuple(max(1, -(-side // k) + more) for side in size)
            image = decode(data, color=color, min_size=least)
            found = image.array.shape[:2]
            factor = image.reduction
            assert found == tuple(-(-side // factor) for side in size)
            assert factor == 1 or all(a >= b for a, b in zip(found, least, strict=True))
            assert factor == 1 or (color == "keep" and is_color) == (image.array.ndim == 3)
            if not more and min(size) >= 16:
                assert factor >= k
    assert decode(data, color=color).reduction == 1


def test_both_sides_count():
    data = encode_jpeg(np.resize(CAMERA, (200, 800)))
    sizes = {(1, 1): 8, (25, 100): 8, (26, 100): 4, (25, 101): 4, (51, 1): 2, (1, 401): 1}
    for least, reduction in sizes.items():
        assert decode(data, min_size=least).reduction == reduction


def test_rows_and_columns_are_the_files_own(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "x.jpg"
    PIL.Image.fromarray(np.resize(CAMERA, (100, 400))).save(path, exif=exif)
    image = read(path, min_size=(50, 200), orientation="apply")
    assert (image.array.shape, image.reduction) == ((200, 50), 2)


def test_the_limit_is_for_the_reduced_array():
    data = encode_jpeg(np.resize(CAMERA, (400, 400)))
    assert decode(data, min_size=(100, 100), limit=10_000).array.shape == (100, 100)
    with pytest.raises(g2r.ImageFileError, match="limit"):
        decode(data, min_size=(101, 100), limit=10_000)


def test_other_formats_are_read_in_full(tmp_path):
    for name, pixels in {"x.png": DEEP, "x.bmp": COLOR, "x.tif": CAMERA, "x.webp": COLOR}.items():
        path = save(tmp_path / name, pixels)
        image = read(path, min_size=(2, 2))
        assert (image.array.shape, image.reduction) == (pixels.shape, 1)


def test_truncated_files_are_refused():
    data = encode_jpeg(np.resize(CAMERA, (400, 400)))
    with pytest.raises(g2r.ImageFileError):
        decode(data[: len(data) // 2], min_size=(50, 50), color="gray")


@pytest.mark.parametrize(
    "size", [3, (3,), (3, 4, 5), (0, 5), (5, -1), (2.5, 3), "ab", (None, 3), ("3", "4")]
)
def test_sizes_that_are_none(tmp_path, size):
    with pytest.raises(g2r.OptionError, match="min_size is"):
        read(tmp_path / "x.jpg", min_size=size)


def list_photos():
    """Yield gray JPEG files of real photos."""
    names = "astronaut camera coffee rocket chelsea hubble_deep_field immunohistochemistry retina"
    for name in f"{names} moon coins brick grass gravel clock".split():
        yield encode_jpeg(getattr(skimage.data, name)(), quality=90)
    for path in packaged("foolbox", ".jpg"):
        if path.name.startswith("imagenet"):
            yield path.read_bytes()


@pytest.mark.slow
def test_the_bound_on_photos():
    """How far scaled decoding is from full decoding, after a resize to 1/2, 1/4 and 1/6 of it."""
    found = {ratio: [] for ratio in BOUNDS}
    for data in list_photos():
        full = decode(data, color="gray").array
        for reduction in (2, 4, 8):
            least = tuple(-(-side // reduction) for side in full.shape)
            small = decode(data, color="gray", min_size=least)
            assert small.reduction == reduction
            for ratio, results in found.items():
                target = [int(side / reduction / ratio) for side in full.shape]
                if min(target) < 8:
                    continue
                box = (0, 0, full.shape[1] / reduction, full.shape[0] / reduction)
                expected, resized = (
                    np.asarray(
                        PIL.Image.fromarray(array).resize(
                            target[::-1], PIL.Image.Resampling.BILINEAR, box=part
                        )
                    ).astype(int)
                    for array, part in ((full, None), (small.array, box))
                )
                difference = np.abs(expected - resized)
                results.append((difference.max(), (difference <= 1).mean()))
    for ratio, (most, least_share) in BOUNDS.items():
        largest, shares = zip(*found[ratio], strict=True)
        print(ratio, max(largest), min(shares))
        assert len(largest) > 80
        assert max(largest) <= most
        assert min(shares) >= least_share
    assert min(max(largest for largest, _ in results) for results in found.values()) > 1


def test_lossless_coding_and_many_scans_are_reduced_too():
    pixels = np.resize(COLOR, (64, 96, 3))
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "JPEG", progressive=True)
    for data in (file.getvalue(), imagecodecs.jpeg8_encode(pixels)):
        assert decode(data, min_size=(32, 48)).array.shape == (32, 48, 3)
