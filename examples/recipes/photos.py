"""Real gray photos for the recipes, and statistics for networks without pretrained weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

NAMES = ("camera", "coins", "moon", "brick", "grass", "gravel")


def write_photos(folder: Path, size: int) -> list[Path]:
    """Write the photos as gray PNG files of `size` x `size` pixels, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        photo = Image.fromarray(getattr(skimage.data, name)())
        photo.resize((size, size), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    return [folder / f"{name}.png" for name in NAMES]


def read_photos(paths: list[Path]) -> NDArray[np.float32]:
    """Return gray files of one size as an array (N, H, W) from 0 to 1."""
    return np.stack([np.asarray(Image.open(path), np.float32) / 255 for path in paths])


def measure_statistics(model: nn.Module, run: Callable[[], Any]) -> None:
    """Give a network that isn't trained the BatchNorm statistics of the images that `run` shows it.

    Without them the outputs of a deep network with random weights hardly depend on its image, and
    a comparison of two networks would prove little.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the average of all images
        norm.train()
    with torch.no_grad():
        run()
    model.eval()
