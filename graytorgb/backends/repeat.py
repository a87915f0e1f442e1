"""``np.repeat``: the idiom from the forums, and the oracle of the tests."""

import numpy as np

from .protocol import Array


def expand(gray: Array, axis: int, out: Array | None = None) -> Array:
    """See :class:`graytorgb.backends.protocol.Backend`. ``np.repeat`` can't write into `out`."""
    return np.repeat(np.expand_dims(gray, axis), 3, axis)
