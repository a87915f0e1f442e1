"""An array in blocks, by NumPy's own buffered iterator: bounded temporaries, any strides."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BLOCK = 8192  # elements; float64 temporaries of this size stay in the second-level cache

_FLAGS: Final = ("external_loop", "buffered", "zerosize_ok")


def read(array: Array, dtype: np.dtype[Any], size: int = BLOCK) -> Iterator[Array]:
    """The array's elements in 1-D blocks of at most `size`, converted to `dtype`.

    A block is only valid, and only to be read, until the next one.
    """
    with np.nditer(
        [array], _FLAGS, [["readonly"]], [dtype], casting="same_kind", buffersize=size
    ) as iterator:
        yield from iterator


def read_and_write(
    inputs: Sequence[Array], dtype: np.dtype[Any], out: Array
) -> Iterator[tuple[Array, ...]]:
    """Blocks of the inputs, broadcast together, as :func:`read`; the last one is `out`'s."""
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
