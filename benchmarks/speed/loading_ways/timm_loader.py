"""timm's data set of a folder and its loader, by the settings of evaluation."""

from collections.abc import Iterable
from typing import Any

from timm.data import create_dataset, create_loader

from .job import MEAN, RESIZE, SIZE, STD, Job


def open_loader(job: Job) -> Iterable[Any]:
    """Open a folder. The prefetcher is left out, because it is for a GPU."""
    loader = create_loader(
        create_dataset("", root=str(job.root)), input_size=(3, SIZE, SIZE), batch_size=job.batch,
        is_training=False, use_prefetcher=False, interpolation="bilinear", mean=MEAN, std=STD,
        crop_pct=SIZE / RESIZE, num_workers=job.workers, persistent_workers=False,
    )  # fmt: skip
    return (images for images, _ in loader)
