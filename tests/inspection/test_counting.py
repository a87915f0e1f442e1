"""Counting by the compiled kernels and by NumPy, which give the same numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graytorgb.backends import registry
from graytorgb.inspection.counting import Samples, count, find_spread

DTYPES = ("b1", "u1", "i1", "u2", "i2")


def call_by_numpy(function, *arguments):
    """Call a function as where the kernels aren't built."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(registry, "is_usable", lambda name: False)
        return function(*arguments)


def make_pixels(seed, n, period, dtype, spread):
    """Return pixels of neighbors that are often equal; `spread` is how far values go."""
    rng = np.random.default_rng(seed)
    info = None if dtype == "b1" else np.iinfo(dtype)
    lo, hi = (0, 1) if info is None else (info.min, info.max)
    base = rng.integers(lo, hi, endpoint=True)
    ends = max(lo, base - spread), min(hi, base + spread)
    values = rng.integers(*ends, (n, period), endpoint=True)
    values[n // 3 : n // 2] = values[:1]
    return values.astype(dtype)


@settings(max_examples=120, deadline=None)
@given(
    st.integers(0, 99), st.integers(1, 5000), st.sampled_from([(1, 1), (3, 3), (3, 1), (4, 3),
    (2, 1), (4, 1), (5, 3), (6, 3)]), st.sampled_from(DTYPES), st.sampled_from([0, 3, 700, 70_000]),
)  # fmt: skip
def test_counts_are_numpys(seed, n, shape, dtype, spread):
    period, used = shape
    samples = Samples(make_pixels(seed, n, period, dtype, spread), used)
    known, expected = np.unique(samples.colors.astype(int), return_counts=True)
    for first, numbers in (count(samples), call_by_numpy(count, samples)):
        assert first == known[0]
        assert len(numbers) == known[-1] - known[0] + 1
        assert (numbers[known - first] == expected).all()
        assert numbers.sum() == expected.sum()
        assert numbers.dtype == np.uint64


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 99), st.integers(1, 9000), st.sampled_from([3, 4, 5]),
       st.sampled_from(["u1", "u2"]), st.sampled_from([0, 3, 70_000]))  # fmt: skip
def test_spreads_are_numpys(seed, n, period, dtype, spread):
    samples = Samples(make_pixels(seed, n, period, dtype, spread), 3)
    expected = np.ptp(samples.colors.astype(int), axis=1)
    most = np.iinfo(dtype).max
    for found in (find_spread(samples, most), call_by_numpy(find_spread, samples, most)):
        assert found == (expected.max(), expected.sum())
    limited = find_spread(samples, 2)
    assert (limited[0] > 2) == (expected.max() > 2)
    if limited[0] <= 2:
        assert limited == (expected.max(), expected.sum())


@pytest.mark.parametrize("place", [0, 2047, 2048, 4096, 6000, 9000, 9001])
@pytest.mark.parametrize("period", [3, 4])
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_spread_is_seen_wherever_it_is(place, period, channel):
    """Nothing is seen beside the colors of a pixel, either: neighbors and alpha differ a lot."""
    gray = np.random.default_rng(0).integers(0, 250, 9002).astype(np.uint8)
    pixels = np.repeat(gray[:, None], period, 1)
    pixels[:, 3:] = 255 - gray[:, None]
    assert find_spread(Samples(pixels, 3), 0) == (0, 0)
    pixels[place, channel] += 1
    assert find_spread(Samples(pixels, 3), 1) == (1, 1)


def test_extreme_spreads_are_summed_without_loss():
    """In a block of the kernels the sums come to the end of 16 and of 32 bits."""
    for dtype in ("u1", "u2"):
        full = int(np.iinfo(dtype).max)
        for color in ((full, 0, 0), (0, full, 0), (0, 0, full), (full, 0, full)):
            pixels = np.tile(np.array(color, dtype), (7001, 1))
            assert find_spread(Samples(pixels, 3), full) == (full, 7001 * full)
