"""The page of an audit in a real browser, as wide as a desktop and as a phone."""

import os

import numpy as np
import PIL.Image
import pytest
import skimage.data

from graytorgb.datasets.items import Item, Skipped

from ..browser import SIZES, assert_alone, assert_fits, open_browser
from .audit_records import LOADERS, make_audit, make_broken, make_record

pytestmark = pytest.mark.slow

LONG = "a folder with a name that is quite long/and_one_without_any_place_to_break_" + "x" * 120
LOSS = {"levels_before": 2000, "levels_after": 256, "white": 0.9, "bits_after": 8}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return the pages of sets of real images: by class, all damaged, and without images."""
    folder = tmp_path_factory.mktemp("pages")
    made, items = [], []
    for name in ("camera", "coins", "moon", "page"):
        scan = getattr(skimage.data, name)()[::2, ::2].astype(np.uint16) * 16 + 5
        for path in (f"class {name}/{LONG}/{name}.png", f"{name}\n<script>alert(1)</script>.png"):
            PIL.Image.fromarray(scan).save(folder / f"{name}.png")
            losses = dict.fromkeys(LOADERS, LOSS) | {"tensorflow": None}
            made.append(make_record(path, scan, losses=losses, orientation=6))
            items.append(Item(path, os.fspath(folder / f"{name}.png")))
    reason = "truncated: " + "y" * 200
    skipped = [Skipped(f"{LONG}/notes.txt", "no image " * 20)]
    audits = {
        "scans": make_audit(*made, items=items, skipped=skipped),
        "broken": make_audit(*(make_broken(f"{LONG}/{k}", reason) for k in range(5))),
        "empty": make_audit(skipped=skipped),
    }
    for name, audit in audits.items():
        audit.write_html(folder / f"{name}.html")
    return folder


@pytest.fixture(scope="module", params=SIZES.values(), ids=SIZES)
def browser(request):
    with open_browser(*request.param) as driver:
        yield driver


def test_the_pages(browser, pages):
    for name, boxes in {"scans": 5, "broken": 2, "empty": 0}.items():
        browser.get((pages / f"{name}.html").as_uri())
        assert browser.title == "graytorgb audit of scans"
        assert_fits(browser)
        assert len(browser.find_elements("css selector", ".scroll")) >= boxes
        for box in browser.find_elements("css selector", ".scroll, pre, .tiles, .chart"):
            right = box.rect["x"] + box.rect["width"]
            assert right <= browser.execute_script("return document.documentElement.clientWidth")
    assert_alone(browser)


def test_pictures_and_histograms_are_large_enough_to_see(browser, pages):
    browser.get((pages / "scans.html").as_uri())
    sizes = browser.execute_script(
        "return [...document.images].map(i => [i.complete && i.naturalWidth, i.width, i.height])"
    )
    assert len(sizes) > 20
    assert all(natural and width >= 90 and height >= 90 for natural, width, height in sizes)
    (chart,) = browser.find_elements("css selector", ".plot svg")
    assert chart.size["width"] >= 250
    assert chart.size["height"] >= 100
    ends = browser.find_elements("css selector", ".marks span")
    places = [(end.rect["x"], end.rect["x"] + end.rect["width"]) for end in ends]
    width = browser.execute_script("return document.documentElement.clientWidth")
    assert all(0 <= left < right <= width for left, right in places)


def test_text_is_large_enough_and_stands_out(browser, pages):
    """Every text has 12 pixels and a contrast of 4.5 (WCAG 2.1, AA), on light and on dark."""
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        browser.get((pages / "scans.html").as_uri())
        found = browser.execute_script(_STYLES)
        assert len(found) > 100
        for text, size, color, paper in found:
            assert size >= 12, text
            assert contrast(color, paper) >= 4.5, (scheme, text, color, paper)


# Each text with the size of its font, its color, and the opaque color under it. Half transparent
# grays are so faint that they don't count.
_STYLES = """
const found = [];
for (const element of document.body.querySelectorAll("*")) {
  const texts = [...element.childNodes].filter(node => node.nodeType == Node.TEXT_NODE);
  const text = texts.map(node => node.data.trim()).join("");
  if (!text || !element.offsetParent) continue;
  const style = getComputedStyle(element);
  let under = element, paper = "";
  while (under && !(paper = getComputedStyle(under).backgroundColor).startsWith("rgb("))
    under = under.parentElement;
  found.push([text, parseFloat(style.fontSize), style.color, paper]);
}
return found;
"""


def contrast(first, second):
    """Return the contrast of two CSS colors, by WCAG 2.1."""

    def measure(color):
        channels = np.array([float(part) for part in color[4:-1].split(",")]) / 255
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return linear @ [0.2126, 0.7152, 0.0722] + 0.05

    one, other = measure(first), measure(second)
    return max(one, other) / min(one, other)
