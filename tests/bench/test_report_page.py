"""The benchmark's page in a real browser, as wide as a desktop and as a phone."""

import pytest

from graytorgb.bench import case as cases
from graytorgb.bench import report, run
from graytorgb.bench.html import write_html

from ..browser import SIZES, assert_alone, assert_fits, open_browser

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    made = report.Report.new()
    for n in (1, 4):
        case = cases.Case((n, 20, 30), "uint16", "NHW->NCHW", 1)
        made.rows.extend(
            run.measure(case, ["repeat", "fill", "pillow", "broadcast"], budget=0.02, peaks=False)
        )
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_html(made, path)
    return path


@pytest.fixture(params=SIZES.values(), ids=SIZES)
def browser(request):
    with open_browser(*request.param) as driver:
        yield driver


def test_the_page(browser, page):
    browser.get(page.as_uri())
    assert browser.title == "graytorgb: which backend to choose"
    assert_fits(browser)
    shown = browser.find_element("css selector", ".answer")
    assert "fastest in" in shown.text
    assert len(browser.find_elements("css selector", "section table")) == 2
    drawings = browser.find_elements("css selector", ".plots svg")
    assert len(drawings) == 1
    for drawing in drawings:
        assert drawing.size["width"] >= 340
        assert drawing.size["height"] >= 100
    for table in browser.find_elements("css selector", "table"):  # nothing is cut, nor scrolls
        assert table.rect["x"] + table.rect["width"] <= browser.execute_script("return innerWidth")
        assert len(table.find_elements("css selector", ".winner")) == 1
        cells = table.find_elements("css selector", "thead th")
        assert [cell.text.split(",")[0] for cell in cells][-1] == "% of limit"
    notes = [note.text for note in browser.find_elements("css selector", ".notes li")]
    assert any("can't carry uint16" in note for note in notes)
    assert_alone(browser)
