"""The kernels that count values and find their spread, called as nothing in the package calls them.

tests/inspection/test_counting.py has the results for images.
"""

import itertools

import numpy as np
import pytest

from ..support import needs, random_bits, unaligned

needs("native")

from graytorgb import _kernels  # noqa: E402


def count(values, period=1, used=1, first=0, size=256):
    numbers = np.zeros(size, np.uint64)
    _kernels.count(values, numbers, values.itemsize, first, period, used)
    return numbers


@pytest.mark.parametrize("size", [256, 4096, 4097, 65536])
@pytest.mark.parametrize(
    ("period", "used"), [(1, 1), (2, 1), (3, 1), (3, 3), (4, 3), (4, 1), (5, 2)]
)
def test_counts_are_exact_at_any_length_and_alignment(size, period, used):
    dtype = np.uint8 if size == 256 else np.uint16
    for n, offset in itertools.product((0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 1000), (0, 1, 3)):
        memory = unaligned(n * period * dtype().itemsize, offset)
        memory[...] = random_bits(memory.size, np.uint8, seed=n)
        values = memory.view(dtype)
        if size > 256:
            values %= min(size, 65535)
        expected = np.bincount(values.reshape(-1, period)[:, :used].reshape(-1), minlength=size)
        assert (count(values, period, used, size=size) == expected).all()


@pytest.mark.parametrize("size", [2, 4096, 5000])
def test_words_wrap_round_and_none_is_left_out(size):
    """As signed values do, from -1 to 0."""
    values = np.arange(65535, 65535 + size).astype(np.uint16)
    assert (count(values, first=65535, size=size) == 1).all()
    for first in (0, 65534):
        with pytest.raises(ValueError, match="a value has no count"):
            count(values, first=first, size=size)


def test_counts_are_added():
    numbers = np.full(256, 1 << 40, np.uint64)
    _kernels.count(np.full(1000, 7, np.uint8), numbers, 1, 0, 1, 1)
    assert numbers[7] == (1 << 40) + 1000
    assert numbers[8] == 1 << 40


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("period", [3, 4])
def test_spreads_are_exact_at_any_length_and_alignment(dtype, period):
    lengths = (0, 1, 2, 11, 12, 13, 15, 16, 17, 31, 32, 33, 1536, 1537, 2048, 2049, 5000)
    for n, offset in itertools.product(lengths, (0, 1, 3)):
        memory = unaligned(n * period * dtype().itemsize, offset)
        memory[...] = random_bits(memory.size, np.uint8, seed=n)
        pixels = memory.view(dtype).reshape(-1, period)
        expected = np.ptp(pixels[:, :3].astype(int), axis=1) if n else np.zeros(1, int)
        found = _kernels.spread(pixels, dtype().itemsize, period, 65535)
        assert found == (expected.max(), expected.sum())
        assert _kernels.spread(pixels, dtype().itemsize, period, 0)[0] > 0 or n == 0


BYTES, NUMBERS = np.zeros(12, np.uint8), np.zeros(256, np.uint64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 3}, "1 or 2 bytes"),
        ({"period": 0}, "period must be 1 to 64"),
        ({"period": 65}, "period must be 1 to 64"),
        ({"used": 0}, "period must be 1 to 64"),
        ({"used": 2}, "used 1 to period"),
        ({"period": 5}, "whole periods"),
        ({"first": 1}, "256 aligned uint64"),
        ({"counts": NUMBERS[:255]}, "256 aligned uint64"),
        ({"counts": NUMBERS[:0], "width": 2}, "1 to 65536 for words"),
        ({"counts": np.zeros(65537, np.uint64), "width": 2}, "1 to 65536 for words"),
        ({"counts": np.zeros(2049, np.uint8)[1:]}, "256 aligned uint64"),
        ({"counts": np.zeros(2047, np.uint8)}, "256 aligned uint64"),
    ],
)
def test_what_cannot_be_counted_is_refused(change, message):
    arguments = {"values": BYTES, "counts": NUMBERS.copy(), "width": 1, "first": 0}
    arguments |= {"period": 1, "used": 1} | change
    with pytest.raises(ValueError, match=message):
        _kernels.count(*arguments.values())
    assert not arguments["counts"].any()


@pytest.mark.parametrize(
    ("width", "period", "message"),
    [(1, 2, "3 or 4 elements"), (1, 5, "3 or 4 elements"), (4, 3, "1 or 2 bytes"),
     (1, 3, None), (2, 3, None), (2, 4, "whole periods")],
)  # fmt: skip
def test_what_has_no_spread_is_refused(width, period, message):
    if message is None:
        assert _kernels.spread(BYTES, width, period, 0) == (0, 0)
        return
    with pytest.raises(ValueError, match=message):
        _kernels.spread(BYTES, width, period, 0)
