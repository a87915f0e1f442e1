"""Fused kernels for tensors on a GPU, in Triton: three channels in one pass over the image.

A planar result takes one read of each gray value and three writes, so the channels are made in
registers. In an interleaved result the three copies are neighbors: each thread makes some of them
and reads its gray value from the first-level cache, so that all writes of a warp are one run of
memory. Elements of 1 and 2 bytes are put together to words of 4 bytes first, because single bytes
are written at a third of the speed.

On an H100 a batch takes 0.94 to 1.04 of the time of copying as many bytes, and torch's own
operations take 1.5 to 5.5 times as long (``benchmarks/speed/gpu.py``). The kernels are written by
hand. What ``torch.compile`` makes of those for one shape takes as long, or 1.37 times for uint8,
but each shape is compiled anew, for seconds; one kernel for any shape took 1.2 to 6.5 times as
long. To start a kernel of Triton takes the processor some 20 us, so small results are left to
torch's operations.
"""

from contextlib import nullcontext
from math import prod
from typing import Any

import torch
import triton
import triton.language as tl

from ..core.arithmetic import Arithmetic
from ..core.layout import insert

Tensor = torch.Tensor

NORMALIZED_FROM = (
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.uint16,
    torch.int16,
    torch.float16,
    torch.bfloat16,
    torch.float32,
)

# Bytes of result; for fewer, torch's two operations start faster than a kernel of Triton.
_EXPANDED_FROM = 1 << 20

_BLOCK = 1024  # elements for each program, which is what Triton runs in parallel
_MOST_IN_32_BITS = 2**31 - _BLOCK  # elements that are numbered in 32 bits, which is faster
_INTEGERS = {1: tl.int8, 2: tl.int16, 4: tl.int32, 8: tl.int64}  # by their bytes


def can_expand(gray: Tensor) -> bool:
    """Return whether :func:`expand` takes a tensor: a large one whose memory is one run."""
    is_large = 3 * gray.nbytes >= _EXPANDED_FROM
    return is_large and _is_one_run(gray) and gray.element_size() in _INTEGERS


def can_normalize(image: Tensor, arithmetic: Arithmetic) -> bool:
    """Return whether :func:`normalize` takes a tensor: float32 has to hold its values."""
    is_held = image.dtype in NORMALIZED_FROM and not arithmetic.wide
    return is_held and _is_one_run(image) and image.numel() > 0


def expand(gray: Tensor, axis: int) -> Tensor:
    """Return three equal channels of a gray tensor, as a new tensor.

    Parameters
    ----------
    gray : Tensor of shape (a, ..., b, ...)
        A tensor of which :func:`can_expand` is true.
    axis : int
        Where the channels go.

    Returns
    -------
    Tensor of shape (a, ..., 3, b, ...)
        The same bits, contiguous.
    """
    rgb = gray.new_empty(insert(tuple(gray.shape), axis))
    after, size = prod(gray.shape[axis:]), gray.element_size()
    if after > 1:
        _run(_copy_to_planes, gray, rgb, gray.numel(), after, integer=_INTEGERS[size])
    elif _is_whole_words(gray):
        _run(_copy_words, gray, rgb, rgb.nbytes // 4, integer=tl.int32, width=size)
    else:
        _run(_copy_to_pixels, gray, rgb, rgb.numel(), integer=_INTEGERS[size])
    return rgb


def normalize(image: Tensor, axis: int, arithmetic: Arithmetic, dtype: torch.dtype) -> Tensor:
    """Return the arithmetic of :func:`graytorgb.prepare` for each of three channels.

    Parameters
    ----------
    image : Tensor
        A tensor of which :func:`can_normalize` is true, with 1 or 3 channels along `axis`.
    axis : int
        The axis of the channels.
    arithmetic : Arithmetic
        The constants.
    dtype : torch.dtype
        The dtype of the result: float32, float16, bfloat16 or uint8.

    Returns
    -------
    Tensor
        Three channels along `axis`, contiguous. The bits are those of torch's own operations.
    """
    shape = list(image.shape)
    is_gray, shape[axis] = shape[axis] == 1, 3
    result = torch.empty(shape, dtype=dtype, device=image.device)
    after = prod(shape[axis + 1 :])
    # a clamp to the unit range has no place where integers have their own range
    clamps = arithmetic.stated or image.is_floating_point()
    lo, hi = (arithmetic.lo, arithmetic.hi) if arithmetic.stated else (0.0, 1.0)
    constants = (*arithmetic.mean, *arithmetic.rest, *arithmetic.scale, lo, hi)
    how = {"clamps": clamps, "rounds": dtype == torch.uint8}
    if is_gray and after > 1:
        _run(_normalize_to_planes, image, result, image.numel(), after, *constants, **how)
    else:
        how["is_gray"] = is_gray
        _run(_normalize_elements, image, result, result.numel(), after, *constants, **how)
    return result


def compile_smallest() -> None:
    """Run a kernel on one pixel, to raise here the error of a Triton that can't compile."""
    expand(torch.zeros(1, dtype=torch.uint8, device="cuda"), 1)


def _is_one_run(image: Tensor) -> bool:
    """Return whether the memory is the tensor's values in order.

    That of a conjugate or negative view isn't: torch changes its values when it reads them.
    """
    return image.is_contiguous() and not image.is_conj() and not image.is_neg()


def _is_whole_words(src: Tensor) -> bool:
    """Return whether elements of 1 or 2 bytes can be read as words of 4 bytes."""
    size = src.element_size()
    return size < 4 and src.numel() * size % 4 == 0 and src.data_ptr() % 4 == 0


def _run(
    kernel: Any, src: Tensor, dst: Tensor, total: int, *rest: Any, integer: Any = None, **how: Any
) -> None:
    """Run a kernel for so many elements, on the device and the stream of `src`.

    With `integer`, a dtype of Triton, the memory of both tensors is read and written as such.
    """
    how["index"] = tl.int32 if dst.numel() < _MOST_IN_32_BITS else tl.int64
    first, result = src, dst
    if integer is not None:
        first, result = triton.reinterpret(src, integer), triton.reinterpret(dst, integer)
    # to enter a device takes some microseconds
    is_current = src.is_cuda and src.get_device() == torch.cuda.current_device()
    with nullcontext() if is_current else torch.cuda.device_of(src):
        kernel[(triton.cdiv(total, _BLOCK),)](first, result, total, *rest, block=_BLOCK, **how)


@triton.jit
def _number_elements(index: tl.constexpr, block: tl.constexpr):
    """Return the numbers of the elements that this program handles."""
    return tl.program_id(0).to(index) * block + tl.arange(0, block)


@triton.jit
def _copy_to_planes(src, dst, total, after, index: tl.constexpr, block: tl.constexpr):
    """Copy (before, after) gray values to (before, 3, after)."""
    i = _number_elements(index, block)
    inside = i < total
    x = tl.load(src + i, mask=inside)
    place = dst + i + 2 * after * (i // after)
    tl.store(place, x, mask=inside)
    tl.store(place + after, x, mask=inside)
    tl.store(place + 2 * after, x, mask=inside)


@triton.jit
def _copy_to_pixels(src, dst, total, index: tl.constexpr, block: tl.constexpr):
    """Write (n,) gray values to (n, 3), whose elements are `total`."""
    i = _number_elements(index, block)
    inside = i < total
    tl.store(dst + i, tl.load(src + i // 3, mask=inside), mask=inside)


@triton.jit
def _copy_words(src, dst, total, width: tl.constexpr, index: tl.constexpr, block: tl.constexpr):
    """Write each word of two or four gray values as three words; the result has `total`.

    Four bytes 3210 become 1000, 2211 and 3332, and two halves 10 become 00, 10 and 11.
    """
    i = _number_elements(index, block)
    inside = i < total
    place = i % 3
    x = tl.load(src + i // 3, mask=inside)
    if width == 2:
        low, high = x & 0xFFFF, x & -0x10000
        ends = tl.where(place == 0, low | (low << 16), high | ((x >> 16) & 0xFFFF))
        y = tl.where(place == 1, x, ends)
    else:
        first, second = x & 0xFF, (x >> 8) & 0xFF
        third, fourth = (x >> 16) & 0xFF, (x >> 24) & 0xFF
        y = first * 0x010101 | (second << 24)
        y = tl.where(place == 1, second * 0x0101 | (third * 0x0101) << 16, y)
        y = tl.where(place == 2, third | (fourth * 0x010101) << 8, y)
    tl.store(dst + i, y, mask=inside)


@triton.jit
def _compute(x, mean, rest, scale, lo, hi, clamps: tl.constexpr, rounds: tl.constexpr):
    """Return the normalized values of one channel; NaN stays NaN."""
    x = x.to(tl.float32)
    if clamps:
        x = tl.where(x < lo, lo, tl.where(x > hi, hi, x))
    y = ((x - mean) - rest) * scale
    if rounds:
        y = tl.where(y < 0.0, 0.0, tl.where(y > 255.0, 255.0, y))
        # from 2^23 to 2^24 float32 holds integers, so adding rounds, ties to even
        y = (y + 8388608.0) - 8388608.0
    return y


@triton.jit
def _normalize_to_planes(
    src, dst, total, after, m0, m1, m2, r0, r1, r2, s0, s1, s2, lo, hi,
    clamps: tl.constexpr, rounds: tl.constexpr, index: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """Normalize (before, after) gray values to (before, 3, after)."""
    i = _number_elements(index, block)
    inside = i < total
    x = tl.load(src + i, mask=inside)
    place = dst + i + 2 * after * (i // after)
    result = dst.dtype.element_ty
    first = _compute(x, m0, r0, s0, lo, hi, clamps, rounds)
    second = _compute(x, m1, r1, s1, lo, hi, clamps, rounds)
    third = _compute(x, m2, r2, s2, lo, hi, clamps, rounds)
    tl.store(place, first.to(result), mask=inside)
    tl.store(place + after, second.to(result), mask=inside)
    tl.store(place + 2 * after, third.to(result), mask=inside)


@triton.jit
def _normalize_elements(
    src, dst, total, after, m0, m1, m2, r0, r1, r2, s0, s1, s2, lo, hi, is_gray: tl.constexpr,
    clamps: tl.constexpr, rounds: tl.constexpr, index: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """Normalize (before, 3, after), or gray (before, after), to `total` elements of the former."""
    i = _number_elements(index, block)
    inside = i < total
    plane = i // after
    channel = plane % 3
    source = (plane // 3) * after + i % after if is_gray else i
    x = tl.load(src + source, mask=inside)
    mean = tl.where(channel == 0, m0, tl.where(channel == 1, m1, m2))
    rest = tl.where(channel == 0, r0, tl.where(channel == 1, r1, r2))
    scale = tl.where(channel == 0, s0, tl.where(channel == 1, s1, s2))
    y = _compute(x, mean, rest, scale, lo, hi, clamps, rounds)
    tl.store(dst + i, y.to(dst.dtype.element_ty), mask=inside)
