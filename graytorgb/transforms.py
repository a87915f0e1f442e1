"""torchvision transforms: ``ToRGB``, ``ToUint8`` and ``Prepare`` for Compose, v1 and v2.

Tensors are ``(..., C, H, W)`` here, as everywhere in torchvision.

>>> import numpy as np, torch
>>> from torchvision.transforms import v2
>>> from graytorgb.transforms import ToRGB, ToUint8
>>> pipeline = v2.Compose([ToUint8((0, 4095)), ToRGB(), v2.ToDtype(torch.float32, scale=True)])
>>> pipeline(torch.full((1, 28, 28), 4095, dtype=torch.int16)).max()
tensor(1.)
"""

import ast
import math
import sys
from collections.abc import Sequence
from dataclasses import is_dataclass
from typing import Any, cast

from .extras import require

require("torchvision", "torchvision", "torchvision")  # its hint, instead of a bare ImportError

import numpy as np  # noqa: E402
import PIL.Image  # noqa: E402
import torch  # noqa: E402
from torch.utils.data import default_collate, get_worker_info  # noqa: E402
from torchvision import tv_tensors  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from .core import alpha as alphas  # noqa: E402
from .core.layout import name_axes  # noqa: E402
from .core.stats import stats as find_stats  # noqa: E402
from .core.stats import stats_in_one  # noqa: E402
from .core.value_range import ValueRange, check_policy, refuse_depth  # noqa: E402
from .errors import DtypeError, LayoutError, OptionError  # noqa: E402
from .functional.plan import Options  # noqa: E402
from .functional.prepare import check_dtype, prepare  # noqa: E402
from .functional.to_rgb import to_rgb  # noqa: E402
from .functional.to_uint8 import to_uint8  # noqa: E402
from .kinds.torch import KIND as TORCH  # noqa: E402

__all__ = ["Prepare", "PrepareBatch", "ToRGB", "ToUint8"]


def _is_plain_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and not isinstance(value, tv_tensors.TVTensor)


_CONTAINERS = (dict, list, tuple)
_IMAGES = (tv_tensors.Image, tv_tensors.Video, PIL.Image.Image)


class _ImageTransform(v2.Transform):
    """Applies itself to a sample's images and videos, and leaves the rest as it is.

    torchvision's rule for plain tensors holds: with no explicit image or video in the sample,
    the first one is the image.
    """

    _transformed_types = (*_IMAGES, _is_plain_tensor)

    def forward(self, *inputs: Any) -> Any:
        """One image, or a sample of any nesting; more than one argument is a sample too."""
        if not inputs:
            raise DtypeError(f"{type(self).__name__} takes an image or a sample")
        # v2 hands on what it doesn't know. A lone array is an image; a lone str is a mistake.
        if len(inputs) == 1 and not isinstance(
            inputs[0], (torch.Tensor, PIL.Image.Image, *_CONTAINERS)
        ):
            return self.transform(inputs[0], {})
        return super().forward(*inputs)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuse a sample that hides its image from torchvision's search."""
        if any(isinstance(value, _IMAGES) for value in flat_inputs):
            return
        for value in flat_inputs:
            if isinstance(value, torch.Tensor):
                return
            if isinstance(value, np.ndarray) and value.ndim >= 2:
                raise DtypeError(
                    "a numpy array in a sample could be an image or a label, and no PIL image, "
                    "video or tensor comes before this one: v2.ToImage() on the image first, or "
                    f"apply {type(self).__name__} to the array alone"
                )
            if isinstance(value, _CONTAINERS) or is_dataclass(value):
                raise DtypeError(
                    f"torchvision doesn't look into a {type(value).__name__}, so an image in it "
                    "would stay as it is: make it a plain dict, list or tuple"
                )


class ToRGB(_ImageTransform):
    """Give gray images and videos three equal channels; :func:`graytorgb.to_rgb` in a Compose.

    What is RGB already passes through; masks, boxes, labels and whatever else a sample holds
    are left as they are. It works before and after ``ToTensor`` or ``ToImage``, in v1's and
    v2's Compose, in DataLoader workers and under ``torch.compile``.

    Parameters
    ----------
    backend : str
        One of :func:`graytorgb.list_backends`, or ``"auto"``.
    copy : bool, optional
        As in :func:`graytorgb.to_rgb`.
    alpha : {"error", "drop"} or (r, g, b)
        What becomes of an alpha channel, as in :func:`graytorgb.to_rgb`.

    Raises
    ------
    UnknownBackend, BackendUnavailable, LayoutError, ChannelError
        On construction, for a `backend`, a `copy` or an `alpha` that can't work.

    Notes
    -----
    Takes PIL images in any mode of gray, RGB or palette, tensors of shape (..., C, H, W) or
    (H, W), ``tv_tensors.Image`` and ``Video``, and a numpy array on its own.

    Examples
    --------
    >>> import torch
    >>> from graytorgb.transforms import ToRGB
    >>> ToRGB()(torch.zeros(8, 1, 28, 28)).shape
    torch.Size([8, 3, 28, 28])
    >>> ToRGB(alpha="drop")
    ToRGB(backend='auto', copy=None, alpha='drop')
    """

    def __init__(
        self, *, backend: str = "auto", copy: bool | None = None, alpha: alphas.Alpha = "error"
    ) -> None:
        super().__init__()
        options = Options(backend, copy, alphas.check(alpha)).check().load_backend()
        self.backend, self.copy, self.alpha = options

    def extra_repr(self) -> str:
        """The arguments, as they were given."""
        return f"backend={self.backend!r}, copy={self.copy}, alpha={self.alpha!r}"

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """:func:`graytorgb.to_rgb` of one image or video."""
        layout = None
        if _is_plain_tensor(inpt):
            layout = name_axes(inpt.ndim, "CHW") if inpt.ndim >= 3 else "HW"
            has_alpha = inpt.ndim >= 3 and inpt.shape[-3] in (2, 4)
            if torch.compiler.is_compiling() and has_alpha and not isinstance(self.alpha, str):
                return _composite_op(inpt, list(map(float, self.alpha)))
        # a graph holds torch's own operations, whose bits are the same
        compiled = torch.compiler.is_compiling() and self.backend != "broadcast"
        backend = "auto" if compiled else self.backend
        return to_rgb(inpt, layout, backend=backend, copy=self.copy, alpha=self.alpha)


class ToUint8(_ImageTransform):
    """Turn images and videos of any depth into 8 bits; :func:`graytorgb.to_uint8` in a Compose.

    Parameters
    ----------
    value_range : tuple or str
        ``(lo, hi)``, ``"dtype"``, ``"minmax"`` or ``("percentile", p, q)``, as in
        :func:`graytorgb.to_uint8`; the last two look at each image, or each tensor of a
        batch, on its own.

    Notes
    -----
    ``ImageFolder`` opens files with ``Image.open(...).convert("RGB")``, which destroys 16-bit
    images before any transform sees them. Give it a loader that keeps them:
    ``ImageFolder(root, transform, loader=PIL.Image.open)``. And ``v1.ToTensor`` turns 16-bit
    images into int16, so ``ToUint8`` comes before it.

    Raises
    ------
    LevelsError
        On construction, for a range that can't work.

    Examples
    --------
    >>> from graytorgb.transforms import ToUint8
    >>> ToUint8((0, 4095))
    ToUint8(value_range=(0, 4095))
    """

    def __init__(self, value_range: ValueRange) -> None:
        super().__init__()
        self.value_range = check_policy(value_range)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """:func:`graytorgb.to_uint8` of one image or video."""
        _refuse_wrapped(inpt, self.value_range)
        if torch.compiler.is_compiling() and _is_plain_tensor(inpt):
            return _to_uint8_op(inpt, repr(self.value_range))
        return to_uint8(inpt, self.value_range)


class Prepare(_ImageTransform):
    """Scale, normalize and expand; :func:`graytorgb.prepare` in a Compose.

    It replaces ``[RGB(), ToDtype(torch.float32, scale=True), Normalize(mean, std)]``, and
    ``ToImage`` in front of them.

    Parameters
    ----------
    stats : str, object or (mean, std)
        How the network's images were normalized in training, as for :func:`graytorgb.prepare`:
        ``"imagenet"``, torchvision weights, or a pair for values from 0 to 1.
    value_range : tuple or str, optional
        As in :func:`graytorgb.prepare`; a 16-bit image has to state it. Mode 1 and bool have
        none: they are black and white.
    dtype : torch.dtype
        Of the result: float32, float16, bfloat16 or uint8.

    Raises
    ------
    LevelsError, DtypeError
        On construction, for statistics, a range or a dtype that can't work.

    Notes
    -----
    A PIL image, in any mode of gray, RGB or palette without alpha, becomes a tensor of shape
    (3, H, W). A tensor, (..., C, H, W) or (H, W), stays what it is, a ``tv_tensors.Image`` for
    example. A numpy array on its own stays one, with its channel last.

    Examples
    --------
    >>> import torch
    >>> from graytorgb.transforms import Prepare
    >>> Prepare("-1..1")(torch.full((1, 28, 28), 255, dtype=torch.uint8)).shape
    torch.Size([3, 28, 28])
    """

    @stats_in_one
    def __init__(
        self,
        stats: Any,
        *,
        value_range: ValueRange | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.stats = find_stats(stats)
        self.value_range = None if value_range is None else check_policy(value_range)
        self.dtype = TORCH.get_dtype(check_dtype(dtype))

    def extra_repr(self) -> str:
        """The arguments, as they were given."""
        return f"stats={tuple(self.stats)}, value_range={self.value_range!r}, dtype={self.dtype}"

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """:func:`graytorgb.prepare` of one image or video."""
        return self.prepare(inpt)

    def prepare(self, image: Any, out: torch.Tensor | None = None) -> Any:
        """The same, into the memory of `out` if there is one."""
        layout = None
        if isinstance(image, PIL.Image.Image):
            image, layout = _as_tensor(image), "CHW"
        elif _is_plain_tensor(image):
            layout = name_axes(image.ndim, "CHW") if image.ndim >= 3 else "HW"
        _refuse_wrapped(image, self.value_range)
        return prepare(
            image,
            self.stats,
            layout,
            value_range=self.value_range,
            dtype=self.dtype,
            out=out,
        )


def _refuse_wrapped(image: Any, value_range: ValueRange | None) -> None:
    """LevelsError for int16 under a range beyond it: v1.ToTensor made it of a 16-bit image."""
    if isinstance(image, torch.Tensor) and image.dtype == torch.int16:
        refuse_depth(32767, 1 << 16, value_range)


def _as_tensor(image: PIL.Image.Image) -> torch.Tensor:
    """The levels of a PIL image as (C, H, W); bool for mode 1."""
    from .kinds import pil

    levels, opacity = pil.split_alpha(image)
    if opacity is not None:
        raise alphas.refuse(2 if levels.mode == "L" else 4)
    pixels = _native(np.asarray(levels))
    return torch.from_numpy(pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0))


def _native(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A copy in memory that torch takes: writable, forwards, of this machine's byte order."""
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


class PrepareBatch:
    """Collates samples into a prepared batch; ``DataLoader(..., collate_fn=PrepareBatch(...))``.

    Each image goes straight into its place in the batch, which is neither stacked nor copied, and
    the memory of a batch is used again when nothing holds it any more: in a loop, two take turns.

    Parameters
    ----------
    stats, value_range, dtype
        As in :class:`Prepare`.
    buffers : int
        The most batches whose memory is kept for later ones; 0 makes each batch new.
    pin_memory : bool, optional
        Whether batches are page-locked, for ``batch.to("cuda", non_blocking=True)``; by default
        where CUDA is present. torch keeps such memory itself, and knows of unfinished copies.

    Raises
    ------
    LevelsError, DtypeError, LayoutError, OptionError
        On construction, for what can't work; on a call, for samples that aren't alike, images of
        several sizes and what :func:`graytorgb.prepare` refuses.

    Notes
    -----
    A sample is an image or a tuple whose first entry is one: a PIL image, a tensor of shape
    (1, H, W), (3, H, W) or (H, W), or an array of shape (H, W), (H, W, 1) or (H, W, 3). All have
    one size. The rest of the tuple is collated as torch does. A transform may come before, as
    long as it leaves the levels as they are: resizing, cropping and flipping are fine.

    In a DataLoader's worker each batch is new, because it is handed to another process. Threads may
    share one object.

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
        return self.__dict__ | {"_kept": []}  # a spawned worker has no use for them

    def __call__(self, samples: Sequence[Any]) -> Any:
        """The batch, (N, 3, H, W), or a list of it and the rest of the samples, collated."""
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
            return _as_tensor(image)
        if isinstance(image, np.ndarray):
            last = image.ndim == 3 and image.shape[-1] in (1, 3)
            return torch.from_numpy(_native(np.moveaxis(image, -1, 0) if last else image))
        if _is_plain_tensor(image) or isinstance(image, tv_tensors.Image):
            return cast(torch.Tensor, image.as_subclass(torch.Tensor))
        raise DtypeError(
            f"a sample is an image, or a tuple that begins with one, and this is a "
            f"{type(image).__name__}: PIL images, tensors and arrays are images"
        )

    def _room(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Memory for a batch: a kept one that nothing holds and that is large enough, or new."""
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

        Threads may share this object. Each step on the list is one that Python does whole, and an
        array is back on the list only when a batch holds it, so no two threads get the same one.
        A lock would do too, but a process that is forked while it is locked could never open it.
        """
        for _ in range(len(self._kept)):
            try:
                memory = self._kept.pop(0)
            except IndexError:  # other threads took the rest
                break
            if memory.nbytes >= nbytes and _count_holders(memory) == _NOBODY:
                return memory
            self._kept.append(memory)
        return np.empty(nbytes, np.uint8)


def _count_holders(array: np.ndarray[Any, Any]) -> int:
    """Count the references to an array: a tensor over its memory is one."""
    return sys.getrefcount(array)


def _count_nobody() -> int:
    array = np.empty(0)
    return _count_holders(array)


_NOBODY = _count_nobody()


# Opaque operations for a compiled graph: they look at the data (percentiles, NaN, alpha outside
# of 0 to 1), which a traced graph can't do without breaking.
@torch.library.custom_op("graytorgb::to_uint8", mutates_args=())
def _to_uint8_op(image: torch.Tensor, value_range: str) -> torch.Tensor:
    return to_uint8(image, ast.literal_eval(value_range))  # an operation takes no such tuple


@_to_uint8_op.register_fake
def _(image: torch.Tensor, value_range: str) -> torch.Tensor:
    return image.new_empty(image.shape, dtype=torch.uint8)


@torch.library.custom_op("graytorgb::composite", mutates_args=())
def _composite_op(image: torch.Tensor, background: list[float]) -> torch.Tensor:
    red, green, blue = background
    return to_rgb(image, name_axes(image.ndim, "CHW"), alpha=(red, green, blue))


@_composite_op.register_fake
def _(image: torch.Tensor, background: list[float]) -> torch.Tensor:
    return image.new_empty((*image.shape[:-3], 3, *image.shape[-2:]))
