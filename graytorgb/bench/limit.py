"""The limit: what the machine takes to move the bytes, without any rearranging."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise, product
from typing import Any

import numpy as np

from ..backends import registry
from ..backends.protocol import Array

_BLOCKS = (1 << 18, 1 << 20)  # bytes: read once, and still in the cache when written again


@contextmanager
def streaming_copies(
    gray: Array, out: Array, threads: int
) -> Iterator[dict[str, Callable[[], None]]]:
    """Ways to copy the bytes of `gray` three times into `out`; the fastest is the limit.

    Each is plain copying of runs of bytes: by NumPy in blocks of several sizes or whole, and
    by the kernels' copies with ordinary stores and with those that bypass the caches; by one
    thread or several. Which is fastest depends on the caches.
    """
    source = np.ascontiguousarray(gray).reshape(-1).view(np.uint8)
    target = out.reshape(-1).view(np.uint8).reshape(3, -1)
    blocks = (*_BLOCKS, source.size)
    with ThreadPoolExecutor(threads) as pool:
        copies: dict[str, Callable[[], None]] = {}
        for block in blocks:
            copies[f"1 thread, {block}"] = _copy(source, target, block)
            if threads > 1:
                edges = np.linspace(0, source.size, threads + 1).astype(int)
                parts = [_copy(source[a:b], target[:, a:b], block) for a, b in pairwise(edges)]
                copies[f"{threads} threads, {block}"] = _together(pool, parts)
        for kernels, stream in product(_kernels(), (False, True)):
            copies[f"kernels, stream={stream}"] = partial(
                kernels.expand, source, target, 1, source.size, 1, False, stream, threads, -1
            )
        yield copies


def writes(out: Array, threads: int) -> dict[str, Callable[[], Any]]:
    """Ways to write all of `out`, whatever the bytes; the fastest is the limit of writing."""
    flat = out.reshape(-1).view(np.uint8)
    found: dict[str, Callable[[], Any]] = {"numpy": partial(flat.fill, 0)}
    for kernels, stream in product(_kernels(), (False, True)):
        found[f"kernels, stream={stream}"] = partial(kernels.write, flat, stream, threads)
    return found


def _kernels() -> list[Any]:
    """The module of the kernels, if it was compiled."""
    if not registry.is_usable("native"):
        return []
    from .. import _kernels

    return [_kernels]


def _copy(source: Array, target: Array, block: int) -> Callable[[], None]:
    def copy() -> None:
        for start in range(0, source.size, max(1, block)):
            part = slice(start, start + block)
            for plane in target:
                plane[part] = source[part]

    return copy


def _together(pool: ThreadPoolExecutor, parts: list[Callable[[], None]]) -> Callable[[], None]:
    def copy() -> None:
        for _ in pool.map(lambda part: part(), parts):
            pass

    return copy
