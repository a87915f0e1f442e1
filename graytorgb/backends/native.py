"""The backend ``native``: this package's compiled kernels.

``native`` is the backend that users name, ``graytorgb._kernels`` is the compiled extension module
that it calls, and ``graytorgb/_native`` is the folder of that module's C sources.
"""

import math
import os
import sys
from functools import lru_cache
from typing import Any, NamedTuple
from warnings import warn

import numpy as np

from .._kernels import (
    count,
    expand_alone,
    resize,
    set_cache_limit,
    spread,
    stream_from,
    stream_from_a_thread,
)
from .._kernels import empty as allocate_or_reuse
from .._kernels import expand as expand_buffers
from .._kernels import normalize as normalize_buffers
from ..core.layout import insert
from ..core.processor_count import count_processors
from .protocol import Array, cut_into_strips, sizes_around

# So much takes a thread 8 us; less isn't worth another thread, even one that is awake. The pool
# wakes none for a result of less than 2 MB, which is made before the thread begins.
_BYTES_A_THREAD = 1 << 18
# A gray array of fewer bytes: one thread makes its result, which no store sends past the caches.
_SMALL = 2 * _BYTES_A_THREAD // 3
_KEPT_FROM = 32 << 20  # bytes; the C library keeps smaller blocks itself, for any use
_BEST_LEVEL = -1

__all__ = [  # `count`, `resize` and `spread` are the kernels themselves
    "allocate", "count", "count_threads", "expand", "get_threads", "normalize", "resize",
    "set_cache", "set_threads", "spread",
]  # fmt: skip

_threads: int | None = None


def allocate(shape: tuple[int, ...], dtype: Any) -> tuple[Array, bool]:
    """Return memory for a result, and whether the pages of that memory are there already."""
    if math.prod(shape) * dtype.itemsize < _KEPT_FROM:
        return np.empty(shape, dtype), True
    return allocate_or_reuse(shape, dtype)


def expand(gray: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.Backend`."""
    is_contiguous = gray.flags.c_contiguous
    if gray.nbytes < _SMALL and (is_contiguous or axis == gray.ndim):
        return expand_alone(gray if is_contiguous else gray.copy(), axis, out)
    run = _plan_run(gray.shape, axis, gray.itemsize)
    warm = True
    if out is None:
        out, warm = allocate(run.shape, gray.dtype)
    if is_contiguous:
        _expand_run(gray, out, run, warm)
    elif run.interleaved:
        for part in cut_into_strips(gray, 1 << 20):
            strip = gray[part].copy()
            _expand_run(strip, out[part], _plan_run(strip.shape, strip.ndim, strip.itemsize), warm)
    else:
        first, second, third = (out[(slice(None),) * axis + (i,)] for i in range(3))
        first[...] = gray
        second[...] = third[...] = first
    return out


class _Run(NamedTuple):
    """What a kernel has to know: the result's shape, bytes, and the sizes around its channels."""

    shape: tuple[int, ...]
    nbytes: int
    before: int
    after: int
    interleaved: bool


@lru_cache(1024)  # a loop over batches asks for the same each time
def _plan_run(shape: tuple[int, ...], axis: int, itemsize: int) -> _Run:
    size, interleaved = math.prod(shape), axis == len(shape)
    before, after = (1, size) if interleaved else sizes_around(shape, axis)
    return _Run(insert(shape, axis), 3 * size * itemsize, before, after, interleaved)


def _expand_run(gray: Array, out: Array, run: _Run, warm: bool) -> None:
    _, nbytes, before, after, interleaved = run
    count = count_threads(nbytes)
    stream = warm and _is_beyond_caches(nbytes, count)
    expand_buffers(gray, out, before, after, gray.itemsize, interleaved, stream, count, _BEST_LEVEL)


def normalize(
    gray: Array,
    axis: int,
    out: Array,
    codes: tuple[int, int],
    constants: Array,
    *,
    warm: bool,
    threads: int | None,
) -> bool:
    """Do the arithmetic of :mod:`graytorgb.functional.normalize`; whether a float was outside.

    `codes` number the dtypes of input and result, and `constants` are 17 float32, as
    ``_kernels.normalize`` takes them.
    """
    _, _, before, after, interleaved = _plan_run(gray.shape, axis, gray.itemsize)
    count = count_threads(out.nbytes, threads)
    stream = warm and _is_beyond_caches(out.nbytes, count)
    return normalize_buffers(
        gray, out, before, after, *codes, constants, interleaved, stream, count, _BEST_LEVEL
    )


def _is_beyond_caches(nbytes: int, threads: int) -> bool:
    """Return whether stores that bypass the caches write such a result faster."""
    return nbytes >= min(stream_from, threads * stream_from_a_thread)


def count_threads(nbytes: int, most: int | None = None) -> int:
    """Return how many threads work on a result of so many bytes.

    They are at most `most`, which is what :func:`get_threads` says by default.
    """
    if nbytes < 2 * _BYTES_A_THREAD:
        return 1
    return min(most or get_threads(), nbytes // _BYTES_A_THREAD)


def get_threads() -> int:
    """Return how many threads the kernels use at most: as set, or one for each processor.

    In a process that :mod:`multiprocessing` started, such as a DataLoader's worker, the default
    is one thread, because the other workers have the other processors.
    """
    stated = _threads  # read once: another thread may set it meanwhile
    return _default_threads() if stated is None else stated


def _default_threads() -> int:
    processes = sys.modules.get("multiprocessing")
    if processes is not None and processes.parent_process() is not None:
        return 1
    return count_processors()


def set_threads(count: int | None) -> None:
    """Let the kernels use `count` threads; None, or the default's own number, is the default.

    So a caller that restores what :func:`get_threads` said doesn't fix the number for processes
    that start later.
    """
    global _threads
    _threads = None if count == _default_threads() else count


def set_cache(limit: int | None) -> None:
    """Keep at most `limit` bytes of memory for later results; None is the default limit."""
    set_cache_limit(_default_limit() if limit is None else limit)


def _default_limit() -> int:
    """Return the default cache limit in bytes.

    It is ``GRAYTORGB_CACHE`` if that is set, else an eighth of the memory and at most 4 GiB.
    """
    text = os.environ.get("GRAYTORGB_CACHE", "")
    if text:
        if text.isdecimal() and int(text) <= sys.maxsize:
            return int(text)
        warn(
            f"GRAYTORGB_CACHE is a number of bytes, not {text!r}: the default is used", stacklevel=1
        )
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has neither
        memory = 8 << 30
    return min(memory // 8, 4 << 30)


set_cache(None)
