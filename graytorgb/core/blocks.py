"""Arrays in blocks, so that temporaries stay small."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BLOCK = 8192  # elements; float64 temporaries of this size stay in the second-level cache

_FLAGS: Final = ("external_loop", "buffered", "zerosize_ok")


def read(array: Array, dtype: np.dtype[Any], size: int = BLOCK) -> Iterator[Array]:
    """Yield the elements of an array of any strides, in 1-D blocks converted to `dtype`.

    NumPy's buffered iterator makes the blocks.

    A block has at most `size` elements. It may be read until the next one is asked for, and not
    written to.
    """
    with np.nditer(
        [array], _FLAGS, [["readonly"]], [dtype], casting="same_kind", buffersize=size
    ) as iterator:
        yield from iterator


def read_and_write(
    inputs: Sequence[Array], dtype: np.dtype[Any], out: Array
) -> Iterator[tuple[Array, ...]]:
    """Yield blocks of the inputs, broadcast together, and a block of `out` to write to.

    The input's blocks are like those of :func:`read`.
    """
    access: list[list[Literal["readonly", "writeonly"]]] = [["readonly"] for _ in inputs]
    with np.nditer(
        [*inputs, out],
        _FLAGS,
        [*access, ["writeonly"]],
        [*(dtype for _ in inputs), out.dtype],
        casting="same_kind",
        buffersize=BLOCK,
    ) as iterator:
        yield from iterator


def cut_into_strips(gray: Array, most: int) -> Iterator[tuple[int | slice, ...]]:
    """Yield indices that cut `gray` into parts of at most `most` bytes, for small temporaries."""
    axis = 0
    while axis < gray.ndim - 1 and math.prod(gray.shape[axis + 1 :]) * gray.itemsize > most:
        axis += 1
    step = max(1, most // (math.prod(gray.shape[axis + 1 :]) * gray.itemsize))
    for leading in np.ndindex(gray.shape[:axis]):
        for start in range(0, gray.shape[axis], step):
            yield (*leading, slice(start, start + step))
