"""The contract of a backend, and what the backends share.

A backend is a module with one function, :meth:`Backend.expand`, and a plain import of its
library at the top. The registry imports the module when its backend is first asked for, and
explains an import that fails. A backend in this folder may use ``errors``, ``core.layout`` and
the helpers below; it knows neither the other backends nor the registry. Where the library has
threads of its own, ``get_threads()`` and ``set_threads(count)`` get and set how many it uses, for
the benchmarks.

:class:`graytorgb.testing.BackendContract` is the same contract as tests.
"""

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.blocks import cut_into_strips as cut_into_strips
from ..core.layout import insert

Array = NDArray[Any]


class Backend(Protocol):
    """The one function of a backend's module."""

    def expand(self, gray: Array, axis: int, out: Array | None = None) -> Array:
        """Put three equal channels into a gray array.

        Parameters
        ----------
        gray : ndarray of shape (a, ..., b, ...)
            Gray values without a channel axis: at least 2-D, not empty, of a dtype that the
            backend's line allows. Any strides, alignment and byte order, perhaps read-only.
        axis : int
            Where the channel axis goes, 0 to ``gray.ndim``. ``gray.ndim`` interleaves (NHWC);
            anything else is planar (NCHW).
        out : ndarray of shape (a, ..., 3, b, ...), optional
            Checked memory for the result: of the same dtype, C-contiguous, writable, apart from
            `gray`. A backend that can't write there returns a fresh array, and the caller
            copies it.

        Returns
        -------
        ndarray of shape (a, ..., 3, b, ...)
            The same values bit for bit, in the same dtype: C-contiguous and fresh, or, for a
            backend whose line says "view", read-only and sharing the input's memory.
        """
        ...


def allocate_result(gray: Array, axis: int, out: Array | None) -> Array:
    """Return `out`, or new memory for the result if it is None."""
    return np.empty(insert(gray.shape, axis), gray.dtype) if out is None else out


def as_contiguous(gray: Array) -> Array:
    """Return `gray` itself if :func:`is_contiguous`, else a copy that is."""
    return gray if is_contiguous(gray) else np.array(gray, order="C")


def is_contiguous(gray: Array) -> bool:
    """Whether a library can read `gray` through a plain pointer, from its first byte to its last.

    NumPy calls an array contiguous whatever the strides of its axes of size 1; torch doesn't.
    """
    return gray.flags.c_contiguous and gray.flags.aligned and min(gray.strides) >= 0


def sizes_around(shape: tuple[int, ...], axis: int) -> tuple[int, int]:
    """Return the sizes before and after `axis`: every expansion is (A, B) to (A, 3, B).

    >>> sizes_around((64, 224, 224), 1)
    (64, 50176)
    """
    return math.prod(shape[:axis]), math.prod(shape[axis:])
