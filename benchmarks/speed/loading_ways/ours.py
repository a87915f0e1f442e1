"""The ways of this package: `GrayImageFolder` and `loader`."""

from collections.abc import Iterable
from typing import Any

import torch

from graytorgb.datasets import GrayImageFolder, loader

from .job import Job


def open_rgb(job: Job) -> Iterable[Any]:
    """Open a folder for a network of three channels: normalized float32."""
    return _open(job, stats="imagenet")


def open_gray(job: Job) -> Iterable[Any]:
    """Open a folder for an adapted network, which takes one channel: float32 of 0 to 1."""
    return _open(job, channels=1)


def open_bytes(job: Job) -> Iterable[Any]:
    """Open a folder whose planes are expanded on the device: uint8 of one channel."""
    return _open(job, channels=1, dtype=torch.uint8)


def _open(job: Job, **options: Any) -> Iterable[Any]:
    """Return the batches of a folder; deep values are scaled by the range of their bits."""
    folder = GrayImageFolder(job.root, value_range=(0, job.white) if job.kind.is_deep else None)
    batches = loader(folder, job.batch, workers=job.workers, **options)
    return (images for images, _ in batches)
