"""``SkippedSamples``: which samples of a data set couldn't be read, also in worker processes."""

import torch


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
        self._marks = torch.zeros((2, count), dtype=torch.uint8).share_memory_()

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
