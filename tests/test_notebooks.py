"""Tests of what notebooks show of results: a proof, a recommendation, an audit and a conversion."""

import dataclasses

import numpy as np
import pytest

import graytorgb as g2r

from .html_reader import read_html
from .support import needs, needs_package

needs("pillow")
needs_package("psutil", "torch")

from graytorgb.models.verification_result import Verification  # noqa: E402

PROOF = Verification(4, 1e-4, 2.5e-6, 0.0, 2.9, top1=1.0, batch=(4, 1, 32, 32))
THEMES = {"light": ("#fff", "#111"), "dark": ("#111", "#ddd")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with one deep image, and one file that can't be read."""
    import PIL.Image

    folder = tmp_path_factory.mktemp("scans")
    deep = np.random.default_rng(0).integers(0, 4096, (60, 80), dtype=np.uint16)
    deep[0, 0] = 65535
    PIL.Image.fromarray(deep).save(folder / "deep.png")
    (folder / "bad.png").write_bytes(b"no image")
    return folder


def test_a_proof_that_passed():
    reader = read_html(PROOF._repr_html_())
    assert reader.texts[:2] == ["✓", " passed: 4 images, tolerance 0.0001"]
    for text in ("largest difference", "2.5e-06", "same top-1", "100 %", "original", "adapted"):
        assert text in reader.texts


def test_a_proof_that_failed_says_why():
    proof = dataclasses.replace(PROOF, max_difference=0.5)
    reader = read_html(proof._repr_html_())
    assert reader.texts[0] == "✗"
    assert proof.reason in reader.texts


def test_a_recommendation_and_all_of_them():
    ranked = g2r.recommend((2, 32, 32), "uint8", "NHW->NHWC")
    assert isinstance(ranked, list)
    reader = read_html(ranked._repr_html_())
    best = next(each for each in ranked if each.result == "copy")
    assert reader.texts[0] == f"take {best.backend}: {best.reason}"
    assert {each.backend for each in ranked} <= set(reader.texts)
    assert best.backend in read_html(best._repr_html_()).texts
    assert "no backend fits" in type(ranked)()._repr_html_()


def test_an_audit_and_a_conversion(folder, tmp_path):
    with g2r.datasets.audit(folder, workers=1) as audit:
        texts = read_html(audit._repr_html_()).texts
        assert f"audit of {folder}" in texts
        assert texts[texts.index("unreadable") + 1] == "1"
        assert "0 to 65,535 (" in "".join(texts)
    assert read_html(audit._repr_html_()).texts == texts  # closed, too
    done = g2r.datasets.convert(folder, tmp_path / "out", workers=1, dry_run=True)
    texts = read_html(done._repr_html_()).texts
    assert texts[0] == "✗"
    assert any(text.startswith(" would convert 1 image, ") for text in texts)
    assert any(text.startswith("bad.png: ") for text in texts)
    assert not (tmp_path / "out").exists()  # to show it writes nothing


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["desktop", "phone"])
def test_in_a_browser(folder, tmp_path, size):
    """The cards fit the screen in both themes, and the picture is drawn without a fetch."""
    needs_package("selenium")
    from .browser import assert_alone, assert_fits, open_browser

    ranked = g2r.recommend((2, 32, 32), "uint8", "NHW->NHWC")
    cards = [each._repr_html_() for each in (g2r.io.read(folder / "deep.png"), PROOF, ranked)]
    with open_browser(*size) as driver:
        for theme, (ground, ink) in THEMES.items():
            page = tmp_path / f"{theme}.html"
            style = f"body {{background: {ground}; color: {ink}}}"
            head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            page.write_text(f"{head}<style>{style}</style>{'<br>'.join(cards)}", "utf-8")
            driver.get(page.as_uri())
            assert_fits(driver)
            assert_alone(driver)
            image, cell = (driver.find_element("css selector", each) for each in ("img", "td"))
            assert driver.execute_script("return arguments[0].naturalWidth", image) > 0
            body = driver.find_element("css selector", "body")
            assert cell.value_of_css_property("color") == body.value_of_css_property("color")
