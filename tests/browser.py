"""A real browser for the tests of pages."""

import os
import shutil
from contextlib import contextmanager

import pytest
from selenium import webdriver

from .support import REQUIRED

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DRIVER = shutil.which("chromedriver")
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@contextmanager
def open_browser(width, height):
    """Give a browser of this size that keeps logs; skip without one, fail if it is required."""
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
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    try:
        yield driver
    finally:
        driver.quit()


def assert_fits(driver):
    """Check that nothing is wider than the screen, except within a box that scrolls."""
    wide = driver.execute_script("return document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


def assert_alone(driver):
    """Check that the page fetched nothing but itself, and that nothing went wrong."""
    fetched = [e for e in driver.get_log("performance") if "requestWillBeSent" in e["message"]]
    assert fetched
    assert all("file://" in e["message"] or "data:image" in e["message"] for e in fetched)
    assert [e for e in driver.get_log("browser") if e["level"] == "SEVERE"] == []
