"""Tests of layout strings, of layouts inferred from shapes, and of their errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graytorgb as g2r
from graytorgb.core.layout import Layout, find_order, insert, name_axes, parse, resolve

from ..support import assert_same_bits, oracle, random_bits


@pytest.mark.parametrize(
    ("text", "first", "expected"),
    [
        ("NHW->NHWC", False, ("NHW", "NHWC")),
        ("NHW -> NCHW", False, ("NHW", "NCHW")),
        ("N H W -> N C H W", False, ("NHW", "NCHW")),
        ("HW", False, ("HW", "HWC")),
        ("HW", True, ("HW", "CHW")),
        ("NHW", True, ("NHW", "NCHW")),
        ("NTHW", True, ("NTHW", "NTCHW")),
        ("WH", True, ("WH", "WCH")),
        ("HWC", True, ("HWC", "HWC")),
        ("CHW", False, ("CHW", "CHW")),
        ("HWN->NCHW", False, ("HWN", "NCHW")),
        ("ABHW->BAHWC", False, ("ABHW", "BAHWC")),
    ],
)
def test_parse(text, first, expected):
    assert parse(text, first) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nhw->nhwc", 'Did you mean "NHW->NHWC"'),
        ("N-H-W", "'-'"),
        ("HWß", "one each (H, W, C, and any other"),
        ("NHW->", "needs both H and W"),
        ("->HWC", "needs both H and W"),
        ("", "needs both H and W"),
        ("NC", "needs both H and W"),
        ("NHHW", "axis H appears twice"),
        ("HWC->HWCC", "axis C appears twice"),
        ("NHW->HWC", "lacks N"),
        ("HW->NHWC", "adds N"),
        ("NHW->THWC", "lacks N and adds T"),
        ("NHW->NHW", 'lacks C. Write "NHW->NHWC"'),
        ("NHW->NHWC->NCHW", "got '-'"),
        ("HWÇ", "got 'Ç'"),
        ("HW3", "got '3'"),
    ],
)
def test_malformed_strings_say_what_is_wrong(text, says):
    with pytest.raises(g2r.LayoutError) as caught:
        g2r.to_rgb(np.zeros((4, 5, 6)), text)
    assert says in str(caught.value)
    assert "shape (4, 5, 6)" in str(caught.value)


@pytest.mark.parametrize("layout", [3, b"HW", ("H", "W"), ["HW", "HWC"]])
def test_a_layout_is_a_string(layout):
    with pytest.raises(g2r.LayoutError, match="layout is a string like"):
        g2r.to_rgb(np.zeros((4, 5)), layout)


@pytest.mark.parametrize("text", ["HW", "NTHW", "NHWC"])
def test_as_many_letters_as_axes(text):
    with pytest.raises(g2r.LayoutError, match="has 3"):
        g2r.to_rgb(np.zeros((4, 5, 6)), text)


# Every row of the design's table.
READINGS = {
    (5, 6): "HW",
    (1, 1): "HW",
    (0, 6): "HW",
    (5, 6, 1): "HWC",
    (5, 6, 3): "HWC",
    (2, 6, 1): "HWC",
    (0, 6, 3): "HWC",
    (1, 5, 6): "CHW",
    (1, 3, 6): "CHW",
    (7, 5, 6, 1): "NHWC",
    (7, 5, 6, 3): "NHWC",
    (1, 5, 6, 3): "NHWC",
    (3, 5, 6, 1): "NHWC",
    (0, 5, 6, 1): "NHWC",
    (7, 1, 5, 6): "NCHW",
    (7, 3, 5, 6): "NCHW",
    (7, 3, 1, 6): "NCHW",
}
AMBIGUOUS = [
    (64, 224, 224),
    (3, 224, 224),
    (1, 224, 1),
    (1, 224, 3),
    (3, 224, 1),
    (3, 224, 3),
    (0, 224, 224),
    (8, 9, 2),
    (8, 9, 4),
    (7, 5, 6, 2),
    (7, 1, 5, 3),
    (7, 3, 5, 1),
    (7, 3, 5, 3),
    (7, 2, 5, 6),
    (7, 5, 5, 6, 1),
    (2, 2, 2, 2, 2, 2),
]


@pytest.mark.parametrize(("shape", "reading"), READINGS.items(), ids=str)
def test_inference(shape, reading):
    x = random_bits(shape, np.uint8)
    target = reading if "C" in reading else "HWC"
    result = g2r.to_rgb(x)
    assert_same_bits(result, g2r.to_rgb(x, f"{reading}->{target}"))
    assert result.shape[target.index("C")] == 3


@pytest.mark.parametrize("shape", AMBIGUOUS, ids=str)
def test_ambiguous_shapes_name_readings_and_calls_that_work(shape):
    x = np.zeros(shape, np.uint8)
    with pytest.raises(g2r.LayoutError) as caught:
        g2r.to_rgb(x)
    text = str(caught.value)
    assert str(shape) in text
    calls = text.split("to_rgb(x, ")[1:]
    for call in calls:
        arguments = call.split(")")[0]
        result = eval(f"g2r.to_rgb(x, {arguments})", {"g2r": g2r, "x": x})
        assert 3 in result.shape
    if len(calls) == 1:  # only a batch is possible, and the other readings are still named
        assert f'"{name_axes(len(shape), "CHW")}"' in text
        assert "1 or 3 entries" in text


@pytest.mark.parametrize("shape", [(), (5,), (0,)])
def test_too_few_axes(shape):
    with pytest.raises(g2r.LayoutError, match=r"at least the axes H and W.*reshape"):
        g2r.to_rgb(np.zeros(shape))


def test_the_last_batch_of_an_epoch_is_read_as_the_others():
    for n in (64, 3, 2, 1, 0):
        x = np.zeros((n, 8, 8), np.uint8)
        assert g2r.to_rgb(x, "NHW").shape == (n, 8, 8, 3)
        assert g2r.to_rgb(x, "NHW->NCHW").shape == (n, 3, 8, 8)


@given(st.permutations("NTHW"), st.permutations("NTCHW"))
def test_any_permutation(source, target):
    layout = f"{''.join(source)}->{''.join(target)}"
    x = random_bits((2, 3, 4, 5), np.uint16)
    assert_same_bits(g2r.to_rgb(x, layout), oracle(x, layout))


def test_helpers():
    assert resolve("NHW->NCHW", (2, 3, 4)) == Layout("NHW", "NCHW")
    assert str(Layout("HW", "HWC")) == "HW->HWC"
    assert insert((2, 3), 2) == (2, 3, 3)
    assert find_order("HWC", "CHW") == (2, 0, 1)
    assert name_axes(3, "CHW") == "CHW"
    letters = name_axes(20, "CHW")
    assert len(set(letters)) == 20
    assert letters.endswith("CHW")
