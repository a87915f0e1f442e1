"""``SkippingLoader``: a DataLoader of a data set that skips files which can't be read."""

import os
import warnings
from collections.abc import Sequence
from typing import Any

from torch.utils.data import DataLoader

from .image_folder import GrayImageFolder
from .skips import SkippedSamples

_NAMES_SHOWN = 3


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
        for batch in super().__iter__():  # type: ignore[misc]
            if batch is not None:
                yield batch
        self._report()

    def _list_skipped(self) -> list[tuple[list[Any], SkippedSamples]]:
        """Return the samples of each folder, and which of them were skipped."""
        noted = ((folder.samples, folder._skipped) for folder in self.folders)
        return [(samples, skipped) for samples, skipped in noted if skipped is not None]

    def _report(self) -> None:
        names = [
            os.fsdecode(samples[place][0])
            for samples, skipped in self._list_skipped()
            for place in skipped.list_new_places()
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
