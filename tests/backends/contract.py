"""The contract: the one suite that every backend in the registry passes.

NumPy is the oracle. A new backend runs all of it by its line in the registry.
"""

import sys

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graytorgb as g2r
from graytorgb.backends.registry import BACKENDS, lookup

from ..support import (
    NUMBERS,
    assert_own_memory,
    assert_same_bits,
    awkward_arrays,
    needs,
    oracle,
    random_bits,
    run_python,
    shapes,
)

LAYOUTS = {
    2: ["HW->HWC", "HW->CHW", "HW->HCW", "WH->HWC"],
    3: ["NHW->NHWC", "NHW->NCHW", "NHW->CNHW", "HWN->NCHW", "NHW->WCNH"],
    4: ["NTHW->NTHWC", "NTHW->NTCHW", "NTHW->TNHCW"],
}


@pytest.fixture(params=[*BACKENDS, "auto"], scope="module")
def backend(request):
    if request.param != "auto":
        needs(request.param)
    return request.param


def is_view(backend):
    return backend != "auto" and lookup(backend).result == "view"


def taken(backend):
    """The dtypes that a backend takes."""
    return [d for d in NUMBERS if backend == "auto" or lookup(backend).takes(d)]


def arrays_with_layouts(dtypes):
    """An array in any memory, and a layout for its number of axes."""
    return st.sampled_from([(n, text) for n, texts in LAYOUTS.items() for text in texts]).flatmap(
        lambda case: st.tuples(
            awkward_arrays(shapes(case[0]), st.sampled_from(dtypes)), st.just(case[1])
        )
    )


@given(data=st.data())
def test_bits_are_the_oracles(backend, data):
    gray, layout = data.draw(arrays_with_layouts(taken(backend)))
    result = g2r.to_rgb(gray, layout, backend=backend)
    assert_same_bits(result, oracle(gray, layout))
    if is_view(backend):
        assert not result.flags.writeable
        assert np.shares_memory(result, gray)
        assert result.strides[layout.split("->")[1].index("C")] == 0
    else:
        assert_own_memory(result, gray)


@pytest.mark.parametrize("layout", ["HW->HWC", "HW->CHW"])
def test_reversed_single_axes(backend, layout):
    """NumPy calls these contiguous, with a negative stride that libraries trip over."""
    for gray in (random_bits((1, 9), np.uint8)[::-1], random_bits((9, 1), np.uint8)[:, ::-1]):
        assert_same_bits(g2r.to_rgb(gray, layout, backend=backend), oracle(gray, layout))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((1, 715_827_883), "HW->CHW"),
        ((27_000, 27_000), "HW->CHW"),
        ((1, 2_200_000_000), "HW->HWC"),
        ((2_200_000_000, 1), "HW->HWC"),
    ],
)
def test_more_bytes_than_an_int_counts(backend, shape, layout):
    # the others are NumPy's loops, or count in 64 bits; auto takes one of them, or OpenCV
    if backend != "opencv" and not (backend == "auto" and shape[0] == 1):
        shape = tuple(max(1, size // 100) for size in shape)
    elif 5 * np.prod(shape, dtype=np.int64) > psutil.virtual_memory().available:
        pytest.skip("needs five times the input's memory")
    gray = np.resize(np.arange(251, dtype=np.uint8), shape)
    result = np.moveaxis(g2r.to_rgb(gray, layout, backend=backend), layout[4:].index("C"), 0)
    for channel in result:
        assert np.array_equal(channel, gray)


@given(data=st.data())
def test_out_is_filled_and_returned(backend, data):
    gray, layout = data.draw(arrays_with_layouts(taken(backend)))
    expected = oracle(gray, layout)
    out = np.empty(expected.shape, expected.dtype)
    assert g2r.to_rgb(gray, layout, backend=backend, out=out) is out
    assert_same_bits(out, expected)


@given(data=st.data())
def test_copy_true_never_shares(backend, data):
    gray, layout = data.draw(arrays_with_layouts(taken(backend)))
    result = g2r.to_rgb(gray, layout, backend=backend, copy=True)
    assert_same_bits(result, oracle(gray, layout))
    assert_own_memory(result, gray)


def test_copy_false_is_a_view_or_an_error(backend):
    gray = random_bits((4, 5, 6), np.uint8)
    if is_view(backend) or backend == "auto":
        result = g2r.to_rgb(gray, "NHW", backend=backend, copy=False)
        assert_same_bits(result, oracle(gray, "NHW->NHWC"))
        gray[0, 0, 0] ^= 0xFF  # a view sees it
        assert (result[0, 0, 0] == gray[0, 0, 0]).all()
        with pytest.raises(ValueError, match="read-only"):
            result[0, 0, 0] = 0
    else:
        with pytest.raises(g2r.LayoutError, match='backend="broadcast"'):
            g2r.to_rgb(gray, "NHW", backend=backend, copy=False)


@pytest.mark.parametrize("dtype", NUMBERS, ids=lambda d: d.name)
def test_every_dtype_is_carried_or_refused_by_name(backend, dtype):
    gray = random_bits((3, 16, 17), dtype)
    if backend == "auto" or lookup(backend).takes(dtype):
        for layout in ("NHW->NHWC", "NHW->NCHW"):
            assert_same_bits(
                g2r.to_rgb(gray, layout, backend=backend, copy=True), oracle(gray, layout)
            )
        return
    with pytest.raises(g2r.DtypeError) as caught:
        g2r.to_rgb(gray, "NHW", backend=backend)
    text = str(caught.value)
    assert dtype.name in text
    able = text.split("these can: ")[1].split("\n")[0].split(", ")
    assert able == ["auto", *(n for n, e in BACKENDS.items() if e.takes(dtype))]


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
def test_nan_payloads_survive(backend, dtype):
    width = np.dtype(dtype).itemsize
    exponent = {2: 0x7C00, 4: 0x7F800000, 8: 0x7FF0000000000000}[width]
    # quiet and signalling, either sign, the smallest payload and a large one
    patterns = [exponent | 1, exponent | (exponent >> 1 & ~exponent) | 5]
    patterns += [p | 1 << (8 * width - 1) for p in patterns]
    gray = np.resize(np.array(patterns, f"{dtype[0]}u{width}"), (40, 41)).view(dtype)
    if backend != "auto" and not lookup(backend).takes(gray.dtype):
        with pytest.raises(g2r.DtypeError):
            g2r.to_rgb(gray, backend=backend)
        return
    for layout in ("HW->HWC", "HW->CHW"):
        assert_same_bits(g2r.to_rgb(gray, layout, backend=backend), oracle(gray, layout))


@pytest.mark.parametrize(
    "shape", [(0, 5, 6), (4, 0, 6), (4, 5, 0), (0, 0, 0), (1, 1, 1), (1, 5, 1), (1, 1, 7)]
)
@pytest.mark.parametrize("layout", ["NHW->NHWC", "NHW->NCHW"])
def test_empty_and_single_axes_are_kept(backend, shape, layout):
    gray = random_bits(shape, np.uint8)
    assert_same_bits(g2r.to_rgb(gray, layout, backend=backend), oracle(gray, layout))


@pytest.mark.parametrize("layout", ["NHWC->NHWC", "NHWC->NCHW", "NCHW->NHWC", "NCHW"])
def test_a_channel_of_one_is_replaced(backend, layout):
    source, target = layout.split("->") if "->" in layout else (layout, layout)
    gray = random_bits((4, 5, 6), np.uint8)
    given_axis = source.index("C")
    result = g2r.to_rgb(np.expand_dims(gray, given_axis), layout, backend=backend)
    assert_same_bits(result, oracle(gray, f"NHW->{target}"))


@pytest.mark.parametrize("layout", ["NHWC", "NHWC->NCHW", "NCHW->NHWC"])
def test_rgb_passes_through(backend, layout):
    source, _, target = layout.partition("->")
    shape = {"N": 2, "H": 5, "W": 6, "C": 3}
    rgb = random_bits(tuple(shape[a] for a in source), np.float32)
    expected = np.ascontiguousarray(rgb.transpose([source.index(a) for a in target or source]))
    once = g2r.to_rgb(rgb, layout, backend=backend)
    assert_same_bits(once, expected)
    assert_same_bits(g2r.to_rgb(once, target or source, backend=backend), expected)
    if is_view(backend):
        assert np.shares_memory(once, rgb)
        assert not once.flags.writeable
    else:
        assert_own_memory(once, rgb)


def test_idempotent_without_a_layout(backend):
    once = g2r.to_rgb(random_bits((40, 50), np.uint8), backend=backend)
    assert_same_bits(g2r.to_rgb(once, backend=backend), np.ascontiguousarray(once))


@pytest.mark.parametrize("shape", [(64, 224, 224), (3, 1000, 1), (70000, 2, 3), (1, 3, 70001)])
def test_sizes_of_real_batches(backend, shape):
    gray = random_bits(shape, np.uint8)
    for layout in ("NHW->NHWC", "NHW->NCHW"):
        assert_same_bits(g2r.to_rgb(gray, layout, backend=backend), oracle(gray, layout))


@pytest.mark.parametrize("shape", [(64, 224, 224), (4000, 2000), (1, 3000, 1000), (3, 700_000, 1)])
@pytest.mark.parametrize("memory", ["strided", "reversed", "transposed"])
def test_sizes_of_real_batches_in_other_memory(backend, shape, memory):
    """Large enough for several strips, where a backend works in strips."""
    if memory == "strided":
        gray = random_bits((*shape[:-1], 2 * shape[-1]), np.uint8)[..., ::2]
    elif memory == "reversed":
        gray = random_bits(shape, np.uint8)[::-1, ::-1]
    else:
        gray = random_bits(shape[::-1], np.uint8).T
    gray.flags.writeable = False
    axes = "HW" if len(shape) == 2 else "NHW"
    for target in (f"{axes}C", axes.replace("H", "CH")):
        layout = f"{axes}->{target}"
        assert_same_bits(g2r.to_rgb(gray, layout, backend=backend), oracle(gray, layout))


@pytest.mark.parametrize("layout", ["NHW->NHWC", "NHW->NCHW"])
def test_input_is_never_written(backend, layout):
    gray = random_bits((4, 30, 31), np.uint8)
    before = gray.copy()
    g2r.to_rgb(gray, layout, backend=backend)
    assert (gray == before).all()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the high-water mark from /proc")
@pytest.mark.parametrize("layout", ["NHW->NHWC", "NHW->NCHW"])
def test_memory_over_the_result(backend, layout):
    """At most 1 % of the result over it, by the process's resident high-water mark.

    Python's tracer sees neither OpenCV's memory nor torch's.
    """
    code = f"""
import numpy as np
import graytorgb as g2r
def kib(field):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
gray = np.ones((512, 384, 384), np.uint8)
g2r.to_rgb(gray[:2], {layout!r}, backend={backend!r})
before = kib("VmRSS")
result = g2r.to_rgb(gray, {layout!r}, backend={backend!r})
print(1024 * (kib("VmHWM") - before), result.nbytes)
"""
    used, nbytes = map(int, run_python(code).split())
    own = 0 if is_view(backend) else nbytes
    assert used <= own + 0.01 * nbytes, f"{(used - own) / nbytes:.1%} over the result"
