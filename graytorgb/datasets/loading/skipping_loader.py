"""``SkippingLoader``: a DataLoader of a data set that skips files which can't be read."""

import os
from collections.abc import Sequence
from typing import Any

from torch.utils.data import DataLoader

from .bad_files import warn_of_skipped
from .image_folder import GrayImageFolder
from .skips import SkippedSamples

_REASON = 'GrayImageFolder(..., on_error="raise") says why.'


class LeavesOutSkipped:
    """Mixin of a DataLoader: leave out batches without samples, and report what was skipped.

    It needs a class of its own, because a DataLoader has no other place that knows when the last
    batch has been taken.
    """

    folders: Sequence[GrayImageFolder]

    def __iter__(self) -> Any:
        """Yield the batches of an epoch; warn at its end if files were skipped."""
        for _, skipped in self._list_skipped():
            skipped.begin_epoch()
        try:
            for batch in super().__iter__():  # type: ignore[misc]
                if batch is not None:
                    yield batch
        finally:
            for _, skipped in self._list_skipped():
                skipped.end_epoch()
        warn_of_skipped(self._list_names(), _REASON, self.sampler.epoch - 1)  # type: ignore[attr-defined]

    def _list_skipped(self) -> list[tuple[list[Any], SkippedSamples]]:
        """Return the samples of each folder, and which of them were skipped."""
        noted = ((folder.samples, folder._skipped) for folder in self.folders)
        return [(samples, skipped) for samples, skipped in noted if skipped is not None]

    def _list_names(self) -> list[str]:
        """Return the paths of the files that were skipped in this epoch."""
        return [
            os.fsdecode(samples[place][0])
            for samples, skipped in self._list_skipped()
            for place in skipped.list_new_places()
        ]


class SkippingLoader(LeavesOutSkipped, DataLoader[Any]):
    """A DataLoader that leaves out batches without samples, and reports skipped files."""
