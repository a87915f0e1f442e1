"""``SeededSampler``: a seed for each sample, so that batches don't depend on the workers."""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler, get_worker_info

from ...errors import OptionError

_BITS = (1 << 63) - 1  # of a seed: what torch, as a signed number, holds
_GOLDEN = 0x9E3779B97F4A7C15  # spreads neighboring indices (Knuth's multiplicative hashing)
_BLOCK = 1024  # seeds that are drawn at once


class SeededIndex(int):
    """The index of a sample, with the seed of the random numbers that its transforms draw.

    Attributes
    ----------
    seed : int

    Examples
    --------
    >>> index = SeededIndex(3, seed=17)
    >>> index, index.seed
    (3, 17)
    """

    seed: int

    def __new__(cls, index: int, seed: int) -> "SeededIndex":
        """Return the index with its seed."""
        self = super().__new__(cls, index)
        self.seed = seed
        return self

    def __reduce__(self) -> Any:
        return SeededIndex, (int(self), self.seed)


@contextmanager
def seeded(index: Any) -> Iterator[None]:
    """Let all random numbers come from the seed of a :class:`SeededIndex` while a sample is made.

    They are those of torch, of Python's ``random`` and of ``numpy.random``, from which a user's
    transforms draw; all threads of a process share them. The generators get their state back
    afterwards, except in a DataLoader's worker, where each sample has a seed. Nothing happens for a
    plain index.

    Parameters
    ----------
    index : int or SeededIndex
    """
    if not isinstance(index, SeededIndex):
        yield
        return
    before = None if get_worker_info() is not None else _save_generators()
    torch.default_generator.manual_seed(index.seed)
    random.seed(index.seed)
    np.random.seed(index.seed & 0xFFFFFFFF)  # noqa: NPY002  # what transforms draw from
    try:
        yield
    finally:
        if before is not None:
            _restore_generators(before)


def _save_generators() -> tuple[Any, ...]:
    return torch.default_generator.get_state(), random.getstate(), np.random.get_state()  # noqa: NPY002


def _restore_generators(states: tuple[Any, ...]) -> None:
    torch.default_generator.set_state(states[0])
    random.setstate(states[1])
    np.random.set_state(states[2])  # noqa: NPY002


class SeededDataset(Dataset[Any]):
    """A data set whose samples are made under the seeds of their indices.

    Attributes of the data set inside are there too.

    Parameters
    ----------
    dataset : Dataset
        One with a length and indices.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        with seeded(index):
            return self.dataset[int(index)]

    def __getattr__(self, name: str) -> Any:
        # `dataset` is missing while this is unpickled; `__getitems__` would take no seeds
        if name == "dataset" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.dataset, name)


class SeededSampler(Sampler[int]):
    """Give each index of a sampler a seed, drawn from the seed, the epoch and the place in it.

    A data set that draws from this seed, as :class:`GrayImageFolder` does, gives the same batches
    for every number of workers. The epoch is counted with each iteration, so that
    each epoch has other seeds, and another order if there is one to draw.

    Parameters
    ----------
    source : Sampler or Dataset
        The sampler that gives the indices, or a data set whose indices are taken in order. The
        sampler's own random numbers come from the seed too, unless it has a generator of its own.
        If it has ``set_epoch``, as torch's ``DistributedSampler``, it is told each epoch.
    shuffle : bool
        Whether the indices of a data set are shuffled.
    seed : int, optional
        0 or more. By default each epoch draws one from torch's default generator, so that
        ``torch.manual_seed`` decides.

    Raises
    ------
    OptionError
        If `seed` is no such number, or `shuffle` is asked of a sampler.

    Notes
    -----
    The seed of a sample also depends on its index, so that processes that share an epoch don't
    draw the same numbers. A sampler that has a length is asked for all of its indices at the
    beginning of an epoch.

    The sampler and its iterators have ``state_dict`` and ``load_state_dict``, which torchdata's
    ``StatefulDataLoader`` calls, so that an epoch that was interrupted goes on with the same
    samples and the same random crops.

    Examples
    --------
    >>> from graytorgb.datasets import SeededSampler
    >>> sampler = SeededSampler(["a", "b", "c"], shuffle=True, seed=0)
    >>> epochs = [list(sampler) for _ in range(4)]
    >>> len({tuple(epoch) for epoch in epochs}) > 1, sorted(epochs[0])
    (True, [0, 1, 2])
    >>> sampler.set_epoch(0)
    >>> [index.seed for index in sampler] == [index.seed for index in epochs[0]]
    True
    """

    def __init__(self, source: Any, *, shuffle: bool = False, seed: int | None = None) -> None:
        if seed is not None and not _is_seed(seed):
            raise OptionError(f"seed is an integer, 0 or more, or None, not {seed!r}")
        self.is_sampler = isinstance(source, Sampler) or not hasattr(source, "__getitem__")
        if self.is_sampler and shuffle:
            raise OptionError("a sampler has its own order: SeededSampler(dataset, shuffle=True)")
        self.source, self.shuffle = source, shuffle
        self.seed = None if seed is None else int(seed)
        self._told: Any = getattr(source, "epoch", None)  # what a sampler's epoch was set to
        self.epoch: int = self._told or 0 if self._has_epochs else 0  # of the next iteration

    def __len__(self) -> int:
        return len(self.source)

    def __iter__(self) -> "SeededIterator":
        if self._has_epochs and self.source.epoch != self._told:
            self.epoch = self._told = self.source.epoch  # its user has set it
        self.epoch += 1
        return SeededIterator(self, self.epoch - 1)

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the next epoch, from 0."""
        self.epoch = epoch

    def state_dict(self) -> dict[str, Any]:
        """Return the number of the next epoch."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the epoch of a state."""
        self.epoch = state["epoch"]

    @property
    def _has_epochs(self) -> bool:
        return self.is_sampler and hasattr(self.source, "set_epoch") and self._told is not None

    def list_indices(self, seed: int, epoch: int) -> Iterable[int]:
        """Return the indices of an epoch, in the order that its seed gives."""
        if not self.is_sampler:
            if not self.shuffle:
                return range(len(self.source))
            order: list[int] = _begin_stream(seed, epoch, 1).permutation(len(self.source)).tolist()
            return order
        if hasattr(self.source, "set_epoch"):
            self.source.set_epoch(epoch)
            self._told = getattr(self.source, "epoch", None)
        if not hasattr(self.source, "__len__"):
            endless: Iterable[int] = self.source  # perhaps
            return endless
        draw = int(_begin_stream(seed, epoch, 2).integers(_BITS))
        with seeded(SeededIndex(0, draw)):
            return list(self.source)


class SeededIterator(Iterator[SeededIndex]):
    """The indices of one epoch of a :class:`SeededSampler`.

    Parameters
    ----------
    sampler : SeededSampler
    epoch : int
    """

    def __init__(self, sampler: SeededSampler, epoch: int) -> None:
        self._sampler, self._epoch, self._place = sampler, epoch, 0
        self._seed: int | None = sampler.seed
        self._source_state: dict[str, Any] | None = None  # at the beginning of the epoch
        self._indices: Iterator[int] | None = None
        self._seeds: list[int] = []  # the next ones, the last first

    def __next__(self) -> SeededIndex:
        indices = self._begin() if self._indices is None else self._indices
        index = int(next(indices))
        if not self._seeds:
            self._seeds = self._stream.bit_generator.random_raw(_BLOCK).tolist()[::-1]
        self._place += 1
        return SeededIndex(index, (self._seeds.pop() ^ index * _GOLDEN) & _BITS)

    def _begin(self) -> Iterator[int]:
        """Find the epoch's indices and seeds; those that a loaded state has passed are left out."""
        source = self._sampler.source if self._sampler.is_sampler else None
        seed = self._draw_seed()
        if self._source_state is None:
            self._source_state = _save_source(source)
        else:
            _restore_source(source, self._source_state)
        indices = iter(self._sampler.list_indices(seed, self._epoch))
        for _ in range(self._place):
            next(indices)
        self._stream = _begin_stream(seed, self._epoch, 0)
        self._stream.bit_generator.random_raw(self._place, output=False)
        self._indices = indices
        return indices

    def _draw_seed(self) -> int:
        if self._seed is None:
            self._seed = int(torch.empty((), dtype=torch.int64).random_().item())
        return self._seed

    def state_dict(self) -> dict[str, Any]:
        """Return what the rest of the epoch depends on."""
        if self._indices is None:
            self._begin()
        return {
            "epoch": self._epoch, "seed": self._seed, "place": self._place,
            "source": self._source_state,
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another iterator's state was saved."""
        self._epoch, self._seed, self._place = state["epoch"], state["seed"], state["place"]
        self._source_state = state["source"]
        self._indices, self._seeds = None, []
        self._sampler.epoch = self._epoch + 1


def _is_seed(seed: Any) -> bool:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        return False
    return int(seed) >= 0


def _begin_stream(seed: int, epoch: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, epoch, purpose])


def _save_source(source: Any) -> dict[str, Any]:
    """Return the state of a wrapped sampler: its own, or the one of its generator."""
    if hasattr(source, "state_dict") and hasattr(source, "load_state_dict"):
        return {"state": source.state_dict()}
    generator = getattr(source, "generator", None)
    return {} if generator is None else {"generator": generator.get_state()}


def _restore_source(source: Any, state: dict[str, Any]) -> None:
    if "state" in state:
        source.load_state_dict(state["state"])
    if "generator" in state:
        source.generator.set_state(state["generator"])
