"""The peak memory of a call."""

import numpy as np
import pytest

pytest.importorskip("psutil")

from graytorgb.measure import peak


def test_a_temporary_shows():
    """A conversion that copies its input needs the copy too."""
    x = np.ones((16 << 20,), np.uint8)
    assert peak.measure_peak(lambda: np.repeat(x, 3)[::-1].copy()) > 5 * x.nbytes


def test_available():
    assert peak.available_bytes() > 1 << 20
