"""``GrayImageFolder``: a torch data set of gray images in folders that are their classes."""

from collections.abc import Callable
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ...core.value_range import ValueRange
from ...errors import ImageFileError
from ..pixels.crops import CenterView, RandomView
from .planes import PlaneOptions, read_plane
from .samples import list_samples
from .seeds import seeded
from .skips import SkippedSamples


class TorchDraw:
    """Random numbers of torch's generator, drawn as torchvision draws them."""

    def uniform(self, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        return torch.empty(1).uniform_(low, high).item()

    def integer(self, count: int) -> int:
        """Return an integer from 0 to ``count - 1``."""
        return int(torch.randint(0, count, (1,)).item())


class GrayImageFolder(Dataset[Any]):
    """Skeleton; the helper who owns it writes it in full."""

    def __init__(
        self,
        root: str | PathLike[str],
        size: int | tuple[int, int] | None = 224,
        resize: int | None = None,
        train: bool = False,
        value_range: ValueRange | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        on_error: str = "raise",
    ) -> None:
        self.on_error, self.dtype, self.value_range = on_error, torch.uint8, value_range
        self.root, self.transform, self.target_transform = root, transform, target_transform
        found = list_samples(root)
        self.classes, self.class_to_idx, self.samples = (
            found.classes, found.class_to_idx, found.samples
        )  # fmt: skip
        self.targets = [target for _, target in self.samples]
        self._items = found.items
        self.skipped_samples = SkippedSamples(len(self.samples))
        self._options = PlaneOptions(value_range)
        both = (size, size) if isinstance(size, int) else size
        self._view: Any = None
        if both is not None:
            center = CenterView(both, resize or round(max(both) / 0.875))
            self._view = RandomView(both) if train else center

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        with seeded(index, everything=self.transform is not None):
            try:
                return self._make_sample(index)
            except (ImageFileError, OSError):
                if self.on_error != "skip":
                    raise
                self.skipped_samples.add(index)
                return None

    @property
    def skipped(self) -> list[str]:
        """The files that were skipped so far."""
        return [self.samples[place][0] for place in self.skipped_samples.list_places()]

    def _make_sample(self, index: int) -> Any:
        path, target = self.samples[index]
        plane = read_plane(self._items.get(path, path), self._options)
        if self._view is not None:
            plane = self._view.take(plane, TorchDraw())
        image = torch.from_numpy(np.array(plane))[None]
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target
