"""torch tensors, and torchvision's ``tv_tensors.Image`` and ``Video``."""

import sys
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DtypeError
from ..layout import trailing

Tensor = torch.Tensor

CHANNELS_FIRST = True

# A word of each width, for the dtypes numpy doesn't have (bfloat16, the float8s).
_WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32}


def unwrap(image: Tensor) -> Tensor:
    """The tensor itself, or a tv_tensor's plain tensor.

    Raises
    ------
    DtypeError
        For masks, boxes and points, and for sparse and quantized tensors.
    """
    tv_tensors = sys.modules.get("torchvision.tv_tensors")
    if tv_tensors is not None and isinstance(image, tv_tensors.TVTensor):
        if not isinstance(image, tv_tensors.Image | tv_tensors.Video):
            raise DtypeError(
                f"a {type(image).__name__} isn't an image; if its values are, pass "
                "x.as_subclass(torch.Tensor)"
            )
        image = image.as_subclass(Tensor)
    if image.layout is not torch.strided or image.is_quantized:
        what = "quantized" if image.is_quantized else f"{image.layout}"
        raise DtypeError(f"{what} tensors aren't images: x.dequantize() or x.to_dense() first")
    return image


def axes(image: Tensor) -> str | None:
    """``(..., C, H, W)`` for a tv_tensor; nothing for a plain tensor."""
    tv_tensors = sys.modules.get("torchvision.tv_tensors")
    if tv_tensors is not None and isinstance(image, tv_tensors.TVTensor) and image.ndim >= 3:
        return trailing(image.ndim, "CHW")
    return None


def transpose(array: Tensor, order: tuple[int, ...]) -> Tensor:
    return array.permute(order)


def expand(array: Tensor, axis: int) -> Tensor:
    return array.unsqueeze(axis).expand(*array.shape[:axis], 3, *array.shape[axis:])


def view(array: Tensor) -> Tensor:
    return array


def copy(array: Tensor) -> Tensor:
    return array.clone(memory_format=torch.contiguous_format)


def lend(array: Tensor) -> NDArray[Any] | None:
    """The same memory in numpy; None for tensors that only torch's own operations can follow.

    Those are tensors on another device, with gradients, of a subclass, or being traced,
    compiled or vmapped.
    """
    if torch.compiler.is_compiling() or type(array) is not Tensor:
        return None
    try:
        return _words(array).numpy()
    except (RuntimeError, TypeError):
        return None


def lend_values(array: Tensor) -> NDArray[Any]:
    """The values on the CPU, without their gradient; bfloat16 and the like as float32."""
    if array.device.type != "cpu":
        raise DtypeError(f"this tensor is on {array.device}: pass x.cpu()")
    array = array.detach()
    return (array if _in_numpy(array.dtype) else array.float()).numpy()


def adopt(result: NDArray[Any], like: Tensor | None) -> Tensor:
    """Fresh memory as a tensor; a read-only result is a view of `like`, and becomes one here."""
    if like is None:
        return torch.from_numpy(result)
    if result.flags.writeable:
        return torch.from_numpy(result).view(like.dtype)
    strides = [stride // result.itemsize for stride in result.strides]
    return like.as_strided(result.shape, strides, like.storage_offset())


def wrap(result: Tensor, image: Tensor) -> Tensor:
    tv_tensors = sys.modules.get("torchvision.tv_tensors")
    if tv_tensors is not None and isinstance(image, tv_tensors.TVTensor):
        wrapped: Tensor = tv_tensors.wrap(result, like=image)
        return wrapped
    return result


def _words(array: Tensor) -> Tensor:
    return array if _in_numpy(array.dtype) else array.view(_WORDS[array.dtype.itemsize])


def _in_numpy(dtype: torch.dtype) -> bool:
    return hasattr(np, str(dtype).removeprefix("torch."))
