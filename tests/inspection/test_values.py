"""What is found of an image's values, against NumPy's plain way, and what a file is in truth."""

import io
import math
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graytorgb.errors import ImageFileError
from graytorgb.inspection import values as module
from graytorgb.inspection.values import find_values
from graytorgb.io import ImageFile, read

from ..support import needs_package, packaged

RNG = np.random.default_rng(0)
MEMORY = ("", "fortran", "reversed", "strided", "swapped", "read-only")
DTYPES = ("b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8")
LAYOUTS = {"HW": (5, 7), "HWC": (5, 7, 3), "CHW": (3, 5, 7), "NHW": (2, 5, 7), "NHWC": (2, 5, 7, 4),
           "NCHW": (2, 2, 5, 7), None: (3, 5, 7), "HWDC": (3, 5, 2, 3)}  # fmt: skip


def image_of(array, layout="HW", *, bits=None, kind="PNG"):
    return ImageFile(Path("x"), array, layout, None, "a test", kind, "a test", bits)


def find(array, layout="HW", **options):
    return find_values(image_of(array, layout, **options))


def pick_colors(array, layout):
    """Return the color samples, one column a channel."""
    channels = array.shape[layout.index("C")] if layout and "C" in layout else 1
    if channels == 1:
        return array.reshape(-1, 1)
    pixels = np.moveaxis(array, layout.index("C"), -1).reshape(-1, channels)
    return pixels[:, : {2: 1, 3: 3, 4: 3}[channels]]


def change_memory(array, how):
    """Return the same values, laid out in memory in another way."""
    if how == "fortran":
        return np.asfortranarray(array)
    if how == "reversed":
        return np.ascontiguousarray(array[::-1])[::-1]
    if how == "strided":
        room = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        room[..., ::2] = array
        return room[..., ::2]
    if how == "read-only":
        array.flags.writeable = False
    return array.astype(array.dtype.newbyteorder(">")) if how == "swapped" else array


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_values_are_numpys(data):
    layout = data.draw(st.sampled_from(list(LAYOUTS)))
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
    few = None if dtype.kind == "f" else st.sampled_from([0, 1, 100 * (dtype.kind != "b")])
    elements = data.draw(st.sampled_from([None, few]))
    array = data.draw(hnp.arrays(dtype, LAYOUTS[layout], elements=elements))
    changed = change_memory(
        array,
        data.draw(st.sampled_from(MEMORY)),
    )
    found = find(changed, layout)
    colors = pick_colors(array, layout)
    finite = colors[np.isfinite(colors)]
    present = np.unique(finite)
    assert found.levels == len(present)
    assert found.not_finite == colors.size - finite.size
    assert (found.minimum, found.maximum) == (
        (present[0].item(), present[-1].item()) if len(present) else (None, None)
    )
    assert found.is_constant == (not found.not_finite and bool((colors == colors[0]).all()))
    equal = colors.shape[1] == 3 and all(
        np.array_equal(colors[:, 0], colors[:, k], equal_nan=dtype.kind == "f") for k in (1, 2)
    )
    is_color = colors.shape[1] == 3
    assert (found.color == "rgb-gray") == equal
    assert (found.color == "gray") == (not is_color)
    if dtype.kind == "f":
        assert found.counts is found.step is found.effective_bits is None
        return
    assert found.step == (math.gcd(*present.tolist()) or 1)
    if int(present[-1]) - int(present[0]) >= 1 << 16:
        assert found.counts is None
        return
    first, numbers = found.counts
    counted = colors[:, :1] if equal else colors
    known, expected = np.unique(counted, return_counts=True)
    places = [value - first for value in map(int, known)]
    assert places[0] == 0
    assert numbers.dtype == np.uint64
    assert len(numbers) == places[-1] + 1
    assert (numbers[places] == expected).all()
    assert numbers.sum() == counted.size


# The bits in use

TWELVE = np.unique(RNG.integers(0, 4096, 900))
EIGHT = np.unique(RNG.integers(0, 256, 150))


def shape(values, dtype="u2"):
    return np.resize(values, (64, 64)).astype(dtype)


@pytest.mark.parametrize(
    ("values", "dtype", "bits"),
    [
        (TWELVE, "u2", 12),
        (TWELVE << 4, "u2", 12),
        (TWELVE << 4 | TWELVE >> 8, "u2", 12),
        (np.round(TWELVE * 65535 / 4095), "u2", 12),
        (np.floor(TWELVE * 65535 / 4095), "u2", 12),
        (EIGHT, "u2", 8),
        (EIGHT * 256, "u2", 8),
        (EIGHT * 257, "u2", 8),
        (EIGHT, "u1", 8),
        (EIGHT * 16843009, "u4", 8),
        (RNG.integers(0, 65536, 1200), "u2", 16),
        (np.array([0, 255]), "u1", 1),
        (np.array([0, 85, 170, 255]), "u1", 2),
        (np.arange(16) * 17, "u1", 4),
        (np.arange(16) * 16, "u1", 4),
        (np.arange(128), "u1", 7),
        (np.arange(128) << 1 | np.arange(128) >> 6, "u1", 7),
        (np.arange(32) << 3 | np.arange(32) >> 2, "u1", 5),
        (np.array([0]), "u1", 0),
        (np.array([1]), "?", 1),
        (np.arange(-1024, 3072), "i2", 13),
        (np.arange(-128, 128), "i1", 8),
        (np.array([-1, 0]), "i2", 1),
        (np.arange(-2048, 2048) * 16, "i2", 12),
        (np.arange(4096), "i2", 12),
        (np.array([0, 1 << 40]), "u8", 1),
        (np.array([3, 1 << 40]), "u8", 41),
    ],
)  # fmt: skip
def test_effective_bits(values, dtype, bits):
    found = find(shape(values, dtype))
    assert found.effective_bits == bits


def test_a_depth_that_the_file_states_counts_too():
    """8 bits scaled to 10, in words of 16."""
    scaled = EIGHT << 2 | EIGHT >> 6
    assert find(shape(scaled), bits=10).effective_bits == 8
    assert find(shape(scaled)).effective_bits == 10


def test_every_depth_is_recognized_in_every_way():
    for bits in range(2, 16):
        codes = np.arange(1 << bits, dtype=np.uint64)
        repeated = np.zeros_like(codes)
        for shift in range(16 - bits, -bits, -bits):
            repeated |= codes << np.uint64(shift) if shift >= 0 else codes >> np.uint64(-shift)
        for scaled in (codes << np.uint64(16 - bits), repeated,
                       np.round(codes * (65535 / ((1 << bits) - 1)))):  # fmt: skip
            assert find(scaled.astype("u2").reshape(2, -1)).effective_bits == bits


def test_the_step_of_values_that_are_few_or_far_apart():
    for values, step in (([0, 6, 9], 3), ([6, 10], 2), ([7], 7), ([0], 1), ([-6, 9], 3)):
        assert find(shape(np.array(values), "i4")).step == step
    late = np.append(np.arange(0, 60_000, 100), 60_050)
    assert find(shape(late, "u2")).step == 50


# Gray and color


def jpeg(pixels, quality, subsampling):
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return read("x.jpg", data=file.getvalue())


GRAYS = ["camera", "coins", "moon", "page", "text", "brick"]


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize("name", GRAYS)
def test_gray_saved_in_color(name, subsampling):
    """Equal planes stay equal; planes that noise or rounding told apart are nearly gray."""
    gray = getattr(skimage.data, name)()[:160, :160]
    rgb = np.dstack([gray] * 3)
    shifted = np.clip(rgb + RNG.integers(-1, 2, rgb.shape), 0, 255).astype(np.uint8)
    rounded = gray * 0.973 + 1.3
    apart = np.dstack([np.floor(rounded), np.rint(rounded), np.ceil(rounded)]).astype(np.uint8)
    for quality in (50, 75, 95):
        saved = jpeg(rgb, quality, subsampling)
        assert find_values(saved).color == "rgb-gray"
        assert find_values(jpeg(saved.array, 75, "4:2:0")).color == "rgb-gray"
        for pixels in (shifted, apart):
            saved = jpeg(pixels, quality, subsampling)
            assert find_values(saved).color in ("rgb-gray", "rgb-nearly-gray")
            again = jpeg(saved.array, 75, "4:2:0")
            assert find_values(again).color in ("rgb-gray", "rgb-nearly-gray")
    assert find_values(jpeg(shifted, 95, "4:4:4")).color == "rgb-nearly-gray"


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_photos_are_color(name):
    photo = getattr(skimage.data, name)()
    assert find(photo, "HWC").color == "color"
    luma = photo @ np.array([0.299, 0.587, 0.114])
    pale = np.rint(luma[..., None] + 0.2 * (photo - luma[..., None])).astype(np.uint8)
    assert find_values(jpeg(pale, 75, "4:2:0")).color == "color"


def test_photos_of_data_sets_are_color():
    needs_package("foolbox")
    paths = [*packaged("foolbox", ".jpg"), *packaged("foolbox", ".png")]
    photos = [path for path in paths if Path(path).name.startswith(("cifar", "imagenet"))]
    assert len(photos) > 30
    for path in photos:
        assert find_values(read(path)).color == "color", path


def test_one_spot_of_color_is_color():
    pixels = np.dstack([skimage.data.camera()] * 3)
    for place in (0, 100_000, 512 * 512 - 1):
        spotted = pixels.copy()
        spotted.reshape(-1, 3)[place, 1] ^= 0x40
        assert find(spotted, "HWC").color == "color"
        spotted = pixels.copy()
        spotted.reshape(-1, 3)[place, 2] ^= 1
        assert find(spotted, "HWC").color == "rgb-nearly-gray"
        assert find(spotted.astype("u2"), "HWC").color == "color"


def test_a_tint_is_color():
    pixels = np.dstack([skimage.data.camera() // 2] * 3)
    pixels[..., 2] += 5
    assert find(pixels, "HWC").color == "color"


def test_the_rule_lies_between_noise_and_color():
    assert 8 < module._LARGEST_SPREAD < 30
    assert module._MEAN_SPREAD > 2.7


# Alpha, constants, palettes


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("layout", ["HWC", "CHW"])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha(dtype, layout, channels):
    full = 1 if dtype == "f4" else np.iinfo(dtype).max
    pixels = RNG.integers(0, 200, (6, 7, channels)).astype(dtype)
    for value, expected in ((full, "opaque"), (0, "constant"), (None, "varying")):
        pixels[..., -1] = np.arange(7) if value is None else value
        array = np.moveaxis(pixels, -1, 0) if layout == "CHW" else pixels
        found = find(array, layout)
        assert found.alpha == expected
        assert found.maximum == pixels[..., :-1].max()
        assert found.color == ("gray" if channels == 2 else "color")
    assert find(pixels[..., :-1], "HWC").alpha == "none"


def test_opaque_alpha_of_12_bits():
    pixels = np.full((3, 4, 2), 4095, np.uint16)
    assert find(pixels, "HWC", bits=12).alpha == "opaque"
    assert find(pixels, "HWC", bits=16).alpha == "constant"


def test_a_constant_is_of_one_color_whatever_its_alpha():
    pixels = np.full((3, 4, 4), (200, 10, 30, 0), np.uint8)
    pixels[..., 3] = np.arange(4)
    assert find(pixels, "HWC").is_constant
    pixels[2, 3, 1] = 200
    assert not find(pixels, "HWC").is_constant
    assert not find(np.array([[0, 1]], "u1")).is_constant


def test_floats_without_a_finite_value():
    found = find(np.full((3, 4), np.nan, "f4"))
    assert (found.minimum, found.levels, found.not_finite, found.is_constant) == (
        None,
        0,
        12,
        False,
    )
    stack = np.full((2, 3, 4, 3), np.inf)
    assert find(stack, "NHWC").not_finite == stack.size


def test_a_gray_palette(tmp_path):
    gray = PIL.Image.fromarray(skimage.data.camera()[::4, ::4]).convert("RGB").quantize(64)
    gray.save(tmp_path / "x.png")
    image = read(tmp_path / "x.png")
    found = find_values(image)
    assert (image.color_type, found.color, found.alpha) == ("palette", "rgb-gray", "none")
    assert found.counts.numbers.sum() == image.array[..., 0].size


def test_a_stack_is_counted_as_a_whole():
    stack = np.zeros((3, 4, 5), np.uint16)
    stack[2, 3, 4] = 7
    found = find(stack, "NHW")
    assert (found.levels, found.maximum, found.is_constant) == (2, 7, False)
    assert found.counts.numbers.tolist() == [59, 0, 0, 0, 0, 0, 0, 1]


def test_deep_integers_are_counted_where_they_span_few_bits():
    """As Hounsfield units of 32 bits."""
    scan = RNG.integers(-33_000, -30_000, (40, 50), np.int32)
    for array in (scan, scan.astype("i8") + (1 << 40), (scan + 33_000).astype("u4")):
        found = find(array)
        assert found.counts.first == array.min()
        known, numbers = np.unique(array, return_counts=True)
        assert (found.counts.numbers[known - array.min()] == numbers).all()
    scan[0, 0] = 40_000
    assert find(scan).counts is None
    assert find(scan).levels == len(np.unique(scan))


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ImageFileError, match=r"shape \(0, 5\) has no pixels"):
        find(np.zeros((0, 5), np.uint8))


def test_further_bands_are_left_out():
    pixels = np.dstack([np.zeros((3, 4, 3), np.uint8), np.full((3, 4, 2), 9, np.uint8)])
    found = find(pixels, "HWC")
    assert (found.color, found.alpha, found.maximum) == ("rgb-gray", "none", 0)
