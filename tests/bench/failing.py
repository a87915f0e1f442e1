"""A backend that fails after a while."""

import sys
import types
from contextlib import contextmanager

import numpy as np

import graytorgb as g2r


@contextmanager
def failing_backend(name, after, error):
    """Let a backend work for so many calls in this block, and then raise `error`."""
    module = types.ModuleType("failing")
    calls = iter(range(after))

    def expand(gray, axis, out=None):
        if next(calls, None) is None:
            raise error
        return np.repeat(np.expand_dims(gray, axis), 3, axis)

    module.expand = expand
    sys.modules["failing"] = module
    g2r.register_backend(name, "failing", replace=True)
    try:
        yield
    finally:
        g2r.unregister_backend(name)
        del sys.modules["failing"]
