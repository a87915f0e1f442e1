"""The benchmark's page in a real browser, as wide as a desktop and as a phone."""

import os
import shutil

import pytest
from selenium import webdriver

from graytorgb.bench import case as cases
from graytorgb.bench import report, run
from graytorgb.bench.html import write_html

from ..support import REQUIRED

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DRIVER = shutil.which("chromedriver")

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


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desktop", "phone"])
def browser(request):
    if not (BROWSER and DRIVER):
        if "browser" in REQUIRED:
            pytest.fail("GRAYTORGB_REQUIRE names browser: no chromium with chromedriver")
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (
        "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    os.environ["SE_OFFLINE"] = "true"  # selenium looks for no driver of its own
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    width, height = request.param
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    yield driver
    driver.quit()


def test_the_page(browser, page):
    browser.get(page.as_uri())
    assert browser.title == "graytorgb: which backend to choose"
    # nothing is wider than the screen, except within a box that scrolls
    wide = browser.execute_script("return document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    shown = browser.find_element("css selector", ".answer")
    assert "fastest in" in shown.text
    assert len(browser.find_elements("css selector", "section table")) == 2
    for drawing in browser.find_elements("css selector", ".plot svg"):
        assert drawing.size["width"] >= 350
        assert drawing.size["height"] >= 100
    for box in browser.find_elements("css selector", ".scroll, .plot"):
        assert box.size["width"] <= browser.execute_script("return innerWidth")
    notes = [note.text for note in browser.find_elements("css selector", ".note")]
    assert any("can't carry uint16" in note for note in notes)
    fetched = [e for e in browser.get_log("performance") if "requestWillBeSent" in e["message"]]
    assert all("file://" in e["message"] for e in fetched)
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []
