"""``SkippedSamples``: which samples of a data set couldn't be read, also in worker processes."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class SkippedSamples:
    """The places of the samples that were skipped.

    They lie in memory that worker processes share, however they are started, because each worker
    has its own copy of the data set. It takes two bytes for each sample. A copy made by ``pickle``
    or ``copy`` has memory of its own.

    Parameters
    ----------
    count : int
        How many samples the data set has.

    Attributes
    ----------
    is_reported : bool
        Whether an epoch is running whose end brings a warning of all skipped samples, so that
        nobody else need warn of each.

    Examples
    --------
    >>> skipped = SkippedSamples(4)
    >>> skipped.add(2), skipped.add(2)
    (True, False)
    >>> skipped.list_places()
    [2]
    >>> skipped.discard(2)
    >>> skipped.list_places()
    []
    """

    def __init__(self, count: int) -> None:
        self.is_reported = False
        self._share(torch.zeros((2, count), dtype=torch.uint8))

    def _share(self, marks: torch.Tensor) -> None:
        self._marks: torch.Tensor = marks.share_memory_()  # type: ignore[no-untyped-call]
        self._array: NDArray[np.uint8] = self._marks.numpy()  # the same memory, asked in less time

    def __len__(self) -> int:
        return int(self._array.shape[1])

    def __getstate__(self) -> tuple[torch.Tensor, bool]:
        return self._marks, self.is_reported

    def __setstate__(self, state: tuple[torch.Tensor, bool]) -> None:
        marks, self.is_reported = state
        self._share(marks)  # what a worker gets is in shared memory already, and stays there

    def __deepcopy__(self, memo: Any) -> "SkippedSamples":
        copy = SkippedSamples(0)
        copy._share(self._marks.clone())
        return copy

    def add(self, index: int) -> bool:
        """Note that a sample was skipped, and return whether that is new."""
        is_new = not self._array[0, index]
        self._array[:, index] = 1
        return is_new

    def discard(self, index: int) -> None:
        """Note that a sample was read, which may have been skipped before or be a new one."""
        if index < len(self) and self._array[0, index]:
            self._array[:, index] = 0

    def list_places(self) -> list[int]:
        """Return the places of the samples that are skipped, in ascending order."""
        return self._find(0)

    def list_new_places(self) -> list[int]:
        """Return the places of the samples that were skipped since :meth:`begin_epoch`."""
        return self._find(1)

    def begin_epoch(self) -> None:
        """Begin to note the samples of another epoch, whose end brings a warning of them."""
        self._array[1] = 0
        self.is_reported = True

    def end_epoch(self) -> None:
        """End an epoch. What was noted in it stays until another one begins."""
        self.is_reported = False

    def _find(self, row: int) -> list[int]:
        places: list[int] = np.flatnonzero(self._array[row]).tolist()
        return places
