"""Batches on their way from a worker process: gray bytes, which become floats on arrival.

A normalized batch of three channels has twelve times the bytes of its gray levels. To write it into
memory that two processes share, and to read it there, takes longer than to make it.
"""

from collections.abc import Sequence
from functools import lru_cache
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch.utils.data import get_worker_info

from ...core.stats import Stats
from ...errors import WorkerLost
from ...transforms.batches import BatchImage, PrepareBatch

Recipe = tuple[Stats, int, torch.dtype]  # the arguments of PrepareBatch for gray bytes


class PrepareOnArrival(PrepareBatch):
    """Make prepared batches, in the process that receives them where they are gray bytes.

    Only a DataLoader may call it, whose worker sends what it returns to another process at once.

    Parameters
    ----------
    leaves_out : bool
        Whether a batch of which all samples are None is None, and not an error.
    **options
        The arguments of :class:`graytorgb.transforms.PrepareBatch`.
    """

    def __init__(self, stats: Any, *, leaves_out: bool = False, **options: Any) -> None:
        super().__init__(stats, **options)
        self.leaves_out = leaves_out

    def __call__(self, samples: Sequence[Any]) -> Any:
        """Return the batch, or what becomes the batch when another process receives it."""
        if self.leaves_out and all(sample is None for sample in samples):
            return None
        batch = super().__call__(samples)
        return batch if get_worker_info() is None else _Sent(batch)

    def _make_batch(self, images: list[BatchImage], size: tuple[int, ...]) -> Any:
        are_bytes = all(image.is_gray_bytes for image in images)
        if get_worker_info() is None or self._is_raw or not are_bytes:
            return super()._make_batch(images, size)
        recipe = self._prepare.stats, self.channels, self._prepare.dtype
        return _Parcel(recipe, torch.stack([image.tensor for image in images]))


class _Sent:
    """What a worker sends: pickled apart, so that the error for a dead worker can say so.

    Tensors travel as open files, which their receiver asks the worker for.
    """

    def __init__(self, batch: Any) -> None:
        self._batch = batch

    def __reduce__(self) -> Any:
        return _receive, (bytes(ForkingPickler.dumps(self._batch)),)


def _receive(message: bytes) -> Any:
    try:
        return ForkingPickler.loads(message)
    except (EOFError, OSError) as error:
        raise WorkerLost(
            "a DataLoader's worker was killed before its batch had arrived, by the system perhaps "
            "for want of memory: fewer workers= or a smaller batch_size"
        ) from error


class _Parcel:
    """The gray bytes of a batch, which are the prepared batch when they are unpickled."""

    def __init__(self, recipe: Recipe, images: torch.Tensor) -> None:
        self._recipe, self._images = recipe, images

    def __reduce__(self) -> Any:
        return _prepare_parcel, (self._recipe, self._images)


def _prepare_parcel(recipe: Recipe, images: torch.Tensor) -> torch.Tensor:
    return _find_receiver(recipe).write_bytes(images)


class _Receiver(PrepareBatch):
    """Prepares gray bytes that arrive, in memory that is used again."""

    def write_bytes(self, images: torch.Tensor) -> torch.Tensor:
        """Return the prepared batch of gray bytes, (N, 1, H, W)."""
        batch = self._room((len(images), self.channels, *images.shape[2:]))
        self._write(images, batch, None)
        return batch


@lru_cache(16)
def _find_receiver(recipe: Recipe) -> _Receiver:
    """Return the receiver of a recipe in this process, whose memory all its batches share."""
    stats, channels, dtype = recipe
    return _Receiver(stats, channels=channels, dtype=dtype)
