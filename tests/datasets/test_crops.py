"""Center and random crops of one plane, against Pillow, torchvision and arithmetic in float64."""

import math

import numpy as np
import PIL.Image
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graytorgb.datasets.pixels.crops import CenterView, NumpyDraw, RandomView, choose_view
from graytorgb.errors import OptionError
from graytorgb.functional.resizing import find_size, resize

from ..support import needs, packaged

needs("pillow", "torchvision")

import torch  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from graytorgb.datasets.loading.image_folder import TorchDraw  # noqa: E402

BILINEAR = PIL.Image.Resampling.BILINEAR
SIDES = st.one_of(st.integers(1, 40), st.sampled_from([1, 2, 97, 240]))


def plane(shape, high=256, dtype=np.uint8, seed=0):
    """Noise, whose neighbors differ as much as they can."""
    return np.random.default_rng(seed).integers(0, high, shape, dtype=dtype)


def by_pillow(array, size, shorter):
    """Resize all of an image, and then cut the center out, as torchvision does it."""
    height, width = find_size(array.shape, shorter)
    whole = np.asarray(PIL.Image.fromarray(array).resize((width, height), BILINEAR))
    top, left = round((height - size[0]) / 2), round((width - size[1]) / 2)
    return whole[top : top + size[0], left : left + size[1]]


def differ(one, other):
    """The largest difference of two arrays, in levels."""
    assert one.shape == other.shape
    return np.abs(one.astype(np.float64) - other.astype(np.float64)).max()


@given(st.tuples(SIDES, SIDES), st.tuples(st.integers(1, 32), st.integers(1, 32)), st.data())
@example((1, 1), (32, 32), None)
@example((240, 1), (7, 5), None)
@example((32, 48), (32, 32), None)
@example((8, 30), (9, 4), None)
def test_the_center_is_that_of_resizing_all(shape, size, data):
    shorter = max(size) + (data.draw(st.integers(0, 9)) if data else 0)
    array = plane(shape)
    taken = CenterView(size, shorter).take(array)
    assert taken.dtype == np.uint8
    assert taken.shape == size
    assert np.array_equal(taken, by_pillow(array, size, shorter))
    assert taken.flags.c_contiguous
    assert not np.may_share_memory(taken, array)


@pytest.mark.parametrize("shape", [(375, 500), (500, 375), (333, 1000), (256, 300), (97, 61)])
def test_the_center_is_torchvisions(shape):
    array = plane(shape)
    wanted = v2.Compose([v2.Resize(256), v2.CenterCrop(224)])(PIL.Image.fromarray(array))
    assert np.array_equal(choose_view(224).take(array), np.asarray(wanted))


def test_the_center_of_photos():
    photos = [path for path in packaged("foolbox", ".jpg") if "imagenet_" in path.name]
    assert len(photos) > 5
    for path in photos:
        array = np.asarray(PIL.Image.open(path).convert("L"))
        assert np.array_equal(choose_view(96).take(array), by_pillow(array, (96, 96), 110))


def weigh(count, start, stop, size):
    """The weights of a triangle as wide as the reduction, (size, count), in float64."""
    scale = (stop - start) / size
    centers = start + (np.arange(size) + 0.5) * scale
    distances = np.abs(np.arange(count) + 0.5 - centers[:, None]) / max(scale, 1)
    weights = np.clip(1 - distances, 0, None)
    return weights / weights.sum(1, keepdims=True)


@given(st.tuples(SIDES, SIDES), st.tuples(st.integers(1, 32), st.integers(1, 32)))
def test_deep_planes_are_within_a_level_of_float64(shape, size):
    array = plane(shape, 65536, np.uint16)
    shorter = max(size) + 3
    height, width = find_size(shape, shorter)
    top, left = round((height - size[0]) / 2), round((width - size[1]) / 2)
    rows = weigh(shape[0], 0, shape[0], height)[top : top + size[0]]
    columns = weigh(shape[1], 0, shape[1], width)[left : left + size[1]]
    taken = CenterView(size, shorter).take(array)
    assert taken.dtype == np.uint16
    assert differ(taken, rows @ array.astype(np.float64) @ columns.T) <= 1


def test_a_box_of_the_whole_image_is_the_image():
    array = plane((13, 17), 65536, np.uint16)
    box = (0.0, 0.0, 17.0, 13.0)
    assert np.array_equal(resize(array, (5, 6), box), resize(array, (5, 6)))
    assert np.array_equal(resize(array, (13, 17), box), array)


def take_both(array, size, seed):
    """Return our random part and torchvision's, each after the same seed."""
    torch.manual_seed(seed)
    ours = RandomView(size).take(array, TorchDraw())
    after = torch.rand(1)
    torch.manual_seed(seed)
    compose = v2.Compose([v2.RandomResizedCrop(size, antialias=True), v2.RandomHorizontalFlip()])
    theirs = np.asarray(compose(PIL.Image.fromarray(array)))
    assert torch.equal(torch.rand(1), after)  # as many numbers were drawn
    return ours, theirs


@pytest.mark.parametrize(
    "shape", [(60, 80), (80, 61), (33, 33), (1, 1), (400, 3), (3, 400), (1, 50), (24, 16)]
)
def test_random_parts_are_torchvisions(shape):
    array = plane(shape)
    for seed in range(60):
        ours, theirs = take_both(array, (24, 16), seed)
        assert np.array_equal(ours, theirs), seed  # the part is cut first: the same integers
        assert ours.flags.c_contiguous
        assert not np.may_share_memory(ours, array)


@given(st.integers(0, 2**31), st.tuples(SIDES, SIDES))
def test_any_seed_gives_torchvisions_part(seed, shape):
    ours, theirs = take_both(plane(shape), (9, 14), seed)
    assert np.array_equal(ours, theirs)


def test_the_logarithms_are_torchvisions():
    """A crop's ratio is computed in float32, so that no side is rounded otherwise."""
    transform = v2.RandomResizedCrop(8)
    for seed in range(300):
        torch.manual_seed(seed)
        ours = TorchDraw().log_uniform(3 / 4, 4 / 3)
        torch.manual_seed(seed)
        logs = transform._log_ratio
        assert ours == torch.exp(torch.empty(1).uniform_(logs[0], logs[1])).item()


def test_random_parts_of_deep_planes():
    array = plane((50, 70), 65536, np.uint16)
    for seed in range(20):
        torch.manual_seed(seed)
        taken = RandomView((16, 16)).take(array, TorchDraw())
        torch.manual_seed(seed)
        alike = RandomView((16, 16)).take((array >> 8).astype(np.uint8), TorchDraw())
        assert taken.dtype == np.uint16
        assert differ(taken / 257, alike) <= 2


def test_numpy_draws_the_same_distribution():
    draw = NumpyDraw(np.random.default_rng(0))
    ratios = np.array([draw.log_uniform(0.5, 2) for _ in range(2000)])
    assert 0.5 <= ratios.min() < 0.51
    assert 1.95 < ratios.max() <= 2
    assert abs(np.log(ratios).mean()) < 0.05
    assert {draw.integer(3) for _ in range(50)} == {0, 1, 2}
    assert 0 <= draw.uniform(0, 1) < 1
    array = plane((20, 30))
    first, again = (
        RandomView((8, 8)).take(array, NumpyDraw(np.random.default_rng(5))) for _ in range(2)
    )
    assert np.array_equal(first, again)


def test_the_options():
    assert choose_view(224) == CenterView((224, 224), 256)
    assert choose_view(np.int64(8), np.int64(9)) == CenterView((8, 8), 9)
    assert choose_view([10, 20]) == CenterView((10, 20), round(20 / 0.875))
    assert choose_view((10, 20), 20) == CenterView((10, 20), 20)
    assert choose_view(10, train=True) == RandomView((10, 10))
    assert choose_view(None) is None
    assert math.isclose(choose_view(299).resize, 299 / 0.875, abs_tol=0.5)


@pytest.mark.parametrize(
    ("size", "resize", "train"),
    [(0, None, False), (-3, None, False), (True, None, False), (2.5, None, False),
     ("8", None, False),
     ((1, 2, 3), None, False), ((), None, False), ((8, None), None, False), (8, 7, False),
     (8, True, False), (8, 0, True), (8, "9", False), ((4, 8), 7, False), (None, 9, False),
     (None, None, True), (8, None, 1)],
)  # fmt: skip
def test_wrong_options(size, resize, train):
    with pytest.raises(OptionError, match=r"size|resize|train"):
        choose_view(size, resize, train)
