"""What the contracts of a kind share: its dtypes, its arrays, and how a verb is called on one."""

from typing import ClassVar

import numpy as np

import graytorgb as g2r

from ..support import needs_package, random_bits

INTEGERS = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
OTHERS = ["complex64", "complex128", "float8_e4m3fn", "float8_e5m2"]


def numpy_dtype(name):
    """Return the dtype of a name from NumPy, or from ml_dtypes."""
    try:
        return np.dtype(name)
    except TypeError:
        needs_package("ml_dtypes")
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))


def bits_of(name, shape):
    """Return an array of random bits of a dtype."""
    dtype = numpy_dtype(name)
    if name == "bool":
        return random_bits(shape, bool)
    return random_bits((*shape[:-1], shape[-1] * dtype.itemsize), np.uint8).view(dtype)


class HeldKind:
    """A kind of array; a subclass defines `make`, `read`, `is_kind` and attributes that differ."""

    dtypes: ClassVar = INTEGERS + FLOATS + OTHERS  # that the kind has
    levels: ClassVar = INTEGERS + FLOATS  # of these, those whose levels it tells
    channels_first = False
    sees = True  # whether values can be looked at: not in a graph
    refuses: ClassVar = g2r.LevelsError  # what NaN raises: in a graph, the library's own error
    in_turn = False  # whether the dtypes take turns with the layouts, ranges and weights

    def make(self, array):
        raise NotImplementedError

    def read(self, result):
        raise NotImplementedError

    def is_kind(self, result):
        raise NotImplementedError

    def run(self, function, array):
        """Return `function`'s result for an array of the kind, as numpy; graphs override this."""
        result = function(self.make(array))
        assert self.is_kind(result)
        return self.read(result)

    def choose(self, options, number):
        """Return the options to test with a dtype: all, or one that depends on its number."""
        return [options[number % len(options)]] if self.in_turn else options

    def same(self, result, expected):
        assert result.dtype == expected.dtype
        assert result.shape == expected.shape
        assert result.tobytes() == expected.tobytes()
