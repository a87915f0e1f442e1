"""``PrepareBatch``: make one prepared batch of samples, in memory that is used again."""

import math
import sys
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import PIL.Image
import torch
from torch.utils.data import default_collate, get_worker_info
from torchvision import tv_tensors

from ..core.stats import stats_in_one
from ..core.value_range import ValueRange
from ..errors import DtypeError, LayoutError, OptionError
from .images import Prepare, copy_for_torch, is_plain_tensor, pil_to_tensor


class PrepareBatch:
    """Collate samples into a prepared batch: ``DataLoader(..., collate_fn=PrepareBatch(...))``.

    Each image is prepared right into its place in the batch, so nothing is stacked or copied. The
    memory of a batch is used again once nothing refers to it: in a loop, two batches take turns.

    Parameters
    ----------
    stats, value_range, dtype
        The arguments of :class:`Prepare`.
    buffers : int
        How many batches' memory is kept for later ones; with 0 each batch has new memory.
    pin_memory : bool, optional
        Whether batches are page-locked, for ``batch.to("cuda", non_blocking=True)``. The default
        is whether CUDA is present. torch keeps such memory for reuse itself, because it knows
        which copies are unfinished.

    Raises
    ------
    LevelsError, DtypeError, LayoutError, OptionError
        On construction, for arguments that can't work; on a call, for samples that aren't alike,
        for images of several sizes and for what :func:`graytorgb.prepare` refuses.

    Notes
    -----
    A sample is an image or a tuple whose first entry is one: a PIL image, a tensor of shape
    (1, H, W), (3, H, W) or (H, W), or an array of shape (H, W), (H, W, 1) or (H, W, 3). All have
    one size. The rest of the tuple is collated as torch does. A transform may come before, as
    long as it leaves the levels as they are: resizing, cropping and flipping are fine.

    In a DataLoader's worker each batch has new memory, because it goes to another process.
    Threads may share one object.

    Examples
    --------
    >>> import numpy as np
    >>> from graytorgb.transforms import PrepareBatch
    >>> collate = PrepareBatch("imagenet")
    >>> images, labels = collate([(np.zeros((28, 28), np.uint8), i) for i in range(4)])
    >>> images.shape, labels
    (torch.Size([4, 3, 28, 28]), tensor([0, 1, 2, 3]))
    """

    @stats_in_one
    def __init__(
        self,
        stats: Any,
        *,
        value_range: ValueRange | None = None,
        dtype: torch.dtype = torch.float32,
        buffers: int = 2,
        pin_memory: bool | None = None,
    ) -> None:
        self._prepare = Prepare(stats, value_range=value_range, dtype=dtype)
        present = torch.cuda.is_available()
        if pin_memory and not present:
            raise OptionError("pin_memory=True needs CUDA, which isn't present: leave it away")
        if isinstance(buffers, bool) or not isinstance(buffers, int) or buffers < 0:
            raise OptionError(f"buffers is a number of batches, 0 or more, not {buffers!r}")
        self.pin_memory = present if pin_memory is None else pin_memory
        self.buffers = buffers
        self._kept: list[np.ndarray[Any, Any]] = []

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": []}  # a spawned worker doesn't need the memory

    def __call__(self, samples: Sequence[Any]) -> Any:
        """Return the batch, (N, 3, H, W), or a list of it and the collated rest of the samples."""
        lengths = {len(s) if isinstance(s, tuple) else 0 for s in samples}
        if len(lengths) != 1:
            what = "with one length, or none at all" if samples else "and there are none"
            raise LayoutError(f"samples are tuples (image, label, ...), all {what}")
        images = [sample[0] if isinstance(sample, tuple) else sample for sample in samples]
        tensors = [self._as_tensor(image) for image in images]
        sizes = {tuple(tensor.shape[-2:]) for tensor in tensors}
        if len(sizes) != 1:
            raise LayoutError(
                f"a batch has images of one size, not {sorted(sizes)}: v2.Resize or "
                "v2.CenterCrop in the dataset's transform"
            )
        batch = self._room((len(images), 3, *sizes.pop()))
        for tensor, place in zip(tensors, batch, strict=True):
            self._prepare.prepare(tensor, out=place)
        rest = [sample[1:] for sample in samples if isinstance(sample, tuple)]
        return [batch, *default_collate(rest)] if rest and rest[0] else batch

    @staticmethod
    def _as_tensor(image: Any) -> torch.Tensor:
        if isinstance(image, PIL.Image.Image):
            return pil_to_tensor(image)
        if isinstance(image, np.ndarray):
            last = image.ndim == 3 and image.shape[-1] in (1, 3)
            return torch.from_numpy(copy_for_torch(np.moveaxis(image, -1, 0) if last else image))
        if is_plain_tensor(image) or isinstance(image, tv_tensors.Image):
            return cast(torch.Tensor, image.as_subclass(torch.Tensor))
        raise DtypeError(
            f"a sample is an image, or a tuple that begins with one, and this is a "
            f"{type(image).__name__}: PIL images, tensors and arrays are images"
        )

    def _room(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Return memory for a batch: kept memory that is free and large enough, or new memory."""
        dtype = self._prepare.dtype
        in_worker = get_worker_info() is not None
        if in_worker or self.pin_memory or not self.buffers or 0 in shape:
            # a worker has no CUDA context
            return torch.empty(shape, dtype=dtype, pin_memory=self.pin_memory and not in_worker)
        nbytes = math.prod(shape) * dtype.itemsize
        memory = self._take(nbytes)
        batch = torch.from_numpy(memory[:nbytes]).view(dtype).view(shape)
        self._kept.append(memory)
        del self._kept[: -self.buffers]
        return batch

    def _take(self, nbytes: int) -> np.ndarray[Any, Any]:
        """Remove a kept array that is free and large enough, or make a new one.

        Threads may share this object. Python never interrupts a single operation on a list, and an
        array is back on the list only when a batch refers to it, so no two threads get the same
        one. A lock isn't used, because a process that is forked while the lock is held could never
        acquire it.
        """
        for _ in range(len(self._kept)):
            try:
                memory = self._kept.pop(0)
            except IndexError:  # other threads took the rest
                break
            if memory.nbytes >= nbytes and _count_references(memory) == _FREE:
                return memory
            self._kept.append(memory)
        return np.empty(nbytes, np.uint8)


def _count_references(array: np.ndarray[Any, Any]) -> int:
    """Count the references to an array: a tensor over its memory is one."""
    return sys.getrefcount(array)


def _count_references_of_free() -> int:
    """Return the count for an array that only one variable refers to, and no tensor."""
    array = np.empty(0)
    return _count_references(array)


_FREE = _count_references_of_free()
