"""``DecodedBlocks``: parts of arrays that stay decoded for the next images, bounded in bytes."""

import time
from collections.abc import Callable, Hashable
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


class DecodedBlocks:
    """The blocks of images that this process has decoded last.

    Threads may share it, and a process may be forked at any time: there is no lock, because each
    step is one operation of a dict. At worst two threads decode the same block.

    Parameters
    ----------
    limit : int
        The most bytes of all blocks together; the oldest one goes first.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._blocks: dict[Hashable, tuple[Array, float]] = {}

    def get(self, key: Hashable, load: Callable[[], Array], age: float | None = None) -> Array:
        """Return a block, which `load` decodes if it isn't there, or is older than `age` seconds.

        >>> import numpy as np
        >>> blocks = DecodedBlocks(1000)
        >>> blocks.get("a", lambda: np.zeros(3)) is blocks.get("a", lambda: np.ones(3))
        True
        """
        now = time.monotonic()
        found = self._blocks.get(key)
        if found is not None and (age is None or now <= found[1] + age):
            return found[0]
        self.drop(key)
        array = load()
        if array.nbytes <= self.limit:
            self._blocks[key] = array, now
            self._drop_oldest()
        return array

    def drop(self, key: Hashable) -> None:
        """Forget a block, if it is there."""
        self._blocks.pop(key, None)

    def _drop_oldest(self) -> None:
        """Forget blocks until the rest is within the limit."""
        blocks = list(self._blocks.items())
        size = sum(array.nbytes for _, (array, _) in blocks)
        for key, (array, _) in blocks:
            if size <= self.limit:
                return
            self.drop(key)
            size -= array.nbytes


# Small sets, such as MNIST's 47 MB, are decoded once, in whatever order they are read
DECODED = DecodedBlocks(128 << 20)
