"""The limit: what the machine takes to read N bytes and write 3 N, without any rearranging."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from ..backends import Array

_BLOCKS = (1 << 18, 1 << 20)  # bytes: read once, and still in the cache when written again


@contextmanager
def streaming_copies(
    grey: Array, out: Array, threads: int
) -> Iterator[dict[str, Callable[[], None]]]:
    """Ways to copy the bytes of `grey` three times into `out`; the fastest is the limit.

    Each is plain copying by NumPy of runs of bytes: in blocks of several sizes, or whole, by
    one thread or several. Which is fastest depends on the caches and on when the C library
    uses stores that bypass them.
    """
    source = np.ascontiguousarray(grey).reshape(-1).view(np.uint8)
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
        yield copies


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
