"""Tests of the seeds that samples get."""

import copy
import pickle
import random

import numpy as np
import pytest

import graytorgb as g2r

from ..support import needs_package

needs_package("torch")

import torch  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.utils.data import (  # noqa: E402
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from graytorgb.datasets import SeededSampler  # noqa: E402
from graytorgb.datasets.loading.seeds import SeededDataset, SeededIndex, seeded  # noqa: E402

COUNT = 20


def told(epoch):
    """The indices of an epoch with their seeds."""
    return [(int(index), index.seed) for index in epoch]


def draw():
    return torch.rand(1).item(), random.random(), np.random.rand()  # noqa: NPY002


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda i: pickle.loads(pickle.dumps(i))]
)
def test_an_index_keeps_its_seed(clone):
    index = clone(SeededIndex(3, 1 << 62))
    assert type(index) is SeededIndex
    assert (index, index.seed) == (3, 1 << 62)
    assert [10, 11, 12, 13][index] == 13


def test_a_seed_rules_all_generators_and_gives_them_back():
    before = draw()
    state = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002
    want_next = draw()
    torch.set_rng_state(state[0])
    random.setstate(state[1])
    np.random.set_state(state[2])  # noqa: NPY002
    with seeded(SeededIndex(0, 5)):
        first = draw()
    with seeded(SeededIndex(1, 5)):
        assert draw() == first != before
    with pytest.raises(ZeroDivisionError), seeded(SeededIndex(2, 6)):
        draw()[0] / 0  # the generators are restored after an error too
    with seeded(3):
        pass
    assert draw() == want_next


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_seed_gives_the_same_epochs_and_each_is_another(shuffle):
    first, again = (SeededSampler(range(COUNT), shuffle=shuffle, seed=7) for _ in range(2))
    epochs = [told(first) for _ in range(3)]
    assert [told(again) for _ in range(3)] == epochs
    assert len({seed for epoch in epochs for _, seed in epoch}) == 3 * COUNT
    for epoch in epochs:
        assert sorted(index for index, _ in epoch) == list(range(COUNT))
    orders = {tuple(index for index, _ in epoch) for epoch in epochs}
    assert len(orders) == (3 if shuffle else 1)
    again.set_epoch(1)
    assert told(again) == epochs[1]
    assert told(SeededSampler(range(COUNT), shuffle=shuffle, seed=8)) != epochs[0]


@pytest.mark.parametrize("shuffle", [False, True])
def test_without_a_seed_torch_decides(shuffle):
    sampler = SeededSampler(range(COUNT), shuffle=shuffle)
    torch.manual_seed(3)
    epochs = [told(sampler) for _ in range(2)]
    assert epochs[0] != epochs[1]
    torch.manual_seed(3)
    sampler.set_epoch(0)
    assert [told(sampler) for _ in range(2)] == epochs


SAMPLERS = [
    lambda: SequentialSampler(range(COUNT)),
    lambda: RandomSampler(range(COUNT)),
    lambda: RandomSampler(range(COUNT), replacement=True),
    lambda: SubsetRandomSampler(range(5, COUNT)),
    lambda: WeightedRandomSampler([1.0] * COUNT, 30),
    lambda: WeightedRandomSampler([1.0] * COUNT, 30, generator=torch.Generator().manual_seed(1)),
    lambda: DistributedSampler(range(COUNT), 2, 1),
]


@pytest.mark.parametrize("make", SAMPLERS)
def test_samplers_of_torch_get_seeds_and_their_order_from_it(make):
    first, again = (SeededSampler(make(), seed=2) for _ in range(2))
    state = torch.get_rng_state()
    epochs = [told(first) for _ in range(2)]
    assert [told(again) for _ in range(2)] == epochs
    assert torch.equal(torch.get_rng_state(), state)
    assert len(first) == len(epochs[0])
    pairs = [pair for epoch in epochs for pair in epoch]
    assert len({seed for _, seed in pairs}) == len(pairs)


ORDERED = [lambda **options: SeededSampler(range(COUNT), shuffle=True, **options)]
WRAPPED = [lambda make=make, **options: SeededSampler(make(), **options) for make in SAMPLERS]


@pytest.mark.parametrize("make", ORDERED + WRAPPED)
@pytest.mark.parametrize("seed", [None, 4])
def test_an_interrupted_epoch_goes_on(make, seed):
    sampler = make(seed=seed)
    list(sampler)
    whole = iter(sampler)
    part = [next(whole) for _ in range(6)]
    states = pickle.dumps((sampler.state_dict(), whole.state_dict()))
    rest, after = told(whole), told(sampler)
    torch.manual_seed(99)
    other = make(seed=seed)
    outer, inner = pickle.loads(states)
    other.load_state_dict(outer)
    resumed = iter(other)
    resumed.load_state_dict(inner)
    assert told(resumed) == rest
    assert len(part) + len(rest) == len(sampler)
    if seed is not None:  # else torch draws another
        assert told(other) == after


def test_a_state_before_the_first_and_after_the_last_sample():
    sampler = SeededSampler(range(3), shuffle=True, seed=0)
    iterator = iter(sampler)
    begin = iterator.state_dict()
    whole = told(iterator)
    end = iterator.state_dict()
    for state, want in ((begin, whole), (end, [])):
        iterator.load_state_dict(state)
        assert told(iterator) == want


@given(st.integers(0, 5000), st.integers(0, 2**70), st.integers(0, 2**40))
def test_the_seed_of_a_place_does_not_depend_on_where_an_epoch_begins(place, seed, epoch):
    sampler = SeededSampler(SequentialSampler(range(place + 3)), seed=seed)
    sampler.set_epoch(epoch)
    iterator = iter(sampler)
    want = told(iterator)[place:]
    iterator.load_state_dict({"epoch": epoch, "seed": seed, "place": place, "source": {}})
    assert told(iterator) == want


def test_an_epoch_that_the_user_sets_on_a_distributed_sampler_rules():
    inner = DistributedSampler(range(COUNT), 2, 0, seed=5)
    inner.set_epoch(4)
    sampler = SeededSampler(inner, seed=0)
    fourth, fifth = told(sampler), told(sampler)
    assert inner.epoch == 5
    inner.set_epoch(4)
    assert told(sampler) == fourth
    assert told(sampler) == fifth
    plain = DistributedSampler(range(COUNT), 2, 0, seed=5)
    plain.set_epoch(4)
    assert [index for index, _ in fourth] == list(plain)
    sampler.set_epoch(4)
    assert told(sampler) == fourth


def test_two_processes_never_draw_the_same():
    ranks = [SeededSampler(DistributedSampler(range(COUNT), 2, r), seed=0) for r in range(2)]
    pairs = [pair for sampler in ranks for pair in told(sampler)]
    assert sorted(index for index, _ in pairs) == list(range(COUNT))
    assert len({seed for _, seed in pairs}) == COUNT


class Endless:
    """A sampler without a length."""

    def __iter__(self):
        while True:
            yield from (2, 0, 1)


def test_a_sampler_without_an_end():
    sampler = SeededSampler(Endless(), seed=0)
    iterator = iter(sampler)
    first = [next(iterator) for _ in range(5)]
    assert first == [2, 0, 1, 2, 0]
    state = iterator.state_dict()
    want = [next(iterator).seed for _ in range(3)]
    iterator.load_state_dict(state)
    assert [next(iterator).seed for _ in range(3)] == want
    with pytest.raises(TypeError):
        len(sampler)


def test_a_data_set_of_any_class_is_seeded():
    class Draws:
        name = "draws"

        def __len__(self):
            return 3

        def __getitem__(self, index):
            assert type(index) is int
            return index, draw()

    assert pickle.loads(pickle.dumps(SeededDataset([draw])))[0] is draw
    dataset = SeededDataset(Draws())
    assert (len(dataset), dataset.name) == (3, "draws")
    assert dataset[SeededIndex(1, 8)] == dataset[SeededIndex(1, 8)] != dataset[1]
    with pytest.raises(AttributeError, match="nothing"):
        dataset.nothing  # noqa: B018


@pytest.mark.parametrize("seed", [-1, 1.0, True, "0"])
def test_seeds_that_are_none(seed):
    with pytest.raises(g2r.OptionError, match="0 or more"):
        SeededSampler(range(3), seed=seed)


def test_a_sampler_is_not_shuffled():
    with pytest.raises(g2r.OptionError, match="own order"):
        SeededSampler(RandomSampler(range(3)), shuffle=True)
