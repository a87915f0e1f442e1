"""verify on torch networks that take more, or other, than one batch of images."""

import copy
import pickle

import numpy as np
import pytest

from graytorgb import ModelError
from graytorgb.models import adapt, verify

from ..support import needs_package

needs_package("torch")

import torch  # noqa: E402
from torch import nn  # noqa: E402

from .networks import MEAN, STD, drop_preprocessing, randomize_constants  # noqa: E402

STATS = (MEAN, STD)
WAYS = ("collapse", "expand", "learned")


class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        randomize_constants(self)


class Masked(Stem):
    def forward(self, image, mask, words=None):
        assert mask.shape[-2:] == image.shape[-2:]
        return (self.stem(image) * mask).mean((2, 3)) * (words.shape[1] if words is not None else 1)


class Siamese(Stem):
    def forward(self, image1, image2):
        return (self.stem(image1) - self.stem(image2)).pow(2).mean((2, 3))


class OfDicts(Stem):
    def forward(self, batch):
        return [self.stem(each["image"])[: each["count"]] for each in batch]


class ChannelsLast(Stem):
    def forward(self, x):
        return self.stem(x.movedim(-1, -3))


class OneImage(Stem):
    """A network that takes one image and no batch."""

    def forward(self, image):
        assert image.ndim == 3
        return self.stem(image).mean((1, 2))


class Frames(Stem):
    def forward(self, clip):
        n, frames, _, _, _ = clip.shape
        return self.stem(clip.flatten(0, 1)).unflatten(0, (n, frames)).mean(1)


GRAY = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
MASK = torch.rand(1, 1, 8, 8, dtype=torch.float64)
CASES = {
    "a mask": (Masked, {"image": GRAY, "mask": MASK}),
    "a mask and words": (
        Masked, {"image": GRAY, "mask": MASK, "words": torch.zeros(1, 5, dtype=torch.long)},
    ),
    "two images": (Siamese, None),
    "two images of an example": (Siamese, (GRAY, GRAY)),
    "a list of dicts": (OfDicts, [{"image": GRAY[0], "count": 3}]),
    "channels last": (ChannelsLast, torch.zeros(1, 8, 8, 3, dtype=torch.float64)),
    "one image": (OneImage, GRAY[0]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_proof_passes_and_fails(name):
    kind, example = CASES[name]
    model = kind()
    adapted = adapt(model, STATS, how="expand", example=example)
    images = np.random.default_rng(0).random((5, 12, 10))
    proof = verify(model, adapted, images, batch_size=2, seconds=0)
    assert proof.passed, proof.reason
    assert proof.images == 5
    wrong = drop_preprocessing(adapt(model, (0.4, 0.2), how="expand", example=example))
    assert not verify(model, wrong, images, STATS, seconds=0).passed
    for other in (copy.deepcopy(adapted), pickle.loads(pickle.dumps(adapted))):
        assert verify(model, other, images, seconds=0).passed


@pytest.mark.parametrize("shape", [(3, 1, 4, 8, 8), (3, 8, 8)])
@pytest.mark.parametrize("example", [None, (4, 8, 8), torch.zeros(1, 3, 3, 8, 8)], ids=str)
def test_clips_and_images_for_a_network_of_clips(shape, example):
    """An image is given to it as a clip in which the image moves."""
    model = Frames()
    example = example.double() if isinstance(example, torch.Tensor) else example
    adapted = adapt(model, STATS, how="expand", example=example)
    proof = verify(model, adapted, torch.rand(shape), seconds=0)
    assert proof.passed, proof.reason


def test_two_images_are_not_the_same():
    """Equal images would give 0 in both networks, and prove nothing."""
    model = Siamese()
    adapted = adapt(model, STATS, how="expand")
    assert verify(model, adapted, torch.rand(2, 8, 8), seconds=0).largest_output > 1e-3


def test_an_adapted_network_in_another_dtype():
    model = Masked().float()
    adapted = adapt(
        model, STATS, how="expand", example={"image": GRAY.float(), "mask": MASK.float()}
    )
    images = torch.rand(2, 8, 8)
    assert verify(model.double(), adapted.double(), images, seconds=0).passed
    assert verify(model.bfloat16(), adapted.bfloat16(), images, seconds=0, tolerance=0.1).passed


def test_without_an_example_the_error_says_what_is_missing():
    model = Masked()
    adapted = adapt(model, STATS, how="expand")
    with pytest.raises(ModelError, match=r"raises TypeError.*missing 1 required.*'mask'"):
        verify(model, adapted, torch.rand(2, 8, 8), seconds=0)
