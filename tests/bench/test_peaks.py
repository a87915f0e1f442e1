"""The peak memory of a conversion by a backend, in a process of its own."""

import numpy as np

from graytorgb.bench.peaks import measure_conversion_peak


def test_peak_is_the_results_bytes():
    shape = (64, 256, 256)
    needed = measure_conversion_peak("fill", shape, "uint8", "NHW->NHWC")
    assert 0.99 <= needed / (3 * np.prod(shape)) <= 1.06


def test_a_view_needs_nothing():
    assert measure_conversion_peak("broadcast", (64, 256, 256), "uint8", "NHW->NHWC") < 200_000
