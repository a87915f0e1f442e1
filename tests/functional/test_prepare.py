"""Tests of ``prepare`` against the formula in float64, for the kernels and for NumPy."""

import itertools

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graytorgb as g2r
from graytorgb.backends import registry
from graytorgb.core.layout import find_order, remove_channel

from ..support import (
    NUMBERS,
    assert_same_bits,
    awkward_arrays,
    needs,
    needs_package,
    run_python,
    shapes,
)

STATISTICS = {
    "imagenet": g2r.stats("imagenet"),
    "-1..1": g2r.stats("-1..1"),
    "0..1": g2r.stats("0..1"),
    "one": (0.449, 0.226),
}
EVERY = {
    "uint8": np.arange(256, dtype=np.uint8).reshape(1, 16, 16),
    "uint16": np.arange(1 << 16, dtype=np.uint16).reshape(1, 256, 256),
    "int16": np.arange(1 << 16, dtype=np.uint16).view(np.int16).reshape(1, 256, 256),
    "float16": np.arange(0x3C01, dtype=np.uint16).view(np.float16).reshape(1, 1, -1),
    "float32": np.random.default_rng(0).random((1, 100, 101), dtype=np.float32),
}
RANGES = {"uint8": (0, 255), "uint16": (0, 65535), "int16": (-1024, 3071)}


@pytest.fixture(params=["native", "numpy"])
def engine(request, monkeypatch):
    """Run a test with the kernels, and as if they had not been compiled."""
    if request.param == "native":
        needs("native")
    else:
        monkeypatch.setattr(registry, "is_usable", lambda name: False)
    return request.param


def formula(gray, layout, mean, std, lo, hi):
    """Return the formula's result in float64, saturated at the ends of the range."""
    source, target = layout.split("->")
    axis = target.index("C")
    moved = gray.transpose(find_order(source, remove_channel(target)))
    scaled = ((moved.astype(np.float64) - lo) / (hi - lo)).clip(0, 1)
    shape = [3 if i == axis else 1 for i in range(moved.ndim + 1)]
    mean, std = (np.resize(np.asarray(v, float), 3).reshape(shape) for v in (mean, std))
    return (np.expand_dims(scaled, axis) - mean) / std


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("dtype", EVERY)
@pytest.mark.parametrize("layout", ["NHW->NCHW", "NHW->NHWC"])
def test_every_value_of_every_dtype(engine, layout, dtype, name):
    gray, (mean, std) = EVERY[dtype], STATISTICS[name]
    lo, hi = RANGES.get(dtype, (0, 1))
    exact = formula(gray, layout, mean, std, lo, hi)
    stated = None if dtype in ("uint8", "float16", "float32") else (lo, hi)
    result = g2r.prepare(gray, (mean, std), layout, value_range=stated)
    assert result.dtype == np.float32
    assert np.abs(result - exact).max() <= 1e-6
    half = g2r.prepare(gray, (mean, std), layout, value_range=stated, dtype="float16")
    nearest = exact.astype(np.float16)
    around = np.nextafter(nearest, np.float16(-np.inf)), np.nextafter(nearest, np.float16(np.inf))
    assert ((half >= around[0]) & (half <= around[1])).all()
    # levels again, a thousandth of a level from a tie at most
    levels = g2r.prepare(gray, (0, 1 / 255), layout, value_range=stated, dtype=np.uint8)
    wanted = formula(gray, layout, 0, 1 / 255, lo, hi)
    assert levels.dtype == np.uint8
    assert np.abs(levels - wanted).max() <= 0.501


@pytest.mark.parametrize("dtype", EVERY)
def test_bfloat16_is_the_nearest_or_the_next(engine, dtype):
    needs_package("torch")
    import torch

    gray = torch.from_numpy(EVERY[dtype])
    lo, hi = RANGES.get(dtype, (0, 1))
    mean, std = STATISTICS["imagenet"]
    result = g2r.prepare(gray, (mean, std), "NHW->NCHW", value_range=(lo, hi), dtype=torch.bfloat16)
    assert result.dtype == torch.bfloat16
    exact = torch.from_numpy(formula(EVERY[dtype], "NHW->NCHW", mean, std, lo, hi))
    nearest = exact.to(torch.bfloat16).view(torch.int16).int()
    nearest = torch.where(nearest < 0, -(nearest & 0x7FFF), nearest)  # ordered as the values are
    words = result.view(torch.int16).int()
    words = torch.where(words < 0, -(words & 0x7FFF), words)
    assert (words - nearest).abs().max() <= 1


LAYOUTS = {2: ["HW->HWC", "WH->CHW"], 3: ["NHW->NHWC", "NHW->NCHW", "HWN->NHWC", "NHW->CWNH"]}
REAL = [d for d in NUMBERS if d.kind in "biuf" and d.itemsize <= 8]


@pytest.mark.filterwarnings("ignore:more than half of an image is above")
@given(data=st.data())
def test_any_memory_dtype_and_layout(data):
    """Kernels and NumPy agree, bit for bit where float32 holds every value."""
    needs("native")
    ndim = data.draw(st.sampled_from(list(LAYOUTS)))
    layout = data.draw(st.sampled_from(LAYOUTS[ndim]))
    gray = data.draw(awkward_arrays(shapes(ndim), st.sampled_from(REAL)))
    target = data.draw(st.sampled_from(["float32", "float16", "uint8"]))
    lo, hi = (0, 200) if gray.dtype.kind != "b" else (0, 1)
    if gray.dtype.kind == "f":
        gray = np.nan_to_num(gray, nan=1, posinf=2, neginf=-2)
    mean, std = (0.0, 0.5, 0.6), (0.2, 0.3, 0.4)
    if target == "uint8":
        mean, std = (0.0, 0.1, 0.2), (1 / 200, 1 / 150, 1 / 100)
    arguments = (gray, (mean, std), layout)
    result = g2r.prepare(*arguments, value_range=(lo, hi), dtype=target)
    exact = formula(gray, layout, mean, std, lo, hi)
    tolerance = {"float32": 1e-6, "float16": 2e-3, "uint8": 0.501}[target]
    clipped = exact.clip(0, 255) if target == "uint8" else exact
    assert result.flags.c_contiguous
    assert np.abs(result - clipped).max() <= tolerance
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "is_usable", lambda name: False)
        assert_same_bits(g2r.prepare(*arguments, value_range=(lo, hi), dtype=target), result)
    out = np.empty_like(result)
    assert g2r.prepare(*arguments, value_range=(lo, hi), dtype=target, out=out) is out
    assert_same_bits(out, result)


@pytest.mark.parametrize("layout", ["NHW->NCHW", "NHW->NHWC"])
@pytest.mark.parametrize("threads", [1, 2, 5, None])
def test_large_batches_and_threads(engine, layout, threads):
    gray = np.random.default_rng(0).integers(0, 256, (70, 224, 230), dtype=np.uint8)
    views = {"whole": gray, "cropped": gray[:, :, 3:227], "reversed": gray[::-1, ::2]}
    for view in views.values():
        result = g2r.prepare(view, STATISTICS["imagenet"], layout, threads=threads)
        exact = formula(view, layout, *STATISTICS["imagenet"], 0, 255)
        assert np.abs(result - exact).max() <= 1e-6


def test_policies_of_the_range(engine):
    gray = np.array([[10, 20, 30, 110]], np.int32)
    assert g2r.prepare(gray, (0, 1), value_range="minmax")[0, :, 0].tolist() == pytest.approx(
        [0, 0.1, 0.2, 1]
    )
    bent = g2r.prepare(gray, (0, 1), value_range=("percentile", 0, 50))
    assert bent[0, :, 2].tolist() == pytest.approx([0, 2 / 3, 1, 1])
    every = g2r.prepare(gray.astype(np.int8), (0, 1), value_range="dtype")
    assert every[0, 0].tolist() == pytest.approx([138 / 255] * 3)


def test_wide_and_narrow_ranges_lose_nothing(engine):
    """Ranges far from zero or beyond float32's exponents lose no precision."""
    for lo, hi in ((1e6, 1e6 + 1), (-1e300, 1e300), (1e-300, 3e-300), (2.0**40, 2.0**40 + 1)):
        gray = np.linspace(lo, hi, 12).reshape(3, 4)
        result = g2r.prepare(gray, STATISTICS["imagenet"], value_range=(lo, hi))
        exact = formula(gray, "HW->HWC", *STATISTICS["imagenet"], lo, hi)
        assert np.abs(result - exact).max() <= 1e-6
    gray = np.linspace(1e6, 1e6 + 1, 17, dtype=np.float32).reshape(1, 17)
    result = g2r.prepare(gray, STATISTICS["imagenet"], value_range=(1e6, 1e6 + 1))
    exact = formula(gray, "HW->HWC", *STATISTICS["imagenet"], 1e6, 1e6 + 1)
    assert np.abs(result - exact).max() <= 1e-6


@pytest.mark.parametrize("layout", ["NHWC->NCHW", "NCHW->NCHW", "NHWC", "NCHW->NHWC"])
def test_rgb_is_normalized_by_channel(engine, layout):
    source, _, target = layout.partition("->")
    target = target or source
    rgb = np.random.default_rng(0).integers(0, 256, (4, 3, 20, 21), dtype=np.uint8)
    given_rgb = rgb.transpose(["NCHW".index(a) for a in source])
    mean, std = STATISTICS["imagenet"]
    result = g2r.prepare(given_rgb, (mean, std), layout).transpose(find_order(target, "NCHW"))
    exact = (rgb / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    assert np.abs(result - exact).max() <= 1e-6


def test_numpy_scalars_are_a_range(engine):
    gray = np.linspace(3, 7, 12, dtype=np.float32).reshape(3, 4)
    want = g2r.prepare(gray, (0, 1), value_range=(3.0, 7.0))
    assert_same_bits(g2r.prepare(gray, (0, 1), value_range=(gray.min(), gray.max())), want)
    with pytest.raises(g2r.LevelsError, match="finite"):
        g2r.prepare(gray, (0, 1), value_range=(np.float32(0), np.float32(np.inf)))


@pytest.mark.parametrize("value_range", ["minmax", (2**62, 2**62 + 2)])
def test_integers_that_float64_does_not_tell_apart(engine, value_range):
    gray = np.array([[2**62, 2**62 + 1, 2**62 + 2]])
    with pytest.raises(g2r.LevelsError, match=r"subtract its lower end"):
        g2r.prepare(gray, (0, 1), value_range=value_range)
    assert g2r.prepare(gray - 2**62, (0, 1), value_range=(0, 2))[0, :, 0].tolist() == [0, 0.5, 1]


def test_a_channel_axis_of_one_and_empty_batches(engine):
    gray = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    want = g2r.prepare(gray, (0.5, 0.5), "NHW->NCHW")
    assert_same_bits(g2r.prepare(gray[:, None], (0.5, 0.5), "NCHW"), want)
    assert_same_bits(g2r.prepare(gray[..., None], (0.5, 0.5), "NHWC->NCHW"), want)
    for value_range in (None, "minmax", ("percentile", 1, 99)):
        empty = g2r.prepare(gray[:0], (0.5, 0.5), "NHW->NCHW", value_range=value_range)
        assert empty.shape == (0, 3, 3, 4)


class TestErrors:
    gray = np.zeros((4, 5, 6), np.uint8)

    @pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "int64", "uint64"])
    def test_a_depth_that_is_not_told(self, engine, dtype):
        with pytest.raises(g2r.LevelsError, match=r"doesn't tell how deep.*value_range=\(0, 4095"):
            g2r.prepare(self.gray.astype(dtype), (0.5, 0.5), "NHW")

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_floats_that_are_not_from_0_to_1(self, engine, dtype):
        levels = np.full((4, 5, 6), 200, dtype)
        levels[0, 0, 0] = -3
        with pytest.raises(g2r.LevelsError, match=r"go from -3 to 200.*value_range=\(0, 255\)"):
            g2r.prepare(levels, (0.5, 0.5), "NHW")
        with pytest.warns(UserWarning, match="more than half"):
            saturated = g2r.prepare(levels, (0, 1), "NHW", value_range=(0, 1))
        assert sorted(set(saturated.ravel().tolist())) == [0, 1]

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    @pytest.mark.parametrize("value_range", [None, (0, 1), "minmax", ("percentile", 0, 100)])
    def test_nan(self, engine, dtype, value_range):
        levels = np.linspace(0, 1, 120, dtype=dtype).reshape(4, 5, 6)
        levels[3, 4, 5] = np.nan
        with pytest.raises(g2r.LevelsError, match="NaN"):
            g2r.prepare(levels, (0.5, 0.5), "NHW", value_range=value_range)

    @pytest.mark.parametrize(
        ("mean", "std"),
        [
            ((0.5, 0.5), 0.5),
            (0.5, (1, 2, 3, 4)),
            ((), 0.5),
            (0.5, None),
            ("gray", 0.5),
            (np.nan, 0.5),
            (0.5, np.inf),
            (0.5, 0),
            (0.5, (0.5, -0.5, 0.5)),
            (np.zeros((3, 2)), 0.5),
        ],
    )
    def test_statistics(self, mean, std):
        with pytest.raises(g2r.LevelsError, match=r"mean|std"):
            g2r.prepare(self.gray, (mean, std), "NHW")

    def test_statistics_may_be_arrays(self):
        want = g2r.prepare(self.gray, ((0.1, 0.2, 0.3), 0.5), "NHW")
        means = np.array([0.1, 0.2, 0.3])
        for mean in (means.tolist(), means, means[:, None, None], means[None]):
            for stats in ((mean, [0.5]), [mean, np.array(0.5)], g2r.stats((mean, 0.5))):
                assert_same_bits(g2r.prepare(self.gray, stats, "NHW"), want)

    @pytest.mark.parametrize(
        "call",
        [
            lambda x: g2r.prepare(x, 0.449, 0.226),
            lambda x: g2r.prepare(x, (0.449,), (0.226,), "NHW"),
            lambda x: g2r.prepare(x, 0.449, std=0.226, layout="NHW"),
            lambda x: g2r.prepare(x, mean=0.449, std=0.226, layout="NHW"),
            lambda x: g2r.prepare(x, layout="NHW", std=0.226, stats=0.449),
            lambda x: g2r.prepare(x, np.array(0.449), np.array(0.226), "NHW"),
        ],
    )
    def test_mean_and_std_apart(self, call):
        pair = r"prepare\(\.\.\., stats=\(.*0\.449.*, .*0\.226.*\)\)"
        with pytest.raises(g2r.OptionError, match=pair):
            call(self.gray)

    @pytest.mark.parametrize("stats", ["imagenett", "resnet50", ""])
    def test_a_name_of_no_statistics(self, stats):
        with pytest.raises(g2r.OptionError, match="imagenet"):
            g2r.prepare(self.gray, stats, "NHW")

    @pytest.mark.parametrize("stats", [None, 0.5, (0.5,), (0.1, 0.2, 0.3), np.zeros(3), [[0.5]]])
    def test_no_pair(self, stats):
        with pytest.raises(g2r.LevelsError, match=r"a pair \(mean, std\)"):
            g2r.prepare(self.gray, stats, "NHW")

    @pytest.mark.parametrize("dtype", ["float64", np.int32, "bf16", object, None])
    def test_dtypes(self, dtype):
        with pytest.raises(g2r.DtypeError, match="float32, float16, bfloat16, uint8"):
            g2r.prepare(self.gray, (0.5, 0.5), "NHW", dtype=dtype)

    def test_bfloat16_for_numpy(self):
        with pytest.raises(g2r.DtypeError, match=r"torch.from_numpy"):
            g2r.prepare(self.gray, (0.5, 0.5), "NHW", dtype="bfloat16")

    @pytest.mark.parametrize("channels", [2, 4, 5])
    def test_channels(self, channels):
        with pytest.raises(g2r.ChannelError):
            g2r.prepare(np.zeros((5, 6, channels), np.uint8), (0.5, 0.5), "HWC")

    @pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
    def test_threads(self, threads):
        with pytest.raises(g2r.OptionError, match="threads"):
            g2r.prepare(self.gray, (0.5, 0.5), "NHW", threads=threads)

    def test_complex_and_strings(self):
        with pytest.raises(g2r.DtypeError, match="no order"):
            g2r.prepare(self.gray.astype(complex), (0.5, 0.5), "NHW", value_range=(0, 1))
        with pytest.raises(g2r.DtypeError):
            g2r.prepare("scan.png", (0.5, 0.5))

    def test_a_layout_that_could_be_two(self):
        with pytest.raises(g2r.LayoutError, match='"NHW"'):
            g2r.prepare(self.gray, (0.5, 0.5))

    @pytest.mark.parametrize(
        ("out", "error"),
        [
            (np.zeros((4, 3, 5, 6), np.float64), g2r.DtypeError),
            (np.zeros((4, 5, 6, 3), np.float32), g2r.LayoutError),
            (np.zeros((4, 3, 5, 12), np.float32)[..., ::2], g2r.LayoutError),
            ([0], g2r.DtypeError),
        ],
    )
    def test_out(self, engine, out, error):
        with pytest.raises(error, match=r"np.empty\(\(4, 3, 5, 6\)"):
            g2r.prepare(self.gray, (0.5, 0.5), "NHW->NCHW", out=out)

    def test_out_that_overlaps(self, engine):
        memory = np.zeros(4 * 3 * 5 * 6 * 4, np.uint8)
        out = memory.view(np.float32).reshape(4, 3, 5, 6)
        with pytest.raises(g2r.LayoutError, match="overlaps"):
            g2r.prepare(memory[:120].reshape(4, 5, 6), (0.5, 0.5), "NHW->NCHW", out=out)

    def test_pil(self):
        needs("pillow")
        from PIL import Image

        with pytest.raises(g2r.DtypeError, match=r"transforms\.Prepare"):
            g2r.prepare(Image.new("L", (4, 5)), (0.5, 0.5))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(psutil.Process(), "memory_maps"), reason="no high-water mark")
@pytest.mark.parametrize("engine", ["native", "numpy"])
@pytest.mark.parametrize("layout", ["NHW->NCHW", "NHW->NHWC"])
@pytest.mark.parametrize("view", ["", "[:, :, 8:]", "[:, ::-1]"])
def test_memory_over_the_result(engine, layout, view):
    """A call allocates at most 1 % of the size of its result."""
    if engine == "native":
        needs("native")
    code = f"""
import sys
if {engine!r} == "numpy":
    sys.modules["graytorgb._kernels"] = None
import numpy as np
import graytorgb as g2r
def kib(field):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
gray = np.ones((128, 384, 392), np.uint8){view}
g2r.prepare(gray[:2], (0.5, 0.5), {layout!r})
before = kib("VmRSS")
result = g2r.prepare(gray, (0.5, 0.5), {layout!r})
print(1024 * (kib("VmHWM") - before), result.nbytes)
"""
    used, nbytes = map(int, run_python(code).split())
    assert used <= 1.01 * nbytes, f"{used / nbytes - 1:.1%} over the result"


def test_the_kinds_agree_for_every_pair_of_dtypes():
    needs("torchvision", "native")
    import torch

    for dtype, target in itertools.product(EVERY, ("float32", "float16", "uint8")):
        x = EVERY[dtype]
        options = {"value_range": RANGES.get(dtype, (0, 1)), "dtype": target}
        want = g2r.prepare(x, (0.5, 0.25), "NHW->NCHW", **options)
        result = g2r.prepare(torch.from_numpy(x), (0.5, 0.25), "NHW->NCHW", **options)
        assert_same_bits(result.numpy(), want)
