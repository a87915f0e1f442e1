"""The picture of ``graytorgb inspect``: both conversions side by side, under one sentence."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ..core.wording import format_number
from ..core.writing import printable, replacing
from ..io import ImageFile
from ..io.ranges import are_limits

if TYPE_CHECKING:
    from ..inspection.comparison import Comparison, Picture

# Okabe and Ito's bluish green and vermilion, which people of any color vision tell apart
BETTER, WORSE, EQUAL = "#009e73", "#d55e00", "#808080"
_WIDTH = 8.0  # inches; the letters below are then readable on a phone, at 390 pixels
_LARGE, _NORMAL = 15, 12  # points
_LINE = 62  # characters of the sentence


def write_picture(
    path: Path, image: ImageFile, comparison: "Comparison", value_range: Any, sentence: str
) -> None:
    """Draw both conversions of an image into a file, by its suffix.

    Parameters
    ----------
    path : Path
    image : ImageFile
    comparison : Comparison
    value_range : ValueRange
        The range of our conversion.
    sentence : str
        What the usual conversion loses, which is the headline.
    """
    with replacing(path) as written:
        draw_figure(image, comparison, value_range, sentence).savefig(written, dpi=120)


def draw_figure(
    image: ImageFile, comparison: "Comparison", value_range: Any, sentence: str
) -> Figure:
    """Return a figure of both pictures; the one that keeps more has a frame and a mark."""
    naive, ours = comparison.naive, comparison.ours
    height, width = ours.rgb.shape[:2]
    headline = textwrap.wrap(sentence, _LINE)
    text = 0.27 * len(headline) + 1.35
    figure = Figure(
        figsize=(_WIDTH, min(12, (_WIDTH / 2 - 0.1) * height / width + text)),
        layout="constrained", facecolor="white",
    )  # fmt: skip
    figure.suptitle(
        "\n".join(headline), x=0.012, ha="left", fontsize=_LARGE, fontweight="bold",
        parse_math=False,
    )  # fmt: skip
    left, right = figure.subplots(1, 2)
    is_same = naive is not None and np.array_equal(naive.rgb, ours.rgb)
    colors = (EQUAL, EQUAL) if is_same else (WORSE, BETTER)
    _show(left, "the usual conversion", naive, colors[0])
    ends = value_range
    if are_limits(value_range):
        ends = " to ".join(map(format_number, value_range))
    mark = "" if is_same else "\N{CHECK MARK} "
    _show(right, f"{mark}graytorgb, {ends}", ours, colors[1])
    if naive is None:
        left.text(0.5, 0.5, "it fails", ha="center", va="center", fontsize=_LARGE,
            transform=left.transAxes)  # fmt: skip
    name = textwrap.shorten(printable(image.path.name), 40, placeholder="...")
    facts = f"{name}: {image.format}, {image.mode}"
    code = f"The usual conversion is {comparison.code}"
    lines = [*textwrap.wrap(facts, 80), *textwrap.wrap(code, 80)]
    figure.supxlabel(
        "\n".join(lines), x=0.012, ha="left", fontsize=10, color="#444444", parse_math=False
    )
    return figure


def _show(axes: Any, title: str, picture: "Picture | None", color: str) -> None:
    """Draw a picture in a frame of its color, with a title and its figures."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=color, linewidth=4)
    if picture is not None:
        axes.imshow(picture.rgb, interpolation="nearest")
        shares = f"{picture.white:.1%} white, {picture.black:.1%} black"
        axes.set_xlabel(f"{picture.levels} levels\n{shares}", fontsize=_NORMAL)
    axes.set_title(title, fontsize=_NORMAL, fontweight="bold", loc="left", parse_math=False)
