"""``BackendContract``: the tests that every backend passes, with NumPy as the oracle."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..backends.registry import BACKENDS, lookup
from ..errors import DtypeError, LayoutError
from ..functional.to_rgb import to_rgb
from .arrays import (
    NUMBERS,
    Array,
    assert_own_memory,
    assert_same_bits,
    awkward_arrays,
    oracle,
    random_bits,
    shapes,
)

# Layouts by the number of axes of the gray array
LAYOUTS = {
    2: ["HW->HWC", "HW->CHW", "HW->HCW", "WH->HWC"],
    3: ["NHW->NHWC", "NHW->NCHW", "NHW->CNHW", "HWN->NCHW", "NHW->WCNH"],
    4: ["NTHW->NTHWC", "NTHW->NTCHW", "NTHW->TNHCW"],
}

# The classes of several backends inherit one test, which hypothesis takes for a mistake.
_many = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)


class BackendContract:
    """The contract of a backend as pytest tests; inherit it and name the backend.

    The backend is one that :func:`graytorgb.register_backend` or an entry point added. Every test
    converts through :func:`graytorgb.to_rgb`, and compares with NumPy's result bit for bit.

    Attributes
    ----------
    backend : str
        The backend's name.

    Examples
    --------
    A whole test file::

        from graytorgb import register_backend
        from graytorgb.testing import BackendContract

        register_backend("mine", "my_package.backend", dtypes=["uint8"])

        class TestMine(BackendContract):
            backend = "mine"
    """

    backend: str

    def convert(self, gray: Array, layout: str | None = None, **options: Any) -> Array:
        """Convert an array by the backend."""
        return to_rgb(gray, layout, backend=self.backend, **options)

    def makes_views(self) -> bool:
        """Return whether the backend's result is a view."""
        return self.backend != "auto" and lookup(self.backend).result == "view"

    def takes(self, dtype: np.dtype[Any]) -> bool:
        """Return whether the backend takes a dtype."""
        return self.backend == "auto" or lookup(self.backend).takes(dtype)

    def dtypes(self) -> list[np.dtype[Any]]:
        """Return the dtypes that the backend takes, uint8 first if it is among them."""
        return sorted(filter(self.takes, NUMBERS), key=lambda dtype: dtype != np.uint8)

    def random(self, *shape: int) -> Array:
        """Return an array of any bits, of a dtype that the backend takes."""
        return random_bits(shape, self.dtypes()[0])

    def draw_array(self, data: st.DataObject) -> tuple[Array, str]:
        """Draw an array in any memory, and a layout for its number of axes."""
        ndim = data.draw(st.sampled_from(list(LAYOUTS)))
        layout = data.draw(st.sampled_from(LAYOUTS[ndim]))
        return data.draw(awkward_arrays(shapes(ndim), st.sampled_from(self.dtypes()))), layout

    @_many
    @given(data=st.data())
    def test_bits_are_the_oracles(self, data: st.DataObject) -> None:
        """The result has NumPy's bits, in memory of its own or as a view, as the backend says."""
        gray, layout = self.draw_array(data)
        result = self.convert(gray, layout)
        assert_same_bits(result, oracle(gray, layout))
        if self.makes_views():
            assert not result.flags.writeable
            assert np.shares_memory(result, gray)
            assert result.strides[layout.split("->")[1].index("C")] == 0
        else:
            assert_own_memory(result, gray)

    @pytest.mark.parametrize("layout", ["HW->HWC", "HW->CHW"])
    def test_reversed_single_axes(self, layout: str) -> None:
        """Reversed axes of size 1 are right: NumPy calls them contiguous, at a negative stride."""
        for gray in (self.random(1, 9)[::-1], self.random(9, 1)[:, ::-1]):
            assert_same_bits(self.convert(gray, layout), oracle(gray, layout))

    @_many
    @given(data=st.data())
    def test_out_is_filled_and_returned(self, data: st.DataObject) -> None:
        """``out=`` holds the result and is returned."""
        gray, layout = self.draw_array(data)
        expected = oracle(gray, layout)
        out = np.empty(expected.shape, expected.dtype)
        assert self.convert(gray, layout, out=out) is out
        assert_same_bits(out, expected)

    @_many
    @given(data=st.data())
    def test_copy_true_never_shares(self, data: st.DataObject) -> None:
        """``copy=True`` gives memory of its own, with every backend."""
        gray, layout = self.draw_array(data)
        result = self.convert(gray, layout, copy=True)
        assert_same_bits(result, oracle(gray, layout))
        assert_own_memory(result, gray)

    def test_copy_false_is_a_view_or_an_error(self) -> None:
        """``copy=False`` gives a read-only view that shows the input's changes, or raises."""
        gray = self.random(4, 5, 6)
        if self.makes_views() or self.backend == "auto":
            result = self.convert(gray, "NHW", copy=False)
            assert_same_bits(result, oracle(gray, "NHW->NHWC"))
            gray.view(np.uint8)[0, 0, 0] ^= 1  # a view sees it
            assert result[0, 0, 0].tobytes() == 3 * gray[0, 0, 0].tobytes()
            with pytest.raises(ValueError, match="read-only"):
                result[0, 0, 0] = 0
        else:
            with pytest.raises(LayoutError, match='backend="broadcast"'):
                self.convert(gray, "NHW", copy=False)

    @pytest.mark.parametrize("dtype", NUMBERS, ids=lambda d: d.name)
    def test_every_dtype_is_carried_or_refused_by_name(self, dtype: np.dtype[Any]) -> None:
        """A dtype is converted, or refused with the names of the backends that take it."""
        gray = random_bits((3, 16, 17), dtype)
        if self.takes(dtype):
            for layout in ("NHW->NHWC", "NHW->NCHW"):
                assert_same_bits(self.convert(gray, layout, copy=True), oracle(gray, layout))
            return
        with pytest.raises(DtypeError) as caught:
            self.convert(gray, "NHW")
        text = str(caught.value)
        assert dtype.name in text
        able = text.split("these can: ")[1].split("\n")[0].split(", ")
        assert able == ["auto", *(n for n, e in BACKENDS.items() if e.takes(dtype))]

    @pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
    def test_nan_payloads_survive(self, dtype: str) -> None:
        """NaNs keep every bit: quiet and signaling, of either sign, with any payload."""
        width = np.dtype(dtype).itemsize
        exponent = {2: 0x7C00, 4: 0x7F800000, 8: 0x7FF0000000000000}[width]
        patterns = [exponent | 1, exponent | (exponent >> 1 & ~exponent) | 5]
        patterns += [p | 1 << (8 * width - 1) for p in patterns]
        gray = np.resize(np.array(patterns, f"{dtype[0]}u{width}"), (40, 41)).view(dtype)
        if not self.takes(gray.dtype):
            with pytest.raises(DtypeError):
                self.convert(gray)
            return
        for layout in ("HW->HWC", "HW->CHW"):
            assert_same_bits(self.convert(gray, layout), oracle(gray, layout))

    @pytest.mark.parametrize(
        "shape", [(0, 5, 6), (4, 0, 6), (4, 5, 0), (0, 0, 0), (1, 1, 1), (1, 5, 1), (1, 1, 7)]
    )
    @pytest.mark.parametrize("layout", ["NHW->NHWC", "NHW->NCHW"])
    def test_empty_and_single_axes_are_kept(self, shape: tuple[int, ...], layout: str) -> None:
        """Axes of size 0 and 1 stay."""
        gray = self.random(*shape)
        assert_same_bits(self.convert(gray, layout), oracle(gray, layout))

    @pytest.mark.parametrize("layout", ["NHWC->NHWC", "NHWC->NCHW", "NCHW->NHWC", "NCHW"])
    def test_a_channel_of_one_is_replaced(self, layout: str) -> None:
        """An axis of one channel becomes one of three."""
        source, target = layout.split("->") if "->" in layout else (layout, layout)
        gray = self.random(4, 5, 6)
        result = self.convert(np.expand_dims(gray, source.index("C")), layout)
        assert_same_bits(result, oracle(gray, f"NHW->{target}"))

    @pytest.mark.parametrize("layout", ["NHWC", "NHWC->NCHW", "NCHW->NHWC"])
    def test_rgb_passes_through(self, layout: str) -> None:
        """An image of three channels keeps its values, in the axes asked for."""
        source, _, target = layout.partition("->")
        shape = {"N": 2, "H": 5, "W": 6, "C": 3}
        rgb = random_bits([shape[a] for a in source], np.float32)
        expected = np.ascontiguousarray(rgb.transpose([source.index(a) for a in target or source]))
        once = self.convert(rgb, layout)
        assert_same_bits(once, expected)
        assert_same_bits(self.convert(once, target or source), expected)
        if self.makes_views():
            assert np.shares_memory(once, rgb)
            assert not once.flags.writeable
        else:
            assert_own_memory(once, rgb)

    def test_idempotent_without_a_layout(self) -> None:
        """Converting twice gives what converting once does."""
        once = self.convert(self.random(40, 50))
        assert_same_bits(self.convert(once), np.ascontiguousarray(once))

    @pytest.mark.parametrize("shape", [(64, 224, 224), (3, 1000, 1), (70000, 2, 3), (1, 3, 70001)])
    def test_sizes_of_real_batches(self, shape: tuple[int, ...]) -> None:
        """Batches of real sizes, many small images and long rows are right."""
        gray = self.random(*shape)
        for layout in ("NHW->NHWC", "NHW->NCHW"):
            assert_same_bits(self.convert(gray, layout), oracle(gray, layout))

    @pytest.mark.parametrize(
        "shape", [(64, 224, 224), (4000, 2000), (1, 3000, 1000), (3, 700_000, 1)]
    )
    @pytest.mark.parametrize("memory", ["strided", "reversed", "transposed"])
    def test_sizes_of_real_batches_in_other_memory(
        self, shape: tuple[int, ...], memory: str
    ) -> None:
        """Large arrays that aren't contiguous are right, where a backend works in strips too."""
        if memory == "strided":
            gray = self.random(*shape[:-1], 2 * shape[-1])[..., ::2]
        elif memory == "reversed":
            gray = self.random(*shape)[::-1, ::-1]
        else:
            gray = self.random(*shape[::-1]).T
        gray.flags.writeable = False
        axes = "HW" if len(shape) == 2 else "NHW"
        for target in (f"{axes}C", axes.replace("H", "CH")):
            layout = f"{axes}->{target}"
            assert_same_bits(self.convert(gray, layout), oracle(gray, layout))

    @pytest.mark.parametrize("layout", ["NHW->NHWC", "NHW->NCHW"])
    def test_input_is_never_written(self, layout: str) -> None:
        """The input keeps its values."""
        gray = self.random(4, 30, 31)
        before = gray.tobytes()
        self.convert(gray, layout)
        assert gray.tobytes() == before
