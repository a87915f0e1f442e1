"""Tests of PrepareBatch: one channel, samples that are missing, and many bytes at once."""

import pickle

import numpy as np
import pytest

import graytorgb as g2r

from ..support import needs, random_bits

needs("torchvision", "pillow")

import torch  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from PIL import Image  # noqa: E402

from graytorgb.transforms import Prepare, PrepareBatch  # noqa: E402

LEVELS = np.arange(256, dtype=np.uint8).reshape(16, 16)
DEEP = np.arange(256, dtype=np.uint16).reshape(16, 16) * 16
FLOATS = torch.linspace(0, 1, 256).view(1, 16, 16)


def first_channel(image, **options):
    """What `prepare` gives for values from 0 to 1, without the copies of the channel."""
    if isinstance(image, np.ndarray):
        image = torch.from_numpy(image)[None]
    return Prepare("0..1", **options)(image)[:1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    ("image", "value_range"),
    [
        (LEVELS, None),
        (LEVELS, (3, 200)),
        (LEVELS, "dtype"),
        (LEVELS, "minmax"),
        (LEVELS, ("percentile", 1, 99)),
        (DEEP, (0, 4095)),
        (DEEP, (100, 3000)),
        (torch.from_numpy(DEEP.astype(np.int16))[None], (-100, 4095)),
        (FLOATS, None),
        (FLOATS.double(), None),
        (FLOATS.bfloat16(), None),
        (FLOATS * 7, (0, 7)),
        (LEVELS > 100, None),
        (Image.fromarray(LEVELS), None),
        (Image.fromarray(LEVELS).convert("1"), None),
        (Image.fromarray(DEEP), (0, 4095)),
    ],
)
def test_one_channel_is_the_first_of_prepare_bit_for_bit(image, value_range, dtype):
    batch = PrepareBatch(channels=1, value_range=value_range, dtype=dtype)([image, image])
    want = first_channel(image, value_range=value_range, dtype=dtype)
    assert batch.shape == (2, 1, 16, 16)
    assert batch.dtype == dtype
    for one in batch:
        assert torch.equal(one, want)


@given(
    st.integers(1, 5), st.tuples(st.integers(1, 9), st.integers(1, 9)), st.booleans(),
    st.sampled_from([1, 3]),
)  # fmt: skip
def test_images_together_are_what_each_is_alone(count, size, with_axis, channels):
    images = [torch.from_numpy(random_bits(size, np.uint8, seed=k)) for k in range(count)]
    samples = [image[None] if with_axis else image for image in images]
    collate = PrepareBatch("0..1" if channels == 1 else "imagenet", channels=channels)
    alone = torch.cat([collate([sample]) for sample in samples])
    assert torch.equal(collate(samples), alone)
    assert torch.equal(collate([image.numpy() for image in images]), alone)
    mixed = [samples[0], *(Image.fromarray(image.numpy()) for image in images[1:])]
    assert torch.equal(collate(mixed), alone)


def test_gray_and_rgb_in_one_batch():
    gray = torch.from_numpy(LEVELS)[None]
    images = PrepareBatch("imagenet")([gray, gray.expand(3, 16, 16)])
    assert torch.allclose(images[0], images[1], rtol=0, atol=2e-6)


def test_bytes_as_they_are():
    images = [torch.from_numpy(random_bits((6, 5), np.uint8, seed=k))[None] for k in range(4)]
    samples = [(image, k) for k, image in enumerate(images)]
    batch, labels = PrepareBatch(channels=1, dtype=torch.uint8)(samples)
    assert torch.equal(batch, torch.stack(images))
    assert labels.tolist() == [0, 1, 2, 3]
    ready = PrepareBatch("imagenet")(images)
    assert torch.equal(g2r.prepare(batch, "imagenet", "NCHW"), ready)


@pytest.mark.parametrize(
    "image", [DEEP, FLOATS, LEVELS > 3, torch.zeros(2, 4, 5, dtype=torch.uint8)]
)
def test_what_is_no_byte(image):
    with pytest.raises(g2r.DtypeError, match=r"samples as they are.*ToUint8\(value_range\)"):
        PrepareBatch(channels=1, dtype=torch.uint8)([image])


@pytest.mark.parametrize("stats", ["0..1", (0, 1), ((0, 0, 0), (1.0, 1.0, 1.0))])
def test_statistics_that_change_nothing_may_be_stated(stats):
    images = [LEVELS, LEVELS]
    assert torch.equal(PrepareBatch(stats, channels=1)(images), PrepareBatch(channels=1)(images))


@pytest.mark.parametrize("stats", ["imagenet", "-1..1", (0.5, 1), (0, 0.5), ((0, 0, 0.1), 1)])
def test_statistics_that_would_be_applied_twice(stats):
    with pytest.raises(g2r.OptionError, match=r"applied twice.*channels=3"):
        PrepareBatch(stats, channels=1)


def test_three_channels_need_statistics():
    with pytest.raises(
        g2r.OptionError, match=r"imagenet.*ResNet50_Weights.*\(mean, std\).*channels=1"
    ):
        PrepareBatch()


@pytest.mark.parametrize("channels", [0, 2, 4, True, "1", None])
def test_other_numbers_of_channels(channels):
    with pytest.raises(g2r.OptionError, match="channels is 3, or 1"):
        PrepareBatch("imagenet", channels=channels)


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(3, 4, 5, dtype=torch.uint8),
        np.zeros((4, 5, 3), np.uint8),
        Image.new("RGB", (5, 4)),
        torch.zeros(3, 4, 5),
    ],
)
def test_rgb_has_no_one_channel(image):
    for dtype in (torch.float32, torch.uint8):
        with pytest.raises(g2r.ChannelError, match=r"3 channels.*ToGray\(\).*to_gray\(image\)"):
            PrepareBatch(channels=1, dtype=dtype)([image])


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (DEEP, g2r.LevelsError, "how deep"),
        (FLOATS * 2, g2r.LevelsError, "0 to 1"),
        (FLOATS * float("nan"), g2r.LevelsError, "NaN|0 to 1"),
        (Image.new("LA", (5, 4)), g2r.ChannelError, "alpha"),
        (torch.zeros(2, 4, 5), g2r.ChannelError, "alpha"),
        (torch.zeros(9), g2r.GrayToRGBError, "given|axes"),
        (torch.zeros(2, 1, 8, 9), g2r.GrayToRGBError, "given|axes"),
    ],
)
def test_what_prepare_refuses_is_refused_for_one_channel(image, error, message):
    with pytest.raises(error, match=message):
        PrepareBatch(channels=1)([image])


def test_depth_that_was_lost_is_told_for_one_channel():
    with pytest.raises(g2r.LevelsError, match="lost when it was opened"):
        PrepareBatch(channels=1, value_range=(0, 65_535))([LEVELS])


@pytest.mark.parametrize("channels", [1, 3])
def test_samples_that_are_missing_are_left_out(channels):
    collate = PrepareBatch("0..1", channels=channels)
    samples = [(np.full((2, 3), level, np.uint8), level) for level in range(3)]
    images, labels = collate([None, samples[0], None, samples[2], None])
    assert labels.tolist() == [0, 2]
    assert torch.equal(images, collate([samples[0], samples[2]])[0])
    assert collate([None, LEVELS]).shape == (1, channels, 16, 16)
    for nothing in ([None], [None, None], []):
        with pytest.raises(g2r.LayoutError, match=r"no samples.*datasets\.loader"):
            collate(nothing)


def test_memory_is_used_again_and_a_copy_has_its_own():
    collate = PrepareBatch(channels=1)
    places = {collate([LEVELS, LEVELS]).data_ptr() for _ in range(6)}
    assert len(places) == 1
    clone = pickle.loads(pickle.dumps(collate))
    assert torch.equal(clone([LEVELS]), collate([LEVELS]))
    held = collate([LEVELS])
    assert clone([DEEP.astype(np.uint8)]).data_ptr() != held.data_ptr()


def test_images_without_pixels():
    batch = PrepareBatch(channels=1)([np.zeros((0, 5), np.uint8)] * 2)
    assert batch.shape == (2, 1, 0, 5)
