"""Suites that need a process of their own: tests/test_isolated.py runs them."""

import sys


class _Hidden:
    """An entry of sys.meta_path that finds no TensorFlow, as if it weren't installed."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"{name} is hidden: it crashes beside torch", name=name)


def hide_tensorflow():
    """Keras imports it to save a model; call this when Keras has been imported."""
    sys.meta_path.insert(0, _Hidden())
