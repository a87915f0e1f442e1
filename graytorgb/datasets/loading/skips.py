"""Samples that are skipped: noted in every worker process, left out of batches, and reported."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader

_NAMES_SHOWN = 3


class SkippedSamples:
    """The places of the samples that were skipped.

    They lie in memory that worker processes share, however they are started, because each worker
    has its own copy of the data set. It takes two bytes for each sample.

    Parameters
    ----------
    count : int
        How many samples the data set has.

    Examples
    --------
    >>> skipped = SkippedSamples(4)
    >>> skipped.add(2)
    >>> skipped.list_places()
    [2]
    """

    def __init__(self, count: int) -> None:
        self._marks = torch.zeros((2, count), dtype=torch.uint8)
        self._marks.share_memory_()  # type: ignore[no-untyped-call]

    def add(self, index: int) -> None:
        """Note that a sample was skipped."""
        self._marks[:, int(index)] = 1

    def list_places(self) -> list[int]:
        """Return the places of all samples that were skipped so far, in ascending order."""
        return self._find(0)

    def list_new_places(self) -> list[int]:
        """Return the places of the samples that were skipped since :meth:`begin_epoch`."""
        return self._find(1)

    def begin_epoch(self) -> None:
        """Begin to note the samples of another epoch."""
        self._marks[1].zero_()

    def _find(self, row: int) -> list[int]:
        places: list[int] = self._marks[row].nonzero().flatten().tolist()
        return places


class LeavesOutSkipped:
    """Mixin of a DataLoader: leave out batches without samples, and report what was skipped.

    It needs a class of its own, because a DataLoader has no other place that knows when the last
    batch has been taken.
    """

    folders: Sequence[Any]

    def __iter__(self) -> Any:
        """Yield the batches of an epoch; warn at its end if files were skipped."""
        for folder in self.folders:
            folder.skipped_samples.begin_epoch()
        for batch in super().__iter__():  # type: ignore[misc]
            if batch is not None:
                yield batch
        self._report()

    def _report(self) -> None:
        names = [
            folder.samples[place][0]
            for folder in self.folders
            for place in folder.skipped_samples.list_new_places()
        ]
        if names:
            shown = ", ".join(names[:_NAMES_SHOWN])
            more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
            epoch: int = self.sampler.epoch - 1  # type: ignore[attr-defined]
            count = "1 file" if len(names) == 1 else f"{len(names)} files"
            warnings.warn(
                f"epoch {epoch}: {count} skipped, unreadable: {shown}{more}. All are in "
                'dataset.skipped; GrayImageFolder(..., on_error="raise") says why',
                stacklevel=3,
            )


class SkippingLoader(LeavesOutSkipped, DataLoader[Any]):
    """A DataLoader that leaves out batches without samples, and reports skipped files."""
