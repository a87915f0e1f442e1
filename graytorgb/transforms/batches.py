"""``PrepareBatch``: make one prepared batch of samples, in memory that is used again."""

import math
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import PIL.Image
import torch
from torch.utils.data import default_collate, get_worker_info
from torchvision import tv_tensors

from ..core.image_file import ImageFile
from ..core.stats import Stats, stats_in_one
from ..core.stats import stats as find_stats
from ..core.value_range import ValueRange
from ..core.wording import add_call
from ..errors import ChannelError, DtypeError, GrayToRGBError, LayoutError, OptionError
from ..functional.prepare import prepare_checked
from ..kinds import explain_source, find_kind
from .image_transform import copy_for_torch, is_plain_tensor, put_channel_first
from .images import Prepare, pil_to_tensor, refuse_wrapped

_UNCHANGED = Stats((0.0,), (1.0,))  # what leaves values from 0 to 1 as they are


class BatchImage(NamedTuple):
    """An image of a batch, and the range of its values that is stated, or that its file brings."""

    tensor: torch.Tensor
    value_range: ValueRange | None

    @property
    def is_gray_bytes(self) -> bool:
        """Whether the image is gray bytes, (1, H, W), of which 0 to 255 become 0 to 1."""
        tensor = self.tensor
        is_gray = tensor.ndim == 3 and tensor.shape[0] == 1
        return is_gray and tensor.dtype == torch.uint8 and self.value_range is None


class PrepareBatch:
    """Collate samples into a prepared batch: ``DataLoader(..., collate_fn=PrepareBatch(...))``.

    The images are written into memory that is used again once nothing refers to the batch that
    was there: in a loop, two batches take turns.

    Parameters
    ----------
    stats
        The first argument of :class:`Prepare`. It is left away for one channel.
    channels : 3 or 1
        How many channels a batch has: 3 for a network that takes RGB; 1 for one that
        :func:`graytorgb.models.adapt` made, whose input is scaled to 0 to 1 and not normalized,
        because the network does that itself.
    value_range, dtype
        The arguments of :class:`Prepare`. One channel of ``torch.uint8`` is the samples as they
        are, for a batch that becomes RGB on the device:
        ``graytorgb.prepare(batch.to("cuda"), "imagenet", "NCHW")``.
    buffers : int
        How many batches' memory is kept for later ones; with 0 each batch has new memory.
    pin_memory : bool, optional
        Whether batches are page-locked, for ``batch.to("cuda", non_blocking=True)``. The default
        is whether CUDA is present. torch keeps such memory for reuse itself, because it knows
        which copies are unfinished.

    Raises
    ------
    LevelsError, DtypeError, LayoutError, OptionError, ChannelError
        On construction, for arguments that can't work; on a call, for samples that aren't alike,
        for images of several sizes, for RGB images where a batch has one channel, for a batch of
        which all samples are None, and for what :func:`graytorgb.prepare` refuses.

    Notes
    -----
    A sample is an image or a tuple whose first entry is one: a PIL image, a tensor of shape (1, H,
    W), (3, H, W) or (H, W), an array of shape (H, W), (H, W, 1) or (H, W, 3), or a file that
    :func:`graytorgb.io.read` gave, which brings its own range. All have one size. The rest of the
    tuple is collated as torch does. A sample that is None is left out:
    ``GrayImageFolder(on_error="skip")`` gives it for a file that can't be read. A transform may
    come before, as long as it leaves the levels as they are: resizing, cropping and flipping are
    fine.

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
    >>> images, labels = PrepareBatch(channels=1)([(np.full((28, 28), 255, np.uint8), 0)])
    >>> images.shape, images.max()
    (torch.Size([1, 1, 28, 28]), tensor(1.))
    """

    @stats_in_one
    def __init__(
        self,
        stats: Any = None,
        *,
        channels: int = 3,
        value_range: ValueRange | None = None,
        dtype: torch.dtype = torch.float32,
        buffers: int = 2,
        pin_memory: bool | None = None,
    ) -> None:
        stats = _check_stats(stats, channels)
        self.channels = channels
        self._prepare = Prepare(stats, value_range=value_range, dtype=dtype)
        self._is_raw = channels == 1 and self._prepare.dtype == torch.uint8
        if self._is_raw and value_range is not None:
            raise OptionError(
                "one channel of uint8 is the samples as they are, so value_range has no use: "
                f"GrayImageFolder(..., value_range={value_range!r}) or "
                f"ToUint8({value_range!r}) in the dataset's transform"
            )
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
        """Return the batch, (N, C, H, W), or a list of it and the collated rest of the samples."""
        samples = [sample for sample in samples if sample is not None]
        if not samples:
            raise LayoutError(
                "a batch of no samples: if all of its files were skipped, a larger batch_size, or "
                "graytorgb.datasets.loader, which leaves such a batch out"
            )
        lengths = {len(s) if isinstance(s, tuple) else 0 for s in samples}
        if len(lengths) != 1:
            raise LayoutError(
                "samples are tuples (image, label, ...), all with one length, or none at all"
            )
        found = [sample[0] if isinstance(sample, tuple) else sample for sample in samples]
        try:
            images = [self._read_image(image) for image in found]
            batch = self._make_batch(images, _find_size(images))
        except GrayToRGBError as error:
            first = "stats" if self.channels == 3 else "channels=1"
            add_call(
                error,
                {
                    "alpha": 'ToRGB(alpha="drop") in the dataset\'s transform',
                    "value_range": f"PrepareBatch({first}, value_range=(lo, hi))",
                },
            )
            raise
        rest = [sample[1:] for sample in samples if isinstance(sample, tuple)]
        return [batch, *default_collate(rest)] if rest and rest[0] else batch

    def _make_batch(self, images: list[BatchImage], size: tuple[int, ...]) -> Any:
        """Return the batch of images of one size, (H, W)."""
        batch = self._room((len(images), self.channels, *size))
        tensors = [image.tensor for image in images]
        if self.channels == 1:
            self._refuse_unfit(tensors)
        if self._is_raw:
            torch.stack(tensors, out=batch)
        elif self.channels == 3 and all(image.is_gray_bytes for image in images):
            self._write(torch.stack(tensors), batch, None)
        else:  # one at a time, which stays in the cache
            for tensor, place, image in zip(tensors, batch, images, strict=True):
                self._write(tensor, place, image.value_range)
        return batch

    def _write(
        self, images: torch.Tensor, out: torch.Tensor, value_range: ValueRange | None
    ) -> None:
        """Write one image, or several, into a batch or a part of it."""
        if self.channels == 1:
            self._write_scaled(images, out, value_range)
        else:
            self._prepare.prepare(images, out=out, value_range=value_range)

    def _write_scaled(
        self, images: torch.Tensor, out: torch.Tensor, value_range: ValueRange | None
    ) -> None:
        """Write one channel: the first one that `prepare` gives for values from 0 to 1."""
        target = str(out.dtype).removeprefix("torch.")
        if images.dtype == torch.uint8 and value_range is None:
            out.copy_(images).mul_(1 / 255)  # the same bits, and nothing to check
            return
        refuse_wrapped(images, value_range)
        prepare_checked(images, _UNCHANGED, "CHW", value_range, target, out, 1, one_channel=True)

    def _refuse_unfit(self, tensors: list[torch.Tensor]) -> None:
        """Raise an error for images that aren't what a batch of one channel is made of."""
        for tensor in tensors:
            if tensor.ndim == 3 and tensor.shape[0] == 3:
                raise ChannelError(
                    "channels=1 takes gray images, and this one has 3 channels: GrayImageFolder "
                    "reads gray alone; else ToGray() in the dataset's transform, or "
                    "graytorgb.to_gray(image)"
                )
            if self._is_raw and (tensor.dtype != torch.uint8 or tensor.shape[0] != 1):
                raise DtypeError(
                    "one channel of uint8 is the samples as they are, and this one is "
                    f"{tuple(tensor.shape)} of {tensor.dtype}: ToUint8(value_range) in the "
                    "dataset's transform, GrayImageFolder(..., value_range=...), or a batch of "
                    "floats"
                )

    def _read_image(self, image: Any) -> BatchImage:
        """Return the tensor of an image, and the range that is stated or that its file brings."""
        value_range = self._prepare.value_range
        if not isinstance(image, ImageFile):
            tensor = self._as_tensor(image)
            return BatchImage(tensor[None] if tensor.ndim == 2 else tensor, value_range)
        file = put_channel_first(image)
        own = None if self._is_raw else file.find_range(value_range)
        is_usual = file.array.dtype == np.uint8 and own == (0, 255)
        return BatchImage(torch.from_numpy(copy_for_torch(file.array)), None if is_usual else own)

    @staticmethod
    def _as_tensor(image: Any) -> torch.Tensor:
        if isinstance(image, PIL.Image.Image):
            return pil_to_tensor(image)
        if isinstance(image, np.ndarray):
            return _read_array(find_kind(image).get_array(image))
        if is_plain_tensor(image) or isinstance(image, tv_tensors.Image):
            if not _is_usual(image):
                image = find_kind(image).get_array(image).detach()
            return cast(torch.Tensor, image.as_subclass(torch.Tensor))
        told = explain_source(image) or (
            f"not {type(image).__name__}: PIL images, tensors, arrays and what g2r.io.read gives "
            "are images"
        )
        raise DtypeError(f"a sample is an image, or a tuple that begins with one, {told}")

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

        Threads may share this object. A single operation on a list is never interrupted, with a GIL
        or without, and an array is back on the list only when a batch refers to it, so no two
        threads get the same one. A lock isn't used, because a process that is forked while the lock
        is held could never acquire it.
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


def _is_usual(tensor: torch.Tensor) -> bool:
    return tensor.layout is torch.strided and not tensor.requires_grad and not tensor.is_quantized


def _read_array(array: np.ndarray[Any, Any]) -> torch.Tensor:
    """Return the tensor of a plain array, (H, W), (H, W, 1) or (H, W, 3)."""
    last = array.ndim == 3 and array.shape[-1] in (1, 3)
    try:
        return torch.from_numpy(copy_for_torch(np.moveaxis(array, -1, 0) if last else array))
    except TypeError:
        raise DtypeError(
            f"torch has no dtype for an array of {array.dtype}: x.astype(np.float32)"
        ) from None


def _find_size(images: list[BatchImage]) -> tuple[int, ...]:
    """Return the height and the width of images, or raise LayoutError if they differ."""
    sizes = {tuple(image.tensor.shape[-2:]) for image in images}
    if len(sizes) != 1:
        raise LayoutError(
            f"a batch has images of one size, not {sorted(sizes)}: v2.Resize or "
            "v2.CenterCrop in the dataset's transform, or GrayImageFolder(..., size=224)"
        )
    return sizes.pop()


def _check_stats(stats: Any, channels: int) -> Any:
    """Return statistics that fit the number of channels, or raise OptionError."""
    if channels not in (1, 3) or isinstance(channels, bool):
        raise OptionError(
            f"channels is 3, or 1 for a network that models.adapt made, not {channels!r}"
        )
    if channels == 3 and stats is None:
        raise OptionError(
            "a batch of 3 channels needs the statistics of its network: stats="
            '"imagenet", "-1..1", "0..1", its weights (ResNet50_Weights.DEFAULT) or a pair '
            "(mean, std). For a network that models.adapt made: channels=1, without them"
        )
    if channels == 1 and stats is not None:
        mean, std = find_stats(stats)
        if {*mean} != {0.0} or {*std} != {1.0}:
            raise OptionError(
                f"channels=1 is scaled to 0 to 1 and not normalized, because a network that "
                f"models.adapt made normalizes by itself, so stats={stats!r} would be applied "
                "twice: leave stats away. For a network that takes RGB: channels=3"
            )
    return _UNCHANGED if channels == 1 else stats


def _count_references(array: np.ndarray[Any, Any]) -> int:
    """Count the references to an array: a tensor over its memory is one."""
    return sys.getrefcount(array)


def _count_references_of_free() -> int:
    """Return the count for an array that only one variable refers to, and no tensor."""
    array = np.empty(0)
    return _count_references(array)


_FREE = _count_references_of_free()
