"""torchvision transforms: ``ToRGB`` and ``ToUint8`` for Compose, v1 and v2.

Tensors are ``(..., C, H, W)`` here, as everywhere in torchvision.

>>> import numpy as np, torch
>>> from torchvision.transforms import v2
>>> from graytorgb.transforms import ToRGB, ToUint8
>>> pipeline = v2.Compose([ToUint8((0, 4095)), ToRGB(), v2.ToDtype(torch.float32, scale=True)])
>>> pipeline(torch.full((1, 28, 28), 4095, dtype=torch.int16)).max()
tensor(1.)
"""

import ast
from dataclasses import is_dataclass
from typing import Any

from .registry import require

require("torchvision", "torchvision", "torchvision")  # its hint, instead of a bare ImportError

import numpy as np  # noqa: E402
import PIL.Image  # noqa: E402
import torch  # noqa: E402
from torchvision import tv_tensors  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from . import alpha as alphas  # noqa: E402
from .convert import Options, to_rgb  # noqa: E402
from .errors import DtypeError  # noqa: E402
from .layout import trailing  # noqa: E402
from .levels import ValueRange, check_policy, to_uint8  # noqa: E402

__all__ = ["ToRGB", "ToUint8"]


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
    """Give grey images and videos three equal channels; :func:`graytorgb.to_rgb` in a Compose.

    What is RGB already passes through; masks, boxes, labels and whatever else a sample holds
    are left as they are. It works before and after ``ToTensor`` or ``ToImage``, in v1's and
    v2's Compose, in DataLoader workers and under ``torch.compile``.

    Parameters
    ----------
    backend : str
        One of :func:`graytorgb.backends`, or ``"auto"``.
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
    Takes PIL images in any mode of grey, RGB or palette, tensors of shape (..., C, H, W) or
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
        self.backend, self.copy, self.alpha = Options(backend, copy, alphas.check(alpha)).checked()

    def extra_repr(self) -> str:
        """The arguments, as they were given."""
        return f"backend={self.backend!r}, copy={self.copy}, alpha={self.alpha!r}"

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """:func:`graytorgb.to_rgb` of one image or video."""
        layout = None
        if _is_plain_tensor(inpt):
            layout = trailing(inpt.ndim, "CHW") if inpt.ndim >= 3 else "HW"
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
        if torch.compiler.is_compiling() and _is_plain_tensor(inpt):
            return _to_uint8_op(inpt, repr(self.value_range))
        return to_uint8(inpt, self.value_range)


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
    return to_rgb(image, trailing(image.ndim, "CHW"), alpha=(red, green, blue))


@_composite_op.register_fake
def _(image: torch.Tensor, background: list[float]) -> torch.Tensor:
    return image.new_empty((*image.shape[:-3], 3, *image.shape[-2:]))
