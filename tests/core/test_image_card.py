"""Tests of what notebooks show: the card of an ``ImageFile``, and the parts of every card."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graytorgb.core import image_card
from graytorgb.core.image_card import find_values
from graytorgb.core.image_file import ImageFile
from graytorgb.core.notebook import call_safely, make_card, make_table
from graytorgb.inspection.values import find_values as inspect_values

from ..html_reader import read_html
from ..support import needs, random_bits, run_python

DEEP = np.random.default_rng(0).integers(0, 4096, (40, 60), dtype=np.uint16)


def make_file(array, layout="HW", value_range=None, name="x.png", **options):
    return ImageFile(Path(name), array, layout, value_range, "a test", "PNG", "gray", **options)


def open_thumbnail(html):
    import PIL.Image

    (picture,) = read_html(html).pictures
    data = picture["src"].removeprefix("data:image/png;base64,")
    return PIL.Image.open(io.BytesIO(base64.b64decode(data, validate=True))), picture


class TestTexts:
    def test_the_facts_of_a_file(self):
        file = make_file(DEEP, value_range=(0, 4095), bits=16, notes=("a note",))
        texts = read_html(file._repr_html_()).texts
        for text in (
            "x.png", "PNG: gray", "40 x 60 uint16, layout HW", "0 to 4,095 (a test)",
            f"{DEEP.min()} to {DEEP.max():,}", "12 of 16 bits", "a note",
        ):  # fmt: skip
            assert text in texts

    def test_floats_with_gaps(self):
        array = np.float32([[0.5, np.nan], [np.inf, 2]])
        texts = read_html(make_file(array)._repr_html_()).texts
        assert "0.5 to 2, 2 values not finite" in texts
        assert "none (a test)" in texts
        assert "true depth" not in texts

    @pytest.mark.parametrize("fill", [np.nan, np.inf])
    def test_floats_without_a_finite_value(self, fill):
        html = make_file(np.full((2, 3), fill))._repr_html_()
        assert "6 values not finite" in read_html(html).texts
        assert read_html(html).pictures == []

    @pytest.mark.parametrize("shape", [(0, 5), (0, 0)])
    def test_an_image_without_pixels(self, shape):
        reader = read_html(make_file(np.zeros(shape, np.uint8))._repr_html_())
        assert "none" in reader.texts
        assert reader.pictures == []

    def test_text_is_escaped(self):
        name = "<script>alert(1)</script>&\"'.png"
        file = make_file(DEEP, name=Path(name).name, notes=("<b>", "a" * 1000))
        html = file._repr_html_()
        assert not re.search("<script|<b>", html)
        assert Path(name).name in read_html(html).texts
        assert len(html) < 50_000

    def test_a_name_that_is_no_text(self):
        html = make_file(DEEP, name="x\udcff.png")._repr_html_()
        assert "\\udcff" in html
        html.encode("utf-8")

    def test_few_of_many_notes(self):
        html = make_file(DEEP, notes=tuple("abcdef"))._repr_html_()
        assert "and 3 more notes" in html

    def test_the_repr_is_short(self):
        assert len(repr(make_file(np.zeros((1000, 1000))))) < 200


class TestPictures:
    @pytest.fixture(autouse=True)
    def _pillow(self):
        needs("pillow")

    def test_the_values_are_those_of_the_range(self):
        array = np.array([[0, 2048], [4095, 9999]], np.uint16)
        picture, attributes = open_thumbnail(make_file(array, value_range=(0, 4095))._repr_html_())
        assert np.asarray(picture).tolist() == [[0, 128], [255, 255]]
        assert int(attributes["width"]) >= 100  # so few pixels are shown larger
        assert attributes["alt"] == "Thumbnail of x.png"

    def test_without_a_range_the_ends_are_black_and_white(self):
        array = np.float32([[-1, np.nan], [0, 1]])
        html = make_file(array)._repr_html_()
        assert np.asarray(open_thumbnail(html)[0]).tolist() == [[0, 0], [128, 255]]
        assert "from its smallest to its largest value" in html

    def test_values_that_fill_little_of_their_range_are_seen(self):
        array = np.array([[0, 1000], [2000, 4000]], np.uint16)
        html = make_file(array, value_range=(0, 65535))._repr_html_()
        assert np.asarray(open_thumbnail(html)[0]).tolist() == [[0, 64], [128, 255]]
        assert "from its smallest to its largest value" in html

    def test_floats_whose_span_overflows(self):
        html = make_file(np.array([[-1e308, 0], [1e308, 1e308]]))._repr_html_()
        assert np.asarray(open_thumbnail(html)[0]).tolist() == [[0, 128], [255, 255]]

    @pytest.mark.parametrize(
        ("layout", "shape", "mode"),
        [("HWC", (300, 400, 3), "RGB"), ("CHW", (3, 300, 400), "RGB"),
         ("HWC", (300, 400, 4), "RGB"), ("HWC", (300, 400, 2), "L"),
         ("HWC", (300, 400, 1), "L"), ("NHW", (2, 300, 400), "L"),
         ("NTHWC", (2, 1, 300, 400, 3), "RGB"), (None, (300, 400), "L")],
    )  # fmt: skip
    def test_layouts(self, layout, shape, mode):
        file = make_file(random_bits(shape, np.uint8), layout, (0, 255))
        html = file._repr_html_()
        picture, _ = open_thumbnail(html)
        assert picture.mode == mode
        assert picture.size == (160, 120)
        assert ("the first of 2" in html) == ("N" in (layout or ""))

    def test_the_picture_is_small(self):
        html = make_file(random_bits((2000, 3000), np.uint8), "HW", (0, 255))._repr_html_()
        assert len(html) < 60_000

    def test_axes_that_are_not_known(self):
        assert read_html(make_file(np.zeros((4, 5, 6)), None)._repr_html_()).pictures == []

    def test_without_pillow(self):
        text = run_python("""
import sys
sys.modules["PIL"] = sys.modules["PIL.Image"] = None
import numpy as np
from pathlib import Path
from graytorgb.core.image_file import ImageFile
html = ImageFile(Path("x.png"), np.eye(4), "HW", (0, 1), "a test", "PNG", "gray")._repr_html_()
print("4 x 4 float64, layout HW" in html, "<img" in html)
""")
        assert text == "True False"


class TestNothingIsRaised:
    @given(
        st.sampled_from(["?", "u1", "i1", "u2", "i2", "u4", "i8", "u8", "f2", "f4", ">u2", "c8"]),
        st.sampled_from([(), (3,), (1, 1), (4, 5), (2, 4, 5), (4, 5, 3), (0, 3), (2, 2, 4, 5, 4)]),
        st.sampled_from([None, "HW", "HWC", "NHW", "NTHWC", "CHW"]),
        st.sampled_from([None, (0, 1), (5, 5), "dtype", "minmax", ("percentile", 1, 99), 7]),
        st.integers(0, 9),
    )  # fmt: skip
    def test_whatever_the_array_is(self, dtype, shape, layout, value_range, seed):
        array = random_bits(shape, dtype, seed) if dtype != "?" else np.ones(shape, bool)
        array.flags.writeable = False  # to look at an image changes nothing
        assert read_html(make_file(array, layout, value_range)._repr_html_()).texts

    def test_what_is_no_image_file_at_all(self):
        texts = read_html(ImageFile("x", 3, 4, 5, 6, 7, 8)._repr_html_()).texts
        assert "ImageFile object" in "".join(texts)

    def test_a_card_that_fails(self):
        def fail():
            raise RuntimeError

        assert call_safely(fail, "<x>") == "<pre>&#x27;&lt;x&gt;&#x27;</pre>"


class TestDepth:
    @pytest.mark.parametrize("dtype", ["u2", "i2", "u4", "i4", "u8", ">u2"])
    def test_it_is_what_the_inspection_finds(self, dtype):
        for array in (DEEP, DEEP[:1, :1], DEEP << 3, DEEP // 16):
            file = make_file(array.astype(dtype))
            values = inspect_values(file)
            found = find_values(file)
            assert (found.lo, found.hi) == (values.minimum, values.maximum)
            assert found.bits == values.effective_bits

    def test_so_many_values_that_it_would_take_long(self, monkeypatch):
        monkeypatch.setattr(image_card, "_COUNTED", 10)
        monkeypatch.setattr(image_card, "_SORTED", 10)
        for dtype in ("uint16", "int32"):
            assert find_values(make_file(DEEP.astype(dtype))).bits is None

    def test_in_blocks(self, monkeypatch):
        monkeypatch.setattr(image_card, "_BLOCK", 7)
        assert find_values(make_file(DEEP)).bits == 12

    def test_alpha_is_left_out(self):
        array = np.dstack([DEEP >> 4, np.full_like(DEEP, 65535)])
        assert find_values(make_file(array, "HWC")).bits == 8


class TestCards:
    def test_a_row_without_a_value_is_left_out(self):
        texts = read_html(make_card("title", [("a", "1"), ("b", "")])).texts
        assert texts == ["title", "a", "1"]

    def test_the_verdict_has_a_sign_beside_its_color(self):
        assert "✓" in make_card("title", (), passed=True)
        assert "✗" in make_card("title", (), passed=False)

    def test_a_table(self):
        assert read_html(make_table(("", "<"), [("x", "1")])).texts == ["<", "x", "1"]

    def test_it_brings_no_colors_of_text_or_ground(self):
        """The notebook's theme decides, so that a card is readable on light and on dark ground."""
        html = make_file(DEEP)._repr_html_()
        assert set(re.findall(r"(?<![-\w])color:([^;\"]+)", html)) == {"inherit"}
        assert set(re.findall(r"background(?:-color)?:([^;\"]+)", html)) == {"none"}


def test_nothing_of_it_is_loaded_before_it_is_shown():
    text = run_python("""
import sys, numpy as np, graytorgb as g2r
print(*[name for name in ("html", "graytorgb.core.notebook", "graytorgb.core.image_card")
        if name in sys.modules])
""")
    assert text == ""
