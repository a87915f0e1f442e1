"""The cache of memory for large results: a block is kept when its array dies, for the next result.

In a loop, most of the time of a large result is spent on getting its memory: the allocator gives
a large block back to the system when the array dies, and takes it anew, page by page, on the
next call. The results of the backend ``native`` and of ``prepare`` keep their blocks instead; see
``graytorgb/_native/memory.c``. Until a block is used again, Linux may take it when memory is short.
"""

import sys
from numbers import Integral
from typing import Any, NamedTuple

from ..errors import OptionError
from . import registry


class CacheInfo(NamedTuple):
    """The state of the memory kept for results, as :func:`cache_info` returns it.

    Attributes
    ----------
    limit : int
        The most bytes to keep.
    kept_bytes, kept_blocks : int
        What is kept now, and belongs to no array.
    lent_bytes : int
        What living results of 32 MiB and more take.
    hits, misses : int
        How many results of that size took a kept block, and how many a new one.
    """

    limit: int
    kept_bytes: int
    kept_blocks: int
    lent_bytes: int
    hits: int
    misses: int


def cache_info() -> CacheInfo:
    """Return the state of the memory kept for results; all 0 without the compiled kernels.

    Examples
    --------
    >>> import graytorgb as g2r
    >>> g2r.cache_info().kept_bytes <= g2r.cache_info().limit
    True
    """
    if not registry.is_usable("native"):
        return CacheInfo(0, 0, 0, 0, 0, 0)
    from .._kernels import cache_info as counts

    return CacheInfo(*counts())


def set_cache(limit: int | None) -> CacheInfo:
    """Keep at most so much memory for later results, and give back what is over it.

    Parameters
    ----------
    limit : int or None
        Bytes; 0 keeps nothing. None restores the default: the environment variable
        ``GRAYTORGB_CACHE`` in bytes, or an eighth of the machine's memory and at most 4 GiB.

    Returns
    -------
    CacheInfo
        The state afterwards.

    Raises
    ------
    OptionError
        If `limit` isn't a number of bytes.
    BackendUnavailable
        If the kernels weren't compiled, so that nothing can be kept.

    Examples
    --------
    >>> import graytorgb as g2r
    >>> g2r.set_cache(0).kept_bytes
    0
    >>> g2r.set_cache(None).limit > 0
    True
    """
    if limit is not None and not is_size(limit):
        raise OptionError(
            f"the limit is a number of bytes, 0 or more, or None, not {limit!r}: "
            "set_cache(1 << 30) keeps 1 GiB"
        )
    native = registry.load("native")
    native.set_cache(limit)  # type: ignore[attr-defined]  # no other backend has it
    return cache_info()


def is_size(limit: Any) -> bool:
    """Whether a limit is a number of bytes that the kernels can count."""
    whole = isinstance(limit, Integral) and not isinstance(limit, bool)
    return whole and 0 <= limit <= sys.maxsize
