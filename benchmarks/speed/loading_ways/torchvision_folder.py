"""torchvision's `ImageFolder` and transforms v2, with Pillow's images, tensors or TorchCodec."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import PIL.Image
import pydicom
import torch
from torch.utils.data import DataLoader
from torchvision.datasets import DatasetFolder
from torchvision.datasets.folder import default_loader
from torchvision.transforms import v2

from .job import MEAN, RESIZE, SIZE, STD, Job


def open_pil(job: Job) -> Iterable[Any]:
    """Open a folder as the weights of ResNet ask, on Pillow's images."""
    return load(job, choose_reader(job), [*_resizing(), v2.ToImage(), *_normalizing()])


def open_tensors(job: Job) -> Iterable[Any]:
    """Open a folder whose images become tensors first."""
    return load(job, choose_reader(job), [v2.ToImage(), *_resizing(), *_normalizing()])


def open_torchcodec(job: Job) -> Iterable[Any]:
    """Open a folder whose files TorchCodec decodes."""
    from torchcodec.decoders import decode_image

    return load(job, decode_image, [*_resizing(), *_normalizing()])


def load(job: Job, read: Callable[[str], Any], transforms: list[Any]) -> Iterable[Any]:
    """Return the batches of an `ImageFolder` that reads files by a function."""
    suffixes = (job.kind.suffix,)
    folder = DatasetFolder(str(job.root), read, suffixes, transform=v2.Compose(transforms))
    loader = DataLoader(folder, job.batch, num_workers=job.workers)
    return (images for images, _ in loader)


def choose_reader(job: Job) -> Callable[[str], Any]:
    """Return `ImageFolder`'s own reader, or what one writes for DICOM files."""
    if job.kind.suffix != ".dcm":
        return default_loader
    white = job.white

    def read_dicom(path: str) -> PIL.Image.Image:
        pixels = pydicom.dcmread(path).pixel_array
        gray = (pixels * (255 / white)).round().astype(np.uint8)
        return PIL.Image.fromarray(gray).convert("RGB")

    return read_dicom


def _resizing() -> list[Any]:
    return [v2.Resize(RESIZE), v2.CenterCrop(SIZE)]


def _normalizing() -> list[Any]:
    return [v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(MEAN), list(STD))]
