"""Shapes and dtypes that choose_backend and recommend refuse, with what was given and expected."""

from types import SimpleNamespace

import numpy as np
import pytest

import graytorgb as g2r

from ..support import needs_package

needs_package("psutil", "rich")

FUNCTIONS = {"choose_backend": g2r.choose_backend, "recommend": g2r.recommend}
BAD = {
    "a text": ("64x224x224", "not '64x224x224'"),
    "digits": ("44", "not '44'"),
    "bytes": (b"ab", "not b'ab'"),
    "an array": (np.zeros((4, 5)), "not an array of shape (4, 5): pass its shape, x.shape"),
    "a tensor": (
        SimpleNamespace(shape=(4, 5)),
        "not an array of shape (4, 5): pass its shape, x.shape",
    ),
    "an int": (64, "not 64"),
    "a generator": ((size for size in (4, 5)), "not <generator"),
    "a scalar": (np.int64(4), "not np.int64(4)"),
    "None": (None, "not None"),
    "negative": ((-1, 4), "not (-1, 4)"),
    "a letter": ((5, "a"), "not (5, 'a')"),
    "a fraction": ((4.5, 4), "not (4.5, 4)"),
    "a bool": ((True, 4), "not (True, 4)"),
    "an unknown size": ((None, 4), "not (None, 4)"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_shape(name, kind):
    shape, given = BAD[kind]
    with pytest.raises(g2r.LayoutError) as caught:
        FUNCTIONS[name](shape, "uint8")
    assert "a shape is a tuple of ints from 0 on, such as (64, 224, 224)" in str(caught.value)
    assert given in str(caught.value)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", [(28, 28), (4, 4, 3)])
@pytest.mark.parametrize("dtype", [None, "foo", 3, object])
def test_what_is_no_dtype(name, shape, dtype):
    with pytest.raises(g2r.DtypeError):
        FUNCTIONS[name](shape, dtype)


def test_no_dtype_says_what_is_one():
    with pytest.raises(g2r.DtypeError, match='such as "uint8", not None'):
        g2r.choose_backend((28, 28), None)


@pytest.mark.parametrize("shape", [(28, 28), [28, 28], (np.int64(28), 28), (0, 28, 28)])
def test_shapes_of_every_kind(shape):
    layout = "NHW" if len(shape) == 3 else None
    expected = g2r.choose_backend(tuple(map(int, shape)), "uint8", layout)
    assert g2r.choose_backend(shape, "uint8", layout) == expected
