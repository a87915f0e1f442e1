"""The contract of a kind: the tests that every kind of array passes, with NumPy as the oracle.

A subclass says how an array of the kind is made and read, and in which way the verbs are called:
eagerly, or in a graph. See tests/kinds/test_kinds.py for how little that is.
"""

import warnings
from fractions import Fraction
from functools import partial
from typing import ClassVar

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb.backends.registry import BACKENDS

from ..support import needs, oracle
from .gray_contract import GrayContract
from .held import FLOATS, bits_of, numpy_dtype

LAYOUTS = ["HW->HWC", "HW->CHW", "NHW->NHWC", "NHW->NCHW", "HWN->NCHW", "NTHW->NTHWC",
           "NTHW->NCTHW"]  # fmt: skip
SHAPE = {"N": 2, "T": 3, "H": 5, "W": 6, "C": 1}
RANGES = [(0, 255), (0, 4095), (-7, 3.25), (100, 101), (0.1, 0.7), (-1e9, 3e9), (1e6, 1e6 + 1)]


def awkward_values(name, lo, hi):
    """Return values of a dtype at, around and beyond the levels of a range; none is NaN."""
    dtype = numpy_dtype(name)
    rng = np.random.default_rng(0)
    if dtype.kind in "biu" and dtype.itemsize <= 2:
        end = 1 if dtype.kind == "b" else np.iinfo(dtype).max
        every = np.arange(0 if dtype.kind == "b" else np.iinfo(dtype).min, end + 1)
        return every.astype(dtype).reshape(2, -1)
    ties = lo + (hi - lo) * (np.arange(-3, 514) / 510)
    values = np.concatenate([ties, rng.uniform(lo - 1, hi + 1, 495)])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        near = np.floor(values).clip(info.min, float(info.max) / 1.01).astype(dtype)
        ends = np.array([info.min, info.max, info.max // 2], dtype)
        return np.concatenate([near, ends])[None]
    with np.errstate(over="ignore"):
        values = values.astype(dtype)
    wide = values.astype(np.float64 if name == "float64" else np.float32)
    around = [np.nextafter(wide, np.array(end, wide.dtype)) for end in (-np.inf, np.inf)]
    ends = np.array([np.inf, -np.inf, 0.0, -0.0], wide.dtype)
    with np.errstate(over="ignore"):
        return np.concatenate([wide, *around, ends])[None].astype(dtype)


class KindContract(GrayContract):
    """The tests of all verbs; a subclass defines what :class:`HeldKind` says."""

    targets: ClassVar = ["float32", "float16", "uint8"]  # of prepare
    layouts: ClassVar = LAYOUTS
    ranges: ClassVar = [*RANGES, "dtype"]
    shares = False  # whether numpy shares the arrays' memory, so that the backends do the work
    views = False  # whether copy=False gives a view
    composites = False
    text: ClassVar = ""  # the library, as its messages call it

    def test_bits_are_the_oracles(self):
        for number, name in enumerate(self.dtypes):
            for layout in self.choose(self.layouts, number):
                source = layout.partition("->")[0]
                gray = bits_of(name, tuple(SHAPE[a] for a in source))
                result = self.run(lambda x, layout=layout: g2r.to_rgb(x, layout), gray)
                self.same(result, oracle(gray, layout))

    def test_a_missing_channel(self):
        gray = bits_of("uint8", (2, 5, 6))
        layout = "NHW->NCHW" if self.channels_first else "NHW->NHWC"
        self.same(self.run(lambda x: g2r.to_rgb(x, "NHW"), gray), oracle(gray, layout))

    @pytest.mark.parametrize("layout", ["NHWC->NHWC", "NHWC->NCHW", "NCHW->NHWC", "NCHW->NCHW"])
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
    def test_a_channel_of_one_is_replaced_and_rgb_passes(self, layout, dtype):
        source, target = layout.split("->")
        gray = bits_of(dtype, (2, 5, 6))
        expected = oracle(gray, f"NHW->{target}")
        one = np.expand_dims(gray, source.index("C"))
        self.same(self.run(lambda x: g2r.to_rgb(x, layout), one), expected)
        rgb = np.ascontiguousarray(oracle(gray, f"NHW->{source}"))
        rgb[...] = bits_of(dtype, rgb.shape)
        moved = np.ascontiguousarray(rgb.transpose([source.index(a) for a in target]))
        self.same(self.run(lambda x: g2r.to_rgb(x, layout, copy=True), rgb), moved)

    @pytest.mark.parametrize("shape", [(0, 5, 6), (4, 0, 6), (1, 1, 1), (1, 5, 1), (1, 1, 7)])
    def test_empty_and_single_axes_are_kept(self, shape):
        gray = bits_of("uint8", shape)
        for layout in ("NHW->NHWC", "NHW->NCHW"):
            self.same(self.run(lambda x, layout=layout: g2r.to_rgb(x, layout), gray),
                      oracle(gray, layout))  # fmt: skip
        self.same(self.run(lambda x: g2r.to_uint8(x, (0, 255)), gray), gray)
        result = self.run(lambda x: g2r.prepare(x, (0.5, 0.5), "NHW->NCHW"), gray)
        assert result.shape == (shape[0], 3, *shape[1:])

    @pytest.mark.parametrize(
        ("shape", "axes"),
        [((5, 6), "HW"), ((5, 6, 1), "HWC"), ((1, 5, 6), "CHW"), ((7, 1, 5, 6), "NCHW"),
         ((7, 5, 6, 1), "NHWC"), ((64, 8, 8), None), ((3, 8, 8), None), ((2, 1, 8, 3), None)],
    )  # fmt: skip
    def test_inference_is_numpys(self, shape, axes):
        gray = bits_of("uint8", shape)
        if axes is None:
            with pytest.raises(g2r.LayoutError, match="say the layout"):
                self.run(g2r.to_rgb, gray)
            return
        result = self.run(g2r.to_rgb, gray)
        assert result.shape == self.run(lambda x: g2r.to_rgb(x, axes), gray).shape

    def test_alpha(self):
        for channels in (2, 4):
            x = bits_of("uint8", (5, 6, channels))
            kept = x[..., : channels - 1]
            result = self.run(lambda x: g2r.to_rgb(x, "HWC", alpha="drop"), x)
            self.same(result, np.ascontiguousarray(np.broadcast_to(kept, (5, 6, 3))))
            with pytest.raises(g2r.ChannelError, match='alpha="drop"'):
                self.run(lambda x: g2r.to_rgb(x, "HWC"), x)
            if self.composites:
                mixed = self.run(lambda x: g2r.to_rgb(x, "HWC", alpha=(1, 2, 3)), x)
                self.same(mixed, g2r.to_rgb(x, "HWC", alpha=(1, 2, 3)))
                continue
            with pytest.raises(g2r.DtypeError, match=f'{self.text}.*alpha="drop"'):
                self.run(lambda x: g2r.to_rgb(x, "HWC", alpha=(1, 2, 3)), x)

    @pytest.mark.parametrize("backend", [n for n in BACKENDS if n != "broadcast"])
    def test_a_numpy_backend_by_name(self, backend):
        if self.shares:
            needs(backend)
            gray = bits_of("uint8", (2, 5, 6))
            layout = "NHW->NCHW"
            result = self.run(lambda x: g2r.to_rgb(x, layout, backend=backend), gray)
            self.same(result, oracle(gray, layout))
            return
        with pytest.raises(g2r.DtypeError, match=f'{backend}.*{self.text}.*backend="auto"'):
            self.run(lambda x: g2r.to_rgb(x, "NHW", backend=backend), bits_of("uint8", (2, 5, 6)))

    def test_views(self):
        gray = bits_of("float32", (2, 5, 6))
        for options in ({"copy": False}, {"backend": "broadcast"}):

            def call(x, options=options):
                return g2r.to_rgb(x, "NHW->NHWC", **options)

            if self.views:
                self.same(self.run(call, gray), oracle(gray, "NHW->NHWC"))
                continue
            with pytest.raises(g2r.LayoutError, match=f"{self.text}.*copy=False"):
                self.run(call, gray)
        copied = self.run(
            lambda x: g2r.to_rgb(x, "NHW->NHWC", backend="broadcast", copy=True), gray
        )
        self.same(copied, oracle(gray, "NHW->NHWC"))

    @pytest.mark.parametrize("of", ["kind", "numpy"])
    def test_out(self, of):
        gray = bits_of("uint8", (2, 5, 6))
        out = np.empty((2, 5, 6, 3), np.uint8)
        out = self.make(out) if of == "kind" else out
        if self.shares and of == "kind":
            assert g2r.to_rgb(self.make(gray), "NHW->NHWC", out=out) is out
            self.same(self.read(out), oracle(gray, "NHW->NHWC"))
            return
        told = "out must be of the input's kind" if self.shares else f"{self.text}.*leave out= away"
        for call in (
            lambda x: g2r.to_rgb(x, "NHW->NHWC", out=out),
            lambda x: g2r.prepare(x, (0.5, 0.5), "NHW->NHWC", out=out),
            lambda x: g2r.to_uint8(x, (0, 1), out=out),
        ):
            with pytest.raises(g2r.DtypeError, match=told):
                self.run(call, gray)

    @pytest.mark.filterwarnings("ignore:more than half of an image is above")
    def test_levels_are_numpys(self):
        for number, name in enumerate(self.levels):
            for value_range in self.choose(self.ranges, number):
                lo, hi = (0, 1) if value_range == "dtype" else value_range
                values = awkward_values(name, lo, hi)
                if numpy_dtype(name).itemsize == 1 and name != "bool" and max(hi, hi - lo) > 256:
                    with pytest.raises(g2r.LevelsError, match="pixels go to 255 at most"):
                        self.run(lambda x, r=value_range: g2r.to_uint8(x, r), values)
                    continue
                if value_range == "dtype" and "float" in name:
                    values = values.clip(0, 1)
                plain = values if hasattr(np, name) else values.astype(np.float32)
                expected = g2r.to_uint8(plain, value_range)
                result = self.run(lambda x, r=value_range: g2r.to_uint8(x, r), values)
                assert result.dtype == np.uint8
                wrong = plain[result != expected]
                assert (result == expected).all(), (name, value_range, wrong[:5])

    @pytest.mark.parametrize("policy", ["minmax", ("percentile", 2, 97), ("percentile", 0, 50)])
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
    def test_policies_that_look(self, policy, dtype):
        values = np.random.default_rng(0).normal(100, 20, (9, 31, 33)).astype(dtype)
        stated = {"value_range": policy}
        if not self.sees:
            for call in (
                lambda x: g2r.to_uint8(x, policy),
                lambda x: g2r.prepare(x, (0.5, 0.5), "NHW", **stated),
            ):
                with pytest.raises(g2r.LevelsError, match="state the range"):
                    self.run(call, values)
            return
        expected = g2r.to_uint8(values, policy)
        self.same(self.run(lambda x: g2r.to_uint8(x, policy), values), expected)
        prepared = self.run(lambda x: g2r.prepare(x, (0.5, 0.5), "NHW->NCHW", **stated), values)
        wanted = g2r.prepare(values, (0.5, 0.5), "NHW->NCHW", **stated)
        assert np.abs(prepared - wanted).max() <= 1e-6
        empty = self.run(lambda x: g2r.to_uint8(x, policy), values[:0])
        assert empty.shape == (0, 31, 33)

    @pytest.mark.parametrize("dtype", FLOATS)
    def test_nan_has_no_level(self, dtype):
        if dtype not in self.levels:
            return
        values = np.linspace(0, 1, 24).reshape(4, 6).astype(numpy_dtype(dtype))
        values[2, 3] = np.nan
        with pytest.raises(self.refuses, match="a value is NaN"):
            self.run(lambda x: g2r.to_uint8(x, (0, 1)), values)

    def test_complex_values_have_no_order(self):
        values = np.zeros((4, 6), np.complex64)
        for call in (
            lambda x: g2r.to_uint8(x, (0, 1)),
            lambda x: g2r.prepare(x, (0.5, 0.5), value_range=(0, 1)),
        ):
            with pytest.raises(g2r.DtypeError, match="no order"):
                self.run(call, values)

    def test_an_unknown_or_empty_range(self):
        for value_range in ("percentile", (5, 5), (0, np.nan)):
            with pytest.raises(g2r.LevelsError):
                self.run(lambda x, r=value_range: g2r.to_uint8(x, r), np.zeros((4, 6), np.uint8))

    @pytest.mark.filterwarnings("ignore:more than half of an image is above")
    def test_prepare_is_the_formula(self):
        mean, std = g2r.stats("imagenet")
        for number, name in enumerate(self.levels):
            lo, hi = (0, 1) if numpy_dtype(name).kind not in "iu" else (3, 120)
            shape = (2, 5, 6)
            values = np.random.default_rng(1).uniform(lo - 1, hi + 1, shape).round(3)
            values = values.clip(0).astype(numpy_dtype(name))
            for place, layout in enumerate(("NHW->NCHW", "NHW->NHWC")):
                at = [3 if i == layout[5:].index("C") else 1 for i in range(4)]
                scaled = (values.astype(float) - lo).clip(0, hi - lo) / (hi - lo)
                scaled = np.expand_dims(scaled, layout[5:].index("C"))
                exact = (scaled - np.reshape(mean, at)) / np.reshape(std, at)
                # each graph is compiled: all pairs of dtype, layout and target, but not all triples
                chosen = slice(None) if self.sees else slice((number + place) % 2, None, 2)
                for target in self.targets[chosen]:
                    result = self.run(
                        lambda x, layout=layout, target=target, lo=lo, hi=hi: g2r.prepare(
                            x, (mean, std), layout, value_range=(lo, hi), dtype=target
                        ),
                        values,
                    )
                    assert result.dtype == numpy_dtype(target)
                    want = exact.clip(0, 255) if target == "uint8" else exact
                    tolerance = {"float32": 1e-6, "float16": 2e-3, "bfloat16": 2e-2}.get(
                        target, 0.5
                    )
                    assert np.abs(result.astype(float) - want).max() <= tolerance, (name, target)

    def test_prepare_of_rgb_and_far_from_zero(self):
        mean, std = g2r.stats("imagenet")
        rgb = bits_of("uint8", (2, 5, 6, 3))
        result = self.run(lambda x: g2r.prepare(x, (mean, std), "NHWC->NCHW"), rgb)
        assert np.abs(result - g2r.prepare(rgb, (mean, std), "NHWC->NCHW")).max() <= 1e-6
        far = np.linspace(1e6, 1e6 + 1, 17, dtype=np.float32).reshape(1, 17)
        stated = {"value_range": (1e6, 1e6 + 1)}
        result = self.run(lambda x: g2r.prepare(x, (mean, std), "HW->HWC", **stated), far)
        assert np.abs(result - g2r.prepare(far, (mean, std), "HW->HWC", **stated)).max() <= 1e-6

    def test_prepare_of_integers_far_from_zero(self):
        mean, std = g2r.stats("imagenet")
        cases = [
            ("int32", (10**9, 10**9 + 100)),
            ("int32", (-(2**31), 2**31 - 1)),
            ("int32", (2**40, 2**41)),
            ("uint32", (2**32 - 300.5, 2**32 - 40.25)),
            ("int64", (10**12, 10**12 + 100)),
            ("int64", "dtype"),
            ("uint64", "dtype"),
        ]
        for name, stated in cases:
            if name not in self.levels:
                continue
            info = np.iinfo(name)
            lo, hi = (int(info.min), int(info.max)) if stated == "dtype" else stated
            first, last = max(int(lo) - 9, int(info.min)), min(int(hi) + 9, int(info.max))
            if first > last:  # a range that the dtype doesn't reach
                first, last = int(info.min), int(info.max)
            x = np.random.default_rng(0).integers(first, last, (5, 6), name, endpoint=True)
            low, span = Fraction(lo), Fraction(hi) - Fraction(lo)
            scaled = [float(min(max((int(v) - low) / span, 0), 1)) for v in x.flat]
            scaled = np.reshape(scaled, (5, 6, 1))
            result = self.run(
                lambda x, r=stated: g2r.prepare(x, (mean, std), "HW->HWC", value_range=r), x
            )
            wrong = np.abs(result - (scaled - mean) / std).max()
            assert wrong <= 1e-6, (name, stated)

    @pytest.mark.parametrize("bad", [200.0, -0.5, np.nan])
    def test_floats_that_are_not_from_0_to_1(self, bad):
        values = np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)
        fine = self.run(lambda x: g2r.prepare(x, (0.0, 1.0), "HW->HWC"), values)
        assert np.abs(fine - values[..., None]).max() <= 1e-6
        values[1, 2] = bad
        with pytest.raises(self.refuses, match=r"NaN|unless you say"):
            self.run(lambda x: g2r.prepare(x, (0.5, 0.5)), values)

    @pytest.mark.parametrize("policy", [(0, 255), (0, 4095), (0, 1), (-3, 7), "dtype", "minmax"])
    def test_bool_is_black_and_white_in_any_range(self, policy):
        if "bool" not in self.levels:
            return
        mask = np.arange(24).reshape(4, 6) % 3 == 1
        white = np.full((4, 6), True)
        to_levels = partial(g2r.to_uint8, value_range=policy)
        # these functions are made once, because a graph compiles each of them
        prepares = [
            partial(g2r.prepare, stats=(0.5, 0.25), layout="HW->HWC", value_range=stated)
            for stated in (policy, None)
        ]
        for x in (mask, white, ~white):
            self.same(self.run(to_levels, x), x * np.uint8(255))
            for prepare in prepares:
                result = self.run(prepare, x)
                self.same(result, np.stack([np.where(x, 2, -2).astype(np.float32)] * 3, -1))

    @pytest.mark.parametrize("dtype", ["uint8", "int8"])
    def test_8_bits_under_a_range_of_more(self, dtype):
        x = np.arange(24, dtype=dtype).reshape(4, 6)
        for value_range in ((0, 4095), (0, 511), (-1024, 127), (100.5, 357)):
            stated = {"value_range": value_range}
            for call in (
                lambda x, r=value_range: g2r.to_uint8(x, r),
                lambda x, o=stated: g2r.prepare(x, (0.5, 0.5), "HW", **o),
            ):
                with pytest.raises(g2r.LevelsError, match="lost when it was opened"):
                    self.run(call, x)
        assert self.run(lambda x: g2r.to_uint8(x, (0, 256)), x).max() == 23

    @pytest.mark.parametrize("bad", [255.0, -1.0, 1.5, np.inf])
    def test_floats_beyond_0_to_1_under_dtype(self, bad):
        values = np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)
        values[1, 2] = bad
        for call in (
            lambda x: g2r.to_uint8(x, "dtype"),
            lambda x: g2r.prepare(x, (0.5, 0.5), "HW", value_range="dtype"),
        ):
            with pytest.raises(self.refuses, match="unless you say their range"):
                self.run(call, values)

    @pytest.mark.parametrize("dtype", FLOATS)
    def test_a_rounding_error_beyond_0_to_1_is_saturated(self, dtype):
        """Values of float16 just above 1 are no error: the next one after 1 is 2**-10 away."""
        if dtype not in self.levels:
            return
        values = np.array([[-(2**-10), -1e-7, 0, 0.25, 1, 1 + 1e-7, 1 + 2**-10]])
        values = values.astype(numpy_dtype(dtype))
        levels = self.run(lambda x: g2r.to_uint8(x, "dtype"), values)
        assert levels.tolist() == [[0, 0, 0, 64, 255, 255, 255]]
        for stated in (None, "dtype"):
            result = self.run(
                lambda x, r=stated: g2r.prepare(x, (0.5, 0.25), "HW->HWC", value_range=r), values
            )
            assert result[0, :, 1].tolist() == [-2, -2, -2, -1, 2, 2, 2]

    def test_most_of_an_image_above_the_range_is_told_once(self):
        deep = np.arange(1024, 65536, 504, dtype=np.uint16).reshape(8, 16)
        deep[-1, -1] = 65535
        half = np.where(np.arange(128).reshape(8, 16) % 2, deep, 0).astype(np.uint16)
        for dtype in ("uint16", "float32"):
            x, y = deep.astype(dtype), half.astype(dtype)
            for call in (
                lambda x, hi: g2r.to_uint8(x, (0, hi)),
                lambda x, hi: g2r.prepare(x, (0.5, 0.5), "HW", value_range=(0, hi)),
            ):
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    in_4095 = partial(call, hi=4095)  # one function, which a graph compiles once
                    for image in (y, x, x, x // 2):
                        self.run(in_4095, image)
                    self.run(partial(call, hi=2047), x)
                texts = [str(w.message) for w in caught if "more than half" in str(w.message)]
                if not self.sees:
                    assert texts == []
                    continue
                assert len(texts) == 2
                assert "(0, 4095)" in texts[0]
                assert "(0, 2047)" in texts[1]
                largest = {str(block.max()) for block in (deep, deep[:4], deep[:, :8])}
                assert any(f"largest value is {v}" in texts[0] for v in [65535, *largest])

    @pytest.mark.parametrize("policy", ["minmax", ("percentile", 1, 99)])
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float32"])
    def test_no_contrast_is_black_and_told_once(self, policy, dtype):
        if not self.sees or dtype not in self.levels:
            return
        x = np.full((4, 6), 7, dtype)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(2):
                levels = self.run(lambda x: g2r.to_uint8(x, policy), x)
                self.same(levels, np.zeros((4, 6), np.uint8))
                result = self.run(
                    lambda x: g2r.prepare(x, (0.5, 0.25), "HW->HWC", value_range=policy), x
                )
                self.same(result, np.full((4, 6, 3), -2, np.float32))
        assert len([w for w in caught if "no contrast" in str(w.message)]) == 1

    @pytest.mark.parametrize(
        "value_range", [(-1e308, 1e308), (0, 5e-324), (1e-320, 2e-320), (-1.7e308, 1.7e308)]
    )
    @pytest.mark.parametrize("dtype", ["uint16", "float32"])
    def test_a_range_that_float64_cannot_scale(self, value_range, dtype):
        x = np.zeros((4, 6), dtype)
        with pytest.raises(g2r.LevelsError, match="float64 can't scale"):
            self.run(lambda x: g2r.prepare(x, (0.5, 0.5), value_range=value_range), x)
        with pytest.raises(g2r.LevelsError, match="float64 can't scale"):
            self.run(lambda x: g2r.to_uint8(x, value_range), x)

    def test_a_range_that_float32_does_not_hold(self):
        x = np.array([[0, 1e30, 3e38]], np.float32)
        for value_range in ((0, 1e40), (-1e300, 1e300), (0, 1e-40)):
            stated = {"value_range": value_range}
            if "float64" not in self.dtypes:
                with pytest.raises(g2r.DtypeError, match="float64"):
                    self.run(lambda x, o=stated: g2r.prepare(x, (0, 1), "HW->HWC", **o), x)
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # (0, 1e-40) makes most of it white
                result = self.run(lambda x, o=stated: g2r.prepare(x, (0, 1), "HW->HWC", **o), x)
            lo, hi = value_range
            want = ((x.astype(np.float64) - lo) / (hi - lo)).clip(0, 1)[..., None]
            assert np.abs(result - want).max() <= 1e-6

    def test_a_depth_that_is_not_told(self):
        for verb in (lambda x: g2r.prepare(x, (0.5, 0.5)), g2r.to_uint8):
            with pytest.raises(g2r.LevelsError, match="doesn't tell how deep"):
                self.run(verb, np.zeros((4, 6), np.uint16))

    def test_a_range_that_the_dtype_tells(self):
        for name in ("uint8", "bool", "float16", "float32"):
            if name in self.levels:
                x = (np.arange(24).reshape(4, 6) % 2).astype(name)
                expected = x if name == "uint8" else (x * 255).astype(np.uint8)
                self.same(self.run(g2r.to_uint8, x), expected)
        wrong = np.full((4, 6), 1.5, np.float32)
        with pytest.raises(self.refuses, match="unless you say their range"):
            self.run(g2r.to_uint8, wrong)

    def test_what_was_given_is_told(self):
        with pytest.raises(g2r.LayoutError) as caught:
            self.run(g2r.to_rgb, np.zeros((9, 4, 6), np.uint8))
        assert len(caught.value.args) == 2
        assert str(caught.value).splitlines()[1].startswith("given: ")
        assert "uint8" in str(caught.value).splitlines()[1]
