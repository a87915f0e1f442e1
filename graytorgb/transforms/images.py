"""Transforms of an image, or of a sample with one: ToRGB, ToGray, ToUint8 and Prepare."""

import ast
from dataclasses import is_dataclass
from typing import Any

import numpy as np
import PIL.Image
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from ..core import alpha as alphas
from ..core.layout import name_axes
from ..core.luma import Weights, check_weights
from ..core.stats import stats as find_stats
from ..core.stats import stats_in_one
from ..core.value_range import ValueRange, check_policy, refuse_depth
from ..errors import DtypeError
from ..functional.plan import Options
from ..functional.prepare import check_dtype, prepare
from ..functional.to_gray import to_gray
from ..functional.to_rgb import to_rgb
from ..functional.to_uint8 import to_uint8
from ..kinds import pil
from ..kinds.torch import KIND as TORCH


def is_plain_tensor(value: Any) -> bool:
    """Return whether a value is a plain tensor, whose type doesn't tell what it holds."""
    return isinstance(value, torch.Tensor) and not isinstance(value, tv_tensors.TVTensor)


_CONTAINERS = (dict, list, tuple)
_IMAGES = (tv_tensors.Image, tv_tensors.Video, PIL.Image.Image)
_NEEDS_RULES = (tv_tensors.TVTensor, *_CONTAINERS)


def _is_alone(value: Any) -> bool:
    """Return whether a value is one image, and not a sample that v2 has to look through.

    That takes v2 long. It would also return unknown objects as they are: here an array is an
    image, and a str is an error.
    """
    return not isinstance(value, _NEEDS_RULES) or isinstance(value, _IMAGES)


class _ImageTransform(v2.Transform):
    """Base class: convert the images and videos of a sample, and leave the rest as it is.

    torchvision's rule for plain tensors holds: if the sample has no PIL image, ``tv_tensors.Image``
    or ``Video``, its first plain tensor is the image.
    """

    _transformed_types = (*_IMAGES, is_plain_tensor)

    def forward(self, *inputs: Any) -> Any:
        """Convert an image, or a sample of any nesting; several arguments are one sample."""
        if not inputs:
            raise DtypeError(f"{type(self).__name__} takes an image or a sample")
        if len(inputs) == 1 and _is_alone(inputs[0]):
            return self.transform(inputs[0], {})
        return super().forward(*inputs)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raise DtypeError for a sample whose image torchvision wouldn't find."""
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
    """Give gray images and videos three equal channels: :func:`graytorgb.to_rgb` in a Compose.

    RGB images pass through. Masks, boxes, labels and everything else in a sample stay as they
    are. The transform works before and after ``ToTensor`` or ``ToImage``, in the Compose of v1
    and v2, in DataLoader workers and under ``torch.compile``.

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
    The transform takes PIL images in any mode of gray, RGB or palette, tensors of shape
    (..., C, H, W) or (H, W), ``tv_tensors.Image`` and ``Video``, and a numpy array on its own.

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
        """Return the arguments, for the transform's repr."""
        return f"backend={self.backend!r}, copy={self.copy}, alpha={self.alpha!r}"

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Convert one image or video with :func:`graytorgb.to_rgb`."""
        layout, backend = _find_layout(inpt), self.backend
        if torch.compiler.is_compiling():
            has_alpha = is_plain_tensor(inpt) and inpt.ndim >= 3 and inpt.shape[-3] in (2, 4)
            if has_alpha and not isinstance(self.alpha, str):
                return _composite_op(inpt, list(map(float, self.alpha)))
            # torch's own operations can be compiled, and give the same bits
            backend = backend if backend == "broadcast" else "auto"
        return to_rgb(inpt, layout, backend=backend, copy=self.copy, alpha=self.alpha)


class ToGray(_ImageTransform):
    """Make one gray channel of RGB images and videos: :func:`graytorgb.to_gray` in a Compose.

    Gray images pass through, so that a folder of both kinds gives one channel. Masks, boxes,
    labels and everything else in a sample stay as they are.

    Parameters
    ----------
    weights : {"luma", "equal", "any"}
        How three channels become one, as in :func:`graytorgb.to_gray`; under ``"any"`` an image
        whose channels differ is an error.

    Raises
    ------
    OptionError
        On construction, for other `weights`.

    Notes
    -----
    A PIL image is in mode L afterwards, or in its own mode if that is I;16, I or F. A tensor is
    (..., 1, H, W), and a numpy array on its own has no channel axis. An alpha channel is an error:
    put ``ToRGB(alpha=...)`` in front.

    Examples
    --------
    >>> import torch
    >>> from graytorgb.transforms import ToGray
    >>> ToGray()(torch.zeros(8, 3, 28, 28)).shape
    torch.Size([8, 1, 28, 28])
    """

    def __init__(self, weights: Weights = "luma") -> None:
        super().__init__()
        self.weights = check_weights(weights)

    def extra_repr(self) -> str:
        """Return the argument, for the transform's repr."""
        return f"weights={self.weights!r}"

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Convert one image or video with :func:`graytorgb.to_gray`."""
        return to_gray(inpt, _find_layout(inpt), weights=self.weights)


class ToUint8(_ImageTransform):
    """Turn images and videos of any depth into 8 bits: :func:`graytorgb.to_uint8` in a Compose.

    Parameters
    ----------
    value_range : tuple or str, optional
        ``(lo, hi)``, ``"dtype"``, ``"minmax"`` or ``("percentile", p, q)``, as in
        :func:`graytorgb.to_uint8`; the last two look at each image, or each tensor of a
        batch, on its own. By default the range is what is known: 0 to 255 for uint8 and 0 to 1
        for floats. A 16-bit image has to state it.

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

    def __init__(self, value_range: ValueRange | None = None) -> None:
        super().__init__()
        self.value_range = check_policy(value_range)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Convert one image or video with :func:`graytorgb.to_uint8`."""
        refuse_wrapped(inpt, self.value_range)
        if torch.compiler.is_compiling() and is_plain_tensor(inpt):
            return _to_uint8_op(inpt, repr(self.value_range))
        return to_uint8(inpt, self.value_range)


class Prepare(_ImageTransform):
    """Scale, normalize and expand images: :func:`graytorgb.prepare` in a Compose.

    One transform replaces
    ``[ToImage(), RGB(), ToDtype(torch.float32, scale=True), Normalize(mean, std)]``.

    Parameters
    ----------
    stats : str, object or (mean, std)
        How the network's images were normalized in training, as for :func:`graytorgb.prepare`:
        ``"imagenet"``, torchvision weights, or a pair for values from 0 to 1.
    value_range : tuple or str, optional
        The values that become 0 and 1, as in :func:`graytorgb.prepare`. A 16-bit image has to
        state them. PIL mode 1 and bool have no range: they are black and white.
    dtype : torch.dtype
        The result's dtype: float32, float16, bfloat16 or uint8.

    Raises
    ------
    LevelsError, OptionError, DtypeError
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
        self.value_range = check_policy(value_range)
        self.dtype = TORCH.get_dtype(check_dtype(dtype))

    def extra_repr(self) -> str:
        """Return the arguments, for the transform's repr."""
        return f"stats={tuple(self.stats)}, value_range={self.value_range!r}, dtype={self.dtype}"

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Convert one image or video with :func:`graytorgb.prepare`."""
        return self.prepare(inpt)

    def prepare(self, image: Any, out: torch.Tensor | None = None) -> Any:
        """Convert one image or video, into the memory of `out` if there is one."""
        if isinstance(image, PIL.Image.Image):
            image = pil_to_tensor(image)
        layout = _find_layout(image)
        refuse_wrapped(image, self.value_range)
        return prepare(
            image, self.stats, layout, value_range=self.value_range, dtype=self.dtype, out=out
        )


def _find_layout(image: Any) -> str | None:
    """Return the axes of a plain tensor by torchvision's convention; None for another image."""
    if not is_plain_tensor(image):
        return None
    return name_axes(image.ndim, "CHW") if image.ndim >= 3 else "HW"


def refuse_wrapped(image: Any, value_range: ValueRange | None) -> None:
    """Raise LevelsError for an int16 tensor under a range that int16 doesn't hold.

    ``v1.ToTensor`` makes such tensors of 16-bit images, and the upper half of the values is lost.
    """
    if isinstance(image, torch.Tensor) and image.dtype == torch.int16:
        refuse_depth(32767, 1 << 16, value_range)


def pil_to_tensor(image: PIL.Image.Image) -> torch.Tensor:
    """Return the pixels of a PIL image as a tensor of shape (C, H, W), bool for mode 1."""
    levels, opacity = pil.split_alpha(image)
    if opacity is not None:
        raise alphas.refuse(2 if levels.mode == "L" else 4)
    pixels = copy_for_torch(np.asarray(levels))
    return torch.from_numpy(pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0))


def copy_for_torch(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Copy an array to memory that torch takes: writable, contiguous, in the native byte order."""
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")


# Operations that torch.compile doesn't look into: they read the values (percentiles, NaN, alpha
# outside of 0 to 1), which would break its graph.
@torch.library.custom_op("graytorgb::to_uint8", mutates_args=())
def _to_uint8_op(image: torch.Tensor, value_range: str) -> torch.Tensor:
    # an operation takes no tuple of mixed types
    return to_uint8(image, ast.literal_eval(value_range))


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
