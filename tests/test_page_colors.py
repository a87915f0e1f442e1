"""The colors of the pages that people show to others, computed: contrast, and color vision."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import skimage.color

import graytorgb as g2r

PACKAGE = Path(g2r.__file__).parent
PAGES = {
    "bench": PACKAGE / "bench" / "report.html.jinja",
    "audit": PACKAGE / "datasets" / "audit_page" / "audit_page.html.jinja",
}
SCHEMES = ("light", "dark", "print")
# The text colors and the papers that they are written on
TEXT = {"bench": ("ink", "faint", "good"), "audit": ("ink", "faint", "accent", "bad", "good")}
PAPERS = {"bench": ("paper", "soft", "chosen"), "audit": ("paper", "soft")}
# Machado, Oliveira and Fernandes 2009, severity 1: linear RGB as such an eye sees it
VISIONS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def read_colors(page):
    """Return the colors of each scheme by their names; a scheme changes those of the light one."""
    text = PAGES[page].read_text(encoding="utf-8")
    found = [
        dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\}", text, re.DOTALL)
    ]
    assert len(found) == len(SCHEMES)
    return dict(zip(SCHEMES, ({**found[0], **each} for each in found), strict=True))


def linear(color):
    """Return a color as linear RGB, 0 to 1."""
    values = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def find_contrast(first, second):
    """Return the contrast of WCAG 2, 1 to 21."""
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (first, second))
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_is_as_the_standard_says():
    assert find_contrast("#000000", "#ffffff") == pytest.approx(21)
    assert find_contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("page", PAGES)
def test_text_can_be_read(page, scheme):
    colors = read_colors(page)[scheme]
    for name in TEXT[page]:
        for paper in PAPERS[page]:
            contrast = find_contrast(colors[name], colors[paper])
            assert contrast >= 4.5, f"{name} on {paper} has {contrast:.2f}"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_bars_can_be_seen(scheme):
    colors = read_colors("bench")[scheme]
    for name in ("bar", "other"):
        assert find_contrast(colors[name], colors["paper"]) >= 2.9


def find_distance(first, second, vision):
    """Return the CIEDE2000 distance of two colors, as an eye of this vision sees them."""
    seen = []
    for color in (first, second):
        rgb = np.clip(np.array(vision) @ linear(color), 0, 1)
        rgb = np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)
        seen.append(skimage.color.rgb2lab(rgb))
    return float(skimage.color.deltaE_ciede2000(*seen))


@pytest.mark.parametrize("vision", VISIONS)
def test_any_color_vision_tells_good_from_bad(vision):
    from graytorgb.bench.plot import OTHER, WINNER
    from graytorgb.cli.inspect_picture import BETTER, WORSE

    pairs = [(BETTER, WORSE), (WINNER, OTHER)]
    for colors in read_colors("audit").values():
        pairs.append((colors["good"], colors["bad"]))
    for first, second in pairs:
        assert find_distance(first, second, VISIONS[vision]) > 12, (first, second)


def test_the_lines_of_a_drawing_have_colors_of_their_own():
    from graytorgb.bench.plot import _COLORS, WINNER

    for vision in VISIONS.values():
        for pair in combinations((*_COLORS, WINNER), 2):
            assert find_distance(*pair, vision) > 5, pair
