"""The histogram of a file's values."""

import numpy as np
import pytest

from graytorgb.inspection.histogram import make_histogram
from graytorgb.inspection.values import find_values
from graytorgb.io import read


def count_values(image):
    return make_histogram(image, find_values(image))


@pytest.fixture
def read_array(tmp_path):
    def read_npy(array, value_range=None):
        np.save(tmp_path / "x.npy", array)
        return read(tmp_path / "x.npy", value_range=value_range)

    return read_npy


def test_few_integers_have_a_bin_each(read_array):
    bins = count_values(read_array(np.array([[0, 1, 1], [2, 2, 2]], np.int32)))
    assert [part.share for part in bins] == [1 / 6, 2 / 6, 3 / 6]


def test_what_is_beyond_the_range_is_named(read_array):
    bins = count_values(read_array(np.arange(1600).reshape(40, 40), (400, 1199)))
    assert len(bins) == 16
    assert [part.clipped for part in bins] == ["black"] * 4 + [""] * 8 + ["white"] * 4
    assert sum(part.share for part in bins) == pytest.approx(1)
    assert (bins[0].lo, bins[-1].hi) == (0, 1599)


@pytest.mark.parametrize("value_range", [None, "minmax", ("percentile", 1, 99)])
def test_without_ends_nothing_is_named(read_array, value_range):
    bins = count_values(read_array(np.linspace(0, 1, 400).reshape(20, 20), value_range))
    assert {part.clipped for part in bins} == {""}


def test_values_that_are_not_finite_do_not_count(read_array):
    pixels = np.array([[0, 1], [np.nan, np.inf]], np.float32)
    bins = count_values(read_array(pixels))
    assert (bins[0].share, bins[-1].share) == (0.5, 0.5)
    assert count_values(read_array(np.full((2, 2), np.nan))) == []


def test_deep_values_and_floats_are_as_numpy_counts_them(read_array):
    rng = np.random.default_rng(0)
    for array in (rng.integers(0, 65536, (50, 60), np.uint16), rng.normal(size=(50, 60))):
        found = [part.share for part in count_values(read_array(array))]
        np.testing.assert_allclose(found, np.histogram(array, 16)[0] / array.size)
