"""torch tensors, and torchvision's ``tv_tensors.Image`` and ``Video``."""

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd import forward_ad
from torch.utils._python_dispatch import _get_current_dispatch_mode

from ..core.arithmetic import Arithmetic
from ..core.layout import insert, name_axes, recall
from ..core.levels import Levels
from ..core.notice import warn_once
from ..errors import DtypeError
from ..extras import is_missing
from .protocols import LibraryKind, SharedKind

Tensor = torch.Tensor

_SIGNED = {torch.uint32: torch.int32, torch.uint64: torch.int64}
# An integer dtype of each size, for the dtypes that numpy lacks (bfloat16, the float8s).
_WORDS = {1: torch.int8, 2: torch.int16, 4: torch.int32}

# The compiler calls `recall` while it traces, and warns if it has to trace what is cached.
torch.compiler.assume_constant_result(recall)


class TorchKind(SharedKind, LibraryKind):
    """torch tensors: numpy shares the memory of plain ones, and torch converts all others."""

    channels_first = True
    why_not_shared = "this tensor's isn't (another device, a gradient, a subclass or a trace)"
    numpy_call = "x.detach().cpu().as_subclass(torch.Tensor)"

    def get_dtype(self, name: str) -> torch.dtype:
        found: torch.dtype = getattr(torch, name)
        return found

    def get_array(self, image: Tensor) -> Tensor:
        """Return the tensor itself, or the plain tensor of a tv_tensor.

        Raises
        ------
        DtypeError
            For masks, boxes and points, and for sparse, nested and quantized tensors.
        """
        tv_tensors = _find_tv_tensors(image)
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

    def get_stated_axes(self, image: Tensor) -> str | None:
        """Return ``(..., C, H, W)`` for a tv_tensor, and None for a plain tensor."""
        if _find_tv_tensors(image) is not None and image.ndim >= 3:
            return name_axes(image.ndim, "CHW")
        return None

    def wrap_result(self, result: Tensor, image: Tensor) -> Tensor:
        tv_tensors = _find_tv_tensors(image)
        if tv_tensors is None:
            return result
        wrapped: Tensor = tv_tensors.wrap(result, like=image)
        return wrapped

    def to_numpy_shared(self, array: Tensor) -> NDArray[Any] | None:
        """Return the tensor's memory in numpy; None where only torch's own operations can work.

        This is so on another device, with a gradient, for a subclass, and while a tensor is traced,
        compiled or vmapped.
        """
        # torch takes ten microseconds to say that numpy doesn't reach another device
        if _is_tracing() or not array.is_cpu or not _is_plain(array):
            return None
        if torch._is_functional_tensor(array):  # its memory is another tensor's
            return None
        if _has_gradient(array):
            return None
        try:
            words = array if _is_in_numpy(array) else array.view(_WORDS[array.dtype.itemsize])
            return words.numpy()
        except (RuntimeError, TypeError):
            return None

    def to_numpy_values(self, array: Tensor) -> NDArray[Any] | None:
        """Return the values without their gradient; bfloat16 and the like as float32.

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
                f"{type(array).__name__} is a subclass of torch.Tensor, and what it carries would "
                "be lost: pass x.as_subclass(torch.Tensor)"
            )
        if array.device.type != "cpu":
            return None
        array = array.detach().resolve_conj().resolve_neg()
        return (array if _is_in_numpy(array) else array.float()).numpy()

    def read_shared(self, array: Tensor, shared: NDArray[Any]) -> NDArray[Any] | None:
        if _is_in_numpy(array) and not array.is_complex():
            return shared
        return self.to_numpy_values(array)

    def from_numpy(self, result: NDArray[Any], dtype: torch.dtype) -> Tensor:
        tensor = torch.from_numpy(result)
        return tensor if dtype == tensor.dtype else tensor.view(dtype)

    def format_empty_call(self, shape: tuple[int, ...], dtype: torch.dtype) -> str:
        return f"torch.empty({shape}, dtype={dtype})"

    def mark_written(self, out: Tensor) -> None:
        if not out.is_inference():
            torch.autograd.graph.increment_version(out)

    def get_dtype_name(self, array: Tensor) -> str:
        return str(array.dtype).removeprefix("torch.")

    def cast(self, array: Tensor, name: str) -> Tensor:
        return array.to(self.get_dtype(name))

    def select(self, condition: Tensor, first: Tensor, second: Tensor) -> Tensor:
        return torch.where(condition, first, second)

    def transpose(self, array: Tensor, order: tuple[int, ...]) -> Tensor:
        return array.permute(order)

    def insert_axis(self, array: Tensor, axis: int) -> Tensor:
        return array.unsqueeze(axis)

    def make_view(self, array: Tensor) -> Tensor:
        return array

    def make_copy(self, array: Tensor) -> Tensor:
        return array.clone(memory_format=torch.contiguous_format)

    def expand(self, gray: Tensor, axis: int, *, view: bool) -> Tensor:
        kernels = None if view else _find_kernels(gray)
        if kernels and kernels.can_expand(gray):
            return cast(Tensor, kernels.expand(gray, axis))
        expanded = gray.unsqueeze(axis).expand(insert(tuple(gray.shape), axis))
        return expanded if view else self.make_copy(expanded)

    def normalize(
        self, image: Tensor, axis: int, arithmetic: Arithmetic, dtype: torch.dtype
    ) -> Tensor:
        kernels = _find_kernels(image)
        if kernels and kernels.can_normalize(image, arithmetic):
            return cast(Tensor, kernels.normalize(image, axis, arithmetic, dtype))
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

    def look_up_levels(self, array: Tensor, levels: Levels) -> Tensor:
        steps = torch.from_numpy(levels.entries).to(array.device)
        if levels.first is not None:
            return steps[array.to(torch.int32) - levels.first]
        x = array.detach().to(steps.dtype)
        if steps.dtype in _SIGNED:  # torch can't order unsigned integers of 32 and 64 bits
            signed = _SIGNED[steps.dtype]
            x, steps = (v.view(signed) ^ torch.iinfo(signed).min for v in (x, steps))
        return torch.bucketize(x, steps, right=True).to(torch.uint8)

    def check_values(self, array: Tensor, lo: float, hi: float, error: Exception) -> Tensor:
        """Return the tensor, or raise `error`; this waits for the tensor's device.

        Nothing is checked under vmap, which shows no values, nor in a function that
        ``torch.jit.trace`` made, which keeps no operation without a result.
        """
        if array.device.type == "meta":
            return array
        values = array.detach()
        if values.dtype.itemsize == 1:
            values = values.float()  # torch doesn't compare float8
        with suppress(RuntimeError):  # under vmap
            if _is_tracing():
                inside = ((values >= lo) & (values <= hi)).all()
                # the compiler puts the text between quotation marks
                torch._assert_async(inside, str(error).replace('"', "'"))
            elif values.numel() and not (values.amin() >= lo) & (values.amax() <= hi):
                raise error  # found without temporaries
        return array

    def read_values(self, array: Tensor) -> NDArray[Any] | None:
        """Return the values; None where a range found in them would need a gradient of its own."""
        if _is_tracing() or array.device.type == "meta" or _has_gradient(array):
            return None
        return self.to_numpy_values(array.cpu())

    def read_host_values(self, array: Tensor) -> NDArray[Any] | None:
        if _is_tracing() or not _is_plain(array) or array.is_complex():
            return None
        return self.to_numpy_values(array)

    def make_black(self, array: Tensor) -> Tensor:
        return torch.zeros_like(array)

    @torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
    def call_untraced(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)


KIND = TorchKind()


def _find_kernels(array: Tensor) -> Any:
    """Return the module of fused kernels, or None where torch's own operations have to work.

    The kernels take plain tensors on a GPU without a gradient. What is being traced, or recorded
    as a CUDA graph, keeps torch's operations, because a kernel may have to be compiled first.
    """
    if not array.is_cuda or _is_tracing() or not _is_plain(array) or _has_gradient(array):
        return None
    if _is_transformed(array) or torch.cuda.is_current_stream_capturing():
        return None
    return _load_kernels()


@cache
def _load_kernels() -> Any:
    """Return the module of fused kernels; None, after a warning, where Triton can't compile."""
    if is_missing("triton"):
        return None
    try:
        from . import cuda_kernels

        cuda_kernels.compile_smallest()
    except Exception as error:  # of the compiler, the driver or an old GPU, in any class
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        warn_once(
            "no fused kernels",
            f"to_rgb and prepare use torch's own operations on this GPU, because Triton can't "
            f"compile kernels here: {reason}",
        )
        return None
    return cuda_kernels


def _find_tv_tensors(image: Tensor) -> Any:
    """Return the module ``torchvision.tv_tensors`` if the image is one of its tensors."""
    if type(image) is Tensor:
        return None
    module = sys.modules.get("torchvision.tv_tensors")
    base = getattr(module, "TVTensor", None)
    return module if base is not None and isinstance(image, base) else None


def _is_tracing() -> bool:
    """Return whether operations are being recorded, so that no value may be used now."""
    return (
        torch.compiler.is_compiling()
        or bool(torch.jit.is_tracing())  # type: ignore[attr-defined]  # it is documented
        or _get_current_dispatch_mode() is not None  # make_fx, fake tensors
    )


def _is_transformed(array: Tensor) -> bool:
    """Return whether the tensor stands for others, in ``torch.vmap`` and ``torch.func``."""
    if torch.compiler.is_compiling():  # which can't trace the question
        return False
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(array))


def _has_gradient(array: Tensor) -> bool:
    """Return whether a gradient of the tensor is asked for, backward or forward."""
    if array.requires_grad:
        return True
    # outside of every dual_level, which is cheap to tell, no tensor has a tangent
    return forward_ad._current_level >= 0 and forward_ad.unpack_dual(array).tangent is not None


def _is_plain(array: Tensor) -> bool:
    return type(array) is Tensor or type(array) is torch.nn.Parameter


def _is_in_numpy(array: Tensor) -> bool:
    """Return whether numpy has the tensor's dtype."""
    return array.dtype in _IN_NUMPY


_DTYPES = {value for value in vars(torch).values() if isinstance(value, torch.dtype)}
_IN_NUMPY = {dtype for dtype in _DTYPES if hasattr(np, str(dtype).removeprefix("torch."))}
