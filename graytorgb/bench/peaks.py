"""Peak memory of one conversion, measured in a fresh process."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..functional.to_rgb import to_rgb
from ..measure.peak import peak_of


def peak_bytes(backend: str, shape: tuple[int, ...], dtype: str, layout: str) -> int:
    """Bytes that ``to_rgb`` needs at its peak, in a process of its own.

    Parameters
    ----------
    backend : str
        A backend's name, or ``"auto"``.
    shape, dtype, layout
        Of the input.

    Returns
    -------
    int
        What it needs over its input and the loaded library; the result's own bytes are part
        of it.
    """
    return peak_of(_conversion, backend, shape, dtype, layout)


def _conversion(backend: str, shape: tuple[int, ...], dtype: str, layout: str) -> Callable[[], Any]:
    gray = np.ones(shape, dtype)
    to_rgb(gray[:1], layout, backend=backend)  # the library is loaded, and its pools are there
    return lambda: to_rgb(gray, layout, backend=backend)
