"""Transforms of an image, or of a sample with one: ToRGB, ToGray, ToUint8 and Prepare."""

import ast
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import PIL.Image
import torch

from ..core import alpha as alphas
from ..core.layout import name_axes
from ..core.luma import Weights, check_weights
from ..core.stats import stats as find_stats
from ..core.stats import stats_in_one
from ..core.value_range import POLICIES, ValueRange, check_policy, refuse_depth
from ..errors import DtypeError
from ..functional.plan import Options
from ..functional.prepare import check_dtype, prepare
from ..functional.to_gray import to_gray
from ..functional.to_rgb import to_rgb
from ..functional.to_uint8 import to_uint8
from ..kinds import describe_image, pil
from ..kinds.torch import KIND as TORCH
from .image_transform import ImageTransform, copy_for_torch, is_plain_tensor


class ToRGB(ImageTransform):
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

    def convert(self, image: Any) -> Any:
        """Convert one image or video with :func:`graytorgb.to_rgb`."""
        if isinstance(image, PIL.Image.Image) and pil.is_deep(image):
            raise _refuse_deep(image)
        layout, backend = _find_layout(image), self.backend
        if torch.compiler.is_compiling():
            has_alpha = is_plain_tensor(image) and image.ndim >= 3 and image.shape[-3] in (2, 4)
            if has_alpha and not isinstance(self.alpha, str):
                return _composite_op(image, list(map(float, self.alpha)))
            # torch's own operations can be compiled, and give the same bits
            backend = backend if backend == "broadcast" else "auto"
        return to_rgb(image, layout, backend=backend, copy=self.copy, alpha=self.alpha)


class ToGray(ImageTransform):
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

    def convert(self, image: Any) -> Any:
        """Convert one image or video with :func:`graytorgb.to_gray`."""
        return to_gray(image, _find_layout(image), weights=self.weights)


class ToUint8(ImageTransform):
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

    calls: ClassVar[Mapping[str, str]] = {"value_range": "ToUint8((lo, hi))"}

    def __init__(self, value_range: ValueRange | None = None) -> None:
        super().__init__()
        self.value_range = check_policy(value_range)

    def convert(self, image: Any) -> Any:
        """Convert one image or video with :func:`graytorgb.to_uint8`."""
        refuse_wrapped(image, self.value_range)
        if torch.compiler.is_compiling() and is_plain_tensor(image):
            return _to_uint8_op(image, repr(self.value_range))
        return to_uint8(image, self.value_range)


class Prepare(ImageTransform):
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

    calls: ClassVar[Mapping[str, str]] = {"value_range": "Prepare(stats, value_range=(lo, hi))"}

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

    def convert(self, image: Any) -> Any:
        """Convert one image or video with :func:`graytorgb.prepare`."""
        return self.prepare(image)

    def prepare(
        self, image: Any, out: torch.Tensor | None = None, value_range: ValueRange | None = None
    ) -> Any:
        """Convert one image or video, into the memory of `out` if there is one.

        A `value_range` stands in place of the transform's own.
        """
        value_range = self.value_range if value_range is None else value_range
        if isinstance(image, PIL.Image.Image):
            image = pil_to_tensor(image)
        layout = _find_layout(image)
        refuse_wrapped(image, value_range)
        return prepare(
            image, self.stats, layout, value_range=value_range, dtype=self.dtype, out=out
        )


def _refuse_deep(image: PIL.Image.Image) -> DtypeError:
    """Return the error for a PIL image of more than 8 bits, which no RGB mode can hold."""
    return DtypeError(
        f"Pillow has no RGB of more than 8 bits, and mode {image.mode!r} would be clipped: put "
        "ToUint8((lo, hi)) before ToRGB() in the Compose, such as ToUint8((0, 4095)) for 12 bits; "
        f"a range is {POLICIES}",
        f"given: {describe_image(image)}",
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
