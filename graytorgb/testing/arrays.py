"""Test arrays of any bits in any memory, NumPy's results for them, and how to compare them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import DTypeLike

Array = np.ndarray[Any, Any]

# Every dtype that an image can have, in the machine's byte order
NUMBERS = [np.dtype(code) for code in "?bBhHiIqQefdgFDG"]


def oracle(gray: Array, layout: str) -> Array:
    """Return what ``to_rgb`` must give for a gray array without a channel axis, made by NumPy.

    Parameters
    ----------
    gray : ndarray
        Gray values, whose axes are the layout's left side.
    layout : str
        A layout with an arrow: ``"NHW->NCHW"``.
    """
    source, target = layout.split("->")
    axis = target.index("C")
    moved = gray.transpose([source.index(letter) for letter in target if letter != "C"])
    return np.repeat(np.expand_dims(moved, axis), 3, axis)


def assert_same_bits(result: Any, expected: Any) -> None:
    """Assert that two arrays have the same type, shape, dtype, byte order and bytes."""
    assert type(result) is type(expected)
    assert result.shape == expected.shape
    assert result.dtype.str == expected.dtype.str
    assert result.tobytes() == expected.tobytes()


def assert_own_memory(result: Array, source: Array) -> None:
    """Assert that an array is C-contiguous, writable, aligned and apart from `source`.

    That it is apart is proven by writing to `result`, which is changed.
    """
    assert result.flags.c_contiguous
    assert result.flags.writeable
    assert result.flags.aligned
    before = source.tobytes()
    result.view(np.uint8)[...] ^= 0xFF
    assert source.tobytes() == before


def random_bits(shape: Sequence[int], dtype: DTypeLike, seed: int = 0) -> Array:
    """Return an array of any bit patterns, NaN payloads among them; bool is only 0 and 1."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    count = int(np.prod(shape)) * dtype.itemsize
    return rng.integers(0, 256, count, dtype=np.uint8).view(dtype).reshape(shape)


@st.composite
def awkward_arrays(
    draw: st.DrawFn,
    shapes: st.SearchStrategy[tuple[int, ...]],
    dtypes: st.SearchStrategy[np.dtype[Any]] | None = None,
) -> Array:
    """Draw an array of any bits in any memory: strided, reversed, Fortran, unaligned, repeated.

    The byte order is the machine's or the other one, and the array may be read-only.
    """
    shape = draw(shapes)
    dtype = draw(dtypes if dtypes is not None else st.sampled_from(NUMBERS))
    dtype = dtype.newbyteorder(draw(st.sampled_from(("=", "S"))))
    values = random_bits(shape, dtype, draw(st.integers(0, 2**32 - 1)))
    memory = draw(
        st.sampled_from(["plain", "fortran", "strided", "reversed", "unaligned", "repeated"])
    )
    if memory == "fortran":
        values = np.asfortranarray(values)
    elif memory == "strided":
        wide = np.zeros(tuple(2 * n for n in shape), dtype)
        every_other = wide[tuple(slice(None, None, 2) for _ in shape)]
        every_other[...] = values
        values = every_other
    elif memory == "reversed":
        values = values[tuple(slice(None, None, -1) for _ in shape)]
    elif memory == "unaligned":
        raw = np.zeros(values.nbytes + 1, np.uint8)[1:]
        raw[...] = np.frombuffer(values.tobytes(), np.uint8)
        values = raw.view(dtype).reshape(shape)
    elif memory == "repeated" and values.size:
        values = np.broadcast_to(values[:1], shape)
    if draw(st.booleans()):
        values = values.view()
        values.flags.writeable = False
    return values


def shapes(ndim: int, smallest: int = 1) -> st.SearchStrategy[tuple[int, ...]]:
    """Return a strategy of small shapes, thin ones and single pixels among them."""
    return npst.array_shapes(min_dims=ndim, max_dims=ndim, min_side=smallest, max_side=9)
