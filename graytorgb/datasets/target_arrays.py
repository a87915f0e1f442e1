"""``ArrayTarget``: a target whose images have one shape and one dtype, as in an array."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .array_form import find_array_form
from .conversion_options import Options
from .conversion_reading import Converted
from .rows import Row, Summary
from .target_shards import ShardTarget
from .targets import Plan, Task

Array = NDArray[Any]


class _Rows:
    """Images that become one shard, in one array."""

    def __init__(self, count: int, shape: tuple[int, ...], dtype: str) -> None:
        self._images = np.empty((count, *shape), dtype)
        self._count = 0

    def add(self, entry: Array, row: Row) -> None:
        """Add the next image, in the dtype of all."""
        self._images[self._count] = entry
        self._count += 1

    def skip(self) -> None:
        """Leave a black image, which is no part of the target."""
        self._images[self._count] = 0
        self._count += 1

    def get_images(self) -> Array:
        """Return the images."""
        return self._images


class ArrayTarget(ShardTarget):
    """A target of the form (N, H, W, C): the part that doesn't depend on its format."""

    def find_form(self, plan: Plan, options: Options) -> dict[str, Any]:
        """Return the shape and the dtype of the images, and how many a shard has."""
        return find_array_form(plan, options)

    def describe(self, dtype: str, options: Options) -> str:
        """Return what images of a dtype become, for people."""
        return super().describe(self.dtype, options)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The shape of one image, (H, W, C)."""
        height, width, channels = self.form["shape"]
        return height, width, channels

    @property
    def dtype(self) -> str:
        """The dtype of all images."""
        return str(self.form["dtype"])

    def make_entry(self, converted: Converted, options: Options) -> Array:
        """Return the pixels with an axis for the channels."""
        assert converted.pixels is not None, "an image that was read"
        return converted.pixels.reshape(self.image_shape)

    @contextmanager
    def open_shard(self, path: Path, task: Task) -> Iterator[_Rows]:
        """Gather the images of a task, and write them at the end."""
        rows = _Rows(len(task.images), self.image_shape, self.dtype)
        yield rows
        self.write_shard(path, rows.get_images())

    def count_images(self, number: int, count: int | None = None) -> int:
        """Return how many images a shard has, of `count` images in all."""
        per_shard: int = self.form["per_shard"]
        return min(per_shard, (self.count if count is None else count) - number * per_shard)

    def load_kept(self, shards: Sequence[Path], summary: Summary, number: int) -> Array:
        """Return the images of a shard of those that aren't missing."""
        start, per_shard = number * self.form["per_shard"], self.form["per_shard"]
        sources = summary.find_kept(start, start + self.count_images(number, summary.count))
        images = np.empty((len(sources), *self.image_shape), self.dtype)
        for shard in map(int, np.unique(sources // per_shard)):
            inside = sources // per_shard == shard
            loaded = self.load_shard(shards[shard], self.count_images(shard))
            images[inside] = loaded[sources[inside] - shard * per_shard]
        return images

    @abstractmethod
    def write_shard(self, path: Path, images: Array) -> None:
        """Write the images of a shard."""

    @abstractmethod
    def load_shard(self, path: Path, count: int) -> Array:
        """Return all images of a shard."""
