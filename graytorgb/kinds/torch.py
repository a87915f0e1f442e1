"""torch tensors, and torchvision's ``tv_tensors.Image`` and ``Video``."""

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd import forward_ad
from torch.utils._python_dispatch import _get_current_dispatch_mode

from ..core.layout import insert, recall, trailing
from ..errors import DtypeError

Tensor = torch.Tensor

REACH = "memory"
CHANNELS_FIRST = True
UNREACHED = "this tensor's isn't (another device, a gradient, a subclass or a trace)"
TO_NUMPY = "x.detach().cpu().as_subclass(torch.Tensor)"

_SIGNED = {torch.uint32: torch.int32, torch.uint64: torch.int64}
# A word of each width, for the dtypes numpy doesn't have (bfloat16, the float8s).
_WORDS = {1: torch.int8, 2: torch.int16, 4: torch.int32}

# The compiler calls it while it traces; traced itself, what it keeps would make that warn.
torch.compiler.assume_constant_result(recall)


def dtype(name: str) -> torch.dtype:
    found: torch.dtype = getattr(torch, name)
    return found


def unwrap(image: Tensor) -> Tensor:
    """The tensor itself, or a tv_tensor's plain tensor.

    Raises
    ------
    DtypeError
        For masks, boxes and points, and for sparse, nested and quantized tensors.
    """
    tv_tensors = _tv_tensors(image)
    if tv_tensors is not None:
        if not isinstance(image, tv_tensors.Image | tv_tensors.Video):
            raise DtypeError(
                f"a {type(image).__name__} isn't an image; if its values are, pass "
                "x.as_subclass(torch.Tensor)"
            )
        image = image.as_subclass(Tensor)
    if image.layout is not torch.strided or image.is_quantized or image.is_nested:
        raise DtypeError(
            "sparse, nested and quantized tensors aren't images: x.to_dense(), "
            "x.to_padded_tensor(0) or x.dequantize() first"
        )
    return image


def axes(image: Tensor) -> str | None:
    """``(..., C, H, W)`` for a tv_tensor; nothing for a plain tensor."""
    if _tv_tensors(image) is not None and image.ndim >= 3:
        return trailing(image.ndim, "CHW")
    return None


def shape(array: Tensor) -> tuple[int, ...]:
    return tuple(array.shape)


def transpose(array: Tensor, order: tuple[int, ...]) -> Tensor:
    return array.permute(order)


def insert_axis(array: Tensor, axis: int) -> Tensor:
    return array.unsqueeze(axis)


def expand(array: Tensor, axis: int, *, view: bool) -> Tensor:
    expanded = insert_axis(array, axis).expand(insert(tuple(array.shape), axis))
    return expanded if view else copy(expanded)


def dtype_name(array: Tensor) -> str:
    return str(array.dtype).removeprefix("torch.")


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def settle(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def normalize(image: Tensor, axis: int, arithmetic: Any, dtype: torch.dtype) -> Tensor:
    wide = image.dtype.itemsize >= 4 and image.dtype != torch.float32  # more than float32 holds
    real = torch.float64 if wide or arithmetic.wide else torch.float32
    shape = [3 if i == axis else 1 for i in range(image.ndim)]
    mean, rest, scale = (
        torch.tensor(part, dtype=real, device=image.device).reshape(shape)
        for part in arithmetic[:3]
    )
    x = image.to(real)
    if arithmetic.stated:
        x = x.clamp(arithmetic.lo, arithmetic.hi)
    elif image.is_floating_point():  # a clamp has no gradient at its ends, black and white
        x = torch.where(x > 1, 1.0, torch.where(x < 0, 0.0, x))
    y = ((x - mean) - rest) * scale
    if dtype == torch.uint8:
        y = y.round().clamp(0, 255)
    return y.to(dtype).contiguous()


def view(array: Tensor) -> Tensor:
    return array


def copy(array: Tensor) -> Tensor:
    return array.clone(memory_format=torch.contiguous_format)


def lend(array: Tensor) -> NDArray[Any] | None:
    """The same memory in numpy; None for tensors that only torch's own operations can follow.

    Those are tensors on another device, with gradients, of a subclass, or being traced,
    compiled or vmapped.
    """
    if _is_tracing() or not _is_plain(array):
        return None
    if torch._is_functional_tensor(array):  # its memory is another tensor's
        return None
    if _has_gradient(array):
        return None
    try:
        return (array if _in_numpy(array) else array.view(_WORDS[array.dtype.itemsize])).numpy()
    except (RuntimeError, TypeError):
        return None


def lend_values(array: Tensor) -> NDArray[Any] | None:
    """The values, without their gradient; bfloat16 and the like as float32.

    None on another device, in a trace and under vmap.

    Raises
    ------
    DtypeError
        For subclasses, and for complex values, which have no order.
    """
    if array.is_complex():
        raise DtypeError("complex values have no order: pass x.real or x.abs()")
    if _is_tracing() or _is_transformed(array):
        return None
    if not _is_plain(array):
        raise DtypeError(
            f"{type(array).__name__} is a subclass of torch.Tensor, and what it carries would be "
            "lost: pass x.as_subclass(torch.Tensor)"
        )
    if array.device.type != "cpu":
        return None
    array = array.detach().resolve_conj().resolve_neg()
    return (array if _in_numpy(array) else array.float()).numpy()


def look(array: Tensor) -> NDArray[Any] | None:
    """The values; None where a gradient would pass by what is found in them, too."""
    if _is_tracing() or array.device.type == "meta" or _has_gradient(array):
        return None
    return lend_values(array.cpu())


def peek(array: Tensor) -> NDArray[Any] | None:
    if _is_tracing() or not _is_plain(array) or array.is_complex():
        return None
    return lend_values(array)


def black(array: Tensor) -> Tensor:
    return torch.zeros_like(array)


def demand(array: Tensor, lo: float, hi: float, error: Exception) -> Tensor:
    """See :class:`.protocols.OwnLibrary`. A device is waited for.

    vmap shows no values, and ``torch.jit.trace`` keeps nothing that has no result.
    """
    if array.device.type == "meta":
        return array
    values = array.detach()
    if values.dtype.itemsize == 1:
        values = values.float()  # torch doesn't compare float8
    with suppress(RuntimeError):  # under vmap
        if _is_tracing():
            inside = ((values >= lo) & (values <= hi)).all()
            torch._assert_async(inside, str(error).replace('"', "'"))  # the compiler quotes it
        elif values.numel() and not (values.amin() >= lo) & (values.amax() <= hi):  # no temporaries
            raise error
    return array


def digitize(array: Tensor, levels: Any) -> Tensor:
    if levels.table is not None:
        table = torch.from_numpy(levels.table).to(array.device)
        return table[array.to(torch.int32) - levels.first]
    steps = torch.from_numpy(levels.steps).to(array.device)
    x = array.detach().to(steps.dtype)
    if steps.dtype in _SIGNED:  # torch orders no unsigned words
        x, steps = (v.view(_SIGNED[steps.dtype]) ^ _lowest(steps.dtype) for v in (x, steps))
    return torch.bucketize(x, steps, right=True).to(torch.uint8)


def _lowest(dtype: torch.dtype) -> int:
    return torch.iinfo(_SIGNED[dtype]).min


def adopt(result: NDArray[Any], dtype: torch.dtype) -> Tensor:
    tensor = torch.from_numpy(result)
    return tensor if dtype == tensor.dtype else tensor.view(dtype)


def written(out: Tensor) -> None:
    if not out.is_inference():
        torch.autograd.graph.increment_version(out)


def wrap(result: Tensor, image: Tensor) -> Tensor:
    tv_tensors = _tv_tensors(image)
    if tv_tensors is None:
        return result
    wrapped: Tensor = tv_tensors.wrap(result, like=image)
    return wrapped


def empty(shape: tuple[int, ...], dtype: torch.dtype) -> str:
    """The call that makes memory for a result."""
    return f"torch.empty({shape}, dtype={dtype})"


def _tv_tensors(image: Tensor) -> Any:
    """``torchvision.tv_tensors`` if the image is one of its tensors."""
    module = sys.modules.get("torchvision.tv_tensors")
    base = getattr(module, "TVTensor", None)
    return module if base is not None and isinstance(image, base) else None


def _is_tracing() -> bool:
    """Whether operations are recorded, so that values seen now would be baked in."""
    return (
        torch.compiler.is_compiling()
        or bool(torch.jit.is_tracing())  # type: ignore[attr-defined]  # it is documented
        or _get_current_dispatch_mode() is not None  # make_fx, fake tensors
    )


def _is_transformed(array: Tensor) -> bool:
    """Whether it stands for others, in ``torch.vmap`` and ``torch.func``."""
    if torch.compiler.is_compiling():  # which has no word for the question
        return False
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(array))


def _has_gradient(array: Tensor) -> bool:
    """Whether one is asked for, backwards or forwards."""
    return array.requires_grad or forward_ad.unpack_dual(array).tangent is not None


def _is_plain(array: Tensor) -> bool:
    return type(array) is Tensor or type(array) is torch.nn.Parameter


def _in_numpy(array: Tensor) -> bool:
    return hasattr(np, str(array.dtype).removeprefix("torch."))
