"""What a backend is: one file here, one line in ``registry.py``.

A backend is a module with one function, :meth:`Backend.expand`, and a plain import of its
library at the top (the registry imports the module when its backend is first asked for, and
explains an import that fails). It may use ``errors``, ``layout`` and the helpers below;
it knows neither the other backends nor the registry. Where the library has threads of its own,
``threads()`` and ``set_threads(count)`` tell and set how many, for the benchmarks.

``tests/backends/contract.py`` is the same contract as a test suite; every backend in the registry
runs it.
"""

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.layout import insert

Array = NDArray[Any]


class Backend(Protocol):
    """The one function of a backend's module."""

    def expand(self, gray: Array, axis: int, out: Array | None = None) -> Array:
        """Put three equal channels into a gray array.

        Parameters
        ----------
        gray : ndarray of shape (a, …, b, …)
            Gray values without a channel axis: at least 2-D, not empty, of a dtype that the
            registry's line allows. Any strides, alignment and byte order, perhaps read-only.
        axis : int
            Where the channel goes, 0 to ``gray.ndim``. ``gray.ndim`` interleaves (NHWC);
            anything else is planar (NCHW).
        out : ndarray of shape (a, …, 3, b, …), optional
            Checked memory for the result: this dtype, C-contiguous, writable, apart from
            `gray`. A backend that can't write there returns a fresh array and the caller
            copies it.

        Returns
        -------
        ndarray of shape (a, …, 3, b, …)
            The same values bit for bit, in the same dtype; C-contiguous and fresh, or, for a
            backend whose line says "view", read-only and sharing the input's memory.
        """
        ...


def room(gray: Array, axis: int, out: Array | None) -> Array:
    """`out`, or new memory for the result."""
    return np.empty(insert(gray.shape, axis), gray.dtype) if out is None else out


def solid(gray: Array) -> Array:
    """`gray` itself where it is C-contiguous and aligned, else a copy that is.

    For libraries that read memory through a plain pointer.
    """
    return gray if is_solid(gray) else np.array(gray, order="C")


def is_solid(gray: Array) -> bool:
    """Whether a library can read `gray` from its first byte to its last.

    NumPy calls an array contiguous whatever the strides of its axes of size 1; torch doesn't.
    """
    return gray.flags.c_contiguous and gray.flags.aligned and min(gray.strides) >= 0


def strips(gray: Array, most: int) -> Iterator[tuple[int | slice, ...]]:
    """Indices that cut `gray` into parts of at most `most` bytes, for bounded temporaries."""
    axis = 0
    while axis < gray.ndim - 1 and math.prod(gray.shape[axis + 1 :]) * gray.itemsize > most:
        axis += 1
    step = max(1, most // (math.prod(gray.shape[axis + 1 :]) * gray.itemsize))
    for leading in np.ndindex(gray.shape[:axis]):
        for start in range(0, gray.shape[axis], step):
            yield (*leading, slice(start, start + step))


def split(shape: tuple[int, ...], axis: int) -> tuple[int, int]:
    """The sizes before and after `axis`: every expansion is (A, B) to (A, 3, B).

    >>> split((64, 224, 224), 1)
    (64, 50176)
    """
    return math.prod(shape[:axis]), math.prod(shape[axis:])
