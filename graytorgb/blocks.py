"""An array in blocks, by NumPy's own buffered iterator: bounded temporaries, any strides."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BLOCK = 8192  # elements; float64 temporaries of this size stay in the second-level cache

_FLAGS: Final = ("external_loop", "buffered", "zerosize_ok")


def read(array: NDArray[Any], dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """The array's elements in 1-D blocks of at most BLOCK, converted to `dtype`.

    A block is only valid, and only to be read, until the next one.
    """
    with np.nditer(
        [array], _FLAGS, [["readonly"]], [dtype], casting="same_kind", buffersize=BLOCK
    ) as iterator:
        yield from iterator


def read_and_write(
    array: NDArray[Any], dtype: np.dtype[Any], out: NDArray[Any]
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Blocks of `array`, as :func:`read`, each with the block of `out` to write into."""
    with np.nditer(
        [array, out],
        _FLAGS,
        [["readonly"], ["writeonly"]],
        [dtype, out.dtype],
        casting="same_kind",
        buffersize=BLOCK,
    ) as iterator:
        yield from iterator
