"""The contract of a kind for ``to_gray``, with NumPy as the oracle."""

from typing import ClassVar

import numpy as np
import pytest

import graytorgb as g2r

from .held import HeldKind, bits_of, numpy_dtype

SIZES = {"N": 2, "T": 3, "H": 5, "W": 6, "C": 3}
LAYOUTS = ["HWC->HW", "HWC->CHW", "NHWC->NHW", "NHWC->NHWC", "NCHW->NHW", "NCHW->NHWC",
           "HWCN->NWH", "NTCHW->NTHW"]  # fmt: skip
WEIGHTS = ["luma", "equal", "any"]


def colors_of(name):
    """Return colors of a dtype, (2, 5, 6, 3): random ones, gray ones, and its ends."""
    dtype, shape = numpy_dtype(name), (2, 5, 6, 3)
    if dtype.kind in "biu":
        colors = bits_of(name, shape)
        limits = [0, 1] if name == "bool" else [np.iinfo(dtype).min, np.iinfo(dtype).max]
        ends = np.array(limits, dtype)
        colors[0, 0, :4] = ends[[[0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 1]]]
        colors[0, 1] = np.arange(18).reshape(6, 3).astype(dtype)
        colors[0, 2] = colors[0, 2, :, :1]
        return colors
    colors = np.random.default_rng(3).normal(0, 100, shape).astype(dtype)
    colors[0, 2] = colors[0, 2, :, :1]
    colors[0, 0, :2] = np.array([[0.0], [-0.0]], dtype)
    if name in ("float16", "float32", "float64"):
        most = np.finfo(dtype).max
        colors[0, 0, 2:5] = [[most, -most, 0], [most, most, most], [np.inf, 0, 1]]
        colors[0, 1, :2] = [[np.inf] * 3, [-np.inf] * 3]
    return colors


def expected_gray(colors, weights):
    """Return NumPy's result for (2, 5, 6, 3); for a dtype that it lacks, that of float32."""
    plain = colors if hasattr(np, colors.dtype.name) else colors.astype(np.float32)
    return g2r.to_gray(plain, "NHWC->NHW", weights=weights).astype(colors.dtype)


def luma_of_bytes(colors, layout):
    """Return what Pillow makes of bytes, in the axes of a layout."""
    source, target = layout.split("->")
    red, green, blue = np.moveaxis(colors, source.index("C"), 0).astype(int)
    gray = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
    axes = source.replace("C", "")
    gray = gray.transpose([axes.index(a) for a in target if a != "C"]).astype(np.uint8)
    return np.expand_dims(gray, target.index("C")) if "C" in target else gray


class GrayContract(HeldKind):
    """The tests of ``to_gray``."""

    gray_layouts: ClassVar = LAYOUTS

    def gray_by(self, weights, layout="NHWC->NHW"):
        return lambda x: g2r.to_gray(x, layout, weights=weights)

    def test_gray_has_numpys_bits(self):
        for number, name in enumerate(self.dtypes):
            if not name.startswith("complex"):
                colors = colors_of(name)
                for weights in self.choose(("luma", "equal"), number):
                    result = self.run(self.gray_by(weights), colors)
                    wrong = colors[result != expected_gray(colors, weights)]
                    assert wrong.size == 0, (name, weights, wrong[:4])
                    self.same(result, expected_gray(colors, weights))

    def test_gray_in_every_layout(self):
        for layout in self.gray_layouts:
            shape = tuple(SIZES[a] for a in layout.partition("->")[0])
            colors = bits_of("uint8", shape)
            result = self.run(self.gray_by("luma", layout), colors)
            self.same(result, luma_of_bytes(colors, layout))

    def test_gray_without_an_arrow(self):
        colors = bits_of("uint8", (2, 5, 6, 3))
        target = "NHWC" if self.channels_first else "NHW"
        result = self.run(self.gray_by("luma", "NHWC"), colors)
        self.same(result, luma_of_bytes(colors, f"NHWC->{target}"))
        gray = bits_of("uint8", (2, 5, 6))
        result = self.run(self.gray_by("luma", "NHW"), gray)
        self.same(result, np.expand_dims(gray, 1) if self.channels_first else gray)

    def test_gray_passes_bit_for_bit(self):
        for name in self.dtypes:
            gray = bits_of(name, (2, 5, 6, 1))
            self.same(self.run(self.gray_by("luma"), gray), gray[..., 0].copy())

    @pytest.mark.parametrize("weights", WEIGHTS)
    def test_gray_comes_back_from_rgb(self, weights):
        for name in ("bool", "uint8", "uint64", "bfloat16", "float32", "float64"):
            if name in self.levels:
                gray = colors_of(name)[0, :3]  # with infinity and -0.0
                gray = np.where(np.isnan(gray.astype(np.float64)), 1, gray).astype(gray.dtype)

                def back(x):
                    return g2r.to_gray(g2r.to_rgb(x, "NHW->NHWC"), "NHWC->NHW", weights=weights)

                self.same(self.run(back, gray), gray)

    def test_any_takes_one_channel(self):
        names = [n for n in ("bool", "uint16", "uint64", "float32", "complex64", "float8_e5m2")
                 if n in self.dtypes]  # fmt: skip
        for name in names:
            gray = bits_of(name, (2, 5, 6))  # of floats some are NaN
            colors = np.stack([gray] * 3, -1)
            self.same(self.run(self.gray_by("any"), colors), gray)

    @pytest.mark.parametrize("name", ["uint8", "uint32", "int64", "float32", "bfloat16"])
    def test_any_refuses_colors(self, name):
        if name not in self.dtypes:
            return
        colors = np.full((2, 5, 6, 3), 20, numpy_dtype(name))
        colors[0, 1, 2] = 10, 10, 17
        refused = g2r.ChannelError if self.refuses is g2r.LevelsError else self.refuses
        told = "known in a graph" if not self.sees else r"by 7(\.0)? at most, in \(10"
        with pytest.raises(refused, match=told):
            self.run(self.gray_by("any"), colors)

    @pytest.mark.parametrize(
        ("shape", "weights"),
        [((0, 5, 6, 3), "luma"), ((2, 0, 6, 3), "any"), ((1, 1, 1, 3), "equal")],
    )
    def test_gray_of_empty_and_single_axes(self, shape, weights):
        result = self.run(self.gray_by(weights, "NHWC->NCHW"), np.full(shape, 7, np.uint8))
        self.same(result, np.full((shape[0], 1, *shape[1:3]), 7, np.uint8))

    def test_gray_of_alpha_and_of_other_counts(self):
        for channels in (2, 4):
            x = bits_of("uint8", (5, 6, channels))
            with pytest.raises(g2r.ChannelError, match=r'to_gray\(to_rgb\(x.*alpha="drop"'):
                self.run(self.gray_by("luma", "HWC"), x)

            def drop(x):
                return g2r.to_gray(g2r.to_rgb(x, "HWC", alpha="drop"), "HWC->HW", weights="equal")

            kept = np.broadcast_to(x[..., : channels - 1], (5, 6, 3))
            self.same(self.run(drop, x), g2r.to_gray(kept, "HWC->HW", weights="equal"))
        told = r'5 entries.*to_gray\(x, "NHW"\)|here is another number'  # found when a graph runs
        refused = g2r.ChannelError if self.refuses is g2r.LevelsError else self.refuses
        with pytest.raises((g2r.ChannelError, refused), match=told):
            self.run(self.gray_by("luma", "HWC"), np.zeros((7, 6, 5), np.uint8))

    def test_gray_of_complex_colors_has_no_weights(self):
        if "complex64" in self.dtypes:
            with pytest.raises(g2r.DtypeError, match="complex values have no brightness"):
                self.run(self.gray_by("luma"), np.zeros((2, 5, 6, 3), np.complex64))

    def test_gray_of_unknown_weights(self):
        with pytest.raises(g2r.OptionError, match="weights is"):
            self.run(self.gray_by("bt709"), np.zeros((2, 5, 6, 3), np.uint8))
