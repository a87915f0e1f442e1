"""Tests of the DataLoader that `loader` makes, in one process."""

import itertools
import multiprocessing
import random
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import graytorgb as g2r

from ..support import needs
from .trees import deep, gray, write_png

needs("torchvision", "pillow")

import torch  # noqa: E402
from torch.utils.data import (  # noqa: E402
    ConcatDataset,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    SequentialSampler,
    Subset,
    WeightedRandomSampler,
)
from torchvision.datasets import ImageFolder  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from graytorgb.datasets import GrayImageFolder, loader  # noqa: E402
from graytorgb.datasets.loading import torch_loader  # noqa: E402
from graytorgb.models import adapt  # noqa: E402
from graytorgb.transforms import PrepareBatch  # noqa: E402

COUNT = 10


@pytest.fixture
def root(tmp_path):
    """Ten gray images in two classes."""
    for k in range(COUNT):
        write_png(tmp_path / "ab"[k % 2] / f"{k}.png", gray(k))
    return tmp_path


def damage(root, *numbers):
    """Make files unreadable, and return their paths."""
    paths = [root / "ab"[k % 2] / f"{k}.png" for k in numbers]
    for path in paths:
        path.write_bytes(path.read_bytes()[:60])
    return [str(path) for path in paths]


def same(first, second):
    pairs = zip(first, second, strict=True)
    return all(torch.equal(a, b) for one, two in pairs for a, b in zip(one, two, strict=True))


def test_it_is_torch_s_own_with_prepared_batches(root):
    dataset = GrayImageFolder(root, 8)
    made = loader(dataset, 4, "imagenet", workers=0)
    assert type(made) is DataLoader
    assert made.dataset is dataset
    assert isinstance(made.collate_fn, PrepareBatch)
    assert (made.batch_size, made.drop_last, made.num_workers, len(made)) == (4, False, 0, 3)
    assert made.pin_memory == torch.cuda.is_available()
    images, labels = zip(*made, strict=True)
    want = torch.stack([dataset[k][0] for k in range(COUNT)])
    assert torch.equal(torch.cat(images), g2r.prepare(want, "imagenet", "NCHW"))
    assert torch.cat(labels).tolist() == dataset.targets


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.uint8])
def test_one_channel(root, dtype):
    dataset = GrayImageFolder(root, 8)
    images = torch.cat([x for x, _ in loader(dataset, 4, channels=1, dtype=dtype, workers=0)])
    levels = torch.stack([dataset[k][0] for k in range(COUNT)])
    assert images.dtype == dtype
    if dtype == torch.uint8:
        assert torch.equal(images, levels)
    else:
        assert torch.equal(images, g2r.prepare(levels, "0..1", "NCHW", dtype=dtype)[:, :1])


def test_an_adapted_network_sees_what_the_original_sees(root):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Flatten())
    adapted = adapt(network, "imagenet")
    dataset = GrayImageFolder(root, 8)
    rgb = next(iter(loader(dataset, 4, "imagenet", workers=0)))[0]
    one = next(iter(loader(dataset, 4, channels=1, workers=0)))[0]
    assert (adapted(one) - network(rgb)).abs().max() < 1e-5


def test_a_seed_gives_the_same_epochs(root):
    dataset = GrayImageFolder(root, 8, train=True, transform=v2.RandomVerticalFlip())

    def make(seed):
        return loader(dataset, 4, "imagenet", shuffle=True, seed=seed, workers=0)

    first, again = make(0), make(0)
    state = torch.get_rng_state()
    epochs = [list(first) for _ in range(2)]
    assert all(same(epoch, again) for epoch in epochs)
    assert torch.equal(torch.get_rng_state(), state)
    assert not same(*epochs)
    assert not same(epochs[0], make(1))
    torch.manual_seed(5)
    free = list(make(None))
    torch.manual_seed(5)
    assert same(free, make(None))
    assert not same(free, make(None))


def test_the_last_batch(root):
    dataset = GrayImageFolder(root, 8)
    sizes = [len(x) for x, _ in loader(dataset, 4, "imagenet", drop_last=True, workers=0)]
    assert sizes == [4, 4]


def test_a_sampler_chooses(root):
    dataset = GrayImageFolder(root, 8)
    weights = [1.0] + [0.0] * (COUNT - 1)
    made = loader(dataset, 3, "0..1", sampler=WeightedRandomSampler(weights, 6), workers=0)
    want = dataset[0][0] / 255
    for images, _ in made:
        assert torch.allclose(images, want.expand_as(images))


@pytest.mark.parametrize("wrap", [lambda d: Subset(d, [3, 1, 7]), lambda d: ConcatDataset([d, d])])
def test_parts_and_sums_are_seeded_too(root, wrap):
    dataset = wrap(GrayImageFolder(root, 8, train=True))
    first, again = (loader(dataset, 2, "imagenet", seed=3, workers=0) for _ in range(2))
    assert isinstance(first.dataset, torch_loader.SeededDataset)
    assert same(first, again)
    assert not same(first, first)


class TestSkipping:
    def test_what_is_skipped_is_left_out_and_told_at_the_end(self, root):
        bad = damage(root, 1, 4, 5, 7, 8)
        dataset = GrayImageFolder(root, 8, on_error="skip")
        made = loader(dataset, 2, "imagenet", workers=0)
        assert isinstance(made, DataLoader)
        iterator = iter(made)
        with warnings.catch_warnings(action="error"):  # nothing before the end
            seen = [labels.tolist() for _, labels in itertools.islice(iterator, 4)]
        with pytest.warns(UserWarning, match="epoch 0: 5 files skipped") as caught:
            assert next(iterator, None) is None
        shown = sorted(bad, key=[path for path, _ in dataset.samples].index)
        assert all(path in str(caught[0].message) for path in shown[:3])
        assert "and 2 more" in str(caught[0].message)
        assert shown[3] not in str(caught[0].message)
        assert sum(map(len, seen)) == 5
        assert dataset.skipped == shown
        with pytest.warns(UserWarning, match="epoch 1: 5 files"):
            assert sum(len(labels) for _, labels in made) == 5

    def test_outside_of_an_epoch_each_file_has_its_warning(self, root):
        bad = damage(root, 1, 4)
        dataset = GrayImageFolder(root, 8, on_error="skip")
        iterator = iter(loader(dataset, 1, "imagenet", workers=0))
        next(iterator)
        iterator.close()
        for place, (path, _) in enumerate(dataset.samples):
            if path in bad:
                with pytest.warns(UserWarning, match=f"skipped, {path}"):
                    assert dataset[place] is None

    def test_a_folder_that_is_there_twice_is_told_once(self, root):
        damage(root, 0)
        dataset = GrayImageFolder(root, 8, on_error="skip")
        made = loader(ConcatDataset([dataset, dataset]), 1, "imagenet", workers=0)
        with pytest.warns(UserWarning, match="epoch 0: 1 file skipped"):
            list(made)

    def test_nothing_is_told_of_a_folder_without_fault(self, root):
        made = loader(GrayImageFolder(root, 8, on_error="skip"), 4, "imagenet", workers=0)
        assert len(list(made)) == 3

    def test_in_a_part_of_a_folder(self, root):
        damage(root, 0)
        dataset = GrayImageFolder(root, 8, on_error="skip")
        made = loader(Subset(dataset, [0, 1]), 1, "imagenet", workers=0)
        with pytest.warns(UserWarning, match="epoch 0: 1 file skipped"):
            assert len(list(made)) == 1

    def test_a_bad_file_is_an_error_else(self, root):
        (path,) = damage(root, 4)
        with pytest.raises(g2r.ImageFileError, match=path):
            list(loader(GrayImageFolder(root, 8), 4, "imagenet", workers=0))


class TestDepth:
    @pytest.fixture
    def deep_root(self, tmp_path):
        for k in range(4):
            write_png(tmp_path / "ab"[k % 2] / f"{k}.png", deep(k))
        return tmp_path

    @pytest.mark.parametrize("channels", [1, 3])
    def test_16_bits_that_are_kept_are_scaled_by_their_range(self, deep_root, channels):
        dataset = GrayImageFolder(deep_root, 8, value_range=(0, 4095), dtype=torch.uint16)
        stats = "0..1" if channels == 3 else None
        images, _ = next(iter(loader(dataset, 4, stats, channels=channels, workers=0)))
        want = torch.stack([dataset[k][0] for k in range(4)]).float() / 4095
        assert (images - want).abs().max() < 1e-6
        other = loader(dataset, 4, stats, channels=channels, workers=0, value_range=(0, 8190))
        assert (next(iter(other))[0] - want / 2).abs().max() < 1e-6

    def test_16_bits_without_a_range(self, deep_root):
        dataset = GrayImageFolder(deep_root, 8, dtype=torch.uint16)
        with pytest.raises(g2r.LevelsError, match=r"loader\(..., value_range=\(0, 4095\)\)"):
            loader(dataset, 4, "imagenet")

    def test_folders_of_several_ranges(self, deep_root):
        both = [
            GrayImageFolder(deep_root, 8, dtype=torch.uint16, value_range=(0, top))
            for top in (4095, 8190)
        ]
        with pytest.raises(g2r.LevelsError, match=r"\(0, 4095\).*\(0, 8190\)"):
            loader(ConcatDataset(both), 4, "imagenet")


class TestOtherDataSets:
    def test_image_folder_of_torchvision(self, root):
        dataset = ImageFolder(root, v2.Compose([v2.Resize((8, 8)), v2.RandomHorizontalFlip()]))
        images, labels = next(iter(loader(dataset, COUNT, "imagenet", workers=0)))
        assert images.shape == (COUNT, 3, 8, 8)
        assert labels.tolist() == dataset.targets
        with pytest.raises(g2r.ChannelError, match=r"GrayImageFolder.*ToGray\(\)"):
            next(iter(loader(dataset, 4, channels=1, workers=0)))

    def test_transforms_that_draw_from_python_and_numpy_are_seeded(self, root):
        def transform(image):
            noise = random.randrange(9) + np.random.randint(9)  # noqa: NPY002
            return v2.functional.pil_to_tensor(image.resize((8, 8)))[:1] // 2 + noise

        made = [loader(ImageFolder(root, transform), 4, "0..1", seed=1, workers=0) for _ in "ab"]
        assert same(*made)

    def test_images_of_several_sizes(self, root):
        write_png(root / "a" / "0.png", gray(0, (20, 30)))
        with pytest.raises(g2r.LayoutError, match=r"one size.*GrayImageFolder\(..., size=224\)"):
            list(loader(GrayImageFolder(root, size=None), COUNT, "imagenet", workers=0))

    def test_an_iterable_one(self):
        class Stream(IterableDataset):
            def __iter__(self):
                yield torch.zeros(1, 4, 4, dtype=torch.uint8)

        with pytest.raises(g2r.OptionError, match=r"Stream doesn't have both.*=PrepareBatch"):
            loader(Stream(), 4, "imagenet")

    def test_none_at_all(self):
        assert list(loader([], 4, "imagenet")) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "statistics.*imagenet.*channels=1"),
        ({"stats": "imagenet", "channels": 1}, "applied twice"),
        ({"stats": "imagenet", "channels": 2}, "channels is 3, or 1"),
        ({"stats": "imagenet", "batch_size": 0}, "batch_size is a number of images"),
        ({"stats": "imagenet", "batch_size": True}, "batch_size"),
        ({"stats": "imagenet", "batch_size": 2.0}, "batch_size"),
        ({"stats": "imagenet", "workers": -1}, "workers is a number of processes"),
        ({"stats": "imagenet", "workers": 1.5}, "workers"),
        ({"stats": "imagenet", "seed": -3}, "seed is an integer"),
        ({"stats": "imagenet", "shuffle": True, "sampler": SequentialSampler([1])}, "own order"),
        ({"stats": "imagenet", "sampler": [1, 2]}, r"Subset\(dataset, indices\)"),
        ({"stats": "imagenet", "num_workers": 2}, "workers="),
        ({"stats": "imagenet", "generator": torch.Generator()}, "seed="),
        ({"stats": "imagenet", "collate_fn": list}, "collate_fn itself"),
        ({"stats": "imagenet", "batch_sampler": []}, "sampler="),
        ({"stats": "imagenet", "prefetch": 2}, "an option 'prefetch'.*prefetch_factor"),
        ({"mean": 0.5, "std": 0.25}, r"loader\(..., stats=\(0.5, 0.25\)\)"),
        ({"channels": 1, "dtype": torch.uint8, "value_range": (0, 9)}, "value_range has no use"),
    ],
)
def test_mistakes_are_told_at_once(root, options, message):
    options = {"batch_size": 4} | options
    with pytest.raises(g2r.OptionError, match=message):
        loader(GrayImageFolder(root, 8), **options)


class TestWorkers:
    """How many there are; none is started."""

    def choose(self, monkeypatch, cores, **options):
        monkeypatch.setattr(torch_loader, "count_processors", lambda: cores)
        dataset = [torch.zeros(1, 4, 4, dtype=torch.uint8)] * 10
        return loader(dataset, options.pop("batch_size", 1), "imagenet", **options)

    @pytest.mark.parametrize(
        ("cores", "batch_size", "workers"),
        [(1, 1, 0), (2, 1, 2), (8, 2, 5), (8, 5, 2), (8, 6, 2), (8, 10, 0)],
    )
    def test_one_a_processor_and_at_most_one_a_batch(self, monkeypatch, cores, batch_size, workers):
        made = self.choose(monkeypatch, cores, batch_size=batch_size)
        assert made.num_workers == workers
        assert not made.persistent_workers

    @pytest.mark.parametrize(("method", "stays"), [("fork", False), ("spawn", True)])
    def test_workers_that_start_slowly_stay(self, monkeypatch, method, stays):
        made = self.choose(monkeypatch, 2, multiprocessing_context=method)
        assert made.persistent_workers == stays
        monkeypatch.setattr(multiprocessing, "get_start_method", lambda allow_none: method)
        assert self.choose(monkeypatch, 2).persistent_workers == stays
        assert not self.choose(monkeypatch, 1).persistent_workers

    def test_processes_of_torchrun_share_the_processors(self, monkeypatch):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
        assert self.choose(monkeypatch, 8).num_workers == 4
        sampler = DistributedSampler(range(10), 2, 0)
        assert self.choose(monkeypatch, 64, sampler=sampler).num_workers == 5

    def test_options_of_workers_ask_for_one(self, monkeypatch):
        made = self.choose(monkeypatch, 1, prefetch_factor=4)
        assert (made.num_workers, made.prefetch_factor) == (1, 4)

    def test_a_stated_number(self, monkeypatch):
        made = self.choose(monkeypatch, 4, workers=2, persistent_workers=False, timeout=9)
        assert (made.num_workers, made.persistent_workers, made.timeout) == (2, False, 9)


def test_torchdata_that_is_missing(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchdata.stateful_dataloader", None)
    monkeypatch.delitem(sys.modules, "graytorgb.datasets.loading.resumable_loader", raising=False)
    with pytest.raises(g2r.BackendUnavailable, match="torchdata"):
        loader(GrayImageFolder(root, 8), 4, "imagenet", resumable=True)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_is_no_data_set(root, kind):
    with pytest.raises(g2r.OptionError, match=r"not a path: loader\(GrayImageFolder\('"):
        loader(kind(root), 4, "imagenet")
