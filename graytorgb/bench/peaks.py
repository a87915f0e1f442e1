"""The peak memory of one conversion, measured in a fresh process."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..backends import registry
from ..backends.table import Entry
from ..functional.to_rgb import to_rgb
from ..measure.peak import measure_peak_apart


def measure_conversion_peak(backend: str, shape: tuple[int, ...], dtype: str, layout: str) -> int:
    """Return the bytes that ``to_rgb`` needs at its peak, in a process of its own.

    Parameters
    ----------
    backend : str
        A backend's name, or ``"auto"``.
    shape, dtype, layout
        What the input is.

    Returns
    -------
    int
        The bytes over the input and the loaded library; the result's own bytes are part of them.
    """
    registered = registry.copy_registered()
    return measure_peak_apart(_make_conversion, backend, shape, dtype, layout, registered)


def _make_conversion(
    backend: str,
    shape: tuple[int, ...],
    dtype: str,
    layout: str,
    registered: Mapping[str, Entry],
) -> Callable[[], Any]:
    """Return the conversion to measure, with its library loaded and the library's pools there."""
    registry.restore_registered(registered)
    gray = np.ones(shape, dtype)
    to_rgb(gray[:1], layout, backend=backend)
    return lambda: to_rgb(gray, layout, backend=backend)
