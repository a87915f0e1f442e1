"""torchvision transforms: ``ToRGB`` and ``ToUint8`` for Compose, v1 and v2.

Tensors are ``(..., C, H, W)`` here, as everywhere in torchvision.

>>> import numpy as np, torch
>>> from torchvision.transforms import v2
>>> from graytorgb.transforms import ToRGB, ToUint8
>>> pipeline = v2.Compose([ToUint8((0, 4095)), ToRGB(), v2.ToDtype(torch.float32, scale=True)])
>>> pipeline(torch.full((1, 28, 28), 4095, dtype=torch.int16)).max()
tensor(1.)
"""

import json
from typing import Any

from .registry import require

require("torchvision", "torchvision", "torchvision")  # its hint, instead of a bare ImportError

import numpy as np  # noqa: E402
import PIL.Image  # noqa: E402
import torch  # noqa: E402
from torchvision import tv_tensors  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from . import alpha as alphas  # noqa: E402
from . import registry  # noqa: E402
from .convert import to_rgb  # noqa: E402
from .errors import DtypeError  # noqa: E402
from .layout import trailing  # noqa: E402
from .levels import ValueRange, check_policy, to_uint8  # noqa: E402

__all__ = ["ToRGB", "ToUint8"]


def _is_plain_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and not isinstance(value, tv_tensors.TVTensor)


_IMAGES = (tv_tensors.Image, tv_tensors.Video, PIL.Image.Image)


class _ImageTransform(v2.Transform):
    """Applies itself to a sample's images and videos, and leaves the rest as it is.

    torchvision's rule for plain tensors holds: with no explicit image or video in the sample,
    the first one is the image.
    """

    _transformed_types = (*_IMAGES, _is_plain_tensor)

    def forward(self, *inputs: Any) -> Any:
        """One image, or a sample of any nesting; more than one argument is a sample too."""
        # v2 hands on what it doesn't know. A lone array is an image; a lone str is a mistake.
        if len(inputs) == 1 and not isinstance(
            inputs[0], torch.Tensor | PIL.Image.Image | dict | list | tuple
        ):
            return self.transform(inputs[0], {})
        return super().forward(*inputs)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """DtypeError for a sample whose only candidates for an image are numpy arrays."""
        if any(isinstance(v, (*_IMAGES, torch.Tensor)) for v in flat_inputs):
            return
        if any(isinstance(v, np.ndarray) for v in flat_inputs):
            raise DtypeError(
                "a numpy array in a sample could be an image or a label, and this sample holds "
                "no PIL image, tensor or video: v2.ToImage() on the image first, or apply "
                f"{type(self).__name__} to the array alone"
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
    UnknownBackend, BackendUnavailable, ChannelError
        On construction, for a backend or an `alpha` that can't work.

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
        if backend != "auto":
            registry.load(backend)
        self.backend, self.copy, self.alpha = backend, copy, alphas.check(alpha)

    def extra_repr(self) -> str:
        """The arguments, as they were given."""
        return f"backend={self.backend!r}, copy={self.copy}, alpha={self.alpha!r}"

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """:func:`graytorgb.to_rgb` of one image or video."""
        layout = None
        if _is_plain_tensor(inpt):
            layout = trailing(inpt.ndim, "CHW") if inpt.ndim >= 3 else "HW"
        return to_rgb(inpt, layout, backend=self.backend, copy=self.copy, alpha=self.alpha)


class ToUint8(_ImageTransform):
    """Turn images and videos of any depth into 8 bits; :func:`graytorgb.to_uint8` in a Compose.

    Parameters
    ----------
    value_range : tuple or str
        ``(lo, hi)``, ``"dtype"``, ``"minmax"`` or ``("percentile", p, q)``, as in
        :func:`graytorgb.to_uint8`; the last two look at each image, or each tensor of a
        batch, on its own.

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
        self._as_json = json.dumps(self.value_range)  # an operation takes no tuple of str and float

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """:func:`graytorgb.to_uint8` of one image or video."""
        if torch.compiler.is_compiling() and _is_plain_tensor(inpt):
            return _to_uint8_op(inpt, self._as_json)
        return to_uint8(inpt, self.value_range)


# One opaque operation for a compiled graph: it looks at the data (percentiles, NaN), which a
# traced graph can't do without breaking.
@torch.library.custom_op("graytorgb::to_uint8", mutates_args=())
def _to_uint8_op(image: torch.Tensor, value_range: str) -> torch.Tensor:
    return to_uint8(image, json.loads(value_range))


@_to_uint8_op.register_fake
def _(image: torch.Tensor, value_range: str) -> torch.Tensor:
    return image.new_empty(image.shape, dtype=torch.uint8)
