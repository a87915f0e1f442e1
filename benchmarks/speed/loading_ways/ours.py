"""The ways of this package: `GrayImageFolder` and its loader."""

from collections.abc import Iterable
from typing import Any

import torch
from torch.utils.data import DataLoader, default_collate

from graytorgb.datasets import GrayImageFolder
from graytorgb.transforms import PrepareBatch

from .job import Job


def open_rgb(job: Job) -> Iterable[Any]:
    """Open a folder for a network of three channels: normalized float32."""
    return (images for images, _ in make_loader(open_folder(job), job, "imagenet"))


def open_gray(job: Job) -> Iterable[Any]:
    """Open a folder for an adapted network, which takes one channel: float32 of 0 to 1."""
    return (images for images, _ in make_loader(open_folder(job), job, channels=1))


def open_bytes(job: Job) -> Iterable[Any]:
    """Open a folder whose planes are expanded on the device: uint8 of one channel."""
    loader = DataLoader(open_folder(job), job.batch, num_workers=job.workers)
    return (images for images, _ in loader)


def open_folder(job: Job) -> GrayImageFolder:
    """Open a folder; deep values are scaled by the range of their bits."""
    return GrayImageFolder(job.root, value_range=(0, job.white) if job.kind.is_deep else None)


def make_loader(
    dataset: GrayImageFolder, job: Job, stats: Any = None, channels: int = 3
) -> Iterable[Any]:
    """Return the batches of a data set."""
    # datasets.loader(dataset, job.batch, stats, channels=channels, workers=job.workers)
    collate = PrepareBatch(stats) if channels == 3 else _scale
    return DataLoader(dataset, job.batch, collate_fn=collate, num_workers=job.workers)


def _scale(samples: list[Any]) -> list[torch.Tensor]:
    images, labels = default_collate(samples)
    return [images.float().div_(255), labels]
