"""Tests of kinds whose libraries can share a process; tests/isolated has the others."""

import pickle
import sys
from typing import ClassVar

import numpy as np
import pytest

import graytorgb as g2r

from ..support import needs_package, run_python
from .held import FLOATS, INTEGERS
from .kinds_contract import KindContract

needs_package("dask", "array_api_compat", "array_api_strict")

import array_api_strict  # noqa: E402
import dask  # noqa: E402
import dask.array as da  # noqa: E402
import dask.bag as db  # noqa: E402


# NumPy, which array_api_strict computes with, warns of the difference of infinities
@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered:RuntimeWarning")
class TestArrayApi(KindContract):
    """Tests of array_api_strict, the reference of the standard, which has nothing beyond it."""

    dtypes: ClassVar = [*INTEGERS, "float32", "float64", "complex64", "complex128"]
    levels: ClassVar = [*INTEGERS, "float32", "float64"]
    targets: ClassVar = ["float32", "uint8"]
    views = True
    text = "this library"

    def make(self, array):
        return array_api_strict.asarray(array)

    def read(self, result):
        return np.asarray(result)

    def is_kind(self, result):
        return type(result) is type(array_api_strict.zeros(1))

    def test_views_share_memory(self):
        gray = np.zeros((2, 5, 6), np.uint8)
        view = g2r.to_rgb(array_api_strict.asarray(gray, copy=False), "NHW", copy=False)
        copied = g2r.to_rgb(array_api_strict.asarray(gray, copy=False), "NHW")
        assert np.shares_memory(np.asarray(view), gray)
        assert not np.shares_memory(np.asarray(copied), gray)

    def test_a_library_that_is_not_known_to_have_views(self, monkeypatch):
        monkeypatch.setattr("graytorgb.kinds.array_api._VIEWS", ())
        x = self.make(np.zeros((2, 5, 6, 3), np.uint8))
        for view in (lambda: g2r.to_rgb(x, "NHWC", copy=False),
                     lambda: g2r.to_rgb(x[..., 0], "NHW", copy=False)):  # fmt: skip
            with pytest.raises(
                g2r.LayoutError,
                match=r"this library isn't known to make views[^$]*array_api_strict",
            ):
                view()

    def test_without_array_api_compat(self):
        code = """
import sys
sys.modules["array_api_compat"] = None
import array_api_strict, numpy as np
import graytorgb as g2r
print(g2r.to_rgb(np.float32(1)[None, None]).shape)
try:
    g2r.to_rgb(array_api_strict.zeros((4, 6)))
except g2r.BackendUnavailable as error:
    print(error.missing, error)
"""
        shape, told = run_python(code).split("\n")[:2]
        assert shape == "(1, 1, 3)"
        assert told.startswith("True an array of the array API standard needs array_api_compat: ")
        assert told.endswith("pip install 'graytorgb[array-api]'")

    def test_a_dtype_that_it_lacks(self):
        with pytest.raises(g2r.DtypeError, match="array_api_strict has no float16"):
            g2r.prepare(self.make(np.zeros((4, 6), np.uint8)), (0.5, 0.5), dtype="float16")


class TestDask(KindContract):
    dtypes: ClassVar = [*INTEGERS, "float16", "float32", "float64", "complex64", "complex128"]
    levels: ClassVar = [*INTEGERS, *(n for n in FLOATS if n != "bfloat16")]
    views = True
    composites = True
    text = "a dask array's is only planned"

    def make(self, array):
        return da.from_array(array, chunks=tuple(max(1, -(-n // 2)) for n in array.shape))

    def read(self, result):
        return result.compute(scheduler="synchronous")

    def is_kind(self, result):
        return isinstance(result, da.Array)

    def counting(self, blocks=(4, 1, 1)):
        """Return an array, and a list that gets the number of each block when it is made."""
        made = []

        def source(block_info=None):
            made.append(block_info[None]["chunk-location"])
            return np.full((2, 30, 31), 1000 + len(made), np.uint16)

        chunks = tuple((size,) * n for size, n in zip((2, 30, 31), blocks, strict=True))
        return da.map_blocks(
            source, chunks=chunks, dtype=np.uint16, meta=np.empty(0, np.uint16)
        ), made

    def test_nothing_is_computed_early(self):
        x, made = self.counting()
        plans = [
            g2r.to_rgb(x, "NHW->NCHW"),
            g2r.to_rgb(x, "NHW", copy=False),
            g2r.to_uint8(x, "minmax"),
            g2r.to_uint8(x, ("percentile", 1, 99)),
            g2r.prepare(x, (0.5, 0.5), "NHW->NCHW", value_range="minmax"),
        ]
        str(plans)
        with pytest.raises(g2r.LayoutError):
            g2r.to_rgb(x)
        assert made == []
        plans[0][:2].compute(scheduler="synchronous")
        assert made == [(0, 0, 0)]  # and no more than is asked for

    @pytest.mark.parametrize(
        ("policy", "passes"), [((0, 9000), 1), ("minmax", 2), (("percentile", 0, 100), 3)]
    )
    def test_blocks_are_read_anew_and_not_kept(self, policy, passes):
        x, made = self.counting()
        g2r.to_uint8(x, policy).compute(scheduler="synchronous")
        assert len(made) == 4 * passes
        assert sorted(made[:4]) == [(n, 0, 0) for n in range(4)]  # a pass ends before the next

    @pytest.mark.parametrize("policy", ["minmax", ("percentile", 1, 99)])
    def test_a_plan_grows_with_its_blocks_and_no_faster(self, policy):
        """A folder gives a block for each file; planning a graph layer for each took minutes."""
        sizes = []
        for images in (40, 4000):
            x = da.zeros((images, 4, 4), chunks=(1, 4, 4), dtype=np.uint16)
            plan = g2r.to_uint8(x, policy)
            sizes.append((len(plan.dask.layers), len(dict(plan.dask)) / images))
        assert sizes[0][0] == sizes[1][0]
        assert sizes[1][1] == pytest.approx(sizes[0][1], rel=0.1)

    def test_masked_arrays(self):
        x = da.ma.masked_equal(da.arange(30, chunks=6).reshape(5, 6), 3)
        for verb in (g2r.to_rgb, lambda x: g2r.to_uint8(x, "minmax")):
            with pytest.raises(g2r.DtypeError, match=r"da\.ma\.filled\(x, value\).*getdata"):
                verb(x)
        assert g2r.to_rgb(da.ma.filled(x, 0)).compute()[0, 3].tolist() == [0, 0, 0]

    def test_chunks_are_kept(self):
        x = da.zeros((10, 12, 14), chunks=(3, 5, 7), dtype=np.uint8)
        assert g2r.to_rgb(x, "NHW->NHWC").chunks == (*x.chunks, (3,))
        assert g2r.to_rgb(x, "NHW->NCHW").chunks == (x.chunks[0], (3,), *x.chunks[1:])
        assert g2r.to_rgb(x, "NHW->WCNH").chunks == (x.chunks[2], (3,), *x.chunks[:2])
        assert g2r.to_uint8(x, "dtype").chunks == x.chunks
        assert g2r.prepare(x, (0.5, 0.5), "NHW->NCHW").chunks == (x.chunks[0], (3,), *x.chunks[1:])
        colors = da.zeros((4, 5, 3), chunks=(2, 5, 1), dtype=np.uint8)
        assert g2r.to_rgb(colors, "HWC").chunks == ((2, 2), (5,), (3,))

    def test_views_have_no_bytes(self):
        x = da.zeros((4, 5, 6), chunks=(4, 5, 6), dtype=np.uint8)
        block = g2r.to_rgb(x, "NHW", copy=False).to_delayed().item().compute()
        assert block.shape == (4, 5, 6, 3)
        assert block.strides[-1] == 0

    def test_a_number_of_images_that_is_not_known(self):
        whole = np.arange(6 * 4 * 5, dtype=np.uint8).reshape(6, 4, 5)
        x = da.from_array(whole, chunks=(2, 4, 5))
        some = x[x[:, 0, 0] > 30]
        kept = whole[whole[:, 0, 0] > 30]
        assert (g2r.to_rgb(some, "NHW").compute() == g2r.to_rgb(kept, "NHW")).all()
        assert (g2r.to_uint8(some, "minmax").compute() == g2r.to_uint8(kept, "minmax")).all()
        with pytest.raises(g2r.LayoutError, match="size of axis 0"):
            g2r.to_rgb(some)
        with pytest.raises(g2r.LevelsError, match="compute_chunk_sizes"):
            g2r.to_uint8(some, ("percentile", 1, 99))
        with pytest.raises(g2r.ChannelError, match=r"how many channels.*compute_chunk_sizes"):
            g2r.to_rgb(some, "CHW")

    def test_errors_of_values_come_with_the_values(self):
        x = da.from_array(np.array([[0.0, np.nan], [1.0, 0.5]]), chunks=1)
        plans = [
            g2r.to_uint8(x, (0, 1)),
            g2r.to_uint8(x, "minmax"),
            g2r.to_uint8(x, ("percentile", 1, 99)),
            g2r.prepare(x, (0.5, 0.5)),
        ]
        for plan in plans:
            with pytest.raises(g2r.LevelsError, match="NaN"):
                plan.compute(scheduler="synchronous")
        same = g2r.to_uint8(da.ones((4, 4), chunks=2), "minmax")
        with pytest.warns(UserWarning, match="no contrast, 'minmax' gives 1.0 to 1.0"):
            assert not same.compute(scheduler="synchronous").any()

    def test_plans_pickle(self):
        """A planned result can be pickled, for schedulers with processes."""
        x = da.from_array(np.arange(64, dtype=np.uint16).reshape(8, 8), chunks=4)
        for plan in (
            g2r.to_rgb(x),
            g2r.to_uint8(x, "minmax"),
            g2r.to_uint8(x, ("percentile", 1, 9)),
        ):
            assert (pickle.loads(pickle.dumps(plan)).compute() == plan.compute()).all()

    def test_other_objects_of_dask_are_not_computed(self):
        x = dask.delayed(np.zeros)((4, 6))
        with pytest.raises(g2r.DtypeError, match=r"a dask Delayed isn't an array.*from_delayed"):
            g2r.to_rgb(x)
        bag = db.from_sequence([1])
        with pytest.raises(g2r.DtypeError, match="a dask Bag isn't an array"):
            g2r.to_uint8(bag, (0, 1))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the high-water mark from /proc")
def test_dask_streams_in_constant_memory():
    """Plan 20 GB, and convert and add up 1 GB of them, whose result has 3."""
    code = """
import dask, dask.array as da, numpy as np
import graytorgb as g2r
def kib(field):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
def plan(images):
    x = da.ones((images, 1024, 1024), chunks=(16, 1024, 1024), dtype=np.uint8)
    return x, g2r.to_rgb(x, "NHW->NHWC").sum(dtype=np.int64)
before = kib("VmRSS")
x, total = plan(20 * 1024)
assert x.nbytes > 20e9 and kib("VmRSS") - before < 20_000
dask.config.set(num_workers=2)
before = kib("VmRSS")
x, total = plan(1024)
assert total.compute() == 3 * x.size
deep = da.arange(2 ** 28, chunks=2 ** 23, dtype=np.uint32)[None]  # 1 GB, read twice
assert g2r.to_uint8(deep, "minmax").mean().compute() == 127.5
print(kib("VmHWM") - before)
"""
    used = int(run_python(code))
    assert used < 700_000, f"{used} KiB"
