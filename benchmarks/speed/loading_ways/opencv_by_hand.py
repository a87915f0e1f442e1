"""What one writes by hand with OpenCV: gray from the decoder, one plane resized, three filled."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from .job import MEAN, RESIZE, SIZE, STD, Job


def open_dataset(job: Job) -> Iterable[Any]:
    """Open a folder."""
    return DataLoader(ByHand(job.paths, job.white), job.batch, num_workers=job.workers)


class ByHand(Dataset[Any]):
    """The images of some files, normalized.

    Parameters
    ----------
    paths : list of Path
    white : int
        The value of white.
    """

    def __init__(self, paths: list[Path], white: int) -> None:
        self.paths, self.white = paths, white

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(read_input(str(self.paths[index]), self.white))


def read_input(path: str, white: int) -> NDArray[np.float32]:
    """Return the normalized image (3, 224, 224) of a file, with its whole depth."""
    plane = cv2.imread(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    height, width = plane.shape
    short = min(height, width)
    size = (RESIZE * width // short, RESIZE * height // short)
    plane = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    left, top = round((size[0] - SIZE) / 2), round((size[1] - SIZE) / 2)
    center = plane[top : top + SIZE, left : left + SIZE].astype(np.float32)
    result = np.empty((3, SIZE, SIZE), np.float32)
    for channel, mean, std in zip(result, MEAN, STD, strict=True):
        np.multiply(center, np.float32(1 / (white * std)), out=channel)
        channel -= np.float32(mean / std)
    return result
