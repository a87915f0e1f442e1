"""The compiled kernels of this package; their sources are in ``graytorgb/_native``."""

import math
import os
import sys
from functools import lru_cache
from typing import Any, NamedTuple
from warnings import warn

import numpy as np

from .._kernels import empty as new_or_kept
from .._kernels import expand as expand_buffers
from .._kernels import normalize as normalize_buffers
from .._kernels import set_cache_limit, stream_from
from ..core.layout import insert
from .protocol import Array, split, strips

# Starting a thread takes as long as 0.5 MB of result; from here on, each has enough to do.
_BYTES_A_THREAD = 2 << 20
_KEPT_FROM = 32 << 20  # bytes; smaller blocks the C library keeps itself, and gives to anyone
_BEST_LEVEL = -1

_threads: int | None = None


def empty(shape: tuple[int, ...], dtype: Any) -> tuple[Array, bool]:
    """Memory for a result, and whether its pages are there already."""
    small = math.prod(shape) * dtype.itemsize < _KEPT_FROM
    return (np.empty(shape, dtype), True) if small else new_or_kept(shape, dtype)


def expand(gray: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.protocol.Backend`."""
    run = _run_of(gray.shape, axis, gray.itemsize)
    if out is not None:
        warm = True
    elif run.nbytes < _KEPT_FROM:
        out, warm = np.empty(run.shape, gray.dtype), True
    else:
        out, warm = new_or_kept(run.shape, gray.dtype)
    if gray.flags.c_contiguous:
        _expand_run(gray, out, run, warm)
    elif run.interleaved:
        for part in strips(gray, 1 << 20):
            strip = gray[part].copy()
            _expand_run(strip, out[part], _run_of(strip.shape, strip.ndim, strip.itemsize), warm)
    else:
        first, second, third = (out[(slice(None),) * axis + (i,)] for i in range(3))
        first[...] = gray
        second[...] = third[...] = first
    return out


class _Run(NamedTuple):
    """The result's shape and bytes, and the sizes before and after its channels for a kernel."""

    shape: tuple[int, ...]
    nbytes: int
    before: int
    after: int
    interleaved: bool


@lru_cache(1024)  # a loop over batches asks for the same each time
def _run_of(shape: tuple[int, ...], axis: int, itemsize: int) -> _Run:
    size, interleaved = math.prod(shape), axis == len(shape)
    before, after = (1, size) if interleaved else split(shape, axis)
    return _Run(insert(shape, axis), 3 * size * itemsize, before, after, interleaved)


def _expand_run(gray: Array, out: Array, run: _Run, warm: bool) -> None:
    _, nbytes, before, after, interleaved = run
    stream = warm and nbytes >= stream_from
    count = 1 if nbytes < 2 * _BYTES_A_THREAD else threads_for(nbytes)
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
    """The arithmetic of :mod:`graytorgb.functional.normalize`; whether a float was outside.

    `codes` count the dtypes of input and result, and `constants` are 17 float32, as
    ``_kernels.normalize`` says.
    """
    _, _, before, after, interleaved = _run_of(gray.shape, axis, gray.itemsize)
    count = threads_for(out.nbytes, threads)
    stream = warm and out.nbytes >= stream_from
    return normalize_buffers(
        gray, out, before, after, *codes, constants, interleaved, stream, count, _BEST_LEVEL
    )


def threads_for(nbytes: int, most: int | None = None) -> int:
    """How many threads a result of so many bytes gets, of `most` or as :func:`threads` says."""
    if nbytes < 2 * _BYTES_A_THREAD:
        return 1
    return min(most or threads(), nbytes // _BYTES_A_THREAD)


def threads() -> int:
    """How many threads the kernels use at most: as set, or one for each processor.

    A process that :mod:`multiprocessing` started, a DataLoader's worker for example, has one:
    its siblings have the other processors.
    """
    stated = _threads  # read once: another thread may set it meanwhile
    return _default_threads() if stated is None else stated


def _default_threads() -> int:
    processes = sys.modules.get("multiprocessing")
    if processes is not None and processes.parent_process() is not None:
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def set_threads(count: int | None) -> None:
    """Let the kernels use `count` threads; None is the default again.

    So is the default's own number: whoever puts back what :func:`threads` said before doesn't fix
    it for the processes that come.
    """
    global _threads
    _threads = None if count == _default_threads() else count


def set_cache(limit: int | None) -> None:
    """Keep at most `limit` bytes of memory for later results; None is the default."""
    set_cache_limit(_default_limit() if limit is None else limit)


def _default_limit() -> int:
    """As the environment says; or what a batch of 1024 images of 512x512 needs on a laptop."""
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
