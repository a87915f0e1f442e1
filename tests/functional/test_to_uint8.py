"""Tests of ``to_uint8``: every policy, exact rounding, saturation and memory."""

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graytorgb as g2r

from ..support import NUMBERS, awkward_arrays, needs, random_bits, shapes

# many of these ranges are narrow on purpose
pytestmark = pytest.mark.filterwarnings("ignore:more than half of an image is above")

REAL = [d for d in NUMBERS if d.kind in "biuf"]
EVERY_UINT16 = np.arange(65536, dtype=np.uint16).reshape(256, 256)


def exact(value, lo, hi):
    """Return the formula's result in exact arithmetic; Python rounds ties to even."""
    level = (Fraction(value) - Fraction(lo)) / (Fraction(hi) - Fraction(lo)) * 255
    return min(255, max(0, round(level)))


@pytest.mark.parametrize(
    "limits",
    [(0, 65535), (0, 4095), (0, 1023), (1000, 1510), (0, 510), (-100, 70000), (0.5, 1.5), (3, 4),
     (1200.25, 52000.75), (0, 10), (60000, 65535), (70000, 80000), (-20, -10)],
)  # fmt: skip
def test_all_16_bit_values(limits):
    expected = np.array([exact(int(v), *limits) for v in EVERY_UINT16.flat], np.uint8)
    result = g2r.to_uint8(EVERY_UINT16, limits)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result.ravel(), expected)
    # the same values in any dtype that holds them
    for dtype in (">u2", np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64):
        again = g2r.to_uint8(EVERY_UINT16.astype(dtype), limits)
        np.testing.assert_array_equal(again, result, err_msg=str(dtype))


def test_all_signed_16_bit_values_by_their_dtype():
    values = np.arange(-32768, 32768, dtype=np.int16).reshape(256, 256)
    expected = [exact(int(v), -32768, 32767) for v in values.flat]
    np.testing.assert_array_equal(g2r.to_uint8(values, "dtype").ravel(), expected)


def test_all_float16_values():
    values = np.arange(65536, dtype=np.uint16).view(np.float16)
    values = values[np.isfinite(values)].reshape(-1, 2)
    expected = [exact(float(v), 0, 1) for v in values.flat]
    np.testing.assert_array_equal(g2r.to_uint8(values, (0, 1)).ravel(), expected)
    near = values[(values >= -(2**-10)) & (values <= 1 + 2**-10)][None]
    expected = [exact(float(v), 0, 1) for v in near.flat]
    np.testing.assert_array_equal(g2r.to_uint8(near, "dtype").ravel(), expected)


@pytest.mark.parametrize(
    "limits",
    [
        (2**62, 2**62 + 1),
        (2**53, 2**53 + 1),
        (4.1, 463.9),
        (0, Fraction(1, 10**200)),
        (-1e30, 1e30),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, ">u4"])
@pytest.mark.parametrize("size", [500, 70_000])
def test_any_limits_are_exact_for_integers(dtype, limits, size):
    values = random_bits((size, 2), dtype)
    lo, hi = (v if isinstance(v, int) else float(v) for v in limits)
    table = {int(v): exact(int(v), lo, hi) for v in np.unique(values)[:3000]}
    result = g2r.to_uint8(values, limits)
    known = np.isin(values, list(table))
    assert known.any()
    expected = [table[int(v)] for v in values[known]]
    np.testing.assert_array_equal(result[known], expected)


def test_a_range_too_narrow_for_floats():
    with pytest.raises(g2r.LevelsError, match="too narrow"):
        g2r.to_uint8(np.full((2, 2), 2.0**53), (2**53, 2**53 + 1))


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_64_bit_integers_are_exact_to_the_last_bit(dtype):
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(0)
    values = rng.integers(limits.min, limits.max, 2000, dtype=dtype, endpoint=True)
    values[:2] = limits.min, limits.max
    for lo, hi in [(limits.min, limits.max), (2**62, 2**62 + 255), (2**62 + 1, 2**62 + 511)]:
        near = np.array([min(limits.max, lo + k) for k in range(600)], dtype)
        for x in (values, near):
            expected = [exact(int(v), int(lo), int(hi)) for v in x]
            np.testing.assert_array_equal(g2r.to_uint8(x, (int(lo), int(hi))), expected)


@given(
    x=awkward_arrays(shapes(2), st.sampled_from([d for d in REAL if d.kind != "f"])),
    lo=st.integers(-(2**70), 2**70),
    span=st.integers(1, 2**71),
)
def test_integers_in_any_memory_and_range(x, lo, span):
    if abs(lo) > 2**52 or span > 2**40:  # float64's own limits; 64-bit integers have none
        x = x.astype(np.int64 if x.dtype.kind != "u" else np.uint64)
    if x.dtype.itemsize == 1 and max(span, lo + span) > 256:  # an error: see test_values.py
        x = x.astype(np.int16)
    if x.dtype.kind == "b":
        lo, span = 0, 1  # whatever is stated
    expected = [exact(int(v), lo, lo + span) for v in x.flat]
    result = g2r.to_uint8(x, (lo, lo + span))
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result.ravel(), expected)


@pytest.mark.parametrize("dtype", REAL, ids=lambda d: d.name)
@pytest.mark.parametrize("policy", [(0, 1), "dtype", "minmax", ("percentile", 1, 99)], ids=str)
def test_every_policy_on_every_dtype(dtype, policy):
    x = random_bits((40, 50), np.uint16)
    x = (x / 65536 if dtype.kind == "f" else x).astype(dtype)
    lo, hi = {
        "dtype": (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype.kind in "iu" else (0, 1),
        "minmax": (x.min().item(), x.max().item()),
        (0, 1): (0, 1),
    }.get(policy, ())or np.percentile(x.astype(np.float64), policy[1:])  # fmt: skip
    if dtype.kind == "b":
        lo, hi = 0, 1
    wide = x.astype(np.longdouble)
    expected = np.rint(np.clip((wide - lo) * 255 / (np.longdouble(hi) - lo), 0, 255))
    np.testing.assert_array_equal(g2r.to_uint8(x, policy), expected)


@pytest.mark.parametrize("dtype", [d for d in REAL if d.itemsize <= 8], ids=lambda d: d.name)
@given(data=st.data())
def test_percentiles_are_numpys(dtype, data):
    x = random_bits((data.draw(st.integers(1, 40)), 7), dtype, data.draw(st.integers(0, 999)))
    if dtype.kind == "f":
        x = np.nan_to_num(x)
    p = data.draw(st.floats(0, 99))
    q = data.draw(st.floats(p, 100, exclude_min=True))
    from graytorgb.core.percentile import percentile

    # NumPy interpolates in the dtype, where small ones are coarse and int64's differences wrap
    wide = {"f": np.float64, "b": np.float64}.get(dtype.kind, np.longdouble)
    reference = x.astype(wide)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = np.percentile(reference, (p, q))
    if np.isfinite(expected).all():
        np.testing.assert_allclose(np.array(percentile(x, (p, q)), float), expected, rtol=1e-12)


def test_saturation_at_the_ends():
    x = np.array([[-np.inf, -1e300, -1e-9, 0, 0.5, 1, 1 + 1e-9, 1e300, np.inf]])
    assert g2r.to_uint8(x, (0, 1)).tolist() == [[0, 0, 0, 0, 128, 255, 255, 255, 255]]
    big = np.finfo(np.float64).max
    assert g2r.to_uint8(np.array([[-big, big]]), (0, 1)).tolist() == [[0, 255]]


@pytest.mark.parametrize("policy", [(0, 1), "dtype", "minmax", ("percentile", 1, 99)], ids=str)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, ">f4"])
@pytest.mark.parametrize("where", [0, 9_999, 19_999])
def test_nan_is_an_error(policy, dtype, where):
    x = np.linspace(0, 1, 20_000).astype(dtype).reshape(100, 200)
    x.flat[where] = np.nan
    with pytest.raises(g2r.LevelsError, match="NaN"):
        g2r.to_uint8(x, policy)


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ((1, 1), "empty"), ((2, 1), "empty"), ((0, np.nan), "finite"), ((0, np.inf), "finite"),
        ((0, 10**400), "finite"), ((0,), "value_range is"), ((0, 1, 2), "value_range is"),
        ((0, "1"), "value_range is"), ((True, False), "value_range is"),
        (255, "value_range is"), ("min-max", 'did you mean "minmax"'), ("dtpe", '"dtype"'),
        ("percentile", 'did you mean ("percentile", 1, 99)'), (("percentile", 99, 1), "0 to 100"),
        (("percentile", -1, 99), "0 to 100"), (("percentile", 1, 101), "0 to 100"),
        (("percentile", 5), "value_range is"), (np.arange(3), "value_range is"),
        ((1j, 2j), "value_range is"), ((0, 1e308), "too wide"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_policies(policy, says):
    with pytest.raises(g2r.LevelsError) as caught:
        g2r.to_uint8(np.zeros((2, 2), np.float32), policy)
    assert says in str(caught.value)
    assert "given: numpy.ndarray, shape (2, 2), dtype float32" in str(caught.value)


@pytest.mark.parametrize("policy", ["minmax", ("percentile", 1, 99)], ids=str)
def test_data_without_a_range(policy):
    with pytest.raises(g2r.LevelsError, match="finite"):
        g2r.to_uint8(np.array([[0, np.inf], [-np.inf, np.inf]]), policy)


@pytest.mark.parametrize("policy", [(0, 1), "dtype", "minmax", ("percentile", 1, 99)], ids=str)
def test_empty_batches_stay_empty(policy):
    assert g2r.to_uint8(np.zeros((0, 5, 6), np.float32), policy).shape == (0, 5, 6)


def test_numpy_scalars_and_lists_are_ranges():
    x = EVERY_UINT16
    expected = g2r.to_uint8(x, (0, 4095))
    for policy in [
        [0, 4095],
        (np.uint16(0), np.float64(4095)),
        (Fraction(0), 4095),
        np.array([0, 4095]),
    ]:
        np.testing.assert_array_equal(g2r.to_uint8(x, policy), expected)


def test_out():
    x = EVERY_UINT16
    out = np.empty(x.shape, np.uint8)
    assert g2r.to_uint8(x, "dtype", out=out) is out
    np.testing.assert_array_equal(out, x // 257 + (x % 257 > 128))
    read_only = out.view()
    read_only.flags.writeable = False
    overlapping = x.view(np.uint8)[:, :256]
    for bad, error in [
        (np.empty(x.shape, np.uint16), g2r.DtypeError),
        (np.empty((2, 2), np.uint8), g2r.LayoutError),
        (read_only, g2r.LayoutError),
        (overlapping, g2r.LayoutError),
        ([1, 2], g2r.DtypeError),
    ]:
        with pytest.raises(error):
            g2r.to_uint8(x, "dtype", out=bad)


@pytest.mark.parametrize("image", [None, "x.png", [[1, 2]], np.array([[None]])], ids=str)
def test_not_an_image(image):
    with pytest.raises(g2r.DtypeError, match="given: "):
        g2r.to_uint8(image, (0, 1))


def test_complex_has_no_order():
    with pytest.raises(g2r.DtypeError, match=r"x\.real or np\.abs"):
        g2r.to_uint8(np.zeros((2, 2), complex), (0, 1))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, ">u2", np.int64])
@pytest.mark.parametrize("policy", [(0, 60000), "minmax", ("percentile", 1, 99)], ids=str)
def test_memory_over_the_result(dtype, policy):
    """Blocks, and the table of all values of 16 bits."""
    x = random_bits((96, 512, 512), np.uint16).astype(dtype)
    tracemalloc.start()
    try:
        result = g2r.to_uint8(x, policy)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - result.nbytes <= 0.01 * result.nbytes + 2**18


class TestKnownRange:
    """Without a range, ``to_uint8`` and ``prepare`` take the dtype's range by one rule."""

    def test_uint8_is_0_to_255(self):
        gray = EVERY_UINT16.astype(np.uint8)
        np.testing.assert_array_equal(g2r.to_uint8(gray), gray)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, ">f4"])
    def test_floats_are_0_to_1(self, dtype):
        x = np.array([[-(2**-10), 0, 0.5, 1, 1 + 2**-10]]).astype(dtype)
        assert g2r.to_uint8(x).tolist() == [[0, 0, 128, 255, 255]]
        for wrong, says in ((1.5, "go from .* to 1.5"), (-0.5, "from -0.5"), (np.nan, "NaN")):
            x[0, 2] = wrong
            with pytest.raises(g2r.LevelsError, match=says):
                g2r.to_uint8(x)

    def test_bool_is_black_and_white(self):
        assert g2r.to_uint8(np.array([[False, True]])).tolist() == [[0, 255]]

    @pytest.mark.parametrize("dtype", ["uint16", "int16", "int8", "int32", "uint32", "uint64"])
    def test_anything_else_is_an_error_that_names_the_choices(self, dtype):
        x = np.zeros((4, 6), dtype)
        for call in (lambda: g2r.to_uint8(x), lambda: g2r.prepare(x, (0.5, 0.5))):
            with pytest.raises(g2r.LevelsError, match=f"{dtype} doesn't tell how deep") as caught:
                call()
            for choice in ("(0, 4095)", '"dtype"', '"minmax"', '("percentile", 1, 99)'):
                assert choice in str(caught.value)

    def test_pil(self):
        needs("pillow")
        from PIL import Image

        deep = Image.fromarray(EVERY_UINT16)
        gray = Image.fromarray(EVERY_UINT16.astype(np.uint8))
        floats = Image.fromarray(EVERY_UINT16.astype(np.float32) / 65535)
        assert g2r.to_uint8(gray).tobytes() == gray.tobytes()
        assert g2r.to_uint8(floats).tobytes() == g2r.to_uint8(deep, "dtype").tobytes()
        with pytest.raises(g2r.LevelsError, match="doesn't tell how deep"):
            g2r.to_uint8(deep)
