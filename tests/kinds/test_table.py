"""Tests of the table of kinds: an object's kind is found without an import."""

import sys
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb.kinds import KINDS, SharedKind, find_kind, table
from graytorgb.kinds.numpy import KIND as NUMPY
from graytorgb.kinds.table import Line

from ..support import run_python
from .held import INTEGERS
from .kinds_contract import KindContract

FILES = {path.stem for path in (Path(g2r.__file__).parent / "kinds").glob("[a-z]*.py")}


def test_a_kind_is_one_file_and_one_line():
    shared = {"arguments", "classes", "cuda_kernels", "messages", "protocols", "table"}
    assert FILES - shared == {"pil", *(line.file for line in KINDS)}  # pil holds no arrays


def test_arrays_and_scalars_of_numpy():
    assert find_kind(np.zeros((2, 3))) is find_kind(np.float32(1)) is NUMPY
    with pytest.raises(g2r.DtypeError, match="not memoryview"):
        find_kind(memoryview(b"ab"))


def test_what_only_stands_for_an_array_is_none():
    class Array:
        def __array__(self):
            raise AssertionError("computed")

    assert find_kind(Array()) is NUMPY
    with pytest.raises(g2r.DtypeError, match="not type"):
        find_kind(Array)


def test_nothing_is_imported_to_find_out():
    code = """
import sys
import numpy as np
from graytorgb.kinds import find_kind
find_kind(np.zeros((2, 3)))
try:
    find_kind("x.png")
except TypeError:
    print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""
    libraries = {"torch", "jax", "tensorflow", "dask", "cupy", "keras", "array_api_compat", "PIL"}
    assert not libraries & set(run_python(code).split())


class Grid:
    """An array of a library that the table doesn't have yet."""

    def __init__(self, values):
        self.values = np.asarray(values)

    @property
    def shape(self):
        return self.values.shape

    @property
    def dtype(self):
        return self.values.dtype


class GridKind(SharedKind):
    """The methods that a kind needs if numpy shares its memory."""

    def get_dtype(self, name):
        return np.dtype(name)

    def get_array(self, image):
        return image

    def to_numpy_shared(self, array):
        return array.values

    def to_numpy_values(self, array):
        return array.values

    def from_numpy(self, result, dtype):
        return Grid(result)

    def format_empty_call(self, shape, dtype):
        return f"Grid(np.empty({shape}, {dtype.str!r}))"


@pytest.fixture
def grids(monkeypatch):
    """Add a line to the table, and import the library that it is for."""
    library, file = ModuleType("gridlib"), ModuleType("graytorgb.kinds.grid")
    library.Grid, file.KIND = Grid, GridKind()
    monkeypatch.setitem(sys.modules, "gridlib", library)
    monkeypatch.setitem(sys.modules, "graytorgb.kinds.grid", file)
    monkeypatch.setattr(table, "KINDS", (Line("grid", "a grid", "gridlib", ("Grid",)), *KINDS))
    monkeypatch.setattr(table, "_found", {})


def test_a_new_kind_needs_its_file_and_its_line(grids):
    gray = np.random.default_rng(0).integers(0, 4096, (4, 6), dtype=np.uint16)
    stated = {"value_range": (0, 4095)}
    results = {
        g2r.to_rgb(Grid(gray), "HW->CHW"): g2r.to_rgb(gray, "HW->CHW"),
        g2r.to_uint8(Grid(gray), **stated): g2r.to_uint8(gray, **stated),
        g2r.prepare(Grid(gray), "imagenet", **stated): g2r.prepare(gray, "imagenet", **stated),
    }
    for result, expected in results.items():
        assert type(result) is Grid
        np.testing.assert_array_equal(result.values, expected)
    out = Grid(np.empty((4, 6, 3), np.uint16))
    assert g2r.to_rgb(Grid(gray), out=out) is out
    with pytest.raises(g2r.LayoutError, match=r"expected out=Grid\(np.empty\(\(4, 6, 3\)"):
        g2r.to_rgb(Grid(gray), out=Grid(gray))


@pytest.mark.usefixtures("grids")
class TestGrid(KindContract):
    dtypes: ClassVar = [*INTEGERS, "float16", "float32", "float64", "complex64", "complex128"]
    levels: ClassVar = [*INTEGERS, "float16", "float32", "float64"]
    shares = views = composites = True

    def make(self, array):
        return Grid(array)

    def read(self, result):
        return result.values

    def is_kind(self, result):
        return type(result) is Grid


def test_memory_that_cannot_be_shared_is_refused(grids, monkeypatch):
    """A kind without operations of its own raises an error for memory that numpy can't share."""
    monkeypatch.setattr(GridKind, "to_numpy_shared", lambda self, array: None)
    with pytest.raises(g2r.DtypeError, match="can't share the memory of this array"):
        g2r.to_rgb(Grid(np.zeros((4, 6))))
