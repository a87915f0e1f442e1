"""The one value range of a set: found in all files, and never in the first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .audit_records import make_audit, make_broken, make_record

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)
SMALL = RAMP[:2]


def find(*arrays, **fields):
    return make_audit(*(make_record(f"{k}.png", a, **fields) for k, a in enumerate(arrays)))


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ([SMALL, SMALL, RAMP], (0, 4095)),  # the last file decides
        ([RAMP, SMALL], (0, 4095)),
        ([RAMP << 4], (0, 65520)),
        ([RAMP[:20] << 4], (0, 65520)),  # a dark one
        ([RAMP << 4 | RAMP >> 8], (0, 65535)),
        ([RAMP, RAMP << 4], (0, 65535)),  # one file isn't shifted
        ([RAMP << 4, np.zeros((2, 2), np.uint16)], (0, 65520)),  # black is a multiple of 16 too
        ([RAMP >> 2], (0, 1023)),
        ([RAMP << 2], (0, 16380)),
        ([(RAMP << 2) + 1], (0, 16383)),
        ([np.minimum(RAMP, 255)], (0, 255)),
        ([np.array([[0, 256]], np.uint16)], (0, 1023)),  # a mask: two levels are no shift
        ([np.zeros((2, 2), np.uint16)], (0, 65535)),
        ([np.full((2, 2), 65535, np.uint16)], (0, 65535)),
        ([np.zeros((2, 2), np.uint8)], (0, 255)),
        ([np.array([[3, 9]], np.uint8)], (0, 255)),
        ([np.array([[False, True]])], (0, 1)),
        ([np.float32([[0.2, 0.4]]), np.float32([[0, 1]])], (0, 1)),
        ([np.float32([[0.2, 0.4]]), np.float32([[-1, 7]])], (-1, 7)),
        ([np.float64([[0.5, np.nan]])], (0, 1)),
        ([np.int16([[-100, 30]]), np.int16([[5, 1000]])], (-100, 1000)),
        ([np.uint32([[7, 99999]])], (7, 99999)),
    ],
)
def test_one_depth_has_one_range(arrays, expected):
    audit = find(*arrays)
    assert audit.value_range == expected
    assert [entry["value_range"] for entry in audit.value_ranges] == [list(expected)]
    assert audit.value_range_reason
    for array in arrays:
        finite = array[np.isfinite(array)]
        assert expected[0] <= finite.min()
        assert finite.max() <= expected[1]


def test_several_depths_have_a_range_each():
    audit = find(RAMP, np.uint8([[1, 2]]), np.float32([[0, 1]]), RAMP[:3])
    assert audit.value_range is None
    assert audit.value_range_reason == (
        "the files have several depths (1 of 8 bits, 2 of 16 bits, 1 of floats), and each depth "
        "has a range of its own"
    )
    assert {entry["depth"]: entry["value_range"] for entry in audit.value_ranges} == {
        "8 bits": [0, 255], "16 bits": [0, 4095], "floats": [0, 1]
    }  # fmt: skip
    assert audit.findings["mixed depths"] == 3


def test_a_pgm_of_4_bits_is_a_depth_of_its_own():
    pgm = make_record("a.pgm", np.uint8([[0, 15]]), bits=4, value_range=[0, 15], depth_only=False)
    png = make_record("b.png", np.uint8([[0, 255]]), bits=4)  # scaled to 8 bits
    audit = make_audit(pgm, png)
    assert {entry["depth"]: entry["value_range"] for entry in audit.value_ranges} == {
        "4 bits": [0, 15], "8 bits": [0, 255]
    }  # fmt: skip


def test_ranges_that_files_state_are_joined():
    window = {"value_range": [40, 840], "depth_only": False}
    wide = {"value_range": [-100, 500], "depth_only": False}
    first = make_record("a.dcm", RAMP.astype(np.int16), **window)
    second = make_record("b.dcm", RAMP.astype(np.int16), **wide)
    assert make_audit(first, second).value_range == (-100, 840)
    unstated = make_record("c.dcm", np.int16([[-500, 20]]), value_range=None)
    assert make_audit(first, second, unstated).value_range == (-500, 840)
    assert make_audit(make_record("a.dcm", RAMP, **window)).value_range == (40, 840)
    assert make_audit(
        make_record("a.dcm", RAMP, **window), make_record("b.png", RAMP[:4])
    ).value_range == (0, 840)


def test_bits_that_a_file_states_are_kept():
    """A dark image in a TIFF of 12 bits doesn't make the set one of 10."""
    dark = make_record("a.tif", RAMP >> 2, bits=12)
    assert make_audit(dark).value_range == (0, 4095)
    assert make_audit(make_record("a.tif", RAMP >> 2, bits=11)).value_range == (0, 2047)
    assert make_audit(dark, make_record("b.png", RAMP << 2)).value_range == (0, 16383)


def test_nothing_tells_a_range():
    assert make_audit(make_broken("a.png")).value_range_reason == "no file could be read"
    nan = find(np.float32([[np.nan]]))
    assert (nan.value_range, nan.value_range_reason) == (None, "no value is finite")
    same = find(np.float32([[7, 7]]))
    assert (same.value_range, same.value_range_reason) == (None, "every value is 7")


def test_files_that_cannot_be_read_do_not_count():
    audit = make_audit(make_broken("0.png"), make_record("1.png", RAMP))
    assert audit.value_range == (0, 4095)
    assert (audit.files, audit.unreadable) == (2, 1)


@given(st.lists(st.sampled_from(["uint8", "uint16", "int16", "bool"]), min_size=1, max_size=6),
       st.integers(0, 2**32 - 1), st.integers(1, 4))  # fmt: skip
def test_histograms_and_percentiles_are_those_of_all_values(dtypes, seed, batches):
    rng = np.random.default_rng(seed)
    arrays = []
    for name in dtypes:
        lo, hi = sorted(rng.integers(-2000, 2000, 2))
        values = rng.integers(lo, hi + 1, rng.integers(1, 30)).astype(np.int64)
        arrays.append((values if name == "int16" else abs(values)).astype(name)[None])
    made = [make_record(f"{k}.png", array) for k, array in enumerate(arrays)]
    order = rng.permutation(len(made)).tolist()
    audit = make_audit(*made, order=order, batches=batches)
    for entry in audit.value_ranges:
        pooled = np.concatenate(
            [array.ravel() for array in arrays if array.dtype.name in entry["dtypes"]]
        ).astype(np.int64)
        values, counts = np.unique(pooled, return_counts=True)
        assert entry["histogram"] == {"values": values.tolist(), "counts": counts.tolist()}
        assert entry["levels"] == len(values)
        assert (entry["min"], entry["max"]) == (values[0], values[-1])
        assert entry["step"] in (np.gcd.reduce(pooled), None if not pooled.any() else 0)
        for percent, value in entry["percentiles"].items():
            assert value == pytest.approx(np.percentile(pooled, float(percent)), rel=1e-12)
    assert audit.summarize() == make_audit(*made).summarize()
