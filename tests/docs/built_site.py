"""The built documentation: `make docs` runs this file after the build.

Links and anchors are checked in the files; the search, and the width of each page on a desktop and
on a telephone, in a browser.
"""

import os
import threading
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from bs4 import BeautifulSoup

import graytorgb as g2r

from ..browser import SIZES, open_browser
from ..support import ROOT

# GRAYTORGB_SITE is another folder with the built pages
SITE = Path(os.environ.get("GRAYTORGB_SITE") or ROOT / "docs" / "_build" / "html")
PAGES = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html"))
# What a person types, and the pages of which one has to be among the first five results
SEARCHES = {
    "install": {"Install"},
    "16-bit": {"Deep pixels: 12 bits, 16 bits, floats", "A 16-bit scan: what convert("},
    "DICOM": {"Files: PNG, TIFF, DICOM", "DICOM: the window that the file states, and yours"},
    "to_rgb": {"graytorgb.to_rgb", "to_rgb: three equal channels"},
}


@cache
def read_page(path):
    """Return a page, and the names of all its anchors."""
    page = BeautifulSoup(path.read_text("utf-8"), "html.parser")
    return page, {tag["id"] for tag in page.find_all(id=True)}


class _QuietHandler(SimpleHTTPRequestHandler):
    """A handler that logs nothing."""

    def log_message(self, *arguments):
        """Log nothing."""


@pytest.fixture(scope="module")
def address():
    """Serve the pages, because the search fetches what it shows, and return the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_there_are_pages():
    assert {"index.html", "search.html", "reference/to_rgb.html"} <= set(PAGES)
    assert len([page for page in PAGES if page.startswith("auto_gallery/plot_")]) >= 9


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_a_page_and_an_anchor(name):
    page, _ = read_page(SITE / name)
    links = {tag["href"] for tag in page.find_all("a", href=True)}
    links |= {tag["src"] for tag in page.find_all("img", src=True)}
    broken = []
    for link in links:
        target, anchor = urldefrag(link)
        if "://" in target or target.startswith(("data:", "mailto:")):
            continue
        path = (SITE / name).parent / unquote(target) if target else SITE / name
        is_there = path.is_file()
        if is_there and anchor and path.suffix == ".html":
            is_there = unquote(anchor) in read_page(path)[1]
        if not is_there:
            broken.append(link)
    assert broken == []


def test_the_version_and_the_logo_are_on_every_page():
    for name in PAGES:
        page, _ = read_page(SITE / name)
        assert page.select(".sidebar-brand img[src$='logo.svg']"), name
        assert g2r.__version__ in page.select_one(".sidebar-brand").text, name


def test_the_reference_has_true_signatures():
    page, _ = read_page(SITE / "reference" / "transforms.html")
    signature = page.find(id="graytorgb.transforms.ToRGB").text
    assert "(*, backend='auto', copy=None, alpha='error')" in signature
    page, _ = read_page(SITE / "reference" / "command_line.html")
    text = page.select_one("article").text
    for command in ("adapt", "audit", "backends", "bench", "convert", "inspect"):
        assert f"graytorgb {command} [OPTIONS]" in text
    assert "--value-range" in text


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_wider_than_the_screen(size, address):
    """A page doesn't scroll sideways, and on a desktop few tables do, in a box of their own."""
    wide = {}
    with open_browser(*SIZES[size]) as driver:
        for name in PAGES:
            driver.get(f"{address}/{name}")
            extra = driver.execute_script(
                "return document.documentElement.scrollWidth - innerWidth"
            )
            loose = driver.execute_script(
                "return [...document.querySelectorAll('article table')].filter(t => "
                "t.getBoundingClientRect().right > innerWidth + 1 && "
                "!t.closest('.table-wrapper, .highlight')).length"
            )
            if extra > 0 or loose:
                wide[name] = extra, loose
    assert wide == {}


def test_code_has_a_button_that_copies_it(address):
    with open_browser(*SIZES["desktop"]) as driver:
        driver.get(f"{address}/index.html")
        assert driver.execute_script("return document.querySelectorAll('.copybtn').length") > 0


@pytest.mark.parametrize("words", SEARCHES)
def test_the_search_finds(words, address):
    with open_browser(*SIZES["desktop"]) as driver:
        driver.get(f"{address}/search.html?q={words}")
        driver.set_script_timeout(30)
        titles = driver.execute_async_script("""
            const done = arguments[0];
            const look = () => {
              const status = document.querySelector(".search-summary");
              if (status && /finished|found/.test(status.textContent)) {
                done([...document.querySelectorAll("ul.search li > a")].map((a) => a.textContent));
              } else setTimeout(look, 100);
            };
            look();
        """)
    wanted = SEARCHES[words]
    assert any(title.startswith(tuple(wanted)) for title in titles[:5]), titles[:10]
