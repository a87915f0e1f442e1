"""Loaders of what `convert` wrote: shards and arrays give the samples of the source folder."""

import numpy as np
import pytest

from graytorgb.datasets import GrayBatches, convert

from ..support import needs, needs_package
from .trees import deep, gray, write_png

needs("torchvision", "pillow")

import torch  # noqa: E402

from graytorgb.datasets import GrayImageFolder, loader  # noqa: E402

COUNT = 5
DEPTHS = {"8 bits": (gray, None), "12 bits": (deep, (0, 4095))}
TARGETS = ("set.npy", "set.zarr", "set.tar")


@pytest.fixture(scope="module", params=DEPTHS)
def source(request, tmp_path_factory):
    """A folder of two classes, and the range of its values."""
    make, value_range = DEPTHS[request.param]
    folder = tmp_path_factory.mktemp("source") / "images"
    for number in range(COUNT):
        write_png(folder / ("cats", "dogs")[number % 2] / f"{number}.png", make(number))
    return folder, value_range


@pytest.fixture(params=TARGETS)
def target(request, source, tmp_path):
    """Return what converts the folder to one file, one for each kind of target."""
    if request.param == "set.zarr":
        needs_package("zarr")

    def make(to):
        folder, value_range = source
        convert(folder, tmp_path / request.param, to=to, value_range=value_range, workers=1)
        return tmp_path / request.param

    return make


def read_all(dataset):
    """Return the images and the labels of a data set."""
    images, labels = zip(*dataset, strict=True)
    return torch.stack(images), list(labels)


@pytest.mark.parametrize("to", ["gray", "rgb"])
def test_samples_and_classes(source, target, to):
    folder, value_range = source
    expected = GrayImageFolder(folder, size=None, value_range=value_range)
    path = target(to)
    for stated in {value_range, None}:  # the range is recorded with the images
        found = GrayImageFolder(path, size=None, value_range=stated)
        assert found.classes == expected.classes == ["cats", "dogs"]
        assert found.class_to_idx == expected.class_to_idx
        assert found.targets == expected.targets
        images, labels = read_all(found)
        assert torch.equal(images, read_all(expected)[0])
        assert labels == expected.targets


def test_kept_depth(source, target):
    folder, value_range = source
    if value_range is None:
        value_range = (0, 255)  # said of 8 bits, which would be dark beside deeper ones
    options = {"size": None, "dtype": torch.uint16, "value_range": value_range}
    expected, found = GrayImageFolder(folder, **options), GrayImageFolder(target("gray"), **options)
    assert torch.equal(read_all(found)[0], read_all(expected)[0])


def test_a_loader_with_a_worker(source, target):
    folder, value_range = source
    first, second = (
        next(iter(loader(data, COUNT, "imagenet", workers=workers)))
        for data, workers in (
            (GrayImageFolder(folder, 8, value_range=value_range), 0),
            (GrayImageFolder(target("gray"), 8, value_range=value_range), 1),
        )
    )
    assert all(map(torch.equal, first, second))


def test_gray_batches(source, target):
    folder, value_range = source
    options = {"size": 8, "value_range": value_range, "shuffle": True, "seed": 1}
    expected, found = GrayBatches(folder, 2, **options), GrayBatches(target("gray"), 2, **options)
    assert found.classes == expected.classes
    for batch, other in zip(found, expected, strict=True):
        for part, another in zip(batch, other, strict=True):
            np.testing.assert_array_equal(part, another)
