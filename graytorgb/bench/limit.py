"""The limit: the time that this machine takes to move the bytes, without any rearranging."""

from collections.abc import Callable, Iterator, Sequence
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
def plain_copies(gray: Array, out: Array, threads: int) -> Iterator[dict[str, Callable[[], None]]]:
    """Give ways to copy the bytes of `gray` three times into `out`; the fastest is the limit.

    Each way copies runs of bytes: by NumPy in blocks of several sizes or whole, and by the
    kernels' copies with ordinary stores and with those that bypass the caches; by one thread or
    several. Which one is fastest depends on the caches.
    """
    source = np.ascontiguousarray(gray).reshape(-1).view(np.uint8)
    target = out.reshape(-1).view(np.uint8).reshape(3, -1)
    blocks = (*_BLOCKS, source.size)
    with ThreadPoolExecutor(threads) as pool:
        copies: dict[str, Callable[[], None]] = {}
        for block in blocks:
            copies[f"1 thread, {block}"] = partial(_copy_in_blocks, source, target, block)
            if threads > 1:
                edges = np.linspace(0, source.size, threads + 1).astype(int)
                parts = [
                    partial(_copy_in_blocks, source[a:b], target[:, a:b], block)
                    for a, b in pairwise(edges)
                ]
                copies[f"{threads} threads, {block}"] = partial(_run_together, pool, parts)
        for kernels, stream in product(find_kernels(), (False, True)):
            copies[f"kernels, stream={stream}"] = partial(
                kernels.expand, source, target, 1, source.size, 1, False, stream, threads, -1
            )
        yield copies


def find_kernels() -> list[Any]:
    """Return the module of the compiled kernels in a list, which is empty where there is none."""
    if not registry.is_usable("native"):
        return []
    from .. import _kernels

    return [_kernels]


def _copy_in_blocks(source: Array, target: Array, block: int) -> None:
    for start in range(0, source.size, max(1, block)):
        part = slice(start, start + block)
        for plane in target:
            plane[part] = source[part]


def _run_together(pool: ThreadPoolExecutor, parts: Sequence[Callable[[], None]]) -> None:
    for _ in pool.map(lambda part: part(), parts):
        pass
