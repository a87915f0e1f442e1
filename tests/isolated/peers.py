"""Every installed way that benchmarks/speed/compare.py times gives NumPy's pixels."""

import numpy as np
import pytest

from benchmarks.speed.peers import PEERS


@pytest.mark.parametrize(
    ("layout", "peer"),
    [
        pytest.param(layout, peer, id=f"{layout} {peer.library}")
        for layout, peers in PEERS.items()
        for peer in peers
    ],
)
def test_every_other_way_is_right(layout, peer):
    x = np.arange(4 * 20 * 30, dtype=np.uint8).reshape(4, 20, 30)
    axis = layout.partition("->")[2].index("C")
    try:
        convert = peer.make(x)
    except ImportError as error:  # peers are requirements of `make bench` alone
        pytest.skip(str(error))
    np.testing.assert_array_equal(
        np.asarray(convert()), np.repeat(np.expand_dims(x, axis), 3, axis)
    )
