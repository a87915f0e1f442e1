"""Percentiles of values that are counted: NumPy's, of the values themselves."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from graytorgb.core.percentile import percentile_of_counts


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60))
def test_percentiles_of_counts_are_numpys(values):
    array = np.array(values)
    first = array.min()
    percents = [0, 0.1, 12.5, 50, 99.9, 100]
    found = percentile_of_counts(int(first), np.bincount(array - first), percents)
    np.testing.assert_allclose(found, np.percentile(array, percents), rtol=1e-12, atol=1e-12)
